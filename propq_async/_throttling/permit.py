"""What a call shows to the throttle, and what it may get instead of its turn."""

from __future__ import annotations

import math
from typing import TypeAlias

import attrs

from propq_async.errors import APIError, TokenUnavailableError


@attrs.frozen(eq=False, repr=False)
class Counts:
    """How many calls had succeeded at a moment, and how many signs of a rate limit there were."""

    successes: int
    signs_of_limit: int


class Permit:
    """One call's permit to go out.

    Attributes:
        is_batch_row: it waits while nobody gets through, instead of trying for itself.
        patience_seconds: the longest that it waits while nobody gets through.
        since: when the call began, by the monotonic clock.
        sent_at: when it last went out.
        waits_since: when it last began to wait for its turn.
        max_wait_seconds: how long it waits for that while the throttle is open.
        put_off: how often the server did not take it.
        refusals: how often the server refused it with the request to wait.
        blamed: how many of these refusals were its own fault, since many others got through.
        suspected: how many in a row may have been, since no other call was made in between.
        successes_at_first_refusal: how many calls had succeeded by then.
        last_refusal: what had been counted by then.
        last_overload: what had been counted at its last 503 that did not say how long to wait.
        broke_down_in: the last run of breakdowns in which the server broke down over it.
    """

    is_batch_row: bool
    patience_seconds: float
    since: float
    sent_at: float = 0.0
    waits_since: float = 0.0
    max_wait_seconds: float = math.inf
    put_off: int = 0
    refusals: int = 0
    blamed: int = 0
    suspected: int = 0
    successes_at_first_refusal: int = 0
    last_refusal: Counts | None = None
    last_overload: Counts | None = None
    broke_down_in: int = 0

    def patience_ends(self, outage_since: float) -> float:
        """Return when the call gives up, if nobody gets through until then."""
        return max(outage_since, self.since) + self.patience_seconds


# What may keep everybody from getting through.
Blocking: TypeAlias = APIError | TokenUnavailableError


@attrs.frozen
class Rejected:
    """The answer to a call whose patience is too short: what blocks, and for how much longer.

    `error` is `None` if nothing blocks, but the call has waited for its turn for too long, or would
    have to. `waiting`: how many calls waited by then, this one included.
    """

    error: Blocking | None
    seconds: float = 0.0
    waiting: int = 1
