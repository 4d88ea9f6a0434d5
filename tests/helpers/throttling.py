"""Throttles, permits and errors for the tests of the throttle."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any

from propq_async import APIError, Clock, RateLimitError, ServerError, UnitOutcome
from propq_async._throttling.permit import Permit, Rejected
from propq_async._throttling.throttle import Throttle
from propq_async._wire.messages import Reply

from .simulation import Answer, Simulated, units
from .support import an_update, run_virtual

START = 10_000.0  # where the virtual loop's time begins


def play(
    answer: Answer,
    *,
    rows: int,
    concurrency: int = 100,
    max_connections: int = 100,
    max_calls_per_second: float | None = None,
    max_outage_seconds: float = 1e6,
    latency_seconds: float = 0.05,
    jitter: float = 0.0,
    developments: int = 1,
) -> tuple[Simulated, list[UnitOutcome], float]:
    """Send a batch in virtual time. Return the server, the outcomes and the seconds it took.

    The rows take turns over the developments.
    """

    async def main(clock: Clock) -> tuple[Simulated, list[UnitOutcome], float]:
        server = Simulated(clock, answer, latency_seconds=latency_seconds, jitter=jitter)
        resource = units(
            clock,
            server,
            max_connections=max_connections,
            max_calls_per_second=max_calls_per_second,
        )
        batch = resource.update_many(
            (
                an_update(f"{number}", development_id=f"{number % developments}")
                for number in range(rows)
            ),
            concurrency=concurrency,
            max_outage_seconds=max_outage_seconds,
        )
        outcomes = [outcome async for outcome in batch]
        assert sorted(outcome.index for outcome in outcomes) == list(range(rows))
        return server, outcomes, clock.monotonic() - START

    return run_virtual(main)


def an_error(code: int = 429) -> APIError:
    kind = RateLimitError if code == 429 else ServerError
    return kind("x", status=code, method="POST", url="http://h/")


def a_throttle(
    clock: Clock, max_in_flight: int = 1, cap: float | None = None, **settings: Any
) -> Throttle:
    settings.setdefault("random", lambda: 0.5)
    return Throttle(max_in_flight=max_in_flight, max_calls_per_second=cap, clock=clock, **settings)


def a_permit(*, is_batch_row: bool = False, patience: float = 1e9, since: float = 0.0) -> Permit:
    permit = Permit()
    permit.is_batch_row, permit.patience_seconds, permit.since = is_batch_row, patience, since
    return permit


async def pass_once(throttle: Throttle, headers: dict[str, str] | None = None) -> None:
    """Let one call go out, succeed and come back."""
    permit = a_permit()
    if not throttle.try_acquire(permit):
        assert await throttle.acquire(permit) is None
    throttle.succeeded(permit, Reply(200, headers or {}, b""))
    throttle.release(permit)


async def acquiring(throttle: Throttle, permit: Permit) -> asyncio.Task[Rejected | None]:
    """Return a task that waits for its turn."""
    task = asyncio.create_task(throttle.acquire(permit))
    await asyncio.sleep(0)
    return task


class ThreadsClock:
    """Time for several threads. It moves on when all of them sleep, until one of them wakes up."""

    def __init__(self, threads: int) -> None:
        self._now = START
        self._awake = threads
        self._wake_up_at: list[float] = []
        self._changed = threading.Condition()
        self.clock = Clock(wall=self.monotonic, monotonic=self.monotonic, sleep=self.sleep)

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        with self._changed:
            until = self._now + seconds
            heappush(self._wake_up_at, until)
            self._is_one_less()
            self._changed.wait_for(lambda: self._now >= until)

    def leave(self) -> None:
        """Take note that a thread is done."""
        with self._changed:
            self._is_one_less()

    def _is_one_less(self) -> None:
        self._awake -= 1
        if self._awake or not self._wake_up_at:
            return
        self._now = self._wake_up_at[0]
        while self._wake_up_at and self._wake_up_at[0] <= self._now:
            heappop(self._wake_up_at)
            self._awake += 1
        self._changed.notify_all()


def in_threads(count: int, main: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Run it so often at once, each time in an event loop and a thread of its own."""
    threads = [
        threading.Thread(target=lambda number=number: asyncio.run(main(number)))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
