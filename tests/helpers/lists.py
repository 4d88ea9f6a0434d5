"""Price lists as people have them, for the tests of all that reads one."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
from hypothesis import strategies as st

from propq_async import UnitStatus, UnitUpdate, pricelist
from propq_async.pricelist import BrokenRow, Row

ENGLISH = ("development_id", "name", "status", "price", "directions")
SPANISH = ("Promoción", "Vivienda", "Estado", "Precio (€)", "Orientación")
WORDS = {
    UnitStatus.AVAILABLE: "Disponible",
    UnitStatus.HOLD: "Bloqueado",
    UnitStatus.SOLD: "Vendido",
    UnitStatus.RESERVED: "Reservado",
}

# What groups the digits of a price, and what stands before its decimals.
NUMBERS = st.sampled_from(
    [(".", ","), (",", "."), (" ", ","), ("\u00a0", "."), ("", "."), ("'", ".")]
)


def spaced(number: int, separator: str) -> str:
    return f"{number:,}".replace(",", separator)


def as_text(price: float | Decimal, group: str, point: str) -> str:
    # Not the number itself, since an int comes out with six decimals.
    whole, _, fraction = f"{Decimal(str(price)):f}".partition(".")
    return spaced(int(whole), group) + (point + fraction if fraction else "")


def text_list(
    path: Path,
    *rows: Sequence[Any],
    header: Sequence[str] = ENGLISH,
    delimiter: str = ",",
    encoding: str = "utf-8",
    newline: str = "\n",
) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerows([header, *rows])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def workbook(path: Path, **sheets: Iterable[Sequence[Any]]) -> Path:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def json_lines(path: Path, *objects: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")
    return path


def unit(name: str = "A-101", price: Any = 250_000, status: str = "SOLD", **more: str) -> list[Any]:
    return [more.get("development", "4711"), name, status, price, more.get("directions", "N S")]


def good(path: Path, **options: Any) -> list[UnitUpdate]:
    """Return the updates of a list in which nothing may be wrong."""
    rows = list(pricelist.read(path, **options))
    broken = [str(row) for row in rows if isinstance(row, BrokenRow)]
    assert not broken
    return [row.update for row in rows if isinstance(row, Row)]


def broken(path: Path, **options: Any) -> list[str]:
    """Return what is wrong with the broken rows, without the path."""
    rows = list(pricelist.read(path, **options))
    return [str(row).removeprefix(f"{path}, ") for row in rows if isinstance(row, BrokenRow)]


def remarks(path: Path) -> list[str]:
    rows = list(pricelist.read(path))
    found = [remark for row in rows if isinstance(row, Row) for remark in row.remarks]
    return [str(remark).removeprefix(f"{path}, ") for remark in found]


class SmallFile(io.FileIO):
    """A file on a disk that has room for so many bytes, and takes three at once."""

    room = 10

    def write(self, content: bytes | memoryview, /) -> int:  # type: ignore[override] # buffers
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(content[: min(3, self.room)])
        self.room -= taken
        return taken
