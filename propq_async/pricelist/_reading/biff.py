"""What a workbook of Excel 97 to 2003 (XLS) says of its cells beside their values.

As `sheet_facts` has it of XLSX. python-calamine gives the values alone. [MS-XLS] describes the
records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import attrs

from .formats import BUILT_IN, GENERAL
from .sheet_facts import CellStyle, NotedFacts

__all__ = ["BiffBook", "BiffSheet"]

_BOF, _EOF, _FILEPASS, _BOUNDSHEET = 0x0809, 0x000A, 0x002F, 0x0085
_FONT, _FORMAT, _XF = 0x0031, 0x041E, 0x00E0
_ROW, _COLINFO, _MERGECELLS = 0x0208, 0x007D, 0x00E5
# FORMULA, NUMBER, LABEL, BOOLERR, RK, LABELSST, RSTRING.
_CELLS: Final = frozenset({0x0006, 0x0203, 0x0204, 0x0205, 0x027E, 0x00FD, 0x00D6})
_MULRK: Final = 0x00BD
_RK_BYTES: Final = 6
_BIFF8: Final = 0x0600
_ROW_IS_HIDDEN, _COLUMN_IS_HIDDEN, _IS_STRUCK = 0x20, 0x01, 0x08
# There is no font of this number, for historical reasons.
_NO_FONT: Final = 4


@attrs.define(eq=False)
class BiffSheet(NotedFacts):
    """What a sheet says, taken from its records."""

    rows: int = 0
    columns: int = 0

    @property
    def last_cell(self) -> str:
        """Return the place where its last row and column meet."""
        return f"R{self.rows}C{self.columns}"

    def take(self, kind: int, data: bytes) -> None:
        """Take what a record says."""
        if kind in _CELLS:
            self._take_cells(data, 1)
        elif kind == _MULRK:
            self._take_cells(data, (len(data) - _RK_BYTES) // _RK_BYTES)
        elif kind == _ROW:
            (row,) = struct.unpack_from("<H", data)
            if data[12] & _ROW_IS_HIDDEN:
                self.hidden_rows.add(row + 1)
        elif kind == _COLINFO:
            first, last, _, _, flags = struct.unpack_from("<HHHHH", data)
            if flags & _COLUMN_IS_HIDDEN:
                self.hidden_columns.update(range(first, last + 1))
        elif kind == _MERGECELLS:
            for first, last, column, other in struct.iter_unpack("<HHHH", data[2:]):
                if column == other:
                    self.merged_cells.append((first + 1, last + 1, column))

    def _take_cells(self, data: bytes, count: int) -> None:
        row, column = struct.unpack_from("<HH", data)
        for number in range(count):
            (style,) = struct.unpack_from("<H", data, 4 + number * _RK_BYTES)
            self.note(style, row + 1, column + number)
        self.rows = max(self.rows, row + 1)
        self.columns = max(self.columns, column + count)


class BiffBook:
    """The sheets of a workbook, from its stream.

    Args:
        stream: the stream.

    Attributes:
        is_encrypted: whether it is, and nothing else is known of it.
        sheets: the sheets, by name.

    Raises:
        ValueError: it is of an older Excel, or broken.
        struct.error: a record ends too early.
    """

    def __init__(self, stream: bytes) -> None:
        self._fonts: list[bool] = []
        self._formats: dict[int, str] = {}
        self._styles: list[CellStyle] = []
        self.is_encrypted = False
        starts: dict[str, int] = {}
        for kind, data in _records(stream, 0):
            if kind == _FILEPASS:
                self.is_encrypted = True
                break
            if kind == _FONT:
                self._fonts.append(bool(data[2] & _IS_STRUCK))
            elif kind == _FORMAT:
                self._formats[int.from_bytes(data[:2], "little")] = _text(
                    data[4:], int.from_bytes(data[2:4], "little")
                )
            elif kind == _XF:
                self._styles.append(self._style(*struct.unpack_from("<HH", data)))
            elif kind == _BOUNDSHEET:
                (start,) = struct.unpack_from("<I", data)
                starts[_text(data[7:], data[6])] = start
        self.sheets = {name: self._sheet(stream, start) for name, start in starts.items()}

    def _style(self, font: int, number: int) -> CellStyle:
        code = self._formats.get(number) or BUILT_IN.get(number, GENERAL)
        font -= font > _NO_FONT
        is_struck = font < len(self._fonts) and self._fonts[font]
        return CellStyle(GENERAL if code == "@" else code, is_struck)

    def _sheet(self, stream: bytes, start: int) -> BiffSheet:
        sheet = BiffSheet(self._styles)
        for kind, data in _records(stream, start):
            sheet.take(kind, data)
        return sheet


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield the records up to the end of a substream. Those of charts within are left out."""
    depth = 0
    while True:
        kind, size = struct.unpack_from("<HH", stream, at)
        data = stream[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == _BOF:
            depth += 1
            if int.from_bytes(data[:2], "little") != _BIFF8:
                raise ValueError("it is of Excel 95 or older")
        elif kind == _EOF:
            depth -= 1
            if depth <= 0:
                return
        elif depth == 1:
            yield kind, data


def _text(data: bytes, count: int) -> str:
    """Return a text of so many letters, behind the flag that says how wide they are."""
    is_wide = data[0] & 1
    return data[1:][: count << is_wide].decode("utf-16-le" if is_wide else "latin-1")
