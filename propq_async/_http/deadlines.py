"""The timeouts of requests: how long a task may wait for a connection and for an answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

from .connections import OpenConnections
from .exceptions import OutOfTimeError

_T = TypeVar("_T")


class Deadlines:
    """One timer for all requests under way, since one for each would cost far more.

    A connection has the `deadline` of its request while it is not idle. A task that waits for a
    connection is among `running`. Whoever needs a deadline that is earlier than `soonest` has to
    set the timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: OpenConnections) -> None:
        self._loop = loop
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None
        self.soonest = math.inf
        # A task that is no longer here has reached its deadline.
        self.running: dict[asyncio.Task[Any], float] = {}

    def set_timer(self, at: float) -> None:
        """Look at the deadlines then, and not before."""
        self.clear()
        self.soonest = at
        self._timer = self._loop.call_at(at, self._sweep)

    def clear(self) -> None:
        """Look at no deadline any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.soonest = None, math.inf

    async def keep(self, deadline: float, connecting: Coroutine[Any, Any, _T]) -> _T:
        """Wait for a connection, as `asyncio.timeout_at` would.

        Raises:
            OutOfTimeError: it took too long.
        """
        task: Any = asyncio.current_task()
        cancelling = task.cancelling()
        self.running[task] = deadline
        try:
            return await connecting
        except asyncio.CancelledError:
            if task in self.running or task.uncancel() > cancelling:
                raise
            raise OutOfTimeError from None
        finally:
            self.running.pop(task, None)

    def _sweep(self) -> None:
        now = self._loop.time()
        for task in [task for task, deadline in self.running.items() if deadline <= now]:
            del self.running[task]
            task.cancel()
        # A list, since tasks run in here.
        for connection in [one for one in self._busy() if one.deadline <= now]:
            connection.time_out()
        self.clear()
        deadlines = [*self.running.values(), *(one.deadline for one in self._busy())]
        if deadlines:
            self.set_timer(min(deadlines))

    def _busy(self) -> list[Any]:
        return [one for one in self._connections.all if not one.is_idle and one.deadline < math.inf]
