"""What is known of the server: whether it answers, until when it wants no calls, what it bears.

Nothing here waits: `Throttle` holds the calls.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from propq_async._wire.headers import rate_limit
from propq_async._wire.messages import Reply
from propq_async.clock import Clock
from propq_async.errors import APIError, APIStatusError

from .blame import Blame, Fault, Overloads
from .outage import Breakdowns, CircuitBreaker, Outage
from .pace import LearnedPace
from .permit import Blocking, Permit
from .shared_waits import RequestedWait, Shared
from .turn_waits import Waits

if TYPE_CHECKING:
    from .fleet_cap import FleetCap
    from .leases import Leases

logger = logging.getLogger("propq_async.throttle")

_FAILING: Final = "the server does not answer as it should"
_RECOVERED: Final = "the server answers again"


class ServerView:
    """What the calls of one event loop have shown of the server.

    The arguments are those of `Throttle`; `shared` is what the throttles of other event loops have
    seen.

    Attributes:
        fleet: what this process takes part in, `None` if it is on its own.
        overloads: tells calls that the server never takes from a limit.
        successes: how many calls have shown the server at work.
        in_flight: how many calls are under way.
    """

    def __init__(
        self,
        *,
        max_in_flight: int,
        shared: Shared,
        clock: Clock,
        max_closed_seconds: float,
        random: Callable[[], float],
    ) -> None:
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._monotonic = clock.monotonic
        self._max_closed_seconds = max_closed_seconds
        self._random = random
        self._shared = shared
        # The last closing of all throttles that this one has taken note of.
        self._noted: RequestedWait | None = None

        self.fleet: Leases | None = None
        # The bound of the fleet, if it has one.
        self._fleet_cap: FleetCap | None = None
        self.successes: int = 0
        self.in_flight: int = 0
        # While only their number can hold calls back: how many may be in flight. Otherwise 0.
        self._at_once = 0
        # When the patience of a call that waits may end.
        self._patience_ends_at = -math.inf

        self._waits = Waits()
        # The closing that lasts longest, `None` while the throttle is open.
        self._closing: RequestedWait | None = None
        # Whether the last closing was for a rate limit, and shows how long its window is.
        self._is_limited = False
        self._outage = Outage()
        self._breakdowns = Breakdowns()
        # Since when calls fail although the server is there.
        self._trouble = Outage()
        self._breaker = CircuitBreaker(max_in_flight, random)
        self._pace = LearnedPace()
        self._blame = Blame()
        self.overloads: Overloads = Overloads()

    @property
    def is_probing(self) -> bool:
        """Return whether nobody gets through, so that one call at a time tries."""
        return self._breaker.is_open

    @property
    def _is_in_fleet(self) -> bool:
        return self.fleet is not None and self.fleet.is_engaged

    # --- what became of a call ----------------------------------------------------------------

    def succeeded(self, permit: Permit, reply: Reply | None = None) -> float:
        """Take note of an answer that shows the server at work, even if the call was wrong.

        `reply`: the answer, if it is a success: then what it says of the rate limit is believed.

        Returns:
            The time, by the monotonic clock.
        """
        monotonic = self._monotonic  # a variable, since to call an attribute takes longer
        now = monotonic()
        self.successes += 1
        if permit.put_off:
            self._succeeded_after_all(permit)
        self._pace.seen.answered(permit.sent_at, now, self.in_flight)
        told = rate_limit(reply) if reply is not None and reply.may_state_limit else None
        if self._at_once:
            if told is not None or self._pace._remaining is not None:  # noqa: SLF001 - for speed
                self._pace.adjust(told, now)
                self._at_once = self._pace.at_once(self._max_in_flight)
            return now
        if self.fleet is not None:
            self.fleet.succeeded(permit.sent_at)
        # What was under way when the throttle closed says nothing of what comes after.
        if self._outage.since is not None and self._closing is None:
            logger.log(self._outage.ended(), _RECOVERED)
        if self._trouble.since is not None:
            logger.log(self._trouble.ended(), _RECOVERED)
            self._breakdowns.ended()
        self._breaker.succeeded()
        self._pace.adjust(told, now)
        # While it is closed, there is an outage, too.
        if (
            self._outage.since is None
            and self._breaker.is_at_rest
            and self._shared.cap is None
            and not self._is_in_fleet
        ):
            self._at_once = self._pace.at_once(self._max_in_flight)
        return now

    def _succeeded_after_all(self, permit: Permit) -> None:
        if permit.refusals:
            self._blame.succeeded_after_refusal()
        if permit.last_overload is not None:
            self.overloads.ended()

    def refused(
        self,
        permit: Permit,
        error: APIError,
        seconds: float,
        *,
        limited: bool,
        is_suspect: bool = False,
        reply: Reply | None = None,
    ) -> bool:
        """Take note that the server asked everybody to wait so many seconds.

        `limited`: because it counts calls, and not because it is down. `is_suspect`: if no other
        call can tell, the server more likely refuses this one than all. `reply`: the answer, which
        may say which limit was reached, or not even how long to wait.

        Returns:
            Whether everybody has to wait. If not, the server does not take this one call.
        """
        now = self._monotonic()
        self._pace.refused(permit.sent_at, now, self.in_flight, is_rate_limit=limited)
        fault = self._blame.refused(permit, self.successes, is_suspect=is_suspect)
        if fault is Fault.ONLY_CALLS:
            self._pace.forget()
        if fault is not Fault.LIMIT:
            return False
        is_stated = reply is None or "Retry-After" in reply.headers
        if not is_stated and self._pace.rate is not None and self._pace.rate.forgives():
            return True
        believed = min(seconds, self._max_closed_seconds)
        told = None if reply is None else rate_limit(reply)
        closing = RequestedWait(
            error,
            now + believed,
            now + seconds,
            believed,
            limited,
            is_stated=is_stated,
            limit=None if told is None else told.limit,
        )
        if limited and closing.is_stated and self.fleet is not None:
            self.fleet.refused(permit.sent_at, now, believed, closing.limit)
        self._shared.announce(closing)
        self._close(closing)
        self._note_outage(error, now, f"the server asks to wait {seconds:g} s")
        return True

    def failed(self, error: Blocking) -> None:
        """Take note of a connection error or a 5xx, or of a row that can get no token."""
        now = self._monotonic()
        # While the throttle is closed, what closed it is what blocks.
        if self._closing is None:
            self._outage.error = error
        self._note_outage(error, now, _FAILING)
        self._breaker.failed(now)

    def broke_down(self, permit: Permit, error: APIError) -> bool:
        """Take note of a 500. Returns whether everybody gets it, so that the server has `failed`.

        If not, the server is there: that ends an outage in which it was not.
        """
        if self._breakdowns.noticed(permit, error.url):
            return True
        self._note_trouble(error, self._monotonic())
        if self._closing is None:
            if self._outage.since is not None:
                self._outage.ended()
            self._breaker.succeeded()
        return False

    def unavailable(self, permit: Permit) -> bool:
        """Take note of a 503. Returns whether others got through since the call's last one."""
        others_got_through = self.overloads.noticed(permit, self.successes)
        if self.overloads.are_of_calls:
            self._breaker.not_overloaded()
        return others_got_through

    def overloaded(self, permit: Permit, error: APIError) -> None:
        """Take note that the server does not take a call now, although it takes others."""
        now = self._monotonic()
        self._note_trouble(error, now)
        self._breaker.overloaded(permit.sent_at, now, self.in_flight)

    def is_given_up(self, permit: Permit, attempts: int) -> bool:
        """Return whether a call is refused for good, since it more likely is its own fault."""
        return self._blame.is_given_up(permit, attempts)

    def is_to_blame(self, permit: Permit) -> bool:
        """Return whether the server refuses this call again, and not all.

        That is so if it took others in the meantime; or if it took the last call before this one,
        and this one is suspect.
        """
        if permit.refusals > 1 and self.successes > permit.successes_at_first_refusal:
            return True
        since = self._outage.since
        return permit.suspected > 0 and since is not None and since >= permit.since

    def _note_trouble(self, error: APIError, now: float) -> None:
        self._at_once = 0
        logger.log(self._trouble.noticed(now), "%s: %s", _FAILING, _said(error))

    def _note_outage(self, error: Blocking, now: float, what: str) -> None:
        self._at_once = 0
        if self._outage.since is None:
            self._patience_ends_at = -math.inf
        logger.log(self._outage.noticed(now), "%s: %s", what, _said(error))

    # --- closed until a moment ----------------------------------------------------------------

    def _close(self, closing: RequestedWait) -> None:
        """Close the throttle, unless it is closed for longer."""
        # If the call asks before the moment that was named, that says nothing of a window.
        self._is_limited = closing.is_rate_limit and closing.until == closing.asked_until
        if self._closing is None or self._closing.until < closing.until:
            self._closing = closing
            self._patience_ends_at = -math.inf
        self._outage.error = closing.error

    def _catch_up(self, now: float) -> None:
        """Take note of what the server has said to a call of another event loop."""
        closing = self._shared.closing
        if closing is self._noted:
            return
        self._noted = closing
        if closing is not None and closing.until > now:
            self._at_once = 0
            self._close(closing)
            self._outage.joined(now)

    def _reopen(self, closing: RequestedWait) -> None:
        """Open after a wait, with a pace that is learned from the window before it."""
        self._closing = None
        self._waits.reopened(closing.until)
        step = self._pace.reopened(
            closing.until,
            closing.seconds,
            is_rate_limit=self._is_limited,
            is_wait_stated=closing.is_stated,
            stated=closing.limit,
        )
        self._breaker.restart(step)


def _said(error: Blocking) -> str:
    said = f"{error.status} " if isinstance(error, APIStatusError) else ""
    said += error.message
    return f"{said} ({error.method} {error.url})" if isinstance(error, APIError) else said
