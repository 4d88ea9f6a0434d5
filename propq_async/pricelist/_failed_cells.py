"""Which cells a list of failures has: those of the rows that failed, so that they read alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from propq_async.pricelist._reading.cells import certain_price, plain_price
from propq_async.pricelist._reading.east_or_west import without_o
from propq_async.pricelist._reading.evidence import Style
from propq_async.pricelist._reading.found_table import Found
from propq_async.pricelist._reading.names_and_ids import key_alone
from propq_async.pricelist._reading.numbers import PriceStyle
from propq_async.pricelist._reading.price_list import PriceList
from propq_async.pricelist._reading.rows import BrokenRow, Row
from propq_async.pricelist._reading.word_lookup import FIELDS, PAIR_SIGNS, directions_in, fold

from ._problems import PROBLEM_COLUMN

__all__ = ["FailedCells"]

# A column: the field that it holds; or its name, and how many of that name stand before it.
_Key = str | tuple[str, int]

_DEVELOPMENT: Final = FIELDS[0]


class FailedCells:
    """The header and the rows of a list of failures, which are read as those of its list are.

    The columns of several sheets are brought together. What is certain because of the rest of
    its column is written so that it is certain by itself.
    """

    def __init__(self, prices: PriceList) -> None:
        self._sources = {found.table.sheet: (found, style) for found, style in prices.sources}
        # The rows of a text have the columns of its only table, in their order.
        self._is_text = prices.sources[0][0].delimiter is not None
        names: dict[_Key, list[str]] = {}
        # By sheet: the rows of a plan that was saved have tables of their own.
        self._indexes: dict[str | None, dict[_Key, int]] = {}
        for found, style in prices.sources:
            header = _header(found, style)
            keys = _keys(found, header)
            indexes = {key: index for index, key in enumerate(keys)}
            self._indexes[found.table.sheet] = indexes
            for key, index in indexes.items():
                if index in found.hidden and key not in FIELDS:
                    # Here it would be one that could be meant.
                    continue
                names.setdefault(key, []).append(header[index])
        self._names = {key: _name(key, same, prices.columns) for key, same in names.items()}
        self._developments = {
            found.table.sheet: found.development or prices.development_id or ""
            for found, _ in prices.sources
        }
        is_known = any(self._developments.values())
        self._adds_development = is_known and _DEVELOPMENT not in self._names

    def header(self) -> list[str]:
        """Return the names of the columns."""
        names: Iterable[str] = self._names.values()
        if self._is_text:
            names = _header(*self._sources[None])
        return self._line(PROBLEM_COLUMN, _DEVELOPMENT, [" ".join(name.split()) for name in names])

    def row(self, row: Row | BrokenRow, reason: str) -> list[str]:
        """Return the cells of a row. One that is no row, but a line, is one cell."""
        cells = list(row.cells)
        if len(cells) == len(row.table.header):
            self._make_certain(row, cells)
            if self._is_text:
                found, _ = self._sources[None]
                cells = cells[: len(cells) - len(found.added)]
            else:
                cells = self._arranged(row, cells)
        development = self._developments[row.table.sheet]
        return self._line(" ".join(reason.split()), development, cells)

    def _line(self, problem: str, development: str, cells: list[str]) -> list[str]:
        return [problem, *[development] * self._adds_development, *cells]

    def _make_certain(self, row: Row | BrokenRow, cells: list[str]) -> None:
        """Write what is not broken so that it is read alike without the rest of its column."""
        found, style = self._sources[row.table.sheet]
        problems = row.problems if isinstance(row, BrokenRow) else ()
        broken = {problem.column for problem in problems}
        index, header = found.columns["price"], row.table.header
        price = None if header[index] in broken else style.prices.read(cells[index])
        if isinstance(price, int | Decimal):
            if PriceStyle().read(cells[index]) != price:
                cells[index] = certain_price(price, style.prices)
            elif not self._is_text:
                cells[index] = plain_price(price, style.prices.stated)
        index = found.columns["directions"]
        if header[index] not in broken:
            cells[index] = _certain_directions(cells[index], style)
        # A row that is broken elsewhere has a unit as well, if its names can be read.
        unit = (row.update.development_id, row.update.name) if isinstance(row, Row) else row.unit
        for field, key in zip(FIELDS, unit or (), strict=False):
            index = found.columns.get(field, -1)
            if index >= 0 and header[index] not in broken and cells[index].strip():
                cells[index] = key_alone(cells[index], key)

    def _arranged(self, row: Row | BrokenRow, cells: list[str]) -> list[str]:
        """Return the cells in the columns of all sheets."""
        if isinstance(row, BrokenRow) and not any(map(str.strip, cells)):
            # All that it has is of a wrong type: it must not become an empty row, which is none.
            return [" ".join(filter(None, (problem.value for problem in row.problems)))]
        indexes = self._indexes[row.table.sheet]
        arranged = []
        for key in self._names:
            if key in indexes:
                cell = cells[indexes[key]]
                # To a reader that looks for stray quotes, lines of notes might be rows.
                arranged.append(cell if key in FIELDS else " ".join(cell.splitlines()))
            else:
                development = self._developments[row.table.sheet]
                arranged.append(development if key == _DEVELOPMENT else "")
        return arranged


def _certain_directions(text: str, style: Style) -> str:
    """Return directions so that they are read alike without the rest of their column."""
    alone = {word: one for word, one in style.directions.items() if word not in PAIR_SIGNS}
    found = directions_in(text, style.directions)
    if isinstance(found, tuple) and isinstance(directions_in(text, alone), str):
        return ", ".join(found)
    return without_o(text, style.settled)


def _header(found: Found, style: Style) -> tuple[str, ...]:
    """Return the names of the columns, where a column of marks says by itself what an O is.

    What is added is made again when the failures are read.
    """
    marked = {index for one in found.added if one.words for index in one.indexes}
    header = found.table.header[: len(found.table.header) - len(found.added)]
    return tuple(
        without_o(name, style.settled) if index in marked else name
        for index, name in enumerate(header)
    )


def _keys(found: Found, header: Sequence[str]) -> Iterator[_Key]:
    fields = {index: field for field, index in found.columns.items()}
    seen: dict[str, int] = {}
    for index, name in enumerate(header):
        if index in fields:
            yield fields[index]
        else:
            seen[name] = seen.get(name, -1) + 1
            yield name, seen[name]


def _name(key: _Key, names: list[str], stated: Mapping[str, str]) -> str:
    """Return the name of a column, which sheets may call differently."""
    if len(set(map(fold, names))) == 1:
        return names[0]
    # What is stated of the list will be stated of this one, too.
    return stated.get(str(key), str(key))
