"""The stream of a workbook of Excel 97 to 2003 (XLS), which is a small file system of its own.

Its sectors are chained by a table (FAT), and small streams by another one within a stream (mini
FAT). [MS-CFB] describes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

__all__ = ["OLE", "workbook_stream"]

OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NAME: Final = "Workbook"
_FIRST_DIFAT: Final = 76
_OF_HEADER: Final = 109
# From here on numbers are no sectors.
_END: Final = 0xFFFFFFFA
_ENTRY: Final = 128
_ROOT: Final = 5


def workbook_stream(content: bytes) -> bytes:
    """Return the stream of the workbook.

    Raises:
        ValueError: there is none, or the file is broken.
        struct.error: it ends too early.
    """
    (shift, mini_shift) = struct.unpack_from("<HH", content, 30)
    directory, _, cutoff, mini_fat, _, difat = struct.unpack_from("<IIIIII", content, 48)
    size = 1 << shift
    sectors = [content[at : at + size] for at in range(size, len(content), size)]
    fat = _numbers(sectors[one] for one in _fat_sectors(content, sectors, difat))
    entries = b"".join(sectors[one] for one in _chain(directory, fat))
    streams: dict[str | int, tuple[int, int]] = {}
    for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
        length, kind = struct.unpack_from("<HB", entries, at + 64)
        start, count = struct.unpack_from("<II", entries, at + 116)
        name = entries[at : at + max(length - 2, 0)].decode("utf-16-le", "replace")
        streams[_ROOT if kind == _ROOT else name] = start, count
    if _NAME not in streams:
        raise ValueError("it is no workbook of Excel 97 or later")
    start, count = streams[_NAME]
    if count < cutoff:
        root = b"".join(sectors[one] for one in _chain(streams[_ROOT][0], fat))
        size = 1 << mini_shift
        fat = _numbers(sectors[one] for one in _chain(mini_fat, fat))
        sectors = [root[at : at + size] for at in range(0, len(root), size)]
    return b"".join(sectors[one] for one in _chain(start, fat))[:count]


def _fat_sectors(content: bytes, sectors: Sequence[bytes], difat: int) -> Iterator[int]:
    """Yield the sectors of the FAT: the first are in the header, the others in a chain."""
    found = [*struct.unpack_from(f"<{_OF_HEADER}I", content, _FIRST_DIFAT)]
    for _ in range(len(sectors) + 1):
        yield from (one for one in found if one < _END)
        if difat >= _END:
            return
        *found, difat = _numbers([sectors[difat]])
    raise ValueError("a chain of sectors has no end")


def _numbers(sectors: Iterable[bytes]) -> list[int]:
    whole = b"".join(sectors)
    return list(struct.unpack(f"<{len(whole) // 4}I", whole[: len(whole) // 4 * 4]))


def _chain(start: int, fat: Sequence[int]) -> Iterator[int]:
    for _ in range(len(fat) + 1):
        if start >= _END:
            return
        yield start
        start = fat[start]
    raise ValueError("a chain of sectors has no end")
