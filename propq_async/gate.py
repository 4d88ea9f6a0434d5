"""The gate before the server: one for all calls of a factory.

It is open, closed until a moment, or probing.

Closed: the server asked to wait (429, or 503 with `Retry-After`). Nobody passes before that moment.
Then one call goes out, to see whether the server takes it. Where the server was down, the next ones
follow like TCP's slow start (RFC 5681 section 3.1), one more in flight for each that comes back, so
that all who waited do not arrive at once. Where it only counts calls, there are at once as many in
flight as it bore before. They also keep to the *pace* that the server has shown it can bear: as
many calls as the last window took (`X-RateLimit-Limit` if the server names it), in the time from
the window's first call to the end of the wait, less the way there and back: a wait in whole seconds
was rounded up, and a window is then taken for one of whole seconds, too. What the ways of calls
differ by is added, since a call that is fast after one that was slow would come too early. The pace
is a sliding window, which a server that counts in fixed windows or in sliding ones never has to
refuse. Without a header it grows additively and shrinks to what was borne (AIMD, as in RFC 5681
section 3.1): by two per cent of the calls, twice that the next time, and so on, until the server
refuses; each refusal doubles the time to the next try.

Probing: nobody gets through (connection errors, 5xx, no token to be had). Rows of a batch are held;
one of them after another goes out as a probe, at growing distances, and the first answer opens the
gate. Single calls pass, since their own back-off and their own end are what their callers chose.

`max_calls_per_second` is a second sliding window that holds from the start.

A gate has no loop and no task while it is idle. Whoever waits is woken by those who leave or by a
timer, in the order of arrival; rows of batches and single calls take turns.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections import deque
from typing import Final, TypeAlias

import attrs
from multidict import istr

from .config import Clock
from .errors import APIError, APIStatusError, TokenUnavailableError
from .wire import Reply

__all__ = ["Blocking", "Gate", "Shut", "Ticket"]

logger = logging.getLogger(__name__)

# So many failures in a row, with no success among them, are an outage.
OUTAGE_FAILURES: Final = 3
FIRST_PROBE_SECONDS: Final = 0.5
LAST_PROBE_SECONDS: Final = 20.0
# A server that comes and goes is worth a warning so often.
WARN_SECONDS: Final = 60.0

MIN_WINDOW_SECONDS: Final = 0.05
USUAL_WINDOW_SECONDS: Final = 60.0
MOST_COUNTED: Final = 10_000
# Fewer calls in a window say that others use it, too, and not what it holds.
LEAST_TELLING: Final = 5
# A refusal within so many lengths of the pace's window after a reopening came in the server's first
# one, which began with the first call: so it measures that window.
FIRST_WINDOW: Final = 1.5
GROWTH: Final = 0.02
FIRST_GROWTH_SECONDS: Final = 30.0
LAST_GROWTH_SECONDS: Final = 960.0
# The least number of calls since the last refusal, for each one that may be refused next.
CALLS_PER_REFUSAL: Final = 40
# By how much a window is stretched for calls that are on their way for longer or shorter, as a part
# of its length, and how often after that before the pace is taken to be wrong.
MARGIN: Final = 0.1
LEAST_MARGIN: Final = 0.02
MOST_EARLY: Final = 3
# What the pace keeps of itself when it was kept to and refused all the same.
SHRINKING: Final = 0.9


class Ticket:
    """One call's claim to pass.

    Args:
        held: it is a row of a batch, to be held while nobody gets through.
        patience_seconds: the longest that it waits while nothing gets through.
        since: when it came, by the monotonic clock.

    Attributes:
        passed: when it was last let pass.
    """

    passed = 0.0

    def __init__(self, *, held: bool, patience_seconds: float, since: float) -> None:
        self.held = held
        self.patience_seconds = patience_seconds
        self.since = since


# What may keep everybody from getting through.
Blocking: TypeAlias = APIError | TokenUnavailableError


@attrs.frozen
class Shut:
    """The answer to a ticket whose patience is too short: what blocks, and for how long yet."""

    error: Blocking
    seconds: float


@attrs.define
class _Window:
    """So many calls in any so many seconds."""

    limit: int
    seconds: float
    taken: deque[float] = attrs.field(factory=deque)

    def wait(self, now: float) -> float:
        """Return the seconds until one more call may go."""
        while self.taken and now - self.taken[0] >= self.seconds:
            self.taken.popleft()
        if len(self.taken) < self.limit:
            return 0.0
        return self.taken[len(self.taken) - self.limit] + self.seconds - now


_NUMBER: Final = re.compile(r"[0-9]{1,18}")
# They are looked for in every answer, and so are looked up three times as fast.
_LIMIT: Final = istr("X-RateLimit-Limit")
_REMAINING: Final = istr("X-RateLimit-Remaining")

_Waiter = tuple["asyncio.Future[Shut | None]", Ticket]


class Gate:
    """Lets calls pass, or makes them wait. Every `enter` that returns `None` needs one `leave`.

    Args:
        max_in_flight: how many may be under way at once: as many as there are connections.
        max_calls_per_second: an upper bound for any sliding second, `None` for none. A fraction
            below one is one call in so many seconds, one above it is rounded down.
        clock: where time comes from.
    """

    def __init__(
        self, *, max_in_flight: int, max_calls_per_second: float | None, clock: Clock
    ) -> None:
        self._max_in_flight = max_in_flight
        self._max_calls_per_second = max_calls_per_second
        self._clock = clock
        self._monotonic = clock.monotonic
        self._cap: _Window | None = None
        if max_calls_per_second is not None:
            whole = max_calls_per_second >= 1
            self._cap = _Window(
                limit=int(max_calls_per_second) if whole else 1,
                seconds=1.0 if whole else 1 / max_calls_per_second,
            )

        self.successes = 0
        self.in_flight = 0
        # Nothing is known of but the number of connections that keeps anybody from passing.
        self._is_calm = False
        self._singles: deque[_Waiter] = deque()
        self._rows: deque[_Waiter] = deque()
        self._rows_turn = False
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf

        self._blocked_since: float | None = None
        self._blocked_by: Blocking | None = None
        # When the patience of somebody who waits may have ended.
        self._look_at = -math.inf
        self._failures = 0
        self._warned = False
        self._warned_at = -math.inf

        self._closed_until: float | None = None
        self._closed_for = 0.0
        self._pace: _Window | None = None
        self._stated: int | None = None
        self._limited = False
        self._window_began: float | None = None
        # When the calls that this window has held went out.
        self._held: deque[float] = deque(maxlen=MOST_COUNTED)
        # Of these calls: the longest and the shortest way there and back, and the most in flight.
        self._longest_trip = 0.0
        self._shortest_trip = math.inf
        self._most_in_flight = 1
        self._early = 0
        self._growth = GROWTH
        self._growth_seconds = FIRST_GROWTH_SECONDS
        self._grown_at = -math.inf
        self._since_refusal = 0
        self._remaining: int | None = None

        self._ramp: int | None = None
        self._ramp_step = 1
        self._probes = 0
        self._next_probe: float | None = None
        self._probe: Ticket | None = None

    @property
    def waiting(self) -> int:
        """Return how many calls wait. Who was cancelled may stand in a queue yet, and is none."""
        # Copies, since this is asked from other threads as well.
        queues = (tuple(self._singles), tuple(self._rows))
        return sum(not future.done() for queue in queues for future, _ in queue)

    @property
    def is_pacing(self) -> bool:
        """Return whether there is a limit to how many calls pass in a time."""
        return self._cap is not None or self._pace is not None

    @property
    def is_idle(self) -> bool:
        """Return whether nobody waits or is under way, so that any event loop may use it."""
        return not (self.in_flight or self._singles or self._rows)

    @property
    def opens_in_seconds(self) -> float:
        """Return the seconds until the moment that the server named, 0 if it named none."""
        until = self._closed_until
        return 0.0 if until is None else max(0.0, until - self._monotonic())

    def copy(self) -> Gate:
        """Return an idle gate that knows what this one has learned of the server."""
        gate = Gate(
            max_in_flight=self._max_in_flight,
            max_calls_per_second=self._max_calls_per_second,
            clock=self._clock,
        )
        gate._closed_until, gate._closed_for = self._closed_until, self._closed_for
        gate._blocked_since, gate._blocked_by = self._blocked_since, self._blocked_by
        gate._warned, gate._warned_at = self._warned, self._warned_at
        if self._cap is not None and gate._cap is not None:
            gate._cap.taken.extend(self._cap.taken)
        if self._pace is not None:
            gate._pace = _Window(self._pace.limit, self._pace.seconds, self._pace.taken.copy())
            gate._stated = self._stated
        return gate

    # --- passing ------------------------------------------------------------------------------

    def pass_at_once(self, ticket: Ticket) -> bool:
        """Let pass who need not wait, if that is plain to see. Who may not, has to `enter`."""
        if (
            not self._is_calm
            or self.in_flight >= self._max_in_flight
            or self._singles
            or self._rows
        ):
            return False
        self.in_flight += 1
        ticket.passed = self._monotonic()
        return True

    async def enter(self, ticket: Ticket) -> Shut | None:
        """Wait for the turn. Returns `None` for a pass, or why there is none to be had."""
        queue = self._rows if ticket.held else self._singles
        now = self._monotonic()
        shut = self._shut(ticket, now)
        if shut is not None:
            return shut
        if not queue and self._delay(ticket, now) <= 0:
            self._take(ticket, now)
            return None
        future: asyncio.Future[Shut | None] = asyncio.get_running_loop().create_future()
        queue.append((future, ticket))
        if ticket.held and self._blocked_since is not None:
            self._look_at = min(self._look_at, self._patience_ends(ticket, self._blocked_since))
        self._pump()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result() is None:
                # It had its pass when it was cancelled.
                self.leave(ticket)
            else:
                self._pump()
            raise

    def leave(self, ticket: Ticket) -> None:
        """Give back a pass. What became of the call is said before, by one of the next three."""
        self.in_flight -= 1
        if self._probe is ticket:
            self._probe = None
            if self._next_probe == math.inf:
                # It was cancelled, or had no token to go with: the next one may go at once.
                self._next_probe = self._monotonic()
        if self._singles or self._rows or self._timer is not None:
            self._pump()

    def detach(self) -> asyncio.Task[None] | None:
        """Let go who still waits, with a pass to give back; cancel the timer and return it."""
        for queue in (self._singles, self._rows):
            while queue:
                future, _ = queue.popleft()
                if not future.done():
                    self.in_flight += 1
                    future.set_result(None)
        timer, self._timer, self._timer_at = self._timer, None, math.inf
        if timer is not None:
            timer.cancel()
        return timer

    def succeeded(self, ticket: Ticket, reply: Reply | None = None) -> None:
        """Take note of an answer that shows the server at work, an error of the call included.

        `reply`: where the answer is a success, what it says of the limit is taken for true.
        """
        now = self._monotonic()
        self.successes += 1
        self._held.append(ticket.passed)
        self._went(ticket, now)
        self._most_in_flight = max(self._most_in_flight, self.in_flight)
        # The headers may echo the token: so no variable holds them.
        if self._is_calm and (
            reply is None or (_REMAINING not in reply.headers and _LIMIT not in reply.headers)
        ):
            return
        # What was under way when the gate closed says nothing of what comes after.
        if self._blocked_since is not None and self._closed_until is None:
            logger.log(logging.INFO if self._warned else logging.DEBUG, "the server answers again")
            self._blocked_since = self._blocked_by = None
        self._failures = 0
        if self._next_probe is not None:
            self._next_probe, self._probes, self._ramp = None, 0, 1
        if self._ramp is not None:
            self._ramp += self._ramp_step
            if self._ramp >= self._max_in_flight:
                self._ramp = None
        if reply is None:
            self._remaining = None
        else:
            self._remaining = _number(reply.headers.get(_REMAINING))
            self._stated = _number(reply.headers.get(_LIMIT)) or self._stated
        if self._pace is not None:
            self._adjust(self._pace, now)
        self._is_calm = (
            # While it is closed it is blocked, too.
            self._blocked_since is None
            and self._window_began is not None
            and self._ramp is None
            and self._remaining is None
            and self._cap is None
            and self._pace is None
        )

    def refused(self, ticket: Ticket, error: APIError, seconds: float, *, limited: bool) -> None:
        """Take note that the server asked everybody to wait so many seconds.

        `limited`: because it counts calls, and not because it is down.
        """
        now = self._monotonic()
        self._went(ticket, now)
        if limited and self._pace is not None and ticket.passed in self._pace.taken:
            # What the server refuses it does not count.
            self._pace.taken.remove(ticket.passed)
        self._limited = limited
        if self._closed_until is None or self._closed_until < now + seconds:
            self._closed_until, self._closed_for = now + seconds, seconds
            self._look_at = -math.inf
        self._blocked_by = error
        self._block(error, now, f"the server asks to wait {seconds:g} s")

    def failed(self, error: Blocking) -> None:
        """Take note of a connection error or a 5xx, or of a row that gets no token to go with."""
        now = self._monotonic()
        self._failures += 1
        self._block(error, now, "the server does not answer as it should")
        if self._failures < OUTAGE_FAILURES:
            return
        if self._next_probe is None or self._next_probe == math.inf:
            distance = min(LAST_PROBE_SECONDS, FIRST_PROBE_SECONDS * 2.0 ** min(self._probes, 20))
            self._next_probe = now + distance

    def _went(self, ticket: Ticket, now: float) -> None:
        trip = now - ticket.passed
        self._longest_trip = max(self._longest_trip, trip)
        self._shortest_trip = min(self._shortest_trip, trip)

    def _block(self, error: Blocking, now: float, what: str) -> None:
        self._is_calm = False
        # Once for each time that the server goes away, and not for each if they are many: with one
        # call in ten failing, that would be once per call.
        level = logging.DEBUG
        if self._blocked_since is None:
            self._warned = now - self._warned_at >= WARN_SECONDS
            if self._warned:
                level, self._warned_at = logging.WARNING, now
        said = f"{error.status} " if isinstance(error, APIStatusError) else ""
        said += error.message
        if isinstance(error, APIError):
            said += f" ({error.method} {error.url})"
        logger.log(level, "%s: %s", what, said)
        # While the gate is closed, it is what closed it that blocks, whatever fails meanwhile.
        if self._closed_until is None:
            self._blocked_by = error
        if self._blocked_since is None:
            self._blocked_since = now
            self._look_at = -math.inf

    # --- who may pass, and when ---------------------------------------------------------------

    def _shut(self, ticket: Ticket, now: float) -> Shut | None:
        if self._blocked_since is None or self._blocked_by is None:
            return None
        end = self._patience_ends(ticket, self._blocked_since)
        until = self._closed_until
        if until is not None and until > now:
            if until > end:
                return Shut(self._blocked_by, until - now)
        elif ticket.held and now >= end:
            return Shut(self._blocked_by, 0.0)
        return None

    @staticmethod
    def _patience_ends(ticket: Ticket, blocked_since: float) -> float:
        return max(blocked_since, ticket.since) + ticket.patience_seconds

    def _delay(self, ticket: Ticket, now: float) -> float:
        """Return the seconds until the ticket may pass; infinity if only an event can tell."""
        if self._closed_until is not None:
            if now < self._closed_until:
                return self._closed_until - now
            self._reopen(self._closed_until, self._closed_for)
        if self.in_flight >= self._max_in_flight:
            return math.inf
        if self._next_probe is not None:
            # A probe that is under way has made it infinite.
            if ticket.held and now < self._next_probe:
                return self._next_probe - now
        else:
            if self._ramp is not None and self.in_flight >= self._ramp:
                return math.inf
            # The server said how many it will still take. One always goes, to learn of the next.
            if self._remaining is not None and self.in_flight >= max(1, self._remaining):
                return math.inf
        return max(
            0.0 if self._cap is None else self._cap.wait(now),
            0.0 if self._pace is None else self._pace.wait(now),
        )

    def _take(self, ticket: Ticket, now: float) -> None:
        self.in_flight += 1
        ticket.passed = now
        if self._cap is not None:
            self._cap.taken.append(now)
        if self._pace is not None:
            self._pace.taken.append(now)
        if self._window_began is None:
            self._window_began = now
        if self._next_probe is not None and ticket.held:
            self._next_probe, self._probe = math.inf, ticket
            self._probes += 1

    def _reopen(self, at: float, wait: float) -> None:
        """Open after a wait, with a pace from what the window before it has held."""
        self._closed_until = None
        self._ramp_step = 1
        if self._limited:
            # Refused although it kept to a pace: the pace is wrong, and the next one may be, too.
            if self._pace is None or self._is_early(self._pace, wait):
                self._ramp_step = self._most_in_flight
            self._learn(at, wait)
        self._window_began, self._most_in_flight = None, 1
        self._longest_trip, self._shortest_trip = 0.0, math.inf
        self._held.clear()
        self._remaining = None
        self._next_probe, self._probes, self._failures = None, 0, 0
        self._ramp = 1

    def _learn(self, at: float, wait: float) -> None:
        """Set the pace from the window that ends now."""
        held, stated, pace = self._held, self._stated, self._pace
        if self._window_began is None or not held:
            return
        began = self._window_began
        differ = self._longest_trip - self._shortest_trip
        if pace is None or stated is not None:
            # Calls that came long before the refusal were counted in another window.
            began = max(began, at - max(USUAL_WINDOW_SECONDS, 2 * wait))
        if stated is not None:
            limit = stated
            if len(held) >= stated:
                began = max(began, held[-stated])
        elif pace is not None and self._growth == GROWTH and self._is_early(pace, wait):
            # The window is right, and was not yet over.
            self._early += 1
            pace.seconds += min(max(differ, LEAST_MARGIN * pace.seconds), MARGIN * pace.seconds)
            return
        elif pace is not None and (
            self._growth > GROWTH or at - began > FIRST_WINDOW * pace.seconds
        ):
            self._shrink(pace, at, sum(passed > at - wait - pace.seconds for passed in held))
            return
        else:
            limit = sum(passed >= began for passed in held)
            if limit < LEAST_TELLING:
                return
        seconds = at - began - (self._shortest_trip + self._longest_trip) / 2
        if wait.is_integer():
            seconds = max(1.0, math.floor(seconds))
        seconds += min(differ, MARGIN * seconds)
        self._pace = _Window(
            limit, max(MIN_WINDOW_SECONDS, seconds), deque() if pace is None else pace.taken
        )
        self._grown_at, self._since_refusal, self._early = at, 0, 0

    def _is_early(self, pace: _Window, wait: float) -> bool:
        """Return whether the server refused what came at the end of its window, by a hair."""
        return wait <= max(1.0, MARGIN * pace.seconds) and self._early < MOST_EARLY

    def _shrink(self, pace: _Window, at: float, borne: int) -> None:
        """Go back to what the server bore, after it has refused what the pace allowed."""
        pace.limit = borne if 0 < borne < pace.limit else max(1, int(pace.limit * SHRINKING))
        self._growth, self._early = GROWTH, 0
        self._growth_seconds = min(LAST_GROWTH_SECONDS, 2 * self._growth_seconds)
        self._grown_at, self._since_refusal = at, 0

    def _adjust(self, pace: _Window, now: float) -> None:
        """Keep to what the server states, or else grow a little now and then."""
        if self._stated is not None:
            pace.limit = self._stated
            return
        self._since_refusal += 1
        step = max(1, int(pace.limit * self._growth))
        if (
            self._since_refusal >= CALLS_PER_REFUSAL * step
            and now - self._grown_at >= self._growth_seconds
        ):
            pace.limit += step
            self._growth = min(1.0, 2 * self._growth)
            self._grown_at = now

    # --- those who wait -----------------------------------------------------------------------

    def _pump(self) -> None:
        """Let pass whoever may, and set the timer for the next who will."""
        if not (self._singles or self._rows):
            self.detach()
            return
        now = self._monotonic()
        self._send_home(now)
        soonest = math.inf
        stuck = 0
        both = 2
        while stuck < both:
            queue = self._rows if self._rows_turn else self._singles
            self._rows_turn = not self._rows_turn
            while queue and queue[0][0].done():
                queue.popleft()
            delay = self._delay(queue[0][1], now) if queue else math.inf
            if delay > 0:
                soonest = min(soonest, delay)
                stuck += 1
                continue
            stuck = 0
            future, ticket = queue.popleft()
            self._take(ticket, now)
            future.set_result(None)
        if self._rows and self._blocked_since is not None:
            # Patience ends between two probes as well.
            soonest = min(soonest, max(0.0, self._look_at - now))
        self._wake_in(soonest, now)

    def _send_home(self, now: float) -> None:
        if self._blocked_since is None or now < self._look_at:
            return
        self._look_at = math.inf
        for queue in (self._singles, self._rows):
            for future, ticket in queue:
                shut = None if future.done() else self._shut(ticket, now)
                if shut is not None:
                    future.set_result(shut)
                elif ticket.held:
                    end = self._patience_ends(ticket, self._blocked_since)
                    self._look_at = min(self._look_at, end)
            while queue and queue[0][0].done():
                queue.popleft()

    def _wake_in(self, seconds: float, now: float) -> None:
        if seconds == math.inf or (self._timer is not None and self._timer_at <= now + seconds):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = now + seconds
        self._timer = asyncio.get_running_loop().create_task(
            self._wake(seconds), name="propq_async gate timer"
        )

    async def _wake(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._timer, self._timer_at = None, math.inf
        self._pump()


def _number(value: str | None) -> int | None:
    # Not of any length, since int() refuses to read thousands of digits.
    return int(value) if value is not None and _NUMBER.fullmatch(value) else None
