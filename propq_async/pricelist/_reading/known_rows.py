"""Rows of which each cell is plain, or known from another row: most rows of a list.

Nothing is to be said of them, and the same few cells come again and again. So what a cell means is
looked up, and only a row with something new in it is looked at cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Protocol

from propq_async._update_values import INVISIBLE, is_plain_price, of_checked
from propq_async.models import UnitUpdate

from .cells import plain_price, text_of
from .evidence import Style
from .found import Found
from .numbers import Decimals, Doubt
from .rows import Row
from .words import FIELDS

__all__ = ["KnownRows", "plain_text"]

# So many different cells of a column are remembered.
_MANY: Final = 10_000
_NUMBERS: Final = frozenset({int, float, Decimal})
_ONLY_TEXTS: Final = {str}


def plain_text(cell: Any) -> str | None:
    """Return the text of a cell that is a text or a number."""
    if type(cell) is str:
        return cell
    return text_of(cell) if type(cell) in _NUMBERS else None


class _Get(Protocol):
    def get(self, cell: Any, /) -> Any: ...


class _Nothing:
    """What is known of cells of other types: lists and the like, which may not even be hashable."""

    def get(self, _: Any) -> None:
        return None


class _Meanings(dict[type, _Get]):
    """What the cells of a column mean, and their text, by their type.

    1, 1.0 and True are equal, but not alike.
    """

    def __init__(self) -> None:
        self._of_kind: dict[type, dict[Any, Any]] = {kind: {} for kind in (str, int, float, tuple)}
        super().__init__(self._of_kind)

    def __missing__(self, kind: type) -> _Get:
        return _Nothing()

    def learn(self, cell: Any, meaning: Any) -> None:
        known = self._of_kind.get(type(cell))
        if known is not None and len(known) < _MANY:
            known[cell] = meaning


class KnownRows:
    """What is known of the cells of a table.

    Args:
        found: the table.
        style: how its columns are written.
        read_price: reads a price that is not known.
        whole_from: the least price that is certain whatever stands beside it.
    """

    def __init__(
        self,
        found: Found,
        style: Style,
        read_price: Callable[[Any], int | Decimal | Doubt | None],
        whole_from: int,
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
        self._ids, self._states, self._prices, self._directions = (_Meanings() for _ in range(4))

    def row(self, line: int, cells: list[Any]) -> Row | None:
        """Return a row, or `None`, which says nothing about it."""
        at_development, at_name, at_status, at_price, at_directions = self._indexes
        if len(cells) != self._width or line in self._noticed:
            return None
        name = cells[at_name]
        if type(name) is not str:
            name = plain_text(name) or ""
        # A plain name is printable, and without space around it.
        if not self._names.is_plain(name) or not (name.isascii() or INVISIBLE.isdisjoint(name)):
            return None
        development = self._stated
        if at_development >= 0:
            cell = cells[at_development]
            development = self._ids[type(cell)].get(cell)
        cell = cells[at_status]
        status = self._states[type(cell)].get(cell)
        cell = cells[at_directions]
        if type(cell) is list:
            cell = _as_key(cell)
        directions = self._directions[type(cell)].get(cell)
        cell = cells[at_price]
        price = self._prices[type(cell)].get(cell) or self._new_price(cell)
        if development and status and directions and price:
            update = of_checked(
                UnitUpdate, development[0], name, status[0], price[0], directions[0]
            )
            # One text for all rows that have the same: a list of a million is held in memory.
            texts = cells.copy()
            if at_development >= 0:
                texts[at_development] = development[1]
            texts[at_status] = status[1]
            texts[at_price] = price[1]
            texts[at_directions] = directions[1]
            if not self._is_text:
                texts[at_name] = name
                for index in self._others:
                    texts[index] = text_of(texts[index])
            return Row(update, self._table, line, tuple(texts))
        return None

    def _new_price(self, cell: Any) -> tuple[int | Decimal, str] | None:
        price = self._read_price(cell)
        if price is None or isinstance(price, Doubt):
            return None
        if not is_plain_price(price) or price < self._whole_from:
            return None
        known = price, cell if type(cell) is str else plain_price(price, self._decimal)
        self._prices.learn(cell, known)
        return known

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


def _as_key(cell: list[Any]) -> tuple[str, ...] | None:
    return tuple(cell) if set(map(type, cell)) == _ONLY_TEXTS else None
