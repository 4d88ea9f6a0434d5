"""Prices for people, written as their list writes them: to a Spanish reader 245,000 is 245 euro."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

__all__ = ["money"]

_SWAPPED: Final = str.maketrans(",.", ".,")


def money(value: float | Decimal, decimal: str) -> str:
    """Return an amount with its digits grouped, and this sign before its decimals."""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,.0f}"
    return text.translate(_SWAPPED) if decimal == "," else text
