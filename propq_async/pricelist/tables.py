"""The tables of a file, each with its header and the rows below it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import attrs

from .headers import Header, Layout, header_of, heading_of, match
from .jsonlines import json_header, json_rows
from .problems import PROBLEM_COLUMN, PriceListError, Table
from .text import BrokenLine, Record, encoding_of, open_text, records
from .words import fold
from .workbook import Workbook

__all__ = ["DELIMITERS", "Found", "find_tables"]

HEADER_WITHIN_LINES: Final = 30
DELIMITERS: Final = (";", ",", "\t", "|")
# What tells Excel itself, in the first line.
_TOLD: Final = re.compile(r"sep=(?P<delimiter>[^\r\n])", re.IGNORECASE)
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})


@attrs.frozen
class Found:
    """A table, which column holds which field, and a way to read its rows again and again.

    A column that says what failed is left out, and `is_part` tells that it is there.
    """

    table: Table
    columns: Mapping[str, int]
    rows: Callable[[], Iterator[Record | BrokenLine]]
    encoding: str | None = None
    delimiter: str | None = None
    has_price_texts: bool = True
    is_part: bool = False
    heading: Callable[[Sequence[Any]], Mapping[str, list[int]]] = attrs.field(
        default=lambda _: {}, repr=False
    )
    """Returns which columns a row names, if it is a heading like that of the table."""


def find_tables(path: Path, layout: Layout) -> tuple[list[Found], dict[str, str]]:
    """Return the tables of a file, and the sheets that are not read with the reason.

    Raises:
        PriceListError: it has none, or it is not certain which column is which.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_WORKBOOKS):
        return _sheets(path, layout)
    starts_as_json = start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"["))
    if path.suffix.lower() in _JSON or starts_as_json:
        return [_json_lines(path, layout)], {}
    return [_text(path, layout)], {}


# --- each format ------------------------------------------------------------------------------


def _text(path: Path, layout: Layout) -> Found:
    encoding = encoding_of(path, layout.encoding)
    with open_text(path, encoding) as file:
        head = list(islice(file, HEADER_WITHIN_LINES))
    delimiters = DELIMITERS if layout.delimiter is None else (layout.delimiter,)
    told = _TOLD.match(head[0]) if head and layout.delimiter is None else None
    if told is not None:
        delimiters = (told["delimiter"],)
    tries = [
        (delimiter, header_of(_cells_of(records(head, delimiter)), layout))
        for delimiter in delimiters
    ]
    delimiter, header = max(tries, key=lambda found: len(found[1].columns))
    width = len(header.cells)
    header, notes = header.without_notes(layout)
    columns = header.check(path, None, layout)

    def rows() -> Iterator[Record | BrokenLine]:
        with open_text(path, encoding) as file:
            for row in _without(notes, records(file, delimiter, width)):
                if row.line > header.line:
                    yield row

    table = Table(path, None, header.cells, header.line)
    heading = partial(heading_of, layout=layout)
    return Found(table, columns, rows, encoding, delimiter, is_part=bool(notes), heading=heading)


def _json_lines(path: Path, layout: Layout) -> Found:
    encoding = encoding_of(path, layout.encoding)
    keys = json_header(path, encoding)
    is_part = keys.pop(PROBLEM_COLUMN, None) is not None
    alike = _alike(tuple(keys), layout)
    cells = tuple(key for key in keys if key not in alike)
    header = Header(0, cells, match(cells, layout))
    columns = header.check(path, None, layout)

    def rows() -> Iterator[Record | BrokenLine]:
        return json_rows(path, encoding, cells, alike)

    price = cells[columns["price"]]
    has_price_texts = any(keys[key] for key in keys if alike.get(key, key) == price)
    table = Table(path, None, cells, 0)
    return Found(table, columns, rows, encoding, None, has_price_texts, is_part)


def _alike(keys: Sequence[str], layout: Layout) -> dict[str, str]:
    """Return the keys that are another one for the same field, but for case and the like."""
    found: dict[str, str] = {}
    for places in match(keys, layout).values():
        first: dict[str, str] = {}
        for place in places:
            column = first.setdefault(fold(keys[place]), keys[place])
            if column != keys[place]:
                found[keys[place]] = column
    return found


def _sheets(path: Path, layout: Layout) -> tuple[list[Found], dict[str, str]]:
    workbook = Workbook(path)
    names = workbook.visible_sheets
    why_hidden = "it is hidden or a chart"
    if layout.sheet is not None:
        if layout.sheet not in workbook.sheets:
            listed = ", ".join(repr(name) for name in workbook.sheets)
            raise PriceListError(f"{path} has no sheet {layout.sheet!r}; it has {listed}")
        names = [layout.sheet]
        why_hidden = "another one was asked for"
    if not names:
        raise PriceListError(f"{path} has no sheet that is not hidden")
    sheets = [
        _Sheet.of(name, list(_cells_of(workbook.rows(name, HEADER_WITHIN_LINES))), layout)
        for name in names
    ]
    try:
        found = [_found_in(workbook, path, one) for one in _to_be_read(path, sheets, layout)]
    except PriceListError as error:
        if len(names) == 1:
            raise
        raise PriceListError(
            f"{error}; or name the one sheet to be read: --sheet NAME; or hide those that are no "
            "price lists"
        ) from None
    skipped = dict.fromkeys(workbook.sheets, why_hidden)
    skipped |= dict.fromkeys(names, "it has no columns of a price list")
    for one in found:
        del skipped[one.table.sheet or ""]
    return found, skipped


@attrs.frozen
class _Sheet:
    """A sheet with its header, and with what is stated of that.

    Sheets need not call their columns alike: one without a column that is stated may have its own
    by the usual words. `as_stated` is the header without them.
    """

    name: str
    header: Header
    layout: Layout
    as_stated: Header

    @classmethod
    def of(cls, name: str, head: Sequence[tuple[int, Sequence[Any]]], layout: Layout) -> _Sheet:
        header = header_of(head, layout)
        if not header.missing(layout):
            return cls(name, header, layout, header)
        columns = {
            field: column for field, column in layout.columns.items() if field in header.columns
        }
        by_usual_words = attrs.evolve(layout, columns=columns)
        other = header_of(head, by_usual_words)
        if len(other.columns) > len(header.columns):
            return cls(name, other, by_usual_words, header)
        return cls(name, header, layout, header)

    @property
    def is_complete(self) -> bool:
        return not self.header.missing(self.layout)


def _to_be_read(path: Path, sheets: Sequence[_Sheet], layout: Layout) -> list[_Sheet]:
    """Return the sheets that are price lists.

    Raises:
        PriceListError: none is, or one seems to be, or none has a column that is stated.
    """
    complete = [one for one in sheets if one.is_complete]
    # Units would be left out without a word.
    others = [one for one in sheets if not one.is_complete]
    doubtful = [one for one in others if one.header.is_of_list(one.layout)] if complete else others
    if doubtful:
        best = max(doubtful, key=lambda one: len(one.header.columns))
        best.header.check(path, best.name, best.layout)
    for field in layout.columns:
        if all(field not in one.layout.columns for one in complete):
            # It is no name that another sheet has, but one that is misspelt.
            complete[0].as_stated.check(path, complete[0].name, layout)
    return complete


def _found_in(workbook: Workbook, path: Path, sheet: _Sheet) -> Found:
    header, notes = sheet.header.without_notes(sheet.layout)
    columns = header.check(path, sheet.name, sheet.layout)
    table = Table(path, sheet.name, header.cells, header.line)
    rows = _SheetRows(workbook, sheet.name, header.line, notes)
    heading = partial(heading_of, layout=sheet.layout)
    return Found(table, columns, rows, is_part=bool(notes), heading=heading)


@attrs.frozen
class _SheetRows:
    workbook: Workbook
    sheet: str
    after: int
    notes: Sequence[int]

    def __call__(self) -> Iterator[Record | BrokenLine]:
        rows = (row for row in self.workbook.rows(self.sheet) if row.line > self.after)
        return _without(self.notes, rows)


def _without(
    places: Sequence[int], rows: Iterator[Record | BrokenLine]
) -> Iterator[Record | BrokenLine]:
    """Leave out the columns at these places."""
    return rows if not places else (_cut(row, places) for row in rows)


def _cut(row: Record | BrokenLine, places: Sequence[int]) -> Record | BrokenLine:
    if isinstance(row, BrokenLine):
        return row
    return Record(row.line, [cell for at, cell in enumerate(row.cells) if at not in places])


def _cells_of(rows: Iterable[Record | BrokenLine]) -> Iterator[tuple[int, Sequence[Any]]]:
    return ((row.line, row.cells) for row in rows if isinstance(row, Record))
