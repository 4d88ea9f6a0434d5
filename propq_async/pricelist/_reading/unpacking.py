"""Unpacking a workbook without letting it exhaust the memory.

python-calamine makes room for the whole rectangle around the cells of a sheet. One stray space in
the last cell of an otherwise empty sheet takes 512 GiB, and the process is aborted.

Two programs need not find the same content in one archive: it may have two parts of one name, or a
second archive behind the first. So what was checked is packed again, and only that is read.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

__all__ = [
    "MAX_CELLS",
    "check_extents",
    "is_spreadsheet",
    "open_document",
    "packed",
    "unpacked",
    "unreadable",
]

MAX_BYTES: Final = 128 * 2**20
"""Of all parts together: a list of 100,000 rows has 20 MiB or so."""
MAX_CELLS: Final = 10_000_000
"""Of all sheets together, empty ones included."""

_CONTENT, _KIND = "content.xml", "mimetype"
_IS_SPREADSHEET: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_IS_XLSX: Final = "xl/workbook.xml"
_IS_OTHER: Final = frozenset({"content.xml", "xl/workbook.bin"})

# What is not written like the cells of common programs, in the columns A to Z of 299,999 rows. The
# whole tag is looked at, since a second reference in it would be taken for the cell's; first for
# what most have, which is quicker.
_UNCOMMON: Final = re.compile(
    rb'<c(?! r="[A-Z][12]?[0-9]{1,5}+"'
    rb'(?:>| t="[A-Za-z]++">|(?: [st]="[A-Za-z0-9]*+")*+ ?+/?+>)|[A-Za-z])'
)
_FEW: Final = 10_000
_COMMON_EXTENT: Final = 26 * 299_999

# Of a row the column is empty. Python-calamine needs no white space before an attribute, and does
# not mind zeros before a number.
_REFERENCE: Final = re.compile(rb"(?<![\w:.-])r\s*=\s*[\"']\$?([A-Za-z]*)\$?0*([0-9]+)")
_WITH_COLUMN: Final = re.compile(
    rb"<(?:\w+:)?c(?=[\s/>])[^>]*?(?<![\w:.-])r\s*=\s*[\"']\$?[A-Za-z]"
)
_CELL: Final = re.compile(rb"<(?:\w+:)?c[\s/>]")
_ROW: Final = re.compile(rb"<(?:\w+:)?row[\s/>]")
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def unpacked(path: Path) -> dict[str, bytes]:
    """Return the parts of a workbook that cannot exhaust the memory, by name.

    Raises:
        PriceListError: it is too large, or no XLSX.
        OSError: it cannot be read.
    """
    try:
        parts = _parts(path)
    except _BROKEN as error:
        if isinstance(error, PriceListError):
            raise
        raise unreadable(path, error) from None
    if sum(map(_cells_at_most, parts.values())) > MAX_CELLS:
        check_extents(path, map(_extent, parts.values()))
    return parts


def packed(parts: Mapping[str, bytes]) -> io.BytesIO:
    """Return an archive of the parts, without compression."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in parts.items():
            file.writestr(zipfile.ZipInfo(name), content)
    archive.seek(0)
    return archive


def open_document(path: Path) -> bytes | None:
    """Return the content of a spreadsheet in ODS, `None` if it is none.

    Raises:
        PriceListError: it is too large.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            if not is_spreadsheet(file):
                return None
            content = _content(file, file.getinfo(_CONTENT), MAX_BYTES)
    except _BROKEN:
        return None
    if len(content) > MAX_BYTES:
        raise _too_large(path)
    return content


def unreadable(path: Path, error: BaseException) -> PriceListError:
    """Return the error for a workbook that cannot be read."""
    return PriceListError(
        tr(
            "{path} cannot be read as a workbook: {error}; it may be damaged, or have a "
            "password: open it in Excel or LibreOffice and save it again, as XLSX or CSV"
        ).format(path=path, error=error)
    )


def is_spreadsheet(file: zipfile.ZipFile) -> bool:
    """Return whether an archive is a spreadsheet in ODS."""
    if not {_CONTENT, _KIND} <= set(file.namelist()):
        return False
    with file.open(_KIND) as kind:
        return kind.read(len(_IS_SPREADSHEET)) == _IS_SPREADSHEET


def _too_large(path: Path) -> PriceListError:
    return PriceListError(
        tr(
            "{path} is too large: unpacked it has more than {most} MiB; delete "
            "pictures and sheets that are no price lists, or save it as CSV"
        ).format(path=path, most=MAX_BYTES // 2**20)
    )


def _parts(path: Path) -> dict[str, bytes]:
    parts: dict[str, bytes] = {}
    left = MAX_BYTES
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
        if _IS_XLSX not in names or names & _IS_OTHER:
            raise PriceListError(
                tr("{path} is no XLSX workbook: save it as XLSX or CSV").format(path=path)
            )
        for part in file.infolist():
            content = _content(file, part, left)
            left -= len(content)
            if left < 0:
                raise _too_large(path)
            parts[part.filename] = content
    return parts


def check_extents(path: Path, extents: Iterable[tuple[int, int, str]]) -> None:
    """Refuse sheets that reach too far.

    Args:
        path: the workbook.
        extents: of each sheet how many rows and columns, and a cell that is far outside.

    Raises:
        PriceListError: they have too many cells.
    """
    cells = 0
    for rows, columns, cell in extents:
        cells += rows * columns
        if cells > MAX_CELLS:
            raise PriceListError(
                tr(
                    "{path} is too large: its sheets reach as far as row {rows:,} and column "
                    "{columns:,} (such as {cell}), which is more than {most:,} cells; "
                    "delete the rows and columns outside of the list, even if they look empty"
                ).format(path=path, rows=rows, columns=columns, cell=cell, most=MAX_CELLS)
            )


def _content(file: zipfile.ZipFile, part: zipfile.ZipInfo, limit: int) -> bytes:
    """Return the content of a part, or one byte more than the limit."""
    # What the directory says of the size need not be true, and more of it might be read later.
    # At this size the content would be taken for complete.
    part.file_size = limit + 2
    with file.open(part) as content:
        return content.read(limit + 1)


def _cells_at_most(content: bytes) -> int:
    """Return a number of cells that a part does not exceed. It takes a quick look if that will do.

    Looking at each reference takes longer than everything else that is done to check a workbook.
    """
    if _has_prefix(content) or _UNCOMMON.search(content):
        rows, columns, _ = _extent(content)
        return rows * columns
    return _COMMON_EXTENT if b"<c " in content else 0


def _has_prefix(content: bytes) -> bool:
    """Return whether `:c` stands anywhere. The first few colons are each found quickly."""
    at = -1
    for _ in range(_FEW):
        at = content.find(b":", at + 1)
        if at < 0:
            return False
        if content[at + 1 : at + 2] == b"c":
            return True
    return content.find(b":c", at) >= 0


def _extent(content: bytes) -> tuple[int, int, str]:
    """Return how many rows and columns a part may reach over, and a cell that is far outside."""
    found = _REFERENCE.findall(content)
    if not found:
        return _extent_without_references(content)
    columns = {column for column, _ in found}
    last = max(columns, key=_number)
    row = max({row for _, row in found}, key=lambda digits: (len(digits), digits))
    rows, width = int(row[:8]), _number(last)
    # Rows may name a column as well, and it says nothing about their cells.
    if len(_CELL.findall(content)) > len(_WITH_COLUMN.findall(content)):
        more_rows, more_columns, _ = _extent_without_references(content)
        rows, width = rows + more_rows, width + more_columns
    return rows, width, f"{last.decode()[:8]}{row.decode()[:8]}"


def _extent_without_references(content: bytes) -> tuple[int, int, str]:
    """Return the same of a part whose cells are where they come."""
    first, *rows = _ROW.split(content)
    widest = max((len(_CELL.findall(row)) for row in (first, *rows)), default=0)
    return len(rows), widest, tr("cells without a reference")


def _number(column: bytes) -> int:
    number = 0
    for letter in column[:8].upper():
        number = number * 26 + letter - ord("A") + 1
    return number
