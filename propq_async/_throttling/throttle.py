"""When a call may go out: who waits, in which order, and until when."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable
from random import random
from typing import Final

from propq_async.clock import Clock

from .admission import Admission
from .fleet import SharedLimiter
from .permit import Permit, Rejected
from .queues import Answer, Queues, may_go
from .server_view import logger
from .shared_waits import Shared
from .window import Cap

# The longest that a `Retry-After` is believed without asking again.
MAX_CLOSED_SECONDS: Final = 3600.0


class Throttle(Admission):
    """Lets calls go out, or makes them wait.

    Every `try_acquire` that returns `True` and every `acquire` that returns `None` needs one
    `release`. Before that, `succeeded`, `refused` or `failed` says what became of the call.

    Args:
        max_in_flight: how many may be under way at once: as many as there are connections.
        max_calls_per_second: an upper bound for any sliding second, `None` for none.
        clock: where time comes from.
        max_closed_seconds: the longest that a `Retry-After` is believed without asking again.
        random: a source of [0, 1), for the distances of probes.
    """

    in_flight: int  # as in `Admission`

    def __init__(
        self,
        *,
        max_in_flight: int,
        max_calls_per_second: float | None,
        clock: Clock,
        max_closed_seconds: float = MAX_CLOSED_SECONDS,
        random: Callable[[], float] = random,
    ) -> None:
        cap = max_calls_per_second
        super().__init__(
            max_in_flight=max_in_flight,
            shared=Shared(None if cap is None else Cap(cap, clock.monotonic)),
            clock=clock,
            max_closed_seconds=max_closed_seconds,
            random=random,
        )
        self._queues = Queues()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf

    @property
    def waiting(self) -> int:
        """Return how many calls wait. It may be asked from any thread."""
        return self._queues.waiting

    @property
    def is_idle(self) -> bool:
        """Return whether no call waits or is under way, so that any event loop may use it."""
        return not (self.in_flight or self._queues.singles or self._queues.rows)

    def join(self, limiter: SharedLimiter) -> asyncio.Task[None]:
        """Take part in a fleet from now on. Returns a task that ends when its pace is known."""
        from .fleet_cap import FleetCap  # noqa: PLC0415 - most processes are alone
        from .leases import Leases  # noqa: PLC0415

        self.fleet = Leases(
            limiter,
            self._clock,
            waiting=lambda: self.waiting,
            pump=self._pump_if_calls_wait,
            taken_since=self._pace.seen.taken_since,
        )
        allow = getattr(limiter, "allow", None)
        if self._shared.cap is not None and allow is not None:
            self._fleet_cap = FleetCap(
                allow,
                self._shared.cap.per_second,
                self._clock,
                able=lambda: min(self.waiting, self._max_in_flight - self.in_flight),
                pump=self._pump_if_calls_wait,
            )
        return self.fleet.joined

    def leave(self) -> list[asyncio.Task[None]]:
        """Leave the fleet, if there is one, and return the tasks that are cancelled with it."""
        fleet, self.fleet = self.fleet, None
        cap, self._fleet_cap = self._fleet_cap, None
        asking = [] if cap is None else cap.detach()
        return asking + ([] if fleet is None else fleet.detach())

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
        # If only the number of calls keeps the others back, this one has to join them.
        if not (queue and self._at_once and self._shared.closing is self._noted):
            self._catch_up(now)
            rejected = self._rejection(permit, now)
            if rejected is not None:
                return rejected
            if not queue:
                delay = self._try(permit, now)
                if delay <= 0:
                    return None
                if permit.max_wait_seconds < delay < math.inf and self._closing is None:
                    return Rejected(None, waiting=self.waiting + 1)
            if permit.is_batch_row and self._outage.since is not None:
                end = permit.patience_ends(self._outage.since)
                self._patience_ends_at = min(self._patience_ends_at, end)
        permit.waits_since = now
        if not permit.is_batch_row:
            self._waits.began(permit)
        answer: Answer = asyncio.get_running_loop().create_future()
        queue.append((answer, permit))
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

    # --- the queues ---------------------------------------------------------------------------

    def _joined(self, now: float) -> None:
        """Do as `_pump` after a call has begun to wait, in which case there may be less to do."""
        if not 0 < self._at_once <= self.in_flight or now >= self._waits.next_at:
            self._pump()
        elif self._queues.singles and self._timer_at > self._waits.next_at:
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
        waits = self._waits
        # Counted once for all, since many may be rejected.
        rejected = Rejected(None, waiting=self.waiting)
        self._queues.reject(lambda permit: rejected if waits.is_over(permit, now) else None)
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
