"""Cells as text: what a workbook or JSON has as numbers, dates and lists, for people and for CSV.

A list of failures has texts only. If the type of a cell is a problem, its text must be a problem as
well, and the text of a price must be the same price.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from propq_async._comparison import exact

from .numbers import IN_DOUBT, TOO_LARGE, Decimals, Doubt, PriceStyle, exact_price

__all__ = [
    "certain_price",
    "directions_text",
    "is_text_or_number",
    "key_text",
    "plain_price",
    "price_of",
    "price_text",
    "text_of",
    "texts_in",
]

# Excel keeps 17 digits of what it has computed, and shows, and means, 15.
_SHEET_DIGITS: Final = 15

# Tuples, and no unions, which would be made anew for each of many cells.
_NO_KEYS: Final = (date, time, timedelta, bool, list, dict)
_BROKEN_NUMBERS: Final = (float, Decimal)
_NUMBERS: Final = (int, Decimal)
_PLAIN: Final = PriceStyle()
# So many different numbers are remembered.
_MANY: Final = 4096

# A shorter price without decimals may be taken for a part of one whose digits commas group.
_CERTAINLY_WHOLE: Final = 1000
_SWAPPED: Final = str.maketrans(",.", ".,")


def text_of(cell: object) -> str:
    """Return a cell as text."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, float):
        return _text_of_float(cell)
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, list):
        return ", ".join(map(text_of, cell))
    return str(cell)


@lru_cache(maxsize=_MANY)
def _text_of_float(number: float) -> str:
    return str(int(number)) if number.is_integer() else f"{number:.{_SHEET_DIGITS}g}"


def texts_in(cell: object) -> list[str]:
    """Return the texts of a cell, which in JSON may be a list, and lists in it."""
    if not isinstance(cell, list):
        return [text_of(cell)]
    return [text for one in cell for text in ((one,) if type(one) is str else texts_in(one))]


def is_text_or_number(cell: object) -> bool:
    """Return whether it can be a name or an id."""
    return not isinstance(cell, _NO_KEYS)


def key_text(cell: object, stated: str | None) -> str:
    """Return the text of a name or an id; of what can be none, a text that can be none either."""
    if isinstance(cell, str) or is_text_or_number(cell):
        return text_of(cell)
    # As an id that must be the stated one, nothing would do, and any other text does not.
    return "" if stated is None else str(cell)


def price_of(cell: object, style: PriceStyle) -> int | Decimal | Doubt | None:
    """Return the price that a cell holds, or why it is none."""
    price: int | Decimal | Doubt | None = None
    if isinstance(cell, str):
        price = style.read(cell)
    elif isinstance(cell, _BROKEN_NUMBERS):
        price = exact_price(cell)
    elif isinstance(cell, int) and not isinstance(cell, bool):
        price = cell
    return price if not isinstance(price, _NUMBERS) or 0 < price < TOO_LARGE else None


def price_text(cell: Any, decimals: Decimals | None) -> str:
    """Return the text of a price that is read as the cell is, or that is none either."""
    if isinstance(cell, str):
        return cell
    price = price_of(cell, _PLAIN)
    if isinstance(price, _NUMBERS):
        return plain_price(price, decimals)
    if not isinstance(cell, _BROKEN_NUMBERS):
        return "" if cell is None else str(cell)
    text = text_of(cell)
    # Three decimals of a number are no group of a text.
    text += "0" if PriceStyle().read(text) is IN_DOUBT else ""
    return text.replace(".", decimals or ".")


def plain_price(price: float | Decimal, decimals: Decimals | None) -> str:
    """Return a price as a text that can be read in one way only, whatever stands beside it."""
    if isinstance(price, int) and price >= _CERTAINLY_WHOLE:
        return str(price)
    number = exact(price)
    text = f"{number:f}" if number >= _CERTAINLY_WHOLE else f"{number:.2f}"
    return text.replace(".", decimals or ".")


def certain_price(price: float | Decimal, style: PriceStyle) -> str:
    """Return a price as its list writes it, where only the column tells that, and certain alone."""
    text = f"{exact(price):,.2f}"
    return text.translate(_SWAPPED) if {style.stated, *style.shown} - {None} == {","} else text


def directions_text(cell: object) -> str:
    """Return the text of directions."""
    if isinstance(cell, list):
        texts = [one if type(one) is str else directions_text(one) for one in cell]
        return ", ".join([one for one in texts if one.strip()])
    return text_of(cell)
