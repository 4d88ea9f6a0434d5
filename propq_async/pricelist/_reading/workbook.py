"""Workbooks in XLSX and XLS, which python-calamine reads. It comes with the extra `xlsx`."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .biff import BiffBook
from .ole import OLE, workbook_stream
from .opendocument import OpenDocument
from .other_files import has_password
from .sheet_columns import hidden_columns
from .sheet_facts import Facts, WorkbookFacts
from .text import Record
from .unpacking import check_extents, open_document, packed, unpacked, unreadable

__all__ = ["Workbook", "open_workbook"]


def open_workbook(path: Path) -> Workbook | OpenDocument:
    """Open a workbook of any kind.

    Raises:
        PriceListError: it cannot be read, or what reads it is not installed.
        OSError: it cannot be read.
    """
    content = open_document(path)
    return Workbook(path) if content is None else OpenDocument(path, content)


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
        self._path = path
        self._facts: Mapping[str, Facts] | WorkbookFacts
        self.hidden_columns: Mapping[str, frozenset[int]]
        with path.open("rb") as file:
            is_old = file.read(len(OLE)) == OLE
        archive = self._of_old_excel() if is_old else self._of_excel()
        with self._readable():
            self._workbook: Any = python_calamine.load_workbook(archive)
        # It has a copy of its own.
        del archive
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
            raise unreadable(self._path, error) from None

    def _of_excel(self) -> io.BytesIO:
        """Look at a workbook in XLSX, and return it packed again.

        Raises:
            PriceListError: it cannot be read, or is too large.
        """
        parts = unpacked(self._path)
        self.hidden_columns = hidden_columns(parts)
        with self._readable():
            facts = WorkbookFacts(parts)
            # They take most of the memory, and need not stay where nothing is noticed in them.
            self._facts = facts if facts.are_any else {}
        return packed(parts)

    def _of_old_excel(self) -> io.BytesIO:
        """Look at a workbook in XLS, and return its content.

        Raises:
            PriceListError: it cannot be read, has a password, or is too large.
        """
        content = self._path.read_bytes()
        with self._readable():
            book = BiffBook(workbook_stream(content))
        if book.is_encrypted:
            raise has_password(self._path)
        extents = [(one.rows, one.columns, one.last_cell) for one in book.sheets.values()]
        check_extents(self._path, extents)
        self._facts = book.sheets
        self.hidden_columns = {
            name: frozenset(one.hidden_columns) for name, one in book.sheets.items()
        }
        return io.BytesIO(content)

    def facts(self, sheet: str) -> Facts | None:
        """Return what a sheet says of its cells beside their values, `None` if that is nothing."""
        with self._readable():
            known = self._facts
            return known.sheet(sheet) if isinstance(known, WorkbookFacts) else known.get(sheet)

    def records(self, sheet: str, limit: int | None = None) -> Iterator[Record]:
        """Yield the rows of a sheet, at most `limit`.

        Raises:
            PriceListError: the sheet is broken.
        """
        with self._readable():
            opened = self._opened.pop(sheet, None) or self._workbook.get_sheet_by_name(sheet)
            if limit is not None or sheet not in self._parsed:
                # A list is gone through twice: for its number style, and then for its rows.
                self._opened[sheet] = opened
            if limit is None:
                self._parsed.add(sheet)
            # With what is empty above and beside: lines and columns are those of the sheet.
            rows = opened.iter_rows()
            if opened.start is not None and opened.start[1] > 0:
                beside = [""] * opened.start[1]
                rows = map(beside.__add__, rows)
            yield from map(Record, count(1), islice(rows, limit))
