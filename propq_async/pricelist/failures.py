"""The rows that failed, as a list of their own: to be mended and pushed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import IO, Any, Final, Self

from .cells import plain_price
from .numbers import PriceStyle
from .problems import PROBLEM_COLUMN, Table
from .reader import PriceList
from .rows import BrokenRow, Row
from .tables import Found
from .words import FIELDS, fold

__all__ = ["Failures"]

# A column: the field that it holds; or its name, and how many of that name stand before it.
_Key = str | tuple[str, int]

# Those that no byte of a text has become.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class Failures:
    """A CSV beside a price list, made when the first row comes.

    It begins with a column for the reason. What follows is as the list has it: its columns, also
    those without a name or with the same one, and its rows, also those with too few or too many
    cells. So what is broken stays broken until it is mended. Only prices that are certain because
    of the rest of their column are written so that they are certain by themselves. The columns of
    several sheets are brought together, and a line that is no row is one cell.

    A file that is there already is left alone, since somebody may be mending it.

    Args:
        prices: the list.
        path: the file; by default `<list>.failed.csv`, or the first `<list>.failed-2.csv` and so on
            that is free.

    Attributes:
        path: the file, `None` as long as there is none.
    """

    def __init__(self, prices: PriceList, path: Path | None = None) -> None:
        self._prices = prices
        self._wanted = path
        self.path: Path | None = None
        self._file: IO[str] | None = None
        self._writer: Any = None
        self._sources = {found.table: (found, style) for found, style in prices.sources}
        tables = [found for found, _ in prices.sources]
        self._is_text = tables[0].delimiter is not None
        names: dict[_Key, list[str]] = {}
        self._places: dict[Table, dict[_Key, int]] = {}
        for found in tables:
            places = {key: place for place, key in enumerate(_keys(found))}
            self._places[found.table] = places
            for key, place in places.items():
                names.setdefault(key, []).append(found.table.header[place])
        stated = prices.columns
        self._names = {key: _name(key, same, stated) for key, same in names.items()}
        self._development = prices.development_id or ""
        self._adds_development = bool(self._development) and FIELDS[0] not in self._names

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            # Each row was written out as it came: what fails here has been told by `add`.
            with suppress(OSError):
                self._file.close()

    def add(self, row: Row | BrokenRow, reason: str) -> None:
        """Add a row.

        Raises:
            OSError: it cannot be written.
        """
        file = self._file or self._open()
        cells = list(row.cells)
        if len(cells) == len(row.table.header):
            self._make_certain(row, cells)
            if not self._is_text:
                cells = self._arranged(row, cells)
        self._write(" ".join(reason.split()), self._development, cells)
        # So that it is there whatever becomes of us, and a full disk is told now.
        file.flush()

    def _make_certain(self, row: Row | BrokenRow, cells: list[str]) -> None:
        """Write the price so that it is read alike without the rest of its column."""
        found, style = self._sources[row.table]
        place = found.columns["price"]
        problems = row.problems if isinstance(row, BrokenRow) else ()
        name = row.table.header[place]
        is_broken = any(problem.column == name for problem in problems)
        price = None if is_broken else style.read(cells[place])
        if isinstance(price, int | Decimal) and not (
            self._is_text and PriceStyle().read(cells[place]) == price
        ):
            cells[place] = plain_price(price, style.stated)

    def _arranged(self, row: Row | BrokenRow, cells: list[str]) -> list[str]:
        """Return the cells in the columns of all sheets."""
        if isinstance(row, BrokenRow) and not any(map(str.strip, cells)):
            # All that it has is of a wrong type: it must not become an empty row, which is none.
            return [" ".join(filter(None, (problem.value for problem in row.problems)))]
        places = self._places[row.table]
        arranged = []
        for key in self._names:
            if key in places:
                cell = cells[places[key]]
                # To a reader that looks for stray quotes, lines of notes might be rows.
                arranged.append(cell if key in FIELDS else " ".join(cell.splitlines()))
            else:
                arranged.append(self._development if key == FIELDS[0] else "")
        return arranged

    def _open(self) -> IO[str]:
        numbers = count(1)
        while self._file is None:
            path = self._wanted or self._beside(next(numbers))
            try:
                # With a byte order mark, without which Excel takes it for cp1252. Bytes that were
                # not in the encoding of the list are not in this one, either.
                self._file = path.open(
                    "w" if self._wanted else "x",
                    encoding="utf-8-sig",
                    errors="surrogateescape",
                    newline="",
                )
            except FileExistsError:
                continue
            self.path = path
        self._writer = csv.writer(self._file, delimiter=self._prices.delimiter)
        # A text has one table, and the order of its columns is that of its rows.
        header = self._prices.tables[0].header if self._is_text else self._names.values()
        self._write(PROBLEM_COLUMN, FIELDS[0], [" ".join(name.split()) for name in header])
        return self._file

    def _write(self, problem: str, development: str, cells: Sequence[str]) -> None:
        row = [problem, *[development] * self._adds_development, *cells]
        self._writer.writerow(_LONE_SURROGATE.sub(_as_bytes, cell) for cell in row)

    def _beside(self, number: int) -> Path:
        path = self._prices.path
        stem = path.stem.partition(".failed")[0]
        return path.with_name(f"{stem}.failed{'' if number == 1 else f'-{number}'}.csv")


def _keys(found: Found) -> Iterator[_Key]:
    fields = {place: field for field, place in found.columns.items()}
    seen: dict[str, int] = {}
    for place, name in enumerate(found.table.header):
        if place in fields:
            yield fields[place]
        else:
            seen[name] = seen.get(name, -1) + 1
            yield name, seen[name]


def _name(key: _Key, names: list[str], stated: Mapping[str, str]) -> str:
    """Return the name of a column, which sheets may call differently."""
    if len(set(map(fold, names))) == 1:
        return names[0]
    # What is stated of the list will be stated of this one, too.
    return stated.get(str(key), str(key))


def _as_bytes(match: re.Match[str]) -> str:
    return match[0].encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
