"""What a factory has done so far, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

import attrs

__all__ = ["BOUNDS", "CANCELLED", "Durations", "Stats", "ThrottleState"]

BOUNDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
CANCELLED: Final = "CancelledError"

ThrottleState: TypeAlias = Literal["open", "closed", "probing"]


@attrs.frozen
class Durations:
    """How long calls took, as a histogram whose buckets never change.

    Attributes:
        counts: the calls of each bucket: up to `bounds[0]` seconds, up to `bounds[1]`, ..., and
            longer than the last one. Each call is in one bucket.
        total_seconds: the sum of all.
        bounds: the upper bounds of the buckets, in seconds.
    """

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    total_seconds: float = 0.0
    bounds: tuple[float, ...] = BOUNDS


@attrs.frozen(kw_only=True)
class Stats:
    """A snapshot of what a factory has done and is doing, over all its sessions and event loops.

    What is counted or summed up begins with the making of the factory and never falls. The rest is
    of this moment, and of the event loops in which the factory or one of its sessions is entered.

    Attributes:
        calls: calls begun, including each row of a batch and each `session.request`. A call counts
            once, however many requests it takes. Token requests do not count.
        retries: requests beyond the first of a call, for whatever reason: a lost answer, a 5xx, a
            429, a refused token, an idle connection that had died.
        refused: answers in which the server asked to wait: 429, and 503 with `Retry-After`.
        refreshes: access tokens fetched from the token endpoint. Tokens that another process left
            in the token store do not count.
        in_flight: calls past the throttle: waiting for the server's answer, for a connection or for
            a token.
        waiting: calls that wait at the throttle, because the server asks to wait or does not
            answer, or because `max_connections` or `max_calls_per_second` is reached.
        outcomes: calls that have ended: "ok", or the class of the error, such as "NotFoundError",
            "ServerError", "APITimeoutError" or "CancelledError".
        durations: how long the calls took that have ended, waiting included.
        waited_seconds: how long calls have waited at the throttle, all together.
        throttle: "closed" while the server asks to wait, "probing" while nobody gets through, else
            "open".
        opens_in_seconds: for how long the throttle stays closed, 0 if it is not.
        token_issued_at: when the current token was issued, `None` without one.
        token_expires_at: when it expires.
    """

    calls: int
    retries: int
    refused: int
    refreshes: int
    in_flight: int
    waiting: int
    outcomes: Mapping[str, int] = attrs.field(factory=dict[str, int])
    durations: Durations = Durations()
    waited_seconds: float = 0.0
    throttle: ThrottleState = "open"
    opens_in_seconds: float = 0.0
    token_issued_at: datetime | None = None
    token_expires_at: datetime | None = None
