"""Fleets in virtual time. Their scripts run in a real Redis, at the time that the clock says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any, Self

import attrs

from propq_async import Clock
from propq_async.redis import RedisLimiter

from .redis_servers import RedisServer
from .simulation import LATENCY_SECONDS, Answer, Simulated, units
from .support import an_update, run_virtual

SIZE = 8


class VirtualRedis:
    """In place of a client of `redis.asyncio`. Each way takes some of the clock's time."""

    def __init__(
        self, server: RedisServer, clock: Clock, *, latency_seconds: float = 0.001
    ) -> None:
        self._client = server.client(timeout_seconds=None)
        self._clock = clock
        self._latency_seconds = latency_seconds
        self._listeners: list[asyncio.Queue[str]] = []
        self.scripts = 0

    async def execute_command(self, _: str, script: str, *arguments: Any) -> Any:
        """Run a script, and pass on what it publishes."""
        await asyncio.sleep(self._latency_seconds)
        self.scripts += 1
        script = script.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
        script = script.replace("'PUBLISH', channel,", "'RPUSH', 'published',")
        seconds, rest = divmod(self._clock.wall(), 1)
        with self._client.pipeline() as pipeline:
            now = int(seconds), int(1e6 * rest)
            pipeline.eval(script, int(arguments[0]), *arguments[1:], *now)
            pipeline.lrange("published", 0, -1)
            pipeline.delete("published")
            answer, published, _ = pipeline.execute()
        await asyncio.sleep(self._latency_seconds)
        for listener in self._listeners:
            for message in published:
                listener.put_nowait(message)
        return answer

    def pubsub(self) -> Any:
        """Return what receives messages."""
        return _Subscription(self._listeners)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class _Subscription:
    def __init__(self, listeners: list[asyncio.Queue[str]]) -> None:
        self._listeners = listeners
        self._messages: asyncio.Queue[str] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners.remove(self._messages)

    async def subscribe(self, _: str) -> None:
        self._listeners.append(self._messages)

    async def listen(self) -> AsyncIterator[dict[str, str]]:
        while True:
            yield {"type": "message", "data": await self._messages.get()}


@attrs.frozen
class Ran:
    """When calls of a job arrived, what the server answered, and how many scripts Redis ran."""

    arrived: list[float]
    codes: list[int | None]
    scripts: int

    @property
    def seconds(self) -> float:
        return self.arrived[-1] - self.arrived[0]

    @property
    def refused_at(self) -> list[float]:
        """Return after how many seconds calls were refused."""
        return [
            at - self.arrived[0]
            for at, code in zip(self.arrived, self.codes, strict=True)
            if code == HTTPStatus.TOO_MANY_REQUESTS
        ]

    def refused(self, *, after_seconds: float = 0.0) -> int:
        """Return how many were refused after so many seconds."""
        return sum(at >= after_seconds for at in self.refused_at)


@asynccontextmanager
async def _member(
    clock: Clock, server: Simulated, redis: VirtualRedis, cap: float | None
) -> AsyncIterator[Any]:
    resource = units(clock, server, max_calls_per_second=cap)
    resources = resource._state.entered()
    limiter = RedisLimiter(redis, clock=clock)
    await resources.throttle.join(limiter)
    try:
        yield resource
    finally:
        if ended := resources.leave():
            await asyncio.wait(ended)


def run_jobs(
    redis_server: RedisServer,
    answer: Answer,
    *,
    rows: int,
    jobs: int = 1,
    size: int = SIZE,
    pause_seconds: float = 0.0,
    cap: float | None = None,
    jitter: float = 0.0,
    latency_seconds: float = LATENCY_SECONDS,
    seed: int = 1,
) -> list[Ran]:
    """Let fleets of so many processes update so many rows, one after the other."""

    async def job(clock: Clock) -> Ran:
        server = Simulated(clock, answer, latency_seconds=latency_seconds, jitter=jitter, seed=seed)
        redis = VirtualRedis(redis_server, clock)

        async def process(number: int) -> None:
            async with _member(clock, server, redis, cap) as resource:
                updates = (an_update(f"{row}") for row in range(number, rows, size))
                async with resource.update_many(updates, max_outage_seconds=1e6) as batch:
                    assert [outcome async for outcome in batch if not outcome.ok] == []

        async with AsyncExitStack() as stack:
            stack.callback(redis.close)
            await asyncio.gather(*(process(number) for number in range(size)))
        return Ran(server.arrived, server.codes, redis.scripts)

    async def main(clock: Clock) -> list[Ran]:
        ran = []
        for _ in range(jobs):
            ran.append(await job(clock))
            await asyncio.sleep(pause_seconds)
        return ran

    return run_virtual(main)
