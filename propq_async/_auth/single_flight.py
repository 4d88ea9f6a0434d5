"""Single flight: at most one task for each event loop that brings a token, and one that leads.

Several event loops may run at once, each in its thread. The flight of one of them *leads*: it does
the work, and the flights of the others wait for its outcome. Why that is right:

- There is no `await` between looking for a flight and starting one, so a loop has one at the most.
- A flight takes the lead under a lock of threads. Only then does it look whether a token, or a
  failure, arrived since it was asked for. So only the flight that leads makes requests.
- A lead ends with its flight. Nobody tells the other loops when the leader's loop stops or is
  blocked, so they look now and then, and another one takes the lead.
- Callers wait for the flight through a shield: cancelling them cancels nothing.
- A flight returns its outcome, good or bad, as a value. So every waiter gets it, and if nobody
  waits, asyncio reports no exception as never retrieved.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import attrs

from propq_async._process_bound import ForkSafeLock
from propq_async.credentials import Token
from propq_async.errors import PropQError, TokenUnavailableError

from .stores import POLL_SECONDS

logger = logging.getLogger("propq_async.tokens")
Outcome: TypeAlias = Token | PropQError
Flight: TypeAlias = asyncio.Task[Outcome]

# Tells the other event loops that the next step begins, after so many seconds.
Progresses: TypeAlias = Callable[[float], None]


@attrs.define(eq=False, repr=False)
class _Lead:
    """The flight that works for all event loops, as those of the other loops see it.

    `lost_at` is when it has shown no progress for so long that its loop must be blocked.
    """

    loop: asyncio.AbstractEventLoop
    lost_at: float = math.inf
    outcome: Outcome | None = None
    _process_id: int = attrs.field(factory=os.getpid)

    def is_lost(self, now: float) -> bool:
        """Return whether its outcome will never come."""
        # A fork copies the leader's loop, which seems to run, but not the thread that runs it.
        return self._process_id != os.getpid() or not self.loop.is_running() or now >= self.lost_at


class Flights:
    """The flights of all event loops. A leader shows progress at least each `step_seconds`."""

    def __init__(self, monotonic: Callable[[], float], step_seconds: float) -> None:
        self.tasks: dict[asyncio.AbstractEventLoop, Flight] = {}
        self._monotonic = monotonic
        self._step_seconds = step_seconds
        self._lead: _Lead | None = None
        self._lock = ForkSafeLock()

    def under_way(self) -> Flight | None:
        """Return the flight of this event loop, if it has not ended.

        One that has just ended is still there for a turn of the loop. Waiting for it takes no time,
        so a caller that does not accept its outcome would ask for it again and again.
        """
        flight = self.tasks.get(asyncio.get_running_loop())
        return None if flight is None or flight.done() else flight

    def start(self, work: Callable[[Progresses], Awaitable[Outcome]]) -> Flight:
        """Start the flight of this event loop; `work` is done if it leads."""
        loop = asyncio.get_running_loop()
        for closed in [other for other in list(self.tasks) if other.is_closed()]:
            self.tasks.pop(closed, None)  # perhaps another thread was faster
        flight = loop.create_task(self._fly(work), name="propq_async token flight")
        self.tasks[loop] = flight
        flight.add_done_callback(lambda _: self._ended(loop, flight))
        return flight

    def detach(self) -> Flight | None:
        """Cancel the flight of this event loop and return it. The next caller starts another."""
        loop = asyncio.get_running_loop()
        flight = self.tasks.pop(loop, None)
        if flight is not None:
            flight.cancel()
            with self._lock:
                # Another loop need not wait until it has ended.
                if self._lead is not None and self._lead.loop is loop:
                    self._lead = None
        return flight

    def _progresses(self, lead: _Lead, pause_seconds: float) -> None:
        lead.lost_at = self._monotonic() + pause_seconds + self._step_seconds

    def _ended(self, loop: asyncio.AbstractEventLoop, flight: Flight) -> None:
        if self.tasks.get(loop) is flight:
            del self.tasks[loop]
        # A bug in a clock or in `ask`. Waiters get it, but perhaps nobody waits.
        if not flight.cancelled() and (error := flight.exception()) is not None:
            logger.error("the token flight broke off: %s", type(error).__name__)

    async def _fly(self, work: Callable[[Progresses], Awaitable[Outcome]]) -> Outcome:
        """Return the outcome of another loop's flight, or take the lead and do the work."""
        mine = _Lead(asyncio.get_running_loop())
        while (lead := self._take_lead(mine)) is not mine:
            await asyncio.sleep(POLL_SECONDS)
            if lead.outcome is not None:
                return lead.outcome
        try:
            mine.outcome = await work(partial(self._progresses, mine))
            return mine.outcome
        finally:
            with self._lock:
                if self._lead is mine:
                    self._lead = None

    def _take_lead(self, mine: _Lead) -> _Lead:
        """Return the flight that leads, which is this one if no other does."""
        with self._lock:
            lead = self._lead
            if lead is None or lead.is_lost(self._monotonic()):
                lead = self._lead = mine
                self._progresses(mine, 0.0)
            return lead


async def landed(flight: Flight) -> Token:
    """Return or raise the outcome of a flight, which goes on if the caller is cancelled."""
    try:
        outcome = await asyncio.shield(flight)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if flight.cancelled() and task is not None and not task.cancelling():
            closed = "the token manager was closed while a token was on its way"
            raise TokenUnavailableError(closed) from None
        raise
    if isinstance(outcome, PropQError):
        raise copy.deepcopy(outcome)
    return outcome
