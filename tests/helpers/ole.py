"""Workbooks in XLS, as small as they can be: records in a stream, and that in a file system."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SECTOR, MINI, CUTOFF = 512, 64, 4096
END, FREE, FAT, DIFAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFC
IN_HEADER, IN_SECTOR = 109, SECTOR // 4


def container(stream: bytes, name: str = "Workbook") -> bytes:
    """Return a file that has one stream."""
    is_small = len(stream) < CUTOFF
    body = _sectors(stream)
    minis = _chained(0, -(-len(stream) // MINI)) if is_small else []
    mini_fat = _sectors(struct.pack(f"<{len(minis)}I", *minis), b"\xff")
    first = 1
    chains = [
        *_chained(0, 1),
        *_chained(first, len(body)),
        *_chained(first + len(body), len(mini_fat)),
    ]
    count = difats = 0
    while count * IN_SECTOR < len(chains) + count + difats:
        count += 1
        difats = -(-max(count - IN_HEADER, 0) // (IN_SECTOR - 1))
    at_fat = len(chains)
    fat = [*chains, *[FAT] * count, *[DIFAT] * difats]
    fat += [FREE] * (count * IN_SECTOR - len(fat))
    places = [*range(at_fat, at_fat + count)]
    in_header = [*places[:IN_HEADER], *[FREE] * (IN_HEADER - count)]
    root = first if is_small else END
    directory = _entry("Root Entry", 5, root, len(stream)) + _entry(
        name, 2, 0 if is_small else first, len(stream)
    )
    header = SIGNATURE + struct.pack("<16xHHHHH6x", 62, 3, 0xFFFE, 9, 6)
    header += struct.pack("<III4xI", 0, count, 0, CUTOFF)
    header += struct.pack("<II", first + len(body) if is_small else END, len(mini_fat))
    header += struct.pack("<II", at_fat + count if difats else END, difats)
    header += struct.pack(f"<{IN_HEADER}I", *in_header)
    return b"".join(
        (
            header,
            directory.ljust(SECTOR, b"\0"),
            *body,
            *mini_fat,
            struct.pack(f"<{len(fat)}I", *fat),
            *_difat(places[IN_HEADER:], at_fat + count),
        )
    )


def _sectors(content: bytes, filler: bytes = b"\0") -> list[bytes]:
    starts = range(0, len(content), SECTOR)
    return [content[at : at + SECTOR].ljust(SECTOR, filler) for at in starts]


def _chained(first: int, count: int) -> list[int]:
    return [*range(first + 1, first + count), END] if count else []


def _entry(name: str, kind: int, start: int, size: int) -> bytes:
    text = f"{name}\0".encode("utf-16-le")
    entry = text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1)
    return (entry + struct.pack("<III36xIQ", FREE, FREE, FREE, start, size)).ljust(128, b"\0")


def _difat(places: Sequence[int], at: int) -> list[bytes]:
    made = []
    for number in range(0, len(places), IN_SECTOR - 1):
        some = list(places[number : number + IN_SECTOR - 1])
        some += [FREE] * (IN_SECTOR - 1 - len(some))
        at += 1
        is_last = number + IN_SECTOR - 1 >= len(places)
        made.append(struct.pack(f"<{IN_SECTOR}I", *some, END if is_last else at))
    return made


def record(kind: int, layout: str = "", *values: int, text: bytes = b"") -> bytes:
    data = struct.pack(f"<{layout}", *values) + text
    return struct.pack("<HH", kind, len(data)) + data


def bof(version: int = 0x0600) -> bytes:
    return record(0x0809, "HHI", version, 5, 0)


EOF = record(0x000A)


def book(*records: bytes, **sheets: Sequence[bytes]) -> bytes:
    """Return the stream of a workbook: its own records, and those of its sheets."""
    entries = [8 + 4 + len(name) for name in sheets]
    start = sum(map(len, (bof(), *records, EOF))) + sum(entries)
    globals_, substreams = [bof(), *records], b""
    for name, content in sheets.items():
        text = name.encode("latin-1")
        where = start + len(substreams)
        globals_.append(record(0x0085, "IBBBB", where, 0, 0, len(text), 0, text=text))
        substreams += b"".join((bof(), *content, EOF))
    return b"".join((*globals_, EOF)) + substreams
