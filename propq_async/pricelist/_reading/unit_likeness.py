"""What a cell may hold, and whether a row may be a unit, whichever column is which."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from .cells import price_of
from .numbers import IN_DOUBT, PriceStyle
from .word_lookup import O_IS_WEST, directions_in, fold, status_of

__all__ = ["could_be", "is_filled", "is_number", "looks_like_unit"]

_STYLE: Final = PriceStyle()
_LEAST_PRICE: Final = 1000
# A number like these in a heading or a note is a year.
_YEARS: Final = range(1900, 2100)
# It is north-west only in a column of directions.
_NO: Final = "no"


def is_filled(cell: object) -> bool:
    """Return whether there is anything in a cell."""
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None


def is_number(cell: Any) -> bool:
    """Return whether a cell is a number, or a text that is one, but for years."""
    price = price_of(cell, _STYLE)
    if isinstance(price, int | Decimal):
        return price not in _YEARS
    return price is not None


def _could_be_price(cell: Any) -> bool:
    price = price_of(cell, _STYLE)
    if isinstance(price, int | Decimal):
        return price >= _LEAST_PRICE and price not in _YEARS
    return price is IN_DOUBT


def could_be(field: str, cell: Any) -> bool:
    """Return whether a cell could be a value of this field."""
    if not is_filled(cell):
        return False
    if field == "price":
        return _could_be_price(cell)
    if field == "status":
        return isinstance(cell, str) and status_of(cell, {}) is not None
    if field == "directions":
        return isinstance(cell, str) and not isinstance(directions_in(cell, O_IS_WEST), str)
    return True


def looks_like_unit(cells: Sequence[Any]) -> bool:
    """Return whether a row has a word for a status or directions, and what could be a price."""
    return any(map(_could_be_price, cells)) and any(
        could_be("status", cell) or (could_be("directions", cell) and fold(cell) != _NO)
        for cell in cells
        if not is_number(cell)
    )
