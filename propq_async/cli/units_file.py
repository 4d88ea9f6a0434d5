"""The plain price list: CSV in UTF-8 with commas, the names of the fields as its header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final

import attrs

from propq_async.errors import InvalidUpdateError
from propq_async.models import UnitStatus, UnitUpdate

from .ending import CommandError, Exit

__all__ = ["BrokenRow", "read_units", "write_units"]

COLUMNS: Final = tuple(field.name for field in attrs.fields(UnitUpdate))
EXPECTED: Final = {
    "status": "one of " + ", ".join(status.name for status in UnitStatus),
    "price": "a plain number above zero of at most 15 digits, such as 199500.50",
    "directions": "directions separated by spaces, such as N S",
}
_PRICE: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


@attrs.frozen
class BrokenRow:
    """A row that is no update. Each problem says where, and what was expected there."""

    path: Path
    line: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}, " + "; ".join(self.problems)


def read_units(path: Path) -> Iterator[UnitUpdate | BrokenRow]:
    """Read a price list row by row. A line is a row: no broken one can spoil those after it.

    Raises:
        CommandError: there is no such file, or it has not the header of a price list.
    """
    try:
        # As bytes, so that what is not UTF-8 spoils its own line alone.
        with path.open("rb") as file:
            header = _header(path, file.readline())
            for line, raw in enumerate(file, 2):
                fields = _split(raw)
                if isinstance(fields, str):
                    yield BrokenRow(path, line, (fields,))
                elif any(map(str.strip, fields)):
                    yield _row(path, line, header, fields)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", Exit.USAGE) from error


def _header(path: Path, raw: bytes) -> list[str]:
    fields = _split(raw.removeprefix(b"\xef\xbb\xbf"))
    names = [] if isinstance(fields, str) else [field.strip() for field in fields]
    if sorted(names) != sorted(COLUMNS):
        found = fields if isinstance(fields, str) else ",".join(names) or "nothing"
        raise CommandError(
            f"{path}, line 1: expected the header {','.join(COLUMNS)}; found {found}", Exit.USAGE
        )
    return names


def _split(raw: bytes) -> list[str] | str:
    """Return the fields of a line, or what is wrong with it."""
    try:
        text = raw.decode()
        return next(csv.reader([text.rstrip("\r\n")], strict=True))
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1}: expected text in UTF-8, not 0x{raw[error.start]:02x}"
    except csv.Error as error:
        return f"expected CSV with a quoted field on one line: {error}"


def _row(path: Path, line: int, header: list[str], fields: list[str]) -> UnitUpdate | BrokenRow:
    if len(fields) != len(header):
        problem = f"expected {len(header)} columns separated by commas, not {len(fields)}"
        return BrokenRow(path, line, (problem,))
    values = dict(zip(header, fields, strict=True))
    # What cannot be read is left for the update to refuse, along with all else that it refuses.
    price, status = values["price"].strip(), values["status"].strip()
    try:
        return UnitUpdate(
            development_id=values["development_id"],
            name=values["name"],
            status=UnitStatus.__members__.get(status.upper(), status),  # type: ignore[arg-type]
            price=Decimal(price if _PRICE.fullmatch(price) else "NaN"),
            directions=values["directions"].split(),
        )
    except InvalidUpdateError as error:
        return BrokenRow(
            path,
            line,
            tuple(
                f"column {name}: expected {EXPECTED[name]}, not {values[name]!r}"
                if name in EXPECTED
                else f"column {name}: {' and '.join(texts)}"
                for name, texts in error.errors.items()
            ),
        )


def write_units(path: Path, updates: Iterable[UnitUpdate]) -> None:
    """Write a price list."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for update in updates:
            writer.writerow(
                (
                    update.development_id,
                    update.name,
                    update.status.name,
                    update.price,
                    " ".join(update.directions),
                )
            )
