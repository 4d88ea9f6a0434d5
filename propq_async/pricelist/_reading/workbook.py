"""Workbooks in XLSX, which python-calamine reads. It comes with the extra `xlsx`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .sheet_columns import hidden_columns
from .sheet_facts import SheetFacts, WorkbookFacts
from .text import Record
from .unpacking import unpacked

__all__ = ["Workbook"]


class Workbook:
    """A workbook. Its sheets are in memory while they are read, since the format asks for it.

    Raises:
        PriceListError: it cannot be read, or what reads it is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import python_calamine  # noqa: PLC0415 - in an extra
        except ImportError:
            raise PriceListError(
                tr(
                    "reading {path} needs python-calamine, which is not installed; pip install "
                    "'propq-async[xlsx]'"
                ).format(path=path)
            ) from None
        archive = unpacked(path)
        self.hidden_columns = hidden_columns(archive)
        self._path = path
        self._archive = archive
        self._facts: WorkbookFacts | None = None
        with self._readable():
            self._workbook: Any = python_calamine.load_workbook(archive)
        self._kept: dict[str, list[list[Any]]] = {}
        self._parsed: set[str] = set()
        self._opened: dict[str, Any] = {}
        self.sheets: list[str] = list(self._workbook.sheet_names)
        # Charts are sheets, too.
        seen = python_calamine.SheetVisibleEnum.Visible, python_calamine.SheetTypeEnum.WorkSheet
        self.visible_sheets = [
            sheet.name
            for sheet in self._workbook.sheets_metadata
            if (sheet.visible, sheet.typ) == seen
        ]

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Raise a `PriceListError` for whatever python-calamine raises."""
        try:
            yield
        except BaseException as error:
            # Its panics are no `Exception`, and come from a module that cannot be imported.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise PriceListError(
                tr(
                    "{path} cannot be read as a workbook: {error}; if it has a password, or "
                    "another program made it, save it as XLSX or CSV once more"
                ).format(path=self._path, error=error)
            ) from None

    def facts(self, sheet: str) -> SheetFacts | None:
        """Return what a sheet says of its cells beside their values, `None` if nothing is known."""
        with self._readable():
            if self._facts is None:
                self._facts = WorkbookFacts(self._archive)
            return self._facts.sheet(sheet)

    def records(self, sheet: str, limit: int | None = None) -> Iterator[Record]:
        """Yield the rows of a sheet, at most `limit`.

        Raises:
            PriceListError: the sheet is broken.
        """
        with self._readable():
            rows = self._kept.pop(sheet, None)
            if rows is None:
                # With what is empty above and beside: lines and columns are those of the sheet.
                opened = self._opened.pop(sheet, None) or self._workbook.get_sheet_by_name(sheet)
                rows = opened.to_python(skip_empty_area=False, nrows=limit)
                if limit is not None:
                    self._opened[sheet] = opened
                elif sheet not in self._parsed:
                    # A list is gone through twice: for its number style, and then for its rows.
                    self._parsed.add(sheet)
                    self._kept[sheet] = rows
        yield from map(Record, count(1), rows)
