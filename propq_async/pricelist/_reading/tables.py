"""The tables of a file, each with its header and the rows below it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import tr
from propq_async.pricelist._problems import PROBLEM_COLUMN, PriceListError

from .csv_records import records
from .found_table import HEADER_WITHIN_LINES, Found, below, found_in, lines_of, without
from .headers import Header, Layout, match
from .heading_rows import header_of
from .jsonlines import json_header, json_rows
from .markup import is_html, tables_of
from .ole import OLE
from .other_files import check_readable
from .sheets import sheets
from .text import (
    BrokenLine,
    Record,
    encoding_of,
    is_named_workbook,
    no_workbook,
    open_text,
)
from .word_lookup import fold

__all__ = ["DELIMITERS", "find_tables"]

_LONGEST_END: Final = 4
# With no more of them, and none that is known, it is some other text.
_FEW_COLUMNS: Final = 3
# Of JSON lines, of which each says itself what it has, only examples are needed.
_EXAMPLES: Final = 20
DELIMITERS: Final = (";", ",", "\t", "|")
_UNGROUPED: Final = frozenset(";\t|")
# What tells Excel itself, in the first line.
_TOLD: Final = re.compile(r"sep=(?P<delimiter>[^\r\n])", re.IGNORECASE)
_WORKBOOK: Final = b"PK\x03\x04"
_START_BYTES: Final = 4096
_JSON: Final = frozenset({".jsonl", ".ndjson", ".json"})


def find_tables(path: Path, layout: Layout) -> tuple[list[Found], dict[str, str]]:
    """Return the tables of a file, and the sheets that are not read with the reason.

    Raises:
        PriceListError: it has none, or it is not certain which column is which.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if is_html(start):
        return [_html(path, layout)], {}
    check_readable(path, start)
    if start.startswith((_WORKBOOK, OLE)):
        return sheets(path, layout)
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
        (delimiter, header_of(lines_of(records(head, delimiter)), layout))
        for delimiter in delimiters
    ]
    delimiter, header = max(tries, key=lambda found: found[1].rank)
    may_be_list = len(header.cells) > _FEW_COLUMNS or header.is_of_list(layout)
    if is_named_workbook(path) and not may_be_list:
        raise no_workbook(path)
    width = len(header.cells)
    header, notes = header.without_notes(layout)

    def all_records() -> Iterator[Record | BrokenLine]:
        with open_text(path, encoding) as file:
            yield from below(header, without(notes, records(file, delimiter, width)))

    # With commas, a price that they group may have taken the place of an empty cell.
    may_end_early = not notes and delimiter in _UNGROUPED
    found = found_in(header, path, None, layout, all_records, may_end_early=may_end_early)
    if notes:
        _check_end(path)
    return attrs.evolve(found, encoding=encoding, delimiter=delimiter, is_part=bool(notes))


def _html(path: Path, layout: Layout) -> Found:
    tables = [rows for rows in tables_of(path, layout.encoding) if rows]
    headers = [header_of(list(enumerate(rows[:HEADER_WITHIN_LINES], 1)), layout) for rows in tables]
    lists = [index for index, one in enumerate(headers) if one.is_of_list(layout)]
    if len(lists) > 1 or not tables:
        raise PriceListError(
            tr(
                "{path} is a web page with {count} tables that may be price lists: open it "
                "in Excel or LibreOffice and save the one that counts as XLSX or CSV"
            ).format(path=path, count=len(lists))
        )
    index = lists[0] if lists else 0
    header, notes = headers[index].without_notes(layout)
    width = len(header.cells)

    def all_records() -> Iterator[Record | BrokenLine]:
        for line, cells in enumerate(tables[index], 1):
            if line > header.last_line:
                yield Record(line, [*cells, *[""] * (width - len(cells))])

    found = found_in(header, path, None, layout, all_records)
    return attrs.evolve(found, encoding="HTML", is_part=bool(notes))


def _check_end(path: Path) -> None:
    """Refuse a list of failures whose last line has no end, since all that we write have one.

    Its last price may be the beginning of another one. Of lists that people make, many end so.
    """
    with path.open("rb") as file:
        file.seek(-min(_LONGEST_END, file.seek(0, os.SEEK_END)), os.SEEK_END)
        # In UTF-16, too.
        end = file.read().rstrip(b"\0")
    if not end.endswith((b"\n", b"\r")):
        raise PriceListError(
            tr(
                "{path} does not end with a line break: its last row may have been cut "
                "off, for instance by a full disk, and rows after it may be missing; push "
                "the list that it comes from once more, or check its last row and put a "
                "line break after it"
            ).format(path=path)
        )


def _json_lines(path: Path, layout: Layout) -> Found:
    encoding = encoding_of(path, layout.encoding)
    keys = json_header(path, encoding)
    is_part = keys.pop(PROBLEM_COLUMN, None) is not None
    alike = _alike(tuple(keys), layout)
    cells = tuple(key for key in keys if key not in alike)

    def all_records() -> Iterator[Record | BrokenLine]:
        return json_rows(path, encoding, cells, alike)

    examples = list(lines_of(islice(all_records(), _EXAMPLES)))
    header = Header.of(0, cells, layout, examples, is_settled=is_part)
    found = found_in(header, path, None, layout, all_records)
    price = cells[found.columns["price"]]
    has_price_texts = any(
        bool(values.texts) for key, values in keys.items() if alike.get(key, key) == price
    )
    few_texts = {
        index: keys[key].texts | keys[key].others
        for index, key in enumerate(cells)
        if key not in alike.values() and keys[key].are_few
    }
    return attrs.evolve(
        found,
        encoding=encoding,
        has_price_texts=has_price_texts,
        is_part=is_part,
        few_texts=few_texts,
    )


def _alike(keys: Sequence[str], layout: Layout) -> dict[str, str]:
    """Return the keys that are another one for the same field, but for case and the like."""
    found: dict[str, str] = {}
    for indexes in match(keys, layout).values():
        first: dict[str, str] = {}
        for index in indexes:
            column = first.setdefault(fold(keys[index]), keys[index])
            if column != keys[index]:
                found[keys[index]] = column
    return found
