"""The server is away: since when, why, and who may try whether it is back."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from random import random
from typing import Final

import attrs

from .permit import Blocking, Permit

# This many failures in a row are an outage.
OUTAGE_FAILURES: Final = 3

# The server breaks down over everything if it has broken down over this many calls, to this many
# URLs (each of a development), and has taken none in between.
BREAKDOWN_CALLS: Final = 16
BREAKDOWN_PLACES: Final = 3

# How long after a failure the next probe goes out: twice as long each time, up to the last.
FIRST_PROBE_SECONDS: Final = 0.5
LAST_PROBE_SECONDS: Final = 20.0

# That distance varies at random by this fraction, so that processes do not all probe in the same
# second.
PROBE_JITTER: Final = 0.3

# A server that comes and goes is worth a warning only this often.
WARNING_INTERVAL_SECONDS: Final = 60.0


@attrs.define(eq=False, repr=False)
class Outage:
    """Since when nobody gets through, and why. Both are `None` while calls get through.

    A single failure or the server's request to wait begins it, and the next success ends it.
    """

    since: float | None = None
    error: Blocking | None = None
    _is_warned: bool = False
    _warned_at: float = -math.inf

    def noticed(self, now: float) -> int:
        """Take note that a call did not get through. Returns the level at which to log it.

        An outage is worth one warning, and not one for each call.
        """
        if self.since is not None:
            return logging.DEBUG
        self.since = now
        self._is_warned = now - self._warned_at >= WARNING_INTERVAL_SECONDS
        if not self._is_warned:
            return logging.DEBUG
        self._warned_at = now
        return logging.WARNING

    def joined(self, now: float) -> None:
        """Take note of an outage that another event loop has noticed, and logged."""
        if self.since is None:
            self.since, self._is_warned = now, False

    def ended(self) -> int:
        """Take note that calls get through again. Returns the level at which to log it."""
        self.since = self.error = None
        return logging.INFO if self._is_warned else logging.DEBUG


@attrs.define(eq=False, repr=False)
class Breakdowns:
    """Tells calls that make the server fail from a server that fails at everything.

    Both get a 500. Some rows of a list may make the server fail, or all those of one development,
    while it serves others. It is the server if many calls to several developments failed, and
    nobody got through.
    """

    _run: int = 1
    _calls: int = 0
    _places: set[str] = attrs.field(factory=set)

    def noticed(self, permit: Permit, place: str) -> bool:
        """Take note of a 500. Returns whether everybody gets it."""
        # Each call counts once, however often it is tried.
        self._calls += permit.broke_down_in != self._run
        permit.broke_down_in = self._run
        if len(self._places) < BREAKDOWN_PLACES:
            self._places.add(place)
        return self._calls >= BREAKDOWN_CALLS and len(self._places) == BREAKDOWN_PLACES

    def ended(self) -> None:
        self._run += 1
        self._calls = 0
        self._places.clear()


class CircuitBreaker:
    """Holds rows back while the server fails, probes it, and starts slowly when it is back.

    The circuit opens after several failures in a row. From then on one row at a time probes the
    server, at growing distances; while a probe is under way, the circuit is half-open. Single calls
    are not held back: they follow a retry policy of their own. The first success closes the
    circuit, and as many more calls may be in flight as calls have come back.
    """

    def __init__(self, max_in_flight: int, random: Callable[[], float] = random) -> None:
        self._max_in_flight = max_in_flight
        self._random = random
        self._failures = 0
        self._probes = 0
        # `None`: the circuit is closed. Infinite: it is half-open.
        self._next_probe_at: float | None = None
        self.probe: Permit | None = None
        self._slow_start: float | None = None
        # 0: one more when as many have succeeded as may be in flight.
        self._slow_start_step = 1
        self._slowed_at = -math.inf

    @property
    def is_open(self) -> bool:
        return self._next_probe_at is not None

    @property
    def is_at_rest(self) -> bool:
        return self._next_probe_at is None and self._slow_start is None

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures < OUTAGE_FAILURES:
            return
        if self._next_probe_at is None or self._next_probe_at == math.inf:
            distance = FIRST_PROBE_SECONDS * 2.0 ** min(self._probes, 20)
            jitter = 1 + PROBE_JITTER * (2 * self._random() - 1)
            self._next_probe_at = now + jitter * min(LAST_PROBE_SECONDS, distance)

    def succeeded(self) -> None:
        self._failures = 0
        if self._next_probe_at is not None:
            self._next_probe_at, self._probes, self._slow_start = None, 0, 1
            self._slow_start_step = self._slow_start_step or 1
        if self._slow_start is not None:
            self._slow_start += self._slow_start_step or 1 / self._slow_start
            if self._slow_start >= self._max_in_flight:
                self._slow_start = None

    def restart(self, step: int) -> None:
        """Forget the failures, and start slowly: by so many more calls for each that succeeds."""
        self._next_probe_at, self._probes, self._failures = None, 0, 0
        self._slow_start, self._slow_start_step = 1, step

    def overloaded(self, sent_at: float, now: float, in_flight: int) -> None:
        """Let half as many go out at once as there are, and then more with each that succeeds.

        `sent_at`: when the call went out that the server did not take. Those that went out with it
        say the same.
        """
        if self._next_probe_at is None and sent_at > self._slowed_at:
            self._slowed_at = now
            self._slow_start, self._slow_start_step = max(1, in_flight // 2), 0

    def not_overloaded(self) -> None:
        """Take note that it was no overload: let as many go out at once as before."""
        if self._slow_start_step == 0:
            self._slow_start = None

    def delay(self, permit: Permit, now: float, in_flight: int) -> float:
        """Return the seconds until the call may go out; infinity if only an event can tell."""
        if self._next_probe_at is not None:
            return max(0.0, self._next_probe_at - now) if permit.is_batch_row else 0.0
        if self._slow_start is not None and in_flight >= int(self._slow_start):
            return math.inf
        return 0.0

    def sent(self, permit: Permit) -> None:
        """Take note of a call that goes out: a row that goes while the circuit is open probes."""
        if self._next_probe_at is not None and permit.is_batch_row:
            self._next_probe_at, self.probe = math.inf, permit
            self._probes += 1

    def probe_ended(self, now: float) -> None:
        """Take note that the probe is over. If it found out nothing, the next one may go at once.

        That is so when it was cancelled, or had no token to go with.
        """
        self.probe = None
        if self._next_probe_at == math.inf:
            self._next_probe_at = now
