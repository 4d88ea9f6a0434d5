"""The rows that failed, as a list of their own: to be mended and pushed."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Self

from propq_async.ledger import exact

from .numbers import PriceStyle
from .problems import PROBLEM_COLUMN, Table
from .reader import PriceList
from .rows import BrokenRow, Row

__all__ = ["Failures"]


class Failures:
    """A CSV beside a price list, made when the first row comes.

    It has the columns of the list, the original cells, and the reason in a column of its own. A
    file that is there already is left alone, since somebody may be mending it.

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
        names = dict.fromkeys(name for table in prices.tables for name in table.header)
        self._names = [name for name in names if name not in ("", PROBLEM_COLUMN)]
        self._adds_development = prices.development_id is not None and not prices.has_developments
        self._places: dict[Table, list[int]] = {}

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
        if isinstance(row, Row):
            place = self._prices.price_place(row.table)
            cells[place] = _certain(cells[place], row.update.price)
        places = self._places.get(row.table)
        if places is None:
            places = [_index(row.table.header, name) for name in self._names]
            self._places[row.table] = places
        values = [cells[place] if 0 <= place < len(cells) else "" for place in places]
        if self._adds_development:
            values.insert(0, self._prices.development_id or "")
        self._writer.writerow([*values, reason])
        # So that it is there whatever becomes of us, and a full disk is told now.
        file.flush()

    def _open(self) -> IO[str]:
        number = 1
        while self._file is None:
            path = self._wanted or self._beside(number)
            try:
                # With a byte order mark, without which Excel takes it for cp1252.
                self._file = path.open(
                    "w" if self._wanted else "x", encoding="utf-8-sig", newline=""
                )
            except FileExistsError:
                number += 1
            else:
                self.path = path
        self._writer = csv.writer(self._file, delimiter=self._prices.delimiter)
        development = ["development_id"] if self._adds_development else []
        self._writer.writerow([*development, *self._names, PROBLEM_COLUMN])
        return self._file

    def _beside(self, number: int) -> Path:
        path = self._prices.path
        stem = path.stem.partition(".failed")[0]
        return path.with_name(f"{stem}.failed{'' if number == 1 else f'-{number}'}.csv")


def _index(header: Sequence[str], name: str) -> int:
    return header.index(name) if name in header else -1


def _certain(text: str, price: float | Decimal) -> str:
    """Return a text for the price that is certain by itself, without the rest of its column."""
    if PriceStyle().read(text) == price:
        return text
    return f"{exact(price):f}"
