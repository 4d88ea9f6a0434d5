"""The values of the API: frozen, and checked when they are made."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any, Self

import attrs

from .errors import ConfigurationError, InvalidUpdateError, PropQError
from .hidden import HiddenStr

__all__ = [
    "Credentials",
    "Direction",
    "Token",
    "TokenKey",
    "UnitOutcome",
    "UnitStatus",
    "UnitUpdate",
]

CLIENT_ID_VARIABLE = "PROPQ_CLIENT_ID"
CLIENT_SECRET_VARIABLE = "PROPQ_CLIENT_SECRET"  # noqa: S105 - the name of a variable

MAX_PRICE_DIGITS = 15
"""A double carries any decimal of 15 digits unharmed (IEEE 754, `DBL_DIG`), and no more."""

_PLAIN_BELOW = 10**MAX_PRICE_DIGITS
_LEAST_PLAIN = Decimal("0.01")

# What the server's framework, in any of its versions, trims besides white space: NUL, and what is
# there and not seen (soft hyphen, fillers, joiners, direction and byte order marks, ...).
_INVISIBLE = frozenset(
    "\0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u2060\u2061\u2062\u2063\u2064\u2065\u206a\u206b\u206c\u206d\u206e\u206f"
    "\u2800\u3164\ufeff\uffa0\U0001d159\U0001d173\U0001d174\U0001d175\U0001d176\U0001d177"
    "\U0001d178\U0001d179\U0001d17a\U000e0020"
)

MAX_CLIENT_ID = 2**63 - 1
"""The largest id that a database hands out."""


class UnitStatus(IntEnum):
    """The state of a unit, as the API numbers it."""

    AVAILABLE = 1
    HOLD = 2
    SOLD = 4
    RESERVED = 8


class Direction(StrEnum):
    """An orientation. The vendor publishes no list: any other string may be sent as well."""

    N = "N"
    NE = "NE"
    E = "E"
    SE = "SE"
    S = "S"
    SW = "SW"
    W = "W"
    NW = "NW"


_DIRECTIONS = frozenset(direction.value for direction in Direction)
_STRINGS = frozenset({str, Direction})


@attrs.frozen(init=False)
class Credentials:
    """What Resales Online gave you. The secret never shows in `repr`, logs, errors or files.

    Args:
        client_id: the integer id of the client.
        client_secret: the secret, as it was given.

    Raises:
        ConfigurationError: one of them is missing, blank or of the wrong type.
    """

    client_id: int
    client_secret: str = attrs.field(repr=False)

    # Written out, so that no frame of a traceback still holds the secret when the check fails, nor
    # a half-made object, which has no repr.
    def __init__(self, client_id: int, client_secret: str) -> None:
        # Who does not check types may pass anything.
        is_text = isinstance(client_secret, str)
        problem = _credentials_problem(client_id, HiddenStr(client_secret) if is_text else None)
        if problem is not None:
            del self, client_secret
            raise ConfigurationError(problem)
        self.__attrs_init__(client_id, str(client_secret))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the credentials in `PROPQ_CLIENT_ID` and `PROPQ_CLIENT_SECRET`.

        Raises:
            ConfigurationError: one is missing, blank or malformed; the message names it.
        """
        found = _credentials_in(os.environ if environ is None else environ)
        # As in the constructor: the environment holds the secret.
        del environ
        if isinstance(found, str):
            raise ConfigurationError(found)
        return cls(*found)


def _credentials_in(environ: Mapping[str, str]) -> tuple[int, str] | str:
    """Return client id and secret, or what is wrong with them."""
    for name in (CLIENT_ID_VARIABLE, CLIENT_SECRET_VARIABLE):
        if not environ.get(name, "").strip():
            state = "blank" if name in environ else "not set"
            return (
                f"the environment variable {name} is {state}: set it to the value that "
                "Resales Online gave you"
            )
    digits = environ[CLIENT_ID_VARIABLE].strip()
    is_sane = digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_CLIENT_ID))
    client_id = int(digits) if is_sane else 0
    client_secret = HiddenStr(environ[CLIENT_SECRET_VARIABLE].strip())
    problem = _credentials_problem(
        client_id,
        client_secret,
        f"the environment variable {CLIENT_ID_VARIABLE}",
        f"the environment variable {CLIENT_SECRET_VARIABLE}",
    )
    return problem or (client_id, client_secret)


def _credentials_problem(
    client_id: object,
    client_secret: object,
    id_name: str = "client_id",
    secret_name: str = "client_secret",  # noqa: S107 - a name
) -> str | None:
    if (
        isinstance(client_id, bool)
        or not isinstance(client_id, int)
        or not 0 < client_id <= MAX_CLIENT_ID
    ):
        return f"{id_name} must be a positive integer"
    if not isinstance(client_secret, str) or not client_secret.strip():
        return f"{secret_name} must be a string that is not blank"
    try:
        client_secret.encode()
    except UnicodeEncodeError:
        return f"{secret_name} must be valid Unicode: it has a lone surrogate"
    return None


@attrs.frozen
class TokenKey:
    """What a stored token belongs to: one client at one token endpoint."""

    token_url: str
    client_id: int


@attrs.frozen
class Token:
    """An access token. `access_token` never shows in `repr`.

    `issued_at` and `expires_at` are aware `datetime`s of the wall clock; `issued_at` is the moment
    before the token was asked for, so that the token lives at least until `expires_at`.
    """

    access_token: str = attrs.field(repr=False)
    token_type: str
    expires_at: datetime
    issued_at: datetime

    @property
    def lifetime_seconds(self) -> float:
        """Return how long the token was issued for, in seconds."""
        return (self.expires_at - self.issued_at).total_seconds()


def _to_status(value: int) -> Any:
    if type(value) is UnitStatus:
        return value
    # True == 1, but nobody means "available" by it.
    if not isinstance(value, bool):
        with suppress(ValueError):
            return UnitStatus(value)
    return value  # refused by the check that follows


def _to_directions(value: Sequence[str]) -> Any:
    if type(value) is tuple:
        return value
    if type(value) is list:
        return tuple(value)
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return value  # refused by the check that follows
    return tuple(value)


@attrs.frozen
class UnitUpdate:
    """The new values of one unit. The API takes all of them, each time.

    Args:
        development_id: id of the development project; percent-encoded into the path.
        name: name of the unit, exactly as the server has it: it is the only key.
        status: one of the four states.
        price: the new price, above zero, of at most 15 significant digits.
        directions: the new orientation: `Direction`s or other strings, at least one.

    Raises:
        InvalidUpdateError: something above does not hold; it lists every problem by field.
    """

    development_id: str
    name: str
    status: UnitStatus = attrs.field(converter=_to_status)
    price: int | float | Decimal
    directions: tuple[str, ...] = attrs.field(converter=_to_directions)

    def __attrs_post_init__(self) -> None:
        # Nearly all are like this: seen at a glance, instead of field by field.
        development_id, name, price = self.development_id, self.name, self.price
        if (
            type(development_id) is type(name) is str
            and development_id
            and name
            and (text := development_id + name).isprintable()
            and (text.isascii() or _INVISIBLE.isdisjoint(text))
            # It is the only space that is printable.
            and (" " not in text or development_id[0] != " " != development_id[-1])
            and (" " not in name or name[0] != " " != name[-1])
            and development_id not in (".", "..")
            and (0 < price < _PLAIN_BELOW if type(price) is int else _is_plain_price(price))
            and type(self.status) is UnitStatus
            and _are_known(self.directions)
        ):
            return
        self._check()

    def _check(self) -> None:
        development_id = _development_id_problems(self.development_id)
        name = _string_problems(self.name)
        status = _status_problems(self.status)
        price = _price_problems(self.price)
        directions = _directions_problems(self.directions)
        if development_id or name or status or price or directions:
            errors = {
                "development_id": development_id,
                "name": name,
                "status": status,
                "price": price,
                "directions": directions,
            }
            raise InvalidUpdateError({field: texts for field, texts in errors.items() if texts})


def _are_known(directions: object) -> bool:
    """Return whether these are directions of ours, at least one."""
    return (
        type(directions) is tuple
        and directions != ()
        and _STRINGS.issuperset(map(type, directions))
        and _DIRECTIONS.issuperset(directions)
    )


def _string_problems(value: object) -> list[str]:
    if not isinstance(value, str):
        return [f"must be a string, not {type(value).__name__}"]
    if not value:
        return ["must not be empty"]
    if value.isascii() and value.isprintable() and value[0] != " " != value[-1]:
        return []  # as nearly all are, and price lists are long
    problems = []
    if value[0] in _INVISIBLE or value[-1] in _INVISIBLE or value != value.strip():
        problems.append(
            f"must not begin or end with white space or an invisible character: {value!r} "
            "(the server trims it)"
        )
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            problems.append(f"must be valid Unicode: {value!r} has a lone surrogate")
    return problems


def _development_id_problems(value: object) -> list[str]:
    if value in (".", ".."):
        return [f"must not be {value!r}: it would name another path"]
    return _string_problems(value)


def _status_problems(value: object) -> list[str]:
    if isinstance(value, UnitStatus):
        return []
    states = ", ".join(f"{status.name} ({status.value})" for status in UnitStatus)
    return [f"must be one of {states}, not {value!r}"]


def _price_problems(value: object) -> list[str]:
    return [] if _is_plain_price(value) else _problems_of_a_rare_price(value)


def _problems_of_a_rare_price(value: object) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return [f"must be an int, float or Decimal, not {type(value).__name__}"]
    try:
        number = float(value)
    except (OverflowError, ValueError):  # an int beyond any float; a signalling NaN
        number = math.nan
    if not math.isfinite(number):
        return ["must be a finite number"]
    if number <= 0:
        return [f"must be above zero, not {value}"]
    if number < sys.float_info.min:
        # Below this a double carries fewer digits than anywhere else.
        return [f"must not be as small as {value}: it could not be sent exactly"]
    if _significant_digits(value) > MAX_PRICE_DIGITS:
        return [f"must have at most {MAX_PRICE_DIGITS} significant digits: {value} has more"]
    return []


def _is_plain_price(value: object) -> bool:
    """Return whether it is what nearly all prices are, which is soon told of a long list."""
    if type(value) is Decimal:
        # With its point; what has none and is as long is too large.
        if not value.is_finite() or len(str(value)) > MAX_PRICE_DIGITS + 1:
            return False
    elif type(value) is not int:
        return False
    return bool(_LEAST_PLAIN <= value < _PLAIN_BELOW)


def _significant_digits(value: float | Decimal) -> int:
    # Not str(): a subclass may have one of its own.
    number = Decimal(float.__repr__(value) if isinstance(value, float) else value)
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


def _directions_problems(value: object) -> list[str]:
    if not isinstance(value, tuple):
        return [f'must be a sequence of strings such as ["N", "S"], not {value!r}']
    if not value:
        return ["must not be empty"]
    return [
        f"item {index}: {problem}"
        for index, item in enumerate(value)
        for problem in _string_problems(item)
    ]


@attrs.frozen
class UnitOutcome:
    """What became of one update of a batch.

    `index` is its position in the input. If `ok`, the server acknowledged it and `response` is what
    it sent; if not, `error` says why, and `error.may_have_been_applied` whether it is certain.
    `attempts` counts as in the error; `elapsed_seconds` runs from the moment at which the update
    was pulled from the input, waiting included.
    """

    index: int
    update: UnitUpdate
    ok: bool
    response: dict[str, Any] | None
    error: PropQError | None
    attempts: int
    elapsed_seconds: float
