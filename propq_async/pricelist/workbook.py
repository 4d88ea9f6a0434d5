"""Workbooks: XLSX and what else python-calamine reads. It comes with the extra `xlsx`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .problems import PriceListError
from .text import Record

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
                f"reading {path} needs python-calamine, which is not installed; "
                "pip install 'propq-async[xlsx]'"
            ) from None
        self._path = path
        self._error = python_calamine.CalamineError
        try:
            self._workbook: Any = python_calamine.load_workbook(path)
        except self._error as error:
            raise self._unreadable(error) from None
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

    def _unreadable(self, error: Exception) -> PriceListError:
        return PriceListError(
            f"{self._path} cannot be read as a workbook: {error}; if it has a password, or another "
            "program made it, save it as XLSX or CSV once more"
        )

    def rows(self, sheet: str, limit: int | None = None) -> Iterator[Record]:
        """Yield the rows of a sheet, at most `limit`.

        Raises:
            PriceListError: the sheet is broken.
        """
        try:
            rows = self._kept.pop(sheet, None)
            if rows is None:
                # With what is empty above and beside: lines and columns are those of the sheet.
                opened = self._opened.pop(sheet, None) or self._workbook.get_sheet_by_name(sheet)
                rows = opened.to_python(skip_empty_area=False, nrows=limit)
                if limit is not None:
                    self._opened[sheet] = opened
                if limit is None and sheet not in self._parsed:
                    # A list is gone through twice: for its number style, and then for its rows.
                    self._parsed.add(sheet)
                    self._kept[sheet] = rows
        except self._error as error:
            raise self._unreadable(error) from None
        for number, cells in enumerate(rows, 1):
            yield Record(number, cells)
