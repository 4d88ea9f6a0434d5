"""The validators of settings and arguments. An invalid value is a `ValueError`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from propq_async.credentials import Credentials

from ._update_rules import STATES, trim

__all__ = [
    "check_bool",
    "check_callable",
    "check_count",
    "check_credentials",
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
# Larger numbers could overflow a float or a length later, when a request is answered.
_LARGEST: Final = 10**15
_LARGEST_COUNT: Final = 10**9

_Validator = Callable[[object, "attrs.Attribute[Any]", Any], None]


def one_of(*options: int | str) -> _Validator:
    """Return a validator that accepts these options and nothing else."""
    listed = ", ".join(map(repr, options))

    def check(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        # The type as well, since 404.0 == 404.
        if not any(type(value) is type(option) and value == option for option in options):
            raise ValueError(f"{attribute.name} must be one of {listed}, not {_shown(value)}")

    return check


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST <= value <= _LARGEST  # which is false of NaN


def _shown(value: object) -> str:
    if not isinstance(value, int | float) or _is_number(value) or isinstance(value, bool):
        return repr(value)
    # An integer may be too long to be written.
    shown = repr(value) if isinstance(value, float) else f"an integer of {value.bit_length()} bits"
    return f"{shown}, which is beyond {_LARGEST:.0e}"


def check_positive(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is a finite number above zero."""
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, not {_shown(value)}")


def positive_seconds(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a finite number above zero."""
    check_positive(attribute.name, value)


def non_negative_seconds(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a finite number that is not negative."""
    if not _is_number(value) or value < 0:
        raise ValueError(
            f"{attribute.name} must be a finite number, at least 0, not {_shown(value)}"
        )


def is_bool(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate `True` or `False`."""
    check_bool(attribute.name, value)


def check_bool(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is `True` or `False`."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")  # noqa: TRY004


def loopback(host: object) -> str:
    """Return the address of a loopback host.

    Raises:
        ValueError: it is not loopback. Everybody who reaches the emulator can control it.
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
        raise ValueError(f"port must be an integer from 0 to {_HIGHEST_PORT}, not {_shown(value)}")


def check_count(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is an integer from 1 to a billion."""
    if type(value) is not int or not 1 <= value <= _LARGEST_COUNT:
        raise ValueError(
            f"{name} must be an integer from 1 to {_LARGEST_COUNT:,}, not {_shown(value)}"
        )


def check_status(value: Any) -> None:
    """Raise `ValueError` unless the value can be the status of an answer."""
    if type(value) is not int or not _LOWEST_STATUS <= value <= _HIGHEST_STATUS:
        raise ValueError(
            f"status must be an integer from {_LOWEST_STATUS} to {_HIGHEST_STATUS}, "
            f"not {_shown(value)}"
        )


def check_retry_after(value: Any) -> None:
    """Raise `ValueError` unless the value can stand in a `Retry-After` header, or is `None`."""
    if isinstance(value, str):
        # Spaces at the end would not arrive, nor what HTTP has no bytes for.
        is_valid = bool(value.strip()) and value.isprintable() and value.isascii()
    else:
        is_valid = value is None or (_is_number(value) and value >= 0)
    if not is_valid:
        raise ValueError(
            "retry_after must be a number from 0, or a string that a header can carry, "
            f"not {_shown(value)}"
        )


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


def check_callable(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate a function."""
    if not callable(value):
        raise ValueError(f"{attribute.name.lstrip('_')} must be a function, not {_shown(value)}")  # noqa: TRY004


def check_credentials(_: object, __: object, value: Any) -> None:
    """Raise `TypeError` unless it is `Credentials` with a secret. The error does not show it."""
    if not isinstance(value, Credentials):
        raise TypeError(
            "credentials must be Credentials(client_id, client_secret), "
            f"not of type {type(value).__name__}"
        )
    if not isinstance(value.client_secret, str):
        raise TypeError("the client_secret of the credentials must be a string, not a source")


def _directions(name: str, value: Any) -> tuple[str, ...]:
    if (
        isinstance(value, str)
        or not isinstance(value, Sequence)
        or not value
        or not all(isinstance(item, str) and item for item in value)
    ):
        raise ValueError(f'{name} must be a sequence of strings such as ("N", "S"), not {value!r}')
    return tuple(value)


def known_directions(value: object) -> tuple[str, ...] | None:
    """Return the directions as a tuple, `None` as it is."""
    return None if value is None else _directions("known_directions", value)


def check_unit(name: Any, status: Any, price: Any, directions: Any) -> None:
    """Raise `ValueError` unless the server could have a unit like this."""
    check_text("name", name)
    if name != trim(name):
        raise ValueError(f"name must not begin or end with white space, which is trimmed: {name!r}")
    if isinstance(status, bool) or status not in STATES:
        raise ValueError(f"status must be one of 1, 2, 4, 8, not {_shown(status)}")
    if not _is_number(price):
        raise ValueError(f"price must be a finite number, not {_shown(price)}")
    _directions("directions", directions)
