"""What is wrong with the values of an update, in words, and how its price is written."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from itertools import repeat
from typing import Final, TypeVar

from propq_async._messages import tr

_T = TypeVar("_T")

# A double carries any decimal of up to 15 digits unharmed (IEEE 754, `DBL_DIG`).
_MAX_PRICE_DIGITS: Final = 15
PLAIN_BELOW: Final = 10**_MAX_PRICE_DIGITS
_LEAST_PLAIN: Final = Decimal("0.01")

# The characters that the server's framework trims besides white space, in any of its versions: NUL,
# and invisible ones (soft hyphen, fillers, joiners, direction and byte order marks, ...).
INVISIBLE: Final = frozenset(
    "\0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2060\u2061\u2062\u2063\u2064\u2065\u206a\u206b\u206c\u206d\u206e\u206f"
    "\u2800\u3164\ufeff\uffa0\U0001d159\U0001d173\U0001d174\U0001d175\U0001d176\U0001d177"
    "\U0001d178\U0001d179\U0001d17a\U000e0020"
)


def string_problems(value: object) -> list[str]:
    """Return what is wrong with a string, nothing for a good one."""
    if not isinstance(value, str):
        return [tr("must be a string, not {type}").format(type=type(value).__name__)]
    if not value:
        return [tr("must not be empty")]
    if value.isascii() and value.isprintable() and value[0] != " " != value[-1]:
        return []  # the usual case
    problems: list[str] = []
    if value[0] in INVISIBLE or value[-1] in INVISIBLE or value != value.strip():
        problems.append(
            tr(
                "must not begin or end with white space or an invisible character: "
                "{value!r} (the server trims it)"
            ).format(value=value)
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            problems.append(
                tr("must be valid Unicode: {value!r} has a lone surrogate").format(value=value)
            )
    return problems


def development_id_problems(value: object) -> list[str]:
    if value in (".", ".."):
        return [tr("must not be {value!r}: it would name another path").format(value=value)]
    return string_problems(value)


def price_problems(value: object) -> list[str]:
    return [] if is_plain_price(value) else _unusual_price_problems(value)


def _unusual_price_problems(value: object) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return [
            tr("must be an int, float or Decimal, not {type}").format(type=type(value).__name__)
        ]
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an int beyond any float; a signalling NaN
        number = math.nan
    if not math.isfinite(number):
        return [tr("must be a finite number")]
    if number <= 0:
        return [tr("must be above zero, not {value}").format(value=value)]
    if number < sys.float_info.min:
        # Below this a double carries fewer digits than anywhere else.
        return [
            tr("must not be as small as {value}: it could not be sent exactly").format(value=value)
        ]
    if _significant_digits(value) > _MAX_PRICE_DIGITS:
        problem = tr("must have at most {most} significant digits: {value} has more").format(
            most=_MAX_PRICE_DIGITS, value=value
        )
        return [tr("{problem}; round it first, as in round(price, 2)").format(problem=problem)]
    return []


def is_plain_price(value: object) -> bool:
    """Return whether this is a usual price, which is quick to check."""
    if type(value) is Decimal:
        # One character more for the point. A price as long without a point is too large.
        if not value.is_finite() or len(str(value)) > _MAX_PRICE_DIGITS + 1:
            return False
    elif type(value) is not int:
        return False
    return bool(_LEAST_PLAIN <= value < PLAIN_BELOW)


def _significant_digits(value: float | Decimal) -> int:
    # Not str(): a subclass may have one of its own.
    number = Decimal(float.__repr__(value) if isinstance(value, float) else value)
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


def directions_problems(value: object) -> list[str]:
    if not isinstance(value, tuple):
        return [
            tr('must be a sequence of strings such as ["N", "S"], not {value!r}').format(
                value=value
            )
        ]
    if not value:
        return [tr("must not be empty")]
    return [
        tr("item {index}: {problem}").format(index=index, problem=problem)
        for index, item in enumerate(value)
        for problem in string_problems(item)
    ]


def all_of_checked(kind: type[_T], count: int, **columns: Iterable[object]) -> list[_T]:
    """Return objects of values of which each was checked before, in a quarter of the time.

    Args:
        kind: their class, which has slots.
        count: how many.
        columns: the values of each field, as the constructor leaves them.
    """
    made = [*map(object.__new__, repeat(kind, count))]
    for field, values in columns.items():
        deque(map(getattr(kind, field).__set__, made, values), maxlen=0)
    return made


def json_number(price: float | Decimal) -> float:
    """Return a price as it is written in JSON. A double preserves the 15 digits that it may have.

    A whole number has no fraction, which the strictest reading of "number" accepts.
    """
    if not math.isfinite(price):
        raise ValueError("NaN and infinity cannot be written in JSON")
    whole = int(price)
    return whole if whole == price else float(price)
