"""Units and their updates, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, cast

import attrs

from ._update_values import (
    INVISIBLE,
    PLAIN_BELOW,
    development_id_problems,
    directions_problems,
    is_plain_price,
    json_number,
    price_problems,
    string_problems,
)
from .errors import InvalidUpdateError, PropQError

__all__ = ["Applied", "Direction", "Failed", "UnitOutcome", "UnitStatus", "UnitUpdate"]


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


def _to_status(value: int) -> Any:
    if type(value) is UnitStatus:
        return value
    # True == 1, but it does not mean "available".
    if not isinstance(value, bool):
        with suppress(ValueError):
            return UnitStatus(value)
    return value  # refused by the check that follows


def _to_directions(value: Sequence[str]) -> Any:
    if type(value) is tuple:
        return value
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
        directions: the new orientation: at least one `Direction`, or another string.

    Raises:
        InvalidUpdateError: something above does not hold; it lists every problem by field.
    """

    development_id: str
    name: str
    status: UnitStatus = attrs.field(converter=_to_status)
    price: int | float | Decimal
    directions: tuple[str, ...] = attrs.field(converter=_to_directions)

    # As attrs would write it, but for how a field of a frozen object is set: that takes it as long
    # as all the rest of a usual update.
    def __init__(
        self,
        development_id: str,
        name: str,
        status: int,
        price: float | Decimal,
        directions: Sequence[str],
    ) -> None:
        _set_development_id(self, development_id)
        _set_name(self, name)
        _set_status(self, status if type(status) is UnitStatus else _to_status(status))
        _set_price(self, price)
        _set_directions(
            self, tuple(directions) if type(directions) is list else _to_directions(directions)
        )
        self.__attrs_post_init__()

    def __attrs_post_init__(self) -> None:
        # The usual case, decided at once instead of field by field.
        development_id, name, price = self.development_id, self.name, self.price
        if (
            type(development_id) is type(name) is str
            and development_id
            and name
            and (text := development_id + name).isprintable()
            and (text.isascii() or INVISIBLE.isdisjoint(text))
            # No other white space is printable.
            and (
                " " not in text
                or (development_id[0] != " " != development_id[-1] and name[0] != " " != name[-1])
            )
            and development_id not in (".", "..")
            and (0 < price < PLAIN_BELOW if type(price) is int else is_plain_price(price))
            and type(self.status) is UnitStatus
            and _are_known(self.directions)
        ):
            return
        self._check()

    def _check(self) -> None:
        errors = {
            "development_id": development_id_problems(self.development_id),
            "name": string_problems(self.name),
            "status": _status_problems(self.status),
            "price": price_problems(self.price),
            "directions": directions_problems(self.directions),
        }
        if any(errors.values()):
            raise InvalidUpdateError({field: texts for field, texts in errors.items() if texts})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make an update of plain values, as `to_dict` returns them and a queue delivers them.

        The status may be a name or a number, and the directions any sequence of strings.

        Raises:
            InvalidUpdateError: as the constructor, and for fields that are missing or unknown.
        """
        if not isinstance(values, Mapping):
            problem = f"must be an object with the fields of UnitUpdate, not {values!r}"
            raise InvalidUpdateError({"update": [problem]})
        fields = attrs.fields_dict(cls)
        errors = {name: ["is missing"] for name in fields if name not in values}
        errors |= {name: ["is no field of UnitUpdate"] for name in values if name not in fields}
        if errors:
            raise InvalidUpdateError(errors)
        given: dict[str, Any] = dict(values)
        status = given["status"]
        if isinstance(status, str):
            given["status"] = UnitStatus.__members__.get(status, status)
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can carry: strings, a number, and a list of strings.

        The price is the number that the API is sent, so a `Decimal` becomes an int or a float.
        """
        return {
            "development_id": str(self.development_id),
            "name": str(self.name),
            "status": self.status.name,
            "price": json_number(self.price),
            "directions": [str(direction) for direction in self.directions],
        }


_set_development_id, _set_name, _set_status, _set_price, _set_directions = (
    # What `__setattr__` uses, but before attrs put another one in its place.
    getattr(UnitUpdate, field).__set__
    for field in attrs.fields_dict(UnitUpdate)
)


def _are_known(directions: object) -> bool:
    """Return whether these are members of `Direction`, at least one."""
    if type(directions) is not tuple:
        return False
    for direction in directions:
        if type(direction) not in _STRINGS or direction not in _DIRECTIONS:
            return False
    return directions != ()


def _status_problems(value: object) -> list[str]:
    if isinstance(value, UnitStatus):
        return []
    states = ", ".join(f"{status.name} ({status.value})" for status in UnitStatus)
    return [f"must be one of {states}, not {value!r}"]


@attrs.frozen
class _Outcome:
    """The outcome of one update of a batch: `Applied` if `ok`, else `Failed`.

    `index` is its position in the input. `attempts` counts like an error's. `elapsed_seconds` runs
    from when the update was pulled from the input, waiting included.
    """

    index: int
    update: UnitUpdate
    ok: bool
    response: dict[str, Any] | None
    error: PropQError | None
    attempts: int
    elapsed_seconds: float

    def __new__(cls, *args: Any, **fields: Any) -> Any:
        if cls is _Outcome:
            ok = fields.get("ok", args[2] if args[2:] else None)
            # Without arguments, as an old pickle makes it, it stays what it is.
            cls = cls if ok is None else Applied if ok else Failed  # noqa: PLW0642 - as said
        return object.__new__(cls)


@attrs.frozen
class Applied(_Outcome):
    """The outcome of an update that the server acknowledged.

    `index` is its position in the input, `response` the JSON object that the server sent, and
    `attempts` how many it took. `elapsed_seconds` runs from when the update was pulled from the
    input, waiting included.
    """

    index: int
    update: UnitUpdate
    ok: Literal[True]
    response: dict[str, Any]
    error: None
    attempts: int
    elapsed_seconds: float


@attrs.frozen
class Failed(_Outcome):
    """The outcome of an update that failed.

    `error` says why, and `error.may_have_been_applied` whether the update may have taken effect all
    the same. The other fields are as in `Applied`.
    """

    index: int
    update: UnitUpdate
    ok: Literal[False]
    response: None
    error: PropQError
    attempts: int
    elapsed_seconds: float


class _Unfrozen(_Outcome):
    """An outcome that is still being made. It has the same slots as one that is."""

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__


def applied(
    index: int, update: UnitUpdate, response: dict[str, Any], attempts: int, elapsed_seconds: float
) -> Applied:
    """Return the same as `Applied`, in a fifth of the time, since every row of a batch has one.

    What is frozen sets each of its fields by name.
    """
    made: Any = object.__new__(_Unfrozen)
    made.index, made.update, made.ok = index, update, True
    made.response, made.error = response, None
    made.attempts, made.elapsed_seconds = attempts, elapsed_seconds
    made.__class__ = Applied
    return cast("Applied", made)


if TYPE_CHECKING:
    UnitOutcome: TypeAlias = Applied | Failed
else:
    # One that is called makes the right one of the two, and both are instances of it.
    UnitOutcome = _Outcome
    UnitOutcome.__name__ = UnitOutcome.__qualname__ = "UnitOutcome"
