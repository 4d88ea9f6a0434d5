"""Prices for people, written as their list writes them: to a Spanish reader 245,000 is 245 euro."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from propq_async._messages import Message

__all__ = ["money"]

_CENTS: Final = 2
_SWAPPED: Final = str.maketrans(",.", ".,")


def money(value: float | Decimal, decimal: str | None) -> str:
    """Return an amount in euro: grouped, with cents if it has any, and this sign before them.

    Without a sign, the language in which it is said has one.
    """
    # A float is a median, and no price of the list.
    is_whole = isinstance(value, float) or value == int(value)
    decimals = 0 if is_whole else max(_CENTS, len(f"{value:f}".partition(".")[2].rstrip("0")))
    if decimal is None:
        return Message(f"{{:,.{decimals}f}} EUR").format(value)
    text = f"{value:,.{decimals}f}"
    return f"{text.translate(_SWAPPED) if decimal == ',' else text} EUR"
