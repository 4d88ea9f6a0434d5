"""What a factory has done so far, in numbers.

Each event loop has counters of its own, so that counting costs an addition and no lock, and no
count is lost when several threads use one factory. They are summed up when somebody asks.
"""

from __future__ import annotations

import asyncio
import threading

import attrs

__all__ = ["Counters", "Stats", "Tally"]


@attrs.frozen(kw_only=True)
class Stats:
    """A snapshot of what a factory has done and is doing, over all its sessions and event loops.

    The first four count from the making of the factory and never fall. The last two are of this
    moment, and of the event loops in which the factory or one of its sessions is entered.

    Attributes:
        calls: calls begun, each row of a batch and each `session.request` included. A call counts
            once, however many requests it takes. Token requests are none.
        retries: requests beyond the first of a call, for whatever reason: a lost answer, a 5xx, a
            429, a refused token, a kept connection that had died.
        refused: answers in which the server asked to wait: 429, and 503 with `Retry-After`.
        refreshes: access tokens fetched from the token endpoint. One that another process left in
            the token store is none.
        in_flight: calls past the gate: on their way to the server, waiting for its answer, for a
            connection or for a token.
        waiting: calls that wait at the gate, because the server asks to wait, does not answer, or
            because `max_connections` or `max_calls_per_second` is reached.
    """

    calls: int
    retries: int
    refused: int
    refreshes: int
    in_flight: int
    waiting: int


@attrs.define
class Counters:
    """The counters of one event loop. Nothing but its own thread changes them."""

    calls: int = 0
    retries: int = 0
    refused: int = 0

    def add(self, other: Counters) -> None:
        """Add what the other has counted."""
        self.calls += other.calls
        self.retries += other.retries
        self.refused += other.refused


class Tally:
    """The counters of all event loops of a factory, those of closed ones in one sum."""

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
