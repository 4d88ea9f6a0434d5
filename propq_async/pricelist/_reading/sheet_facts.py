"""What a workbook says of its cells beside their values: formats, and what is hidden or struck out.

python-calamine gives the values alone. So the parts of the file are looked into: its styles, and of
a sheet the rows and the cells whose style matters.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Final, Protocol
from xml.etree import ElementTree as ET

import attrs

from .formats import BUILT_IN, GENERAL

__all__ = ["CellStyle", "Facts", "NotedFacts", "SheetFacts", "WorkbookFacts"]

_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATION: Final = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_HIDDEN: Final = re.compile(rb"hidden\s*=\s*[\"'](?:1|true)[\"']")
_HIDDEN_ROW: Final = re.compile(
    rb"<(?:\w+:)?row\b(?=[^>]*\shidden\s*=\s*[\"'](?:1|true)[\"'])[^>]*?\sr\s*=\s*[\"']([0-9]+)[\"']"
)
_MERGED: Final = re.compile(
    rb"<(?:\w+:)?mergeCell\b[^>]*?\sref\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7}):\1([0-9]{1,7})[\"']"
)
_UNCOMMON: Final = (b":c ", b"<c\n", b"<c\r", b"<c\t")
_COMMON_CELL: Final = rb'<c r="(%s)([0-9]+)"[^>]*? s="(%s)"'
_ANY_CELL: Final = rb"<(?:\w+:)?c\b(?=[^>]*?\sr=[\"'](%s)([0-9]+)[\"'])[^>]*?\ss=[\"'](%s)[\"']"
_FALSE: Final = frozenset({"0", "false"})


@attrs.frozen
class CellStyle:
    """How cells of one style look.

    Args:
        code: the number format.
        is_struck: whether they are struck through.
    """

    code: str
    is_struck: bool


class Facts(Protocol):
    """What a sheet says of its cells beside their values."""

    styles: list[CellStyle]

    # The rows that are hidden, or that a filter hides, from 1.
    @property
    def hidden_rows(self) -> Collection[int]: ...

    # The rows, from 1, that are merged into one cell of a column.
    def merged(self, index: int) -> list[range]: ...

    # The cells in some columns that have one of some styles, by row.
    def styled(
        self, columns: Collection[int], styles: Collection[int]
    ) -> Mapping[int, list[tuple[int, CellStyle]]]: ...


@attrs.define(eq=False)
class NotedFacts:
    """The same, noted while a sheet is gone through.

    Args:
        styles: how cells look, by number.
        hidden_rows: those, from 1.
        hidden_columns: those, from 0.
        merged_cells: the first and the last row of each, and the column.
    """

    styles: list[CellStyle]
    hidden_rows: set[int] = attrs.field(factory=set)
    hidden_columns: set[int] = attrs.field(factory=set)
    merged_cells: list[tuple[int, int, int]] = attrs.field(factory=list)
    # By style: row and column.
    _cells: dict[int, list[tuple[int, int]]] = attrs.field(factory=dict, init=False)

    def note(self, style: int, row: int, column: int) -> None:
        """Note that a cell has a style."""
        self._cells.setdefault(style, []).append((row, column))

    def merged(self, index: int) -> list[range]:
        """Return the rows, from 1, that are merged into one cell of a column."""
        return [
            range(first, last + 1) for first, last, column in self.merged_cells if column == index
        ]

    def styled(
        self, columns: Collection[int], styles: Collection[int]
    ) -> Mapping[int, list[tuple[int, CellStyle]]]:
        """Return the cells in some columns that have one of some styles, by row."""
        found: dict[int, list[tuple[int, CellStyle]]] = {}
        for style in styles:
            for row, column in self._cells.get(style, ()):
                if column in columns:
                    found.setdefault(row, []).append((column, self.styles[style]))
        return found


class WorkbookFacts:
    """The styles of a workbook, and which part is which sheet.

    Args:
        parts: the parts of its archive, by name.
    """

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._contents = {name.lower(): content for name, content in parts.items()}
        self._parts = dict(self._sheets())
        styles = self._root("xl/styles.xml")
        self.styles: list[CellStyle] = [] if styles is None else list(_styles(styles))

    def sheet(self, name: str) -> SheetFacts | None:
        """Return what is known of a sheet, `None` if that is nothing."""
        content = self._contents.get(self._parts.get(name, "").lower())
        facts = None if content is None else SheetFacts(content, self.styles)
        return facts if facts is not None and facts.are_any else None

    @property
    def are_any(self) -> bool:
        """Return whether anything may be noticed in any sheet."""
        return any(self.sheet(name) is not None for name in self._parts)

    def _root(self, part: str) -> ET.Element | None:
        content = self._contents.get(part)
        if content is None:
            return None
        return ET.fromstring(content)  # noqa: S314 - expat bounds entities itself

    def _sheets(self) -> Iterator[tuple[str, str]]:
        book = self._root("xl/workbook.xml")
        relations = self._root("xl/_rels/workbook.xml.rels")
        if book is None or relations is None:
            return
        targets = {one.get("Id"): one.get("Target", "") for one in relations}
        for sheet in book.iterfind(".//{*}sheet"):
            relation = sheet.get(_RELATION) or sheet.get(_STRICT_RELATION)
            target = targets.get(relation, "")
            yield sheet.get("name", ""), target.lstrip("/") if target[:1] == "/" else f"xl/{target}"


def _styles(root: ET.Element) -> Iterator[CellStyle]:
    codes = {
        one.get("numFmtId"): one.get("formatCode", GENERAL) for one in root.iterfind(".//{*}numFmt")
    }
    fonts = [
        any(one.get("val", "1") not in _FALSE for one in font.iterfind("{*}strike"))
        for font in root.iterfind("{*}fonts/{*}font")
    ]
    for style in root.iterfind("{*}cellXfs/{*}xf"):
        number = style.get("numFmtId", "0")
        code = codes.get(number) or BUILT_IN.get(int(number), GENERAL)
        code = GENERAL if code == "@" else code
        font = int(style.get("fontId", "0"))
        yield CellStyle(code, font < len(fonts) and fonts[font])


@attrs.define(eq=False, slots=False)
class SheetFacts:
    """What a sheet says of its cells beside their values."""

    _content: bytes = attrs.field(repr=False)
    styles: list[CellStyle]

    @property
    def are_any(self) -> bool:
        """Return whether there may be a cell or a row that says anything."""
        matters = any(style.is_struck or style.code != GENERAL for style in self.styles)
        return matters or b"mergeCell" in self._behind or bool(self.hidden_rows)

    @property
    def _behind(self) -> bytes:
        """Return what stands behind the cells."""
        return self._content[max(self._content.rfind(b"sheetData"), 0) :]

    @property
    def hidden_rows(self) -> frozenset[int]:
        """Return the rows that are hidden, or that a filter hides, from 1."""
        content = self._content
        if b"hidden" not in content:
            return frozenset()
        # Few rows are hidden, and to look at the tags of all takes long.
        found = (
            _HIDDEN_ROW.match(content, content.rfind(b"<", 0, one.start()))
            for one in _HIDDEN.finditer(content)
        )
        return frozenset(int(one[1]) for one in found if one is not None)

    def merged(self, index: int) -> list[range]:
        """Return the rows, from 1, that are merged into one cell of a column."""
        letters = _letters(index).encode()
        return [
            range(int(first), int(last) + 1)
            for column, first, last in _MERGED.findall(self._behind)
            if column == letters
        ]

    @cached_property
    def _pattern(self) -> bytes:
        """Return the pattern of a cell: the quick one for those that common programs write."""
        content = self._content
        is_uncommon = any(start in content for start in _UNCOMMON)
        is_common = not is_uncommon and content.count(b"<c ") == content.count(b'<c r="')
        return _COMMON_CELL if is_common else _ANY_CELL

    def styled(
        self, columns: Collection[int], styles: Collection[int]
    ) -> Mapping[int, list[tuple[int, CellStyle]]]:
        """Return the cells in some columns that have one of some styles, by row."""
        if not columns or not styles:
            return {}
        letters = {_letters(index): index for index in columns}
        pattern = self._pattern % (
            "|".join(letters).encode(),
            "|".join(map(str, styles)).encode(),
        )
        found: dict[int, list[tuple[int, CellStyle]]] = {}
        for column, row, style in re.findall(pattern, self._content):
            place = letters[column.decode()], self.styles[int(style)]
            found.setdefault(int(row), []).append(place)
        return found


def _letters(index: int) -> str:
    letters = ""
    number = index + 1
    while number:
        number, last = divmod(number - 1, 26)
        letters = chr(ord("A") + last) + letters
    return letters
