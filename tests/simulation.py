"""A server that exists in virtual time only, and a client without sockets or tokens before it."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from yarl import URL

from propq_async import Clock, RetryPolicy, Token, TokenManager
from propq_async.calls import Calls, Options
from propq_async.gate import Gate
from propq_async.lanes import Attempt
from propq_async.units import Units
from propq_async.wire import Lost, Reply

Answer = Callable[[float, str], Reply | Lost]
OK = Reply(200, {}, b"{}")
REFUSED = Lost("there is no connection", sent=False)


def status(code: int, **headers: str) -> Reply:
    return Reply(code, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


class Simulated:
    """In place of a `Pool`. `answer` gets the time and the unit's name when a request arrives.

    Each of a call's two ways takes half the latency, give or take that part of it that `jitter` is.
    """

    def __init__(
        self, clock: Clock, answer: Answer, *, latency_seconds: float = 0.05, jitter: float = 0.0
    ) -> None:
        self._clock = clock
        self._answer = answer
        self._latency_seconds = latency_seconds
        self._jitter = jitter
        self._random = Random(1)
        self.arrived: list[float] = []
        self.names: list[str] = []
        self.statuses: Counter[int | None] = Counter()

    async def call(
        self, _: str, __: URL, body: bytes | None, ___: Token, ____: float, attempt: Attempt
    ) -> Reply | Lost:
        name = json.loads(body or b"{}").get("UntName", "")
        await self._one_way()
        attempt.sent = True
        self.arrived.append(self._clock.monotonic())
        self.names.append(name)
        answer = self._answer(self.arrived[-1], name)
        self.statuses[answer.status if isinstance(answer, Reply) else None] += 1
        await self._one_way()
        return answer

    async def _one_way(self) -> None:
        spread = 1 + self._jitter * self._random.uniform(-1, 1)
        await asyncio.sleep(self._latency_seconds / 2 * spread)


class _OneToken:
    token = Token("x", "Bearer", *[datetime(2030, 1, 1, tzinfo=UTC)] * 2)

    def at_hand(self) -> Token:
        return self.token


def units(
    clock: Clock,
    server: Simulated,
    *,
    max_connections: int = 100,
    max_calls_per_second: float | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    tokens: TokenManager | None = None,
) -> Units:
    gate = Gate(
        max_in_flight=max_connections, max_calls_per_second=max_calls_per_second, clock=clock
    )
    pool: Any = server
    one_token: Any = _OneToken()
    calls = Calls(pool=pool, tokens=tokens or one_token, gate=gate, clock=clock, random=lambda: 0.5)
    return Units(
        calls=lambda: calls, options=Options(30.0, retry), base_url="http://h", batches=set()
    )


def fixed_windows(limit: int, seconds: float, *, headers: bool) -> Answer:
    """Count as the server's framework does: a window begins with the first call after the last."""
    hits, ends = 0, -math.inf

    def answer(now: float, _: str) -> Reply:
        nonlocal hits, ends
        if now >= ends:
            hits, ends = 0, now + seconds
        hits += 1
        left = max(0, limit - hits)
        said = {"X-RateLimit-Limit": f"{limit}", "X-RateLimit-Remaining": f"{left}"}
        if hits > limit:
            wait = {"Retry-After": f"{max(1, math.ceil(ends - now))}"}
            return Reply(429, wait | (said if headers else {}), b"")
        return Reply(200, said if headers else {}, b"{}")

    return answer


def sliding_window(limit: int, seconds: float) -> Answer:
    """Count what was let pass in the last so many seconds, and tell only how long to wait."""
    taken: deque[float] = deque()

    def answer(now: float, _: str) -> Reply:
        while taken and now - taken[0] >= seconds:
            taken.popleft()
        if len(taken) >= limit:
            return status(429, Retry_After=f"{max(1, math.ceil(taken[0] + seconds - now))}")
        taken.append(now)
        return OK

    return answer
