"""Writing a workbook of texts with XlsxWriter, which comes with the extra `xlsx`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import Final

from propq_async.pricelist._reading.text import bare, is_inert
from propq_async.pricelist._reading.workbook import Workbook

from ._journal import replaced

__all__ = ["converted"]

_SHEET: Final = "failed"
_CREATED: Final = datetime(1980, 1, 1, tzinfo=UTC)
_TEXT: Final = {"num_format": "@"}

_Rows = Callable[[], Iterator[list[str]]]


def converted(source: Path, delimiter: str, target: Path) -> bool:
    """Write the rows of a list of failures in CSV as a workbook.

    Its cells are texts: a spreadsheet neither computes them nor makes dates or numbers of them,
    also after they were edited. The workbook appears only when it is proven to have all rows.

    Returns:
        Whether it is there. It is not if it cannot be written, if XlsxWriter is not installed, or
        if workbooks have no place for a text: it is too long, there are too many rows.
    """
    try:
        # It is typed, but does not say so.
        import xlsxwriter.exceptions  # type: ignore[import-untyped] # noqa: PLC0415 - in an extra
    except ImportError:
        return False

    def rows() -> Iterator[list[str]]:
        with source.open(encoding="utf-8-sig", newline="") as file:
            for cells in csv.reader(file, delimiter=delimiter):
                yield [_cell(cell) for cell in cells]

    try:
        content = _content(xlsxwriter, rows)
        return replaced(target, content, lambda draft: _has(draft, rows()))
    except (OSError, ValueError, csv.Error, xlsxwriter.exceptions.XlsxWriterException):
        return False


def _cell(cell: str) -> str:
    """Return a cell of CSV as one of a workbook: with an apostrophe only if it had one before.

    Whoever reads a list of failures takes it away. Of a text in a workbook, only that must be kept.
    """
    text = bare(cell)
    return cell if is_inert(text) else text


def _content(xlsxwriter: ModuleType, rows: _Rows) -> bytes:
    content = io.BytesIO()
    # A disk that is full would leave the files open that it makes otherwise.
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        # Without the time, so that the same rows make the same file.
        book.set_properties({"created": _CREATED})
        sheet = book.add_worksheet(_SHEET)
        text = book.add_format(_TEXT)
        # Also what is filled in later is a text.
        sheet.set_column(0, max(map(len, rows())) - 1, None, text)
        for line, cells in enumerate(rows()):
            for column, cell in enumerate(cells):
                if cell:
                    sheet.write_string(line, column, cell, text)
        # Else each cell with digits would have a sign that a number stands there as a text.
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    return content.getvalue()


def _has(path: Path, rows: Iterable[list[str]]) -> bool:
    """Return whether the workbook reads as these rows."""
    records = Workbook(path).records(_SHEET)
    return all(
        record is not None and cells is not None and _same(record.cells, cells)
        for record, cells in zip_longest(records, rows)
    )


def _same(one: list[str], other: list[str]) -> bool:
    # A sheet is as wide as its widest row.
    return all(left == right for left, right in zip_longest(one, other, fillvalue=""))
