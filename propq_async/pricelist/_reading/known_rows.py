"""Rows of which each cell is plain, or known from another row: most rows of a list.

Nothing is to be said of them, and the same few cells come again and again. So what a cell means is
looked up, and only a row with something new in it is looked at cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import compress, repeat
from typing import Any, Final, TypeAlias

from propq_async._update_values import all_of_checked, is_plain_price
from propq_async.models import UnitUpdate

from .cells import plain_price, text_of
from .evidence import Style
from .found_table import Found
from .numbers import Decimals, Doubt
from .rows import NOTHING, Row
from .text import BrokenLine, Record
from .word_lookup import FIELDS

__all__ = ["KnownRows", "plain_text"]

# So many different cells of a column are remembered.
_MANY: Final = 10_000
# So often what is new among several rows is read to be looked up.
_ROUNDS: Final = 3
_NUMBERS: Final = frozenset({int, float, Decimal})
_ONLY_TEXTS: Final = {str}
_LOOKED_UP: Final = frozenset({str, int, float, tuple})

_LookUp: TypeAlias = tuple[Callable[[Sequence[Any]], list[Any]], Sequence[Any]]


def plain_text(cell: Any) -> str | None:
    """Return the text of a cell that is a text or a number."""
    if type(cell) is str:
        return cell
    return text_of(cell) if type(cell) in _NUMBERS else None


class _Meanings:
    """What the cells of a column mean, and their text.

    1, 1.0 and True are equal, but not alike. So it is known by the type of the cell.
    """

    def __init__(self) -> None:
        self._by_kind: dict[type, dict[Any, Any]] = {kind: {} for kind in _LOOKED_UP}

    def of(self, cells: Sequence[Any]) -> list[Any]:
        """Return what is known of each cell, `None` for what is not."""
        kinds = set(map(type, cells))
        if len(kinds) == 1 and kinds <= _LOOKED_UP:
            return [*map(self._by_kind[kinds.pop()].get, cells)]
        return [
            self._by_kind[type(cell)].get(cell) if type(cell) in _LOOKED_UP else None
            for cell in cells
        ]

    def learn(self, cell: Any, meaning: Any) -> None:
        known = self._by_kind.get(type(cell))
        if known is not None and len(known) < _MANY:
            known[cell] = meaning


class KnownRows:
    """What is known of the cells of a table.

    Args:
        found: the table.
        style: how its columns are written.
        read_price: reads a price that is not known.
        whole_from: the least price that is certain whatever stands beside it.
        read_row: reads a row cell by cell, and lets `learn` know of it.
    """

    def __init__(
        self,
        found: Found,
        style: Style,
        read_price: Callable[[Any], int | Decimal | Doubt | None],
        whole_from: int,
        read_row: Callable[[int, list[Any]], object],
    ) -> None:
        self._table = found.table
        self._width = len(found.table.header)
        self._is_text = found.delimiter is not None
        self._indexes = [found.columns.get(field, -1) for field in FIELDS]
        self._others = [*{*range(self._width)}.difference(self._indexes)]
        self._names, self._noticed = style.names, style.noticed
        self._decimal: Decimals | None = style.prices.stated
        self._stated: tuple[str, str] | None = None
        self._read_price = read_price
        self._whole_from = whole_from
        self._read_row = read_row
        self._ids, self._states, self._prices, self._directions = (_Meanings() for _ in range(4))

    def rows(self, records: Sequence[Record | BrokenLine]) -> Sequence[Row | None]:
        """Return the row of each record, or `None`, which says nothing about it.

        It goes through them by columns, which takes half as long as by rows.
        """
        places, lines, rows = self._plain(records)
        columns: list[Sequence[Any]] = [*zip(*rows, strict=True)]
        if not columns:
            return [None] * len(records)
        names = _as_texts(columns[self._indexes[1]])
        looked_up = self._looked_up(names, columns)
        found = [look_up(cells) for look_up, cells in looked_up]
        # In most columns little is new, such as the next development. Where all is, it is left.
        for _ in range(_ROUNDS):
            new = {
                n: [*map(bool, ones)].index(False) for n, ones in enumerate(found) if not all(ones)
            }
            if not new:
                break
            for at in {*new.values()}:
                self._read_row(lines[at], rows[at])
            for n in new:
                look_up, cells = looked_up[n]
                found[n] = look_up(cells)
        several = [*found, self._prices_of(columns[self._indexes[3]])]
        if not all(map(all, several)):
            are_known = [*map(all, zip(*several, strict=True))]
            places, lines = [*compress(places, are_known)], [*compress(lines, are_known)]
            names = [*compress(names, are_known)]
            several = [[*compress(ones, are_known)] for ones in several]
            columns = [[*compress(ones, are_known)] for ones in columns]
        made = self._made(lines, names, several, columns) if lines else []
        if len(made) == len(records):
            return made
        at_places = dict(zip(places, made, strict=True))
        return [*map(at_places.get, range(len(records)))]

    def _plain(
        self, records: Sequence[Record | BrokenLine]
    ) -> tuple[Sequence[int], list[int], list[list[Any]]]:
        """Return places, lines and cells of the records with as many cells as columns."""
        plain = [record for record in records if type(record) is Record]
        rows = [record.cells for record in plain]
        if len(rows) == len(records) and not self._noticed and {*map(len, rows)} == {self._width}:
            return range(len(records)), [record.line for record in plain], rows
        at_places = {
            at: record
            for at, record in enumerate(records)
            if type(record) is Record
            and len(record.cells) == self._width
            and record.line not in self._noticed
        }
        plain = [*at_places.values()]
        return [*at_places], [one.line for one in plain], [one.cells for one in plain]

    def _looked_up(self, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[_LookUp]:
        """Return what is looked up: which names are plain, and what cells but the price mean."""
        at_development, _, at_status, _, at_directions = self._indexes
        directions = columns[at_directions]
        if list in map(type, directions):
            directions = [_as_key(cell) if type(cell) is list else cell for cell in directions]
        return [
            (self._names.are_plain, names),
            (self._all_stated, names)
            if at_development < 0
            else (self._ids.of, columns[at_development]),
            (self._states.of, columns[at_status]),
            (self._directions.of, directions),
        ]

    def _all_stated(self, names: Sequence[str]) -> list[tuple[str, str] | None]:
        return [self._stated] * len(names)

    def _prices_of(self, cells: Sequence[Any]) -> list[tuple[int | Decimal, str] | None]:
        known = self._prices.of(cells)
        if all(known):
            return known
        return [
            # It may have been new a few rows before.
            one or self._prices.of((cell,))[0] or self._new_price(cell)
            for one, cell in zip(known, cells, strict=True)
        ]

    def _new_price(self, cell: Any) -> tuple[int | Decimal, str] | None:
        price = self._read_price(cell)
        if price is None or isinstance(price, Doubt):
            return None
        if not is_plain_price(price) or price < self._whole_from:
            return None
        known = price, cell if type(cell) is str else plain_price(price, self._decimal)
        self._prices.learn(cell, known)
        return known

    def _made(
        self,
        lines: list[int],
        names: Sequence[str],
        meanings: Sequence[Sequence[Any]],
        columns: Sequence[Sequence[Any]],
    ) -> list[Row]:
        at_development, at_name, at_status, at_price, at_directions = self._indexes
        # One text for all rows that have the same: a list of a million is held in memory.
        texts = [*columns]
        _, of_ids, of_states, of_directions, of_prices = meanings
        ids, id_texts = zip(*of_ids, strict=True)
        if at_development >= 0:
            texts[at_development] = id_texts
        states, texts[at_status] = zip(*of_states, strict=True)
        directions, texts[at_directions] = zip(*of_directions, strict=True)
        prices, texts[at_price] = zip(*of_prices, strict=True)
        texts[at_name] = names
        if not self._is_text:
            for index in self._others:
                texts[index] = [*map(text_of, columns[index])]
        updates = all_of_checked(
            UnitUpdate,
            len(lines),
            development_id=ids,
            name=names,
            status=states,
            price=prices,
            directions=directions,
        )
        return all_of_checked(
            Row,
            len(lines),
            update=updates,
            table=repeat(self._table),
            line=lines,
            cells=zip(*texts, strict=True),
            remarks=repeat(()),
            filled=repeat(NOTHING),
        )

    def learn(self, cells: list[Any], row: Row) -> None:
        """Learn from a row of which nothing is to be said, so that each cell means what it says."""
        at_development, _, at_status, _, at_directions = self._indexes
        update, texts = row.update, row.cells
        if at_development >= 0:
            meaning = update.development_id, texts[at_development]
            self._ids.learn(cells[at_development], meaning)
        else:
            self._stated = update.development_id, ""
        self._states.learn(cells[at_status], (update.status, texts[at_status]))
        cell = cells[at_directions]
        key = _as_key(cell) if type(cell) is list else cell
        self._directions.learn(key, (update.directions, texts[at_directions]))


def _as_texts(cells: Sequence[Any]) -> Sequence[str]:
    if set(map(type, cells)) == _ONLY_TEXTS:
        return cells
    return [plain_text(cell) or "" for cell in cells]


def _as_key(cell: list[Any]) -> tuple[str, ...] | None:
    return tuple(cell) if set(map(type, cell)) == _ONLY_TEXTS else None
