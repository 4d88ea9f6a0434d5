"""A fleet of clients that share one token in Redis: in this process, or each in its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import attrs

from propq_async import AsyncPropQ, Clock, PropQSession
from propq_async.redis import RedisTokenStore
from propq_async.redis._connection import LEFT_ALONE_SECONDS
from propq_async.testing import PropQEmulator

from . import processes
from .processes import Process

PATH = "/v1/developments/4711/units/update-by-name"
CALL = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 1, "UntDirections": ["N"]}


class ShiftedClock:
    """The real clocks, each as far off as a test says."""

    def __init__(self, wall_offset: float = 0.0) -> None:
        self.wall_offset = wall_offset
        self.monotonic_offset = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(
            wall=lambda: time.time() + self.wall_offset,
            monotonic=lambda: time.monotonic() + self.monotonic_offset,
        )


@attrs.frozen
class Round:
    """What became of a round of calls: how many failed, and which warnings there were."""

    failed: int
    warnings: list[str]


class Fleet(Protocol):
    """Clients of one account."""

    @property
    def size(self) -> int:
        """Return how many there are."""
        ...

    async def round(self) -> Round:
        """Let each of them make its calls, all at once."""
        ...

    async def leave_redis_alone(self) -> None:
        """Let the time pass in which nobody asks a Redis that has failed."""
        ...


@attrs.define
class LocalFleet:
    """Clients in this process."""

    sessions: list[PropQSession]
    calls: int
    clock: ShiftedClock
    warnings: list[str] = attrs.field(factory=list)

    @property
    def size(self) -> int:
        return len(self.sessions)

    async def round(self) -> Round:
        calls = (
            session.request("POST", PATH, json=CALL)
            for session in self.sessions
            for _ in range(self.calls)
        )
        results = await asyncio.gather(*calls, return_exceptions=True)
        said, self.warnings[:] = self.warnings[:], []
        return Round(sum(isinstance(result, BaseException) for result in results), said)

    async def leave_redis_alone(self) -> None:
        self.clock.monotonic_offset += LEFT_ALONE_SECONDS


@attrs.define
class ProcessFleet:
    """Clients in processes of their own."""

    processes: list[Process]

    @property
    def size(self) -> int:
        return len(self.processes)

    async def round(self) -> Round:
        for process in self.processes:
            process.go()
        said: list[Any] = await asyncio.gather(*(process.line() for process in self.processes))
        failed = sum(one["failed"] for one in said)
        return Round(failed, [warning for one in said for warning in one["warnings"]])

    async def leave_redis_alone(self) -> None:
        await asyncio.sleep(LEFT_ALONE_SECONDS)


@asynccontextmanager
async def local_fleet(
    emulator: PropQEmulator, url: str, *, size: int, calls: int
) -> AsyncIterator[LocalFleet]:
    """Run a fleet in this process."""
    clock = ShiftedClock()
    async with AsyncExitStack() as stack:
        sessions = []
        for _ in range(size):
            # A loaded machine is slow.
            store = RedisTokenStore(url, timeout_seconds=20, clock=clock.clock)
            propq = AsyncPropQ(
                emulator.credentials,
                base_url=emulator.url,
                token_store=store,
                clock=clock.clock,
            )
            sessions.append(await stack.enter_async_context(propq.session()))
        fleet = LocalFleet(sessions, calls, clock)
        handler = _Collecting(fleet.warnings)
        logger = logging.getLogger("propq_async")
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        yield fleet


@asynccontextmanager
async def process_fleet(
    emulator: PropQEmulator, url: str, *, size: int, calls: int
) -> AsyncIterator[ProcessFleet]:
    """Run a fleet of processes."""
    about = emulator.url, url, emulator.credentials.client_secret, emulator.credentials.client_id
    started = await asyncio.gather(
        *(Process.start(processes.rounds, *about, calls) for _ in range(size))
    )
    try:
        yield ProcessFleet(started)
    finally:
        await asyncio.gather(*(process.kill() for process in started))


class _Collecting(logging.Handler):
    def __init__(self, warnings: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.append(record.getMessage())
