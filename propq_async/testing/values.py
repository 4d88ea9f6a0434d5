"""What the emulator shows and what it is told: frozen values, checks of settings, the limiter."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from typing import Any, Final

import attrs

from . import stock

__all__ = [
    "Fault",
    "RecordedRequest",
    "Unit",
    "UnitValues",
    "Window",
    "check_count",
    "check_path",
    "check_port",
    "check_positive",
    "check_status",
    "check_text",
    "check_unit",
    "loopback",
    "non_negative_seconds",
    "one_of",
    "positive_seconds",
]

_LOWEST_STATUS: Final = 200
_HIGHEST_STATUS: Final = 599
_HIGHEST_PORT: Final = 65535


@attrs.frozen
class UnitValues:
    """The values of a unit at one time."""

    status: int
    price: float
    directions: tuple[str, ...]


@attrs.frozen
class Unit:
    """A unit as the server has it.

    `history` has the values that it had, the present ones last; the latest 1,000 of them are kept.
    """

    development_id: str
    name: str
    status: int
    price: float
    directions: tuple[str, ...]
    history: tuple[UnitValues, ...]


@attrs.frozen
class RecordedRequest:
    """A request that the server has dealt with. It holds no secret and no token.

    `path` is as it was sent, without its query. `status` is `None` if the connection was closed
    without an answer. `body` is what was sent to the API as JSON, `None` if it was none.
    """

    method: str
    path: str
    status: int | None
    body: Any


@attrs.define
class Fault:
    """What shall happen to the next requests. Without a `status`, the connection is closed."""

    status: int | None
    left: int
    path: str | None
    headers: dict[str, str]
    body: bytes
    after_applying: bool = False


@attrs.define
class Window:
    """A limiter that counts in fixed windows, as the framework's does.

    A window begins with the first hit after the one before has ended. What is refused does not
    count.
    """

    calls: int
    per_seconds: float
    _hits: int = attrs.field(default=0, init=False)
    _ends_at: float = attrs.field(default=-math.inf, init=False)

    def hit(self, now: float) -> dict[str, str] | None:
        """Count a hit and return the headers of its answer, `None` if it is one too many."""
        if now >= self._ends_at:
            self._hits = 0
            self._ends_at = now + self.per_seconds
        if self._hits >= self.calls:
            return None
        self._hits += 1
        return {
            "X-RateLimit-Limit": str(self.calls),
            "X-RateLimit-Remaining": str(self.calls - self._hits),
        }

    def refusal_headers(self, now: float) -> dict[str, str]:
        """Return the headers of the answer to a hit too many."""
        return {
            "X-RateLimit-Limit": str(self.calls),
            "X-RateLimit-Remaining": "0",
            "Retry-After": str(max(1, math.ceil(self._ends_at - now))),
            "X-RateLimit-Reset": str(math.ceil(self._ends_at)),
        }


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


def check_path(value: Any) -> None:
    """Raise `ValueError` unless the value is `None` or a path."""
    if value is not None and not (isinstance(value, str) and value.startswith("/")):
        raise ValueError(f"path must begin with a slash, not {value!r}")


def check_text(name: str, value: Any) -> None:
    """Raise `ValueError` unless the value is a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a string that is not empty, not {value!r}")


def check_unit(name: Any, status: Any, price: Any, directions: Any) -> None:
    """Raise `ValueError` unless the server could have a unit like this."""
    check_text("name", name)
    if name != stock.trim(name):
        raise ValueError(f"name must not begin or end with white space, which is trimmed: {name!r}")
    if isinstance(status, bool) or status not in stock.STATES:
        raise ValueError(f"status must be one of 1, 2, 4, 8, not {status!r}")
    if not _is_number(price):
        raise ValueError(f"price must be a finite number, not {price!r}")
    if (
        not isinstance(directions, tuple | list)
        or not directions
        or not all(isinstance(item, str) and item for item in directions)
    ):
        raise ValueError(
            f'directions must be a sequence of strings such as ("N", "S"), not {directions!r}'
        )
