"""The frozen values that the emulator shows."""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["RecordedRequest", "Unit", "UnitValues"]


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
    """A request that the server has processed. It holds no secret and no token.

    `path` is as it was sent, without its query. `status` is `None` if the connection was closed
    without an answer. `body` is what was sent to the API as JSON, `None` if it was none.
    `timestamp` is the emulator's time of the answer in seconds since the epoch; it does not count
    when two of them are compared.
    """

    method: str
    path: str
    status: int | None
    body: Any
    timestamp: float = attrs.field(default=0.0, eq=False)
