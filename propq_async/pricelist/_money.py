"""Prices for people, written as their list writes them: to a Spanish reader 245,000 is 245 euro."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

__all__ = ["money"]

_CENTS: Final = 2
_SWAPPED: Final = str.maketrans(",.", ".,")


def money(value: float | Decimal, decimal: str) -> str:
    """Return an amount in euro: grouped, with cents if it has any, and this sign before them."""
    # A float is a median, and no price of the list.
    is_whole = isinstance(value, float) or value == int(value)
    decimals = 0 if is_whole else max(_CENTS, len(f"{value:f}".partition(".")[2].rstrip("0")))
    text = f"{value:,.{decimals}f}"
    return f"{text.translate(_SWAPPED) if decimal == ',' else text} EUR"
