"""The checks of what the emulator is told. A value that cannot be is a `ValueError`."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from . import stock

__all__ = [
    "check_bool",
    "check_count",
    "check_match",
    "check_path",
    "check_port",
    "check_positive",
    "check_retry_after",
    "check_status",
    "check_text",
    "check_unit",
    "is_bool",
    "known_directions",
    "loopback",
    "non_negative_seconds",
    "one_of",
    "positive_seconds",
]

_LOWEST_STATUS: Final = 200
_HIGHEST_STATUS: Final = 599
_HIGHEST_PORT: Final = 65535

_Validator = Callable[[object, "attrs.Attribute[Any]", Any], None]


def one_of(*options: int | str) -> _Validator:
    """Return a validator that takes these options and nothing else."""
    listed = ", ".join(map(repr, options))

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        # The type as well, since 404.0 == 404.
        if not any(type(value) is type(option) and value == option for option in options):
            raise ValueError(f"{attribute.name} must be one of {listed}, not {value!r}")

    return check


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)


def check_positive(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is a finite number above zero."""
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, not {value!r}")


def positive_seconds(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a finite number above zero."""
    check_positive(attribute.name, value)


def non_negative_seconds(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a finite number that is not negative."""
    if not _is_number(value) or value < 0:
        raise ValueError(f"{attribute.name} must be a finite number, at least 0, not {value!r}")


def is_bool(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate `True` or `False`."""
    check_bool(attribute.name, value)


def check_bool(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is `True` or `False`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")  # noqa: TRY004


def loopback(host: Any) -> str:
    """Return the address of a loopback host.

    Raises:
        ValueError: it is none: whoever reaches the emulator can steer it.
    """
    if host == "localhost":
        return "127.0.0.1"
    try:
        if isinstance(host, str) and ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise ValueError(
        f"host must be a loopback address such as 127.0.0.1 or ::1, or localhost, not {host!r}"
    )


def check_port(_: object, __: attrs.Attribute[Any], value: Any) -> None:
    """Validate a port; 0 lets the system choose."""
    if type(value) is not int or not 0 <= value <= _HIGHEST_PORT:
        raise ValueError(f"port must be an integer from 0 to {_HIGHEST_PORT}, not {value!r}")


def check_count(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is an integer from 1."""
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} must be an integer, at least 1, not {value!r}")


def check_status(value: Any) -> None:
    """Raise `ValueError` unless the value can be the status of an answer."""
    if type(value) is not int or not _LOWEST_STATUS <= value <= _HIGHEST_STATUS:
        raise ValueError(
            f"status must be an integer from {_LOWEST_STATUS} to {_HIGHEST_STATUS}, not {value!r}"
        )


def check_retry_after(value: Any) -> None:
    """Raise `ValueError` unless the value can stand in a `Retry-After` header, or is `None`."""
    if value is None or (isinstance(value, str) and value.isprintable()) or _is_number(value):
        return
    raise ValueError(f"retry_after must be a number or a string, not {value!r}")


def check_path(value: Any) -> None:
    """Raise `ValueError` unless the value is `None` or a path."""
    if value is not None and not (isinstance(value, str) and value.startswith("/")):
        raise ValueError(f"path must begin with a slash, not {value!r}")


def check_match(value: Any) -> None:
    """Raise `ValueError` unless the value is `None`, fields of a body, or a function."""
    if value is None or callable(value) or (isinstance(value, Mapping) and value):
        return
    raise ValueError(
        'match must be fields of the body such as {"UntName": "A-101"}, or a function that takes '
        f"a RecordedRequest, not {value!r}"
    )


def check_text(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a string that is not empty, not {value!r}")


def _directions(name: str, value: Any) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not value
        or not all(isinstance(item, str) and item for item in value)
    ):
        raise ValueError(f'{name} must be a sequence of strings such as ("N", "S"), not {value!r}')
    return tuple(value)


def known_directions(value: Any) -> tuple[str, ...] | None:
    """Return the directions as a tuple, `None` as it is."""
    return None if value is None else _directions("known_directions", value)


def check_unit(name: Any, status: Any, price: Any, directions: Any) -> None:
    """Raise `ValueError` unless the server could have a unit like this."""
    check_text("name", name)
    if name != stock.trim(name):
        raise ValueError(f"name must not begin or end with white space, which is trimmed: {name!r}")
    if isinstance(status, bool) or status not in stock.STATES:
        raise ValueError(f"status must be one of 1, 2, 4, 8, not {status!r}")
    if not _is_number(price):
        raise ValueError(f"price must be a finite number, not {price!r}")
    _directions("directions", directions)
