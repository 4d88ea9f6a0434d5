"""When a call may go out: who waits, in which order, and until when."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
from collections.abc import Callable
from random import random
from typing import TYPE_CHECKING, Final

from propq_async._wire.headers import rate_limit
from propq_async._wire.messages import Reply
from propq_async.clock import Clock
from propq_async.errors import APIError, APIStatusError

from .blame import Blame, Fault
from .fleet import SharedLimiter
from .outage import Breakdowns, CircuitBreaker, Outage
from .pace import Pace
from .permit import Blocking, Permit, Rejected
from .queues import Answer, Queues, may_go
from .shared import Closing, Shared
from .waits import Waits
from .window import Cap

if TYPE_CHECKING:
    from .leases import Leases

__all__ = ["MAX_CLOSED_SECONDS", "Permit", "Rejected", "Throttle"]

logger = logging.getLogger("propq_async.throttle")

# The longest that a `Retry-After` is believed without asking again.
MAX_CLOSED_SECONDS: Final = 3600.0

_FAILING: Final = "the server does not answer as it should"
_RECOVERED: Final = "the server answers again"


class Throttle:
    """Lets calls go out, or makes them wait.

    Every `try_acquire` that returns `True` and every `acquire` that returns `None` needs one
    `release`. Before that, `succeeded`, `refused` or `failed` says what became of the call.

    Args:
        max_in_flight: how many may be under way at once: as many as there are connections.
        max_calls_per_second: an upper bound for any sliding second, `None` for none.
        clock: where time comes from.
        max_closed_seconds: the longest that a `Retry-After` is believed without asking again.
        random: a source of [0, 1), for the distances of probes.

    Attributes:
        fleet: what it takes part in, `None` if this process is on its own.
        successes: how many calls have shown the server at work.
        in_flight: how many calls are under way.
    """

    def __init__(
        self,
        *,
        max_in_flight: int,
        max_calls_per_second: float | None,
        clock: Clock,
        max_closed_seconds: float = MAX_CLOSED_SECONDS,
        random: Callable[[], float] = random,
    ) -> None:
        self._max_in_flight = max_in_flight
        self._clock = clock
        self._monotonic = clock.monotonic
        self._max_closed_seconds = max_closed_seconds
        self._random = random
        cap = max_calls_per_second
        self._shared = Shared(None if cap is None else Cap(cap, clock.monotonic))
        # The last closing of all throttles that this one has taken note of.
        self._noted: Closing | None = None

        self.fleet: Leases | None = None
        self.successes: int = 0
        self.in_flight: int = 0
        # So many calls may be in flight, if only their number may keep one from going out; else 0.
        self._at_once = 0
        self._queues = Queues()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf
        # When the patience of a call that waits may end.
        self._patience_ends_at = -math.inf

        self._waits = Waits()
        # The closing that lasts longest, `None` while the throttle is open.
        self._closing: Closing | None = None
        # Whether the last closing was for a rate limit, and shows how long its window is.
        self._is_limited = False
        self._outage = Outage()
        self._breakdowns = Breakdowns()
        # Since when none gets through, though the server is there.
        self._trouble = Outage()
        self._breaker = CircuitBreaker(max_in_flight, random)
        self._pace = Pace()
        self._blame = Blame()

    @property
    def waiting(self) -> int:
        """Return how many calls wait. It may be asked from any thread."""
        return self._queues.waiting

    @property
    def is_pacing(self) -> bool:
        """Return whether there is a limit to how many calls go out in a time."""
        return self._shared.cap is not None or self._pace.is_limited

    @property
    def is_idle(self) -> bool:
        """Return whether no call waits or is under way, so that any event loop may use it."""
        return not (self.in_flight or self._queues.singles or self._queues.rows)

    @property
    def is_probing(self) -> bool:
        """Return whether nobody gets through, so that one call at a time tries."""
        return self._breaker.is_open

    @property
    def opens_in_seconds(self) -> float:
        """Return the seconds until the moment that the server named, 0 if it named none.

        It may be asked from any thread.
        """
        own, shared = self._closing, self._shared.closing
        until = -math.inf if own is None else own.asked_until
        if shared is not None and shared is not self._noted:
            until = max(until, shared.asked_until)
        return max(0.0, until - self._monotonic())

    @property
    def bounds(self) -> str:
        """Return in words how many calls may go out: at once, and in a time."""
        said = [f"{self.in_flight} of {self._max_in_flight} connections in use"]
        if self._shared.cap is not None:
            said.append(f"max_calls_per_second={self._shared.cap.per_second:g}")
        per_second = self._pace.per_second
        if per_second < math.inf:
            said.append(f"at most {per_second:.3g} a second, as the server has shown to bear")
        at_once = self._pace.concurrency.limit
        if at_once < math.inf:
            said.append(f"at most {at_once:g} at once, as the server has shown to bear")
        return ", ".join(said)

    @property
    def _is_in_fleet(self) -> bool:
        """Return whether the pace is that of a fleet."""
        return self.fleet is not None and self.fleet.is_engaged

    def join(self, limiter: SharedLimiter) -> asyncio.Task[None]:
        """Take part in a fleet from now on. Returns a task that ends when its pace is known."""
        from .leases import Leases  # noqa: PLC0415 - most processes are alone

        self.fleet = Leases(
            limiter,
            self._clock,
            waiting=lambda: self.waiting,
            pump=self._pump_if_calls_wait,
            taken_since=self._pace.seen.taken_since,
        )
        return self.fleet.joined

    def leave(self) -> list[asyncio.Task[None]]:
        """Leave the fleet, if there is one, and return the tasks that are cancelled with it."""
        fleet, self.fleet = self.fleet, None
        return [] if fleet is None else fleet.detach()

    def copy(self) -> Throttle:
        """Return an idle throttle for another event loop that knows what this one has learned."""
        throttle = Throttle(
            max_in_flight=self._max_in_flight,
            max_calls_per_second=None,
            clock=self._clock,
            max_closed_seconds=self._max_closed_seconds,
            random=self._random,
        )
        throttle._shared = self._shared
        throttle._outage = copy.copy(self._outage)
        throttle._pace = self._pace.copy()
        return throttle

    # --- one call -----------------------------------------------------------------------------

    def try_acquire(self, permit: Permit) -> bool:
        """Let the call go out if plainly nothing keeps it back. If not, it needs to `acquire`."""
        if (
            self.in_flight >= self._at_once
            or self._queues.singles
            or self._queues.rows
            or self._shared.closing is not self._noted
        ):
            return False
        self.in_flight += 1
        monotonic = self._monotonic  # a variable, since to call an attribute takes longer
        permit.sent_at = monotonic()
        return True

    async def acquire(self, permit: Permit) -> Rejected | None:
        """Wait until the call may go out, and return `None`; or return why it should not wait.

        Raises:
            Exception: what the clock raised while the call waited.
        """
        queue = self._queues.of(permit)
        now = self._monotonic()
        self._catch_up(now)
        rejected = self._rejection(permit, now)
        if rejected is not None:
            return rejected
        if not queue:
            delay = self._try(permit, now)
            if delay <= 0:
                return None
            if permit.max_wait_seconds < delay < math.inf and self._closing is None:
                return Rejected(None)
        permit.waits_since = now
        if not permit.is_batch_row:
            self._waits.began(permit)
        answer: Answer = asyncio.get_running_loop().create_future()
        queue.append((answer, permit))
        if permit.is_batch_row and self._outage.since is not None:
            end = permit.patience_ends(self._outage.since)
            self._patience_ends_at = min(self._patience_ends_at, end)
        self._joined(now)
        try:
            return await answer
        except asyncio.CancelledError:
            if may_go(answer):
                # Its turn came just before it was cancelled.
                self.release(permit)
            else:
                self._pump()
            raise

    def release(self, permit: Permit) -> None:
        """Take note that the call is no longer under way."""
        self.in_flight -= 1
        if self._breaker.probe is permit:
            self._breaker.probe_ended(self._monotonic())
        if self._queues.singles or self._queues.rows:
            if self.in_flight + 1 != self._at_once or not self._hand_over():
                self._pump()
        elif self._timer is not None:
            self.detach()

    def _hand_over(self) -> bool:
        """Let one call go in the place of another, and return whether that is all there is to do.

        It is what `_pump` does while only the number of calls keeps one from going out.
        """
        now = self._monotonic()
        if now >= self._waits.next_at or self._shared.closing is not self._noted:
            return False
        waiter = self._queues.take_next()
        if waiter is None:
            return False
        answer, permit = waiter
        self.in_flight += 1
        permit.sent_at = now
        answer.set_result(None)
        return True

    def detach(self) -> asyncio.Task[None] | None:
        """Let all go that still wait, cancel the timer and return it. Each has to `release`."""
        for answer in self._queues.drain():
            self.in_flight += 1
            answer.set_result(None)
        timer, self._timer, self._timer_at = self._timer, None, math.inf
        if timer is not None:
            timer.cancel()
        return timer

    # --- what became of it --------------------------------------------------------------------

    def succeeded(self, permit: Permit, reply: Reply | None = None) -> None:
        """Take note of an answer that shows the server at work, even if the call was wrong.

        `reply`: the answer, if it is a success: then what it says of the rate limit is believed.
        """
        monotonic = self._monotonic  # as above
        now = monotonic()
        self.successes += 1
        if permit.refusals:
            self._blame.succeeded_after_refusal()
        self._pace.seen.answered(permit.sent_at, now, self.in_flight)
        told = None if reply is None else rate_limit(reply)
        if self._at_once:
            if told is not None or self._pace._remaining is not None:  # noqa: SLF001 - for speed
                self._pace.adjust(told, now)
                self._at_once = self._pace.at_once(self._max_in_flight)
            return
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
        believed = min(seconds, self._max_closed_seconds)
        told = None if reply is None else rate_limit(reply)
        closing = Closing(
            error,
            now + believed,
            now + seconds,
            believed,
            limited,
            is_stated=reply is None or "Retry-After" in reply.headers,
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

    def _close(self, closing: Closing) -> None:
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

    def _reopen(self, closing: Closing) -> None:
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

    # --- may it go, and when ------------------------------------------------------------------

    def _rejection(self, permit: Permit, now: float) -> Rejected | None:
        """Return why the call should not wait, `None` if it should."""
        outage, closing = self._outage, self._closing
        if outage.since is None or outage.error is None:
            return None
        end = permit.patience_ends(outage.since)
        if closing is not None and closing.until > now:
            if closing.until > end:
                return Rejected(outage.error, closing.asked_until - now)
        elif permit.is_batch_row and now >= end:
            return Rejected(outage.error, 0.0)
        return None

    def _delay(self, permit: Permit, now: float) -> float:
        """Return the seconds until the call may go out; infinity if only an event can tell."""
        if self._closing is not None:
            # In a fleet somebody else may have seen that the server takes calls again.
            if now < self._closing.until and not (
                self.fleet is not None and self.fleet.offers(now)
            ):
                return self._closing.until - now
            self._reopen(self._closing)
        if self.in_flight >= self._max_in_flight:
            return math.inf
        delay = self._breaker.delay(permit, now, self.in_flight)
        if delay > 0:
            return delay
        if self.fleet is not None and self.fleet.is_engaged:
            return self.fleet.delay(now)
        if not (self._breaker.is_open or self._pace.admits(self.in_flight)):
            return math.inf
        return self._pace.delay(now)

    def _try(self, permit: Permit, now: float) -> float:
        """Let the call go out if it may go now. Returns the seconds until it may, as `_delay`."""
        delay = self._delay(permit, now)
        if delay <= 0 and self._shared.cap is not None:
            # This comes last, since another thread may be faster.
            delay = self._shared.cap.take()
        if delay <= 0:
            if self.fleet is not None:
                self.fleet.sent(now)
            self.in_flight += 1
            permit.sent_at = now
            self._pace.sent(now)
            self._breaker.sent(permit)
        return delay

    # --- the queues ---------------------------------------------------------------------------

    def _joined(self, now: float) -> None:
        """Do as `_pump` after a call has begun to wait, in which case there may be less to do."""
        if not 0 < self._at_once <= self.in_flight or now >= self._waits.next_at:
            self._pump()
        elif self._queues.singles:
            # Only the end of another call lets one go.
            self._wake_in(self._waits.next_at - now, now)

    def _pump_if_calls_wait(self) -> None:
        if self._is_in_fleet:
            self._at_once = 0
        if self._queues.singles or self._queues.rows:
            self._pump()

    def _pump(self) -> None:
        """Let all calls go out that may, and set the timer for the next one."""
        if not (self._queues.singles or self._queues.rows):
            self.detach()
            return
        now = self._monotonic()
        self._catch_up(now)
        self._reject_impatient(now)
        if now >= self._waits.next_at and self._closing is None:
            self._reject_overdue(now)
        soonest = self._queues.let_go(
            lambda permit: self._try(permit, now), untried_first=self._outage.since is not None
        )
        if self._queues.rows and self._outage.since is not None:
            # Patience may end between two probes as well.
            soonest = min(soonest, max(0.0, self._patience_ends_at - now))
        if self._queues.singles and self._closing is None:
            soonest = min(soonest, max(0.0, self._waits.next_at - now))
        self._wake_in(soonest, now)

    def _reject_impatient(self, now: float) -> None:
        """Reject the calls whose patience is over or too short."""
        since = self._outage.since
        if since is None or now < self._patience_ends_at:
            return
        stay = self._queues.reject(lambda permit: self._rejection(permit, now))
        ends = (permit.patience_ends(since) for permit in stay)
        self._patience_ends_at = min(ends, default=math.inf)

    def _reject_overdue(self, now: float) -> None:
        """Reject the single calls that have waited for their turn for too long."""
        waits = self._waits
        self._queues.reject(lambda permit: Rejected(None) if waits.is_over(permit, now) else None)
        longest = waits.looked(
            (permit for answer, permit in self._queues.singles if not answer.done()), now
        )
        if longest is not None:
            logger.warning(
                "calls come faster than they may go out: %d wait, the first for %.1f s (%s)",
                self.waiting,
                longest,
                self.bounds,
            )

    def _wake_in(self, seconds: float, now: float) -> None:
        if seconds == math.inf or (self._timer is not None and self._timer_at <= now + seconds):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = now + seconds
        self._timer = asyncio.get_running_loop().create_task(
            self._wake(seconds), name="propq_async throttle timer"
        )

    async def _wake(self, seconds: float) -> None:
        try:
            await self._clock.sleep(seconds)
            self._timer, self._timer_at = None, math.inf
            self._pump()
        except Exception as error:  # noqa: BLE001 - it reaches the calls that wait for this timer
            self._timer, self._timer_at = None, math.inf
            for answer in self._queues.drain():
                answer.set_exception(error)


def _said(error: Blocking) -> str:
    said = f"{error.status} " if isinstance(error, APIStatusError) else ""
    said += error.message
    return f"{said} ({error.method} {error.url})" if isinstance(error, APIError) else said
