"""A limiter in memory that notes what it is asked, and hands out what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from propq_async import Closing, Lease, Opened, Pace

UNLIMITED = Lease(0, 0.0, float("inf"), None, 1)


class FakeLimiter:
    """Takes the place of a Redis. `leases` are handed out one after the other, then none."""

    def __init__(self, *leases: Lease, pace: Pace | None = None) -> None:
        self.leases = list(leases)
        self.pace = pace
        self.asked: list[Any] = []
        self.failing = False
        self.said: asyncio.Queue[Closing | Opened] = asyncio.Queue()

    def _note(self, *what: Any) -> None:
        self.asked.append(what)
        if self.failing:
            raise ConnectionError("worth-hiding")

    async def join(self) -> Pace | None:
        self._note("join")
        return self.pace

    async def lease(self, want: int, known: Pace | None) -> Lease:
        self._note("lease", want, known)
        return self.leases.pop(0) if self.leases else Lease(0, 3600.0, 0.0, self.pace, 1)

    async def refused(self, seconds: float, stated: int | None) -> Closing:
        self._note("refused", seconds, stated)
        return Closing(1, seconds, stated is not None)

    async def report(self, epoch: int, sent_ago: Sequence[float]) -> None:
        self._note("report", epoch, list(sent_ago))

    async def proven(self, epoch: int) -> None:
        self._note("proven", epoch)

    async def events(self) -> AsyncIterator[Closing | Opened]:
        while True:
            yield await self.said.get()


class FakeAllowance(FakeLimiter):
    """Allows so many calls at a time, each time after so many seconds, then none for a second."""

    def __init__(self, *counts: int, members: int = 1, answers_after_seconds: float = 0.0) -> None:
        super().__init__()
        self.counts = list(counts)
        self.members = members
        self.answers_after_seconds = answers_after_seconds

    async def allow(self, want: int, per_second: float, within_seconds: float) -> Lease:
        self._note("allow", want, per_second, within_seconds)
        await asyncio.sleep(self.answers_after_seconds)
        count = self.counts.pop(0) if self.counts else 0
        return Lease(count, 1.0, within_seconds, None, self.members)
