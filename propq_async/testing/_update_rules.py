"""The rules for an update and the texts of a 422, as the framework has them, without any I/O."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ._framework import FRAMEWORKS, Framework
from ._laravel import INVALID

__all__ = ["STATES", "Update", "error_summary", "trim", "validate"]

STATES: Final = (1, 2, 4, 8)
"""AVAILABLE, HOLD, SOLD, RESERVED."""

_FIELDS: Final = ("UntName", "UntStatus", "UntPrice", "UntDirections")

# What PHP's is_numeric() takes for a number.
_NUMERIC: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_INTEGER: Final = 15

_REQUIRED: Final = "The {} field is required."


@attrs.frozen
class Update:
    """An update that is valid: what is applied, and the values as they were sent."""

    name: str
    status: int
    price: float
    directions: tuple[str, ...]
    echo: dict[str, Any]


def trim(value: str) -> str:
    """Return the string without the surrounding characters that the newest framework trims."""
    return value.strip(FRAMEWORKS["12"].trimmed)


def _arrived(value: Any, trimmed: str) -> Any:
    # Strings are trimmed on arrival, and what is then empty becomes null. To PHP, an object is an
    # array as well; one with the keys 0, 1, 2 and so on is the same as the list.
    if isinstance(value, list):
        return [_trimmed(item, trimmed) for item in value]
    if not isinstance(value, dict):
        return _trimmed(value, trimmed)
    items = {key: _trimmed(item, trimmed) for key, item in value.items()}
    is_list = list(items) == [str(index) for index in range(len(items))]
    return list(items.values()) if is_list else items


def _trimmed(value: Any, trimmed: str) -> Any:
    # No field may hold an array of arrays, so what is deeper does not matter.
    if isinstance(value, str):
        return value.strip(trimmed) or None
    return [] if value == {} else value


def _is_missing(value: Any) -> bool:
    # What `required` takes for nothing.
    return value is None or value == []


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        short = len(value) <= _LONGEST_INTEGER and value.lstrip("+-").isdigit()
        number = int(value) if short else float(value)
        # A text may state more than a number can hold.
        return max(-sys.float_info.max, min(sys.float_info.max, number))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        # PHP has no longer integers.
        return value if abs(value) < 2**63 else float(value)
    except OverflowError:
        return math.inf


def _state(value: Any, framework: Framework) -> int | None:
    """Return the state that a value stands for, as the rule `in:1,2,4,8` compares it."""
    if value is True:
        return 1  # which is "1" as a string
    if isinstance(value, str) and not framework.compares_numbers:
        return next((state for state in STATES if value == str(state)), None)
    number = _number(value)
    return int(number) if number is not None and number in STATES else None


def validate(
    given: Mapping[str, Any], framework: Framework, known_directions: tuple[str, ...] | None
) -> Update | dict[str, list[str]]:
    """Return the update that was sent, or what is wrong with it by field."""
    # A field that is not there is missing; so is one that is null.
    echo = {name: _arrived(given.get(name), framework.trimmed) for name in _FIELDS}
    name, given_state, given_price, directions = echo.values()
    errors: dict[str, list[str]] = {}
    if _is_missing(name):
        errors["UntName"] = [_REQUIRED.format("unt name")]
    elif not isinstance(name, str):
        errors["UntName"] = [f"The unt name {framework.must_be} a string."]
    state = _state(given_state, framework)
    if _is_missing(given_state):
        errors["UntStatus"] = [_REQUIRED.format("unt status")]
    elif state is None:
        errors["UntStatus"] = ["The selected unt status is invalid."]
    price = _number(given_price)
    if _is_missing(given_price):
        errors["UntPrice"] = [_REQUIRED.format("unt price")]
    elif price is None:
        errors["UntPrice"] = [f"The unt price {framework.must_be} a number."]
    errors |= _direction_errors(directions, framework.must_be, known_directions)
    if errors or state is None or price is None:
        return errors
    values = directions.values() if isinstance(directions, dict) else directions
    return Update(name, state, price, tuple(values), echo)


def _direction_errors(
    directions: Any, must_be: str, known: tuple[str, ...] | None
) -> dict[str, list[str]]:
    if _is_missing(directions):
        return {"UntDirections": [_REQUIRED.format("unt directions")]}
    if not isinstance(directions, list | dict):
        return {"UntDirections": [f"The unt directions {must_be} an array."]}
    errors = {}
    items = directions.items() if isinstance(directions, dict) else enumerate(directions)
    for index, item in items:
        # Of an item of an array, the framework shows the raw name.
        key = f"UntDirections.{index}"
        if _is_missing(item):
            errors[key] = [_REQUIRED.format(key)]
        elif not isinstance(item, str):
            errors[key] = [f"The {key} {must_be} a string."]
        elif known is not None and item not in known:
            errors[key] = [f"The selected {key} is invalid."]
    return errors


def error_summary(errors: dict[str, list[str]], framework: Framework) -> dict[str, Any]:
    """Return the body of a 422: a message, and all errors by field.

    The message has the first error and the number of the others, or is the same for all.
    """
    if not framework.summarizes:
        return {"message": INVALID, "errors": errors}
    texts = [text for problems in errors.values() for text in problems]
    more = len(texts) - 1
    suffix = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return {"message": texts[0] + suffix, "errors": errors}
