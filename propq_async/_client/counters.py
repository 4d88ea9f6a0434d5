"""Counters for each event loop, summed up on demand.

So counting costs an addition and no lock, and no count is lost when several threads use one
factory.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left
from collections import Counter
from operator import add

import attrs

from propq_async.stats import BOUNDS, CANCELLED


@attrs.define(eq=False, repr=False)
class Counters:
    """The counters of one event loop. Only its own thread changes them.

    `buckets` and `seconds` tell how long the calls took that have ended, and `failures` which of
    them failed, by the class of the error.
    """

    calls: int = 0
    retries: int = 0
    refused: int = 0
    waited_seconds: float = 0.0
    seconds: float = 0.0
    buckets: list[int] = attrs.field(factory=lambda: [0] * (len(BOUNDS) + 1))
    failures: Counter[str] = attrs.field(factory=Counter)

    def ended_in(self, error: BaseException, seconds: float) -> None:
        """Count a call that failed."""
        # Whatever cancels a coroutine or closes it.
        kind = type(error).__name__ if isinstance(error, Exception) else CANCELLED
        self.failures[kind] += 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def outcomes(self) -> dict[str, int]:
        """Return how many calls have ended, and how."""
        ok = sum(self.buckets) - self.failures.total()
        return ({"ok": ok} if ok else {}) | self.failures

    def add(self, other: Counters) -> None:
        """Add what the other has counted."""
        for name in ("calls", "retries", "refused", "waited_seconds", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.buckets = [*map(add, self.buckets, other.buckets)]
        # A copy, since the other's thread may count meanwhile.
        self.failures.update(other.failures.copy())


class CounterRegistry:
    """The counters of all event loops of a factory; those of closed loops are one sum."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = Counters()
        self._open: dict[asyncio.AbstractEventLoop, Counters] = {}

    def of_loop(self, loop: asyncio.AbstractEventLoop) -> Counters:
        """Return the counters of this event loop."""
        with self._lock:
            for other in [other for other in self._open if other.is_closed()]:
                self._closed.add(self._open.pop(other))
            return self._open.setdefault(loop, Counters())

    def total(self) -> Counters:
        """Return the sum of all counters, as a copy."""
        total = Counters()
        with self._lock:
            for counters in (self._closed, *self._open.values()):
                total.add(counters)
        return total
