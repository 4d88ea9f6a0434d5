"""Which columns of the sheets of a workbook are hidden, which python-calamine does not tell."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Mapping
from typing import Final

__all__ = ["hidden_columns"]

_PARTS: Final = "xl/"
_BOOK: Final = "xl/workbook.xml"
_TARGETS: Final = "xl/_rels/workbook.xml.rels"
# The columns are described before the cells, and no description takes more than this.
_HEAD_BYTES: Final = 2**20
_LAST_COLUMN: Final = 16_384

_SHEET: Final = re.compile(r"<(?:\w+:)?sheet\s[^>]*>")
_TARGET: Final = re.compile(r"<(?:\w+:)?Relationship\s[^>]*>")
_COLUMN: Final = re.compile(r"<(?:\w+:)?col\s[^>]*>")
_CELLS: Final = re.compile(r"<(?:\w+:)?sheetData\b")
_ATTRIBUTE: Final = re.compile(r"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TRUE: Final = frozenset({"1", "true"})


def hidden_columns(parts: Mapping[str, bytes]) -> dict[str, frozenset[int]]:
    """Return the hidden columns, from 0, by the name of the sheet."""
    hidden: dict[str, frozenset[int]] = {}
    targets = {one.get("Id"): one.get("Target", "") for one in _tags(parts, _TARGETS, _TARGET)}
    for sheet in _tags(parts, _BOOK, _SHEET):
        identifier = next((sheet[key] for key in sheet if key.endswith(":id")), None)
        # A target that begins with a slash is one from the root.
        part = posixpath.join("/" + _PARTS, targets.get(identifier, ""))[1:]
        hidden[sheet.get("name", "")] = frozenset(
            index for column in _tags(parts, part, _COLUMN) for index in _indexes(column)
        )
    return hidden


def _tags(parts: Mapping[str, bytes], part: str, tag: re.Pattern[str]) -> list[dict[str, str]]:
    """Return the attributes of the tags in a part, before its cells, none if it is missing."""
    text = parts.get(part, b"")[:_HEAD_BYTES].decode(errors="replace")
    text = _CELLS.split(text, 1)[0]
    return [
        {key: html.unescape(one or other) for key, one, other in _ATTRIBUTE.findall(found)}
        for found in tag.findall(text)
    ]


def _indexes(column: dict[str, str]) -> range:
    try:
        first, last = int(column["min"]), int(column["max"])
        is_without_width = float(column.get("width", 1)) == 0
    except (KeyError, ValueError):
        return range(0)
    if column.get("hidden") not in _TRUE and not is_without_width:
        return range(0)
    return range(first - 1, min(last, _LAST_COLUMN))
