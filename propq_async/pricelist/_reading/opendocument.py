"""Spreadsheets in OpenDocument (ODS), as LibreOffice keeps them.

Each cell has its value and the text that it shows, so the format of a number is told by both.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import attrs

from .cells import text_of
from .formats import GENERAL
from .sheet_facts import CellStyle, NotedFacts
from .text import Record
from .unpacking import MAX_CELLS, unreadable

__all__ = ["OpenDocument", "open_sheets"]

_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_CELLS: Final = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_SPACES: Final = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_NUMBERS: Final = frozenset({"float", "currency", "percentage"})
_HIDDEN: Final = frozenset({"collapse", "filter"})
_SHOWN: Final = re.compile(r"(\D*)(\d(?:[\d.,'\s]*\d)?)(.*)", re.DOTALL)
_MOST_DECIMALS: Final = 6
# No format of plain numbers, so what it shows is asked about.
_UNKNOWN: Final = "?/?"
_LAST_COLUMN: Final = 16_384


@attrs.define(eq=False)
class OpenSheet:
    """A sheet: its rows, which are all of one width, and what else it says."""

    name: str
    is_visible: bool
    facts: NotedFacts
    rows: list[list[Any]] = attrs.field(factory=list)
    # Rows without a value, which count only if one with a value comes below.
    _empty: int = 0
    _columns: int = 0
    _numbers: dict[CellStyle, int] = attrs.field(factory=dict)

    def take_column(self, column: ET.Element) -> None:
        """Take what describes some columns."""
        number = int(column.get(f"{_TABLE}number-columns-repeated", "1"))
        if column.get(f"{_TABLE}visibility") in _HIDDEN:
            last = min(self._columns + number, _LAST_COLUMN)
            self.facts.hidden_columns.update(range(self._columns, last))
        self._columns += number

    def take_row(self, row: ET.Element, struck: frozenset[str], most: int) -> None:
        """Take a row, which may stand for several.

        Raises:
            ValueError: the sheet has more cells than `most`.
        """
        lines = int(row.get(f"{_TABLE}number-rows-repeated", "1"))
        cells: list[Any] = []
        empty = 0
        noted: list[tuple[int, CellStyle]] = []
        first = len(self.rows) + self._empty + 1
        for cell in row:
            if cell.tag not in _CELLS:
                continue
            times = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
            value, style = _value(cell, struck)
            rows = int(cell.get(f"{_TABLE}number-rows-spanned", "1"))
            if rows > 1:
                merged = first, first + rows - 1, len(cells) + empty
                self.facts.merged_cells.append(merged)
            if value == "":
                empty += times
                continue
            if (len(cells) + empty + times) * (first + lines) > most:
                raise ValueError(f"a sheet has more than {most:,} cells")
            cells += [""] * empty
            noted += [(len(cells) + number, style) for number in range(times)]
            cells += [value] * times
            empty = 0
        if not cells:
            self._empty += lines
            return
        self.rows += [[] for _ in range(self._empty)]
        self._empty = 0
        is_hidden = row.get(f"{_TABLE}visibility") in _HIDDEN
        for line in range(first, first + lines):
            self.rows.append([*cells])
            if is_hidden:
                self.facts.hidden_rows.add(line)
            for column, style in noted:
                self.facts.note(self._number(style), line, column)

    def _number(self, style: CellStyle) -> int:
        if style not in self._numbers:
            self._numbers[style] = len(self.facts.styles)
            self.facts.styles.append(style)
        return self._numbers[style]

    def finished(self) -> OpenSheet:
        """Return the sheet with rows of one width, as other workbooks have them."""
        width = max(map(len, self.rows), default=0)
        for row in self.rows:
            row.extend([""] * (width - len(row)))
        return self


class OpenDocument:
    """A spreadsheet in ODS, as `Workbook` has one in XLSX.

    Args:
        path: the file.
        content: its part `content.xml`.

    Raises:
        PriceListError: it cannot be read.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        try:
            found = open_sheets(content, MAX_CELLS)
        except (ET.ParseError, ValueError, LookupError) as error:
            raise unreadable(path, error) from None
        self._sheets = {sheet.name: sheet for sheet in found}
        self.sheets = [sheet.name for sheet in found]
        self.visible_sheets = [sheet.name for sheet in found if sheet.is_visible]
        self.hidden_columns = {one.name: frozenset(one.facts.hidden_columns) for one in found}

    def facts(self, sheet: str) -> NotedFacts:
        """Return what a sheet says of its cells beside their values."""
        return self._sheets[sheet].facts

    def records(self, sheet: str, limit: int | None = None) -> Iterator[Record]:
        """Yield the rows of a sheet, at most `limit`."""
        rows = self._sheets[sheet].rows[:limit]
        # Whoever reads them may change them.
        return map(Record, count(1), map(list, rows))


def open_sheets(content: bytes, most: int) -> list[OpenSheet]:
    """Return the sheets of a document.

    Args:
        content: its part `content.xml`.
        most: how many cells a sheet may have, empty ones included.

    Raises:
        ValueError: a sheet has more of them.
        xml.etree.ElementTree.ParseError: it is broken.
    """
    sheets: list[OpenSheet] = []
    hidden: set[str] = set()
    struck: set[str] = set()
    # Expat bounds entities itself.
    for event, one in ET.iterparse(io.BytesIO(content), ("start", "end")):  # noqa: S314
        if event == "start":
            if one.tag == f"{_TABLE}table":
                name, style = one.get(f"{_TABLE}name", ""), one.get(f"{_TABLE}style-name", "")
                sheets.append(OpenSheet(name, style not in hidden, NotedFacts([])))
        elif one.tag == f"{_STYLE}style":
            name = one.get(f"{_STYLE}name", "")
            looks = {key: value for part in one for key, value in part.items()}
            if looks.get(f"{_TABLE}display") == "false":
                hidden.add(name)
            if looks.get(f"{_STYLE}text-line-through-style", "none") != "none":
                struck.add(name)
        elif one.tag == f"{_TABLE}table-column":
            sheets[-1].take_column(one)
        elif one.tag == f"{_TABLE}table-row":
            sheets[-1].take_row(one, frozenset(struck), most)
            one.clear()
    return [sheet.finished() for sheet in sheets]


def _value(cell: ET.Element, struck: frozenset[str]) -> tuple[Any, CellStyle]:
    """Return the value of a cell, and how it looks."""
    kind = cell.get(f"{_OFFICE}value-type", "")
    text = "\n".join("".join(_texts(one)) for one in cell.iterfind(f"{_TEXT}p"))
    is_struck = cell.get(f"{_TABLE}style-name", "") in struck
    plain = CellStyle(GENERAL, is_struck)
    if kind in _NUMBERS:
        value = float(cell.get(f"{_OFFICE}value", "nan"))
        number = int(value) if value.is_integer() else value
        return number, CellStyle(_code(number, text, cell.get(f"{_OFFICE}currency")), is_struck)
    if kind == "date":
        return date.fromisoformat(cell.get(f"{_OFFICE}date-value", "")[:10]), plain
    if kind == "boolean":
        return cell.get(f"{_OFFICE}boolean-value") == "true", plain
    # An error has no type that counts, and its text is what a person sees.
    return text, plain


def _texts(paragraph: ET.Element) -> Iterator[str]:
    yield paragraph.text or ""
    for one in paragraph:
        if one.tag in _SPACES:
            yield _SPACES[one.tag] * int(one.get(f"{_TEXT}c", "1"))
        else:
            yield from _texts(one)
        yield one.tail or ""


def _code(value: float, text: str, currency: str | None) -> str:
    """Return a format that shows a number as it is shown."""
    if text == text_of(value):
        return GENERAL if currency in (None, "EUR") else f'0" {currency}"'
    found = _SHOWN.fullmatch(text.replace('"', " "))
    if found is None:
        return _UNKNOWN
    before, shown, after = found.groups()
    digits = re.sub(r"\D", "", shown)
    if currency not in (None, "EUR") and not before + after:
        after = f" {currency}"
    for decimals in range(_MOST_DECIMALS):
        if f"{value:.{decimals}f}".replace(".", "").zfill(len(digits)) == digits:
            signs = len(shown) - len(digits)
            # With a sign more than that of decimals, its digits are grouped.
            whole = "#,##0" if signs > bool(decimals) else "0" * (len(digits) - decimals)
            amount = f"{whole}.{'0' * decimals}" if decimals else whole
            return f'"{before}"{amount}"{after}"'
    return _UNKNOWN
