"""A server that exists in virtual time only, and a client without sockets or tokens before it."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Protocol, runtime_checkable

from yarl import URL

from propq_async import Clock, RetryPolicy, Token, TokenManager
from propq_async._client.call_spec import Options
from propq_async._client.resources import LoopResources, SessionState
from propq_async._client.units import Units
from propq_async._http.transport import Attempt
from propq_async._throttling.throttle import Throttle
from propq_async._wire.messages import Lost, Reply

Answer = Callable[[float, str], Reply | Lost]
OK = Reply(200, {}, b"{}")
LATENCY_SECONDS = 0.05
REFUSED = Lost("there is no connection", sent=False)


def status(code: int, **headers: str) -> Reply:
    return Reply(code, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@runtime_checkable
class Busy(Protocol):
    """An `Answer` that takes so many seconds if it is `OK`."""

    seconds: float

    def __call__(self, now: float, name: str, /) -> Reply | Lost: ...

    def done(self) -> None:
        """Take note that one is done."""


class Simulated:
    """In place of a `Pool`. `answer` gets the time and the unit's name when a request arrives.

    Each of a call's two ways takes half the latency, give or take that part of it that `jitter` is.
    If the `answer` takes time as well, that has the same jitter.
    """

    def __init__(
        self,
        clock: Clock,
        answer: Answer,
        *,
        latency_seconds: float = LATENCY_SECONDS,
        jitter: float = 0.0,
        seed: int = 1,
    ) -> None:
        self._clock = clock
        self._answer = answer
        self._latency_seconds = latency_seconds
        self._jitter = jitter
        self._work = answer if isinstance(answer, Busy) else None
        self._random = Random(seed)
        self.arrived: list[float] = []
        self.names: list[str] = []
        self.codes: list[int | None] = []
        self.statuses: Counter[int | None] = Counter()

    transport = None

    async def send(
        self, _: str, __: URL, ___: Token, body: bytes | None, ____: float, attempt: Attempt, /
    ) -> Reply | Lost:
        name = json.loads(body or b"{}").get("UntName", "")
        await self._one_way()
        attempt.sent = True
        self.arrived.append(self._clock.monotonic())
        self.names.append(name)
        answer = self._answer(self.arrived[-1], name)
        code = answer.status if isinstance(answer, Reply) else None
        self.codes.append(code)
        self.statuses[code] += 1
        if self._work is not None and answer is OK:
            await asyncio.sleep(self._work.seconds * self._spread())
            self._work.done()
        await self._one_way()
        return answer

    async def _one_way(self) -> None:
        await asyncio.sleep(self._latency_seconds / 2 * self._spread())

    def _spread(self) -> float:
        return 1 + self._jitter * self._random.uniform(-1, 1)


class _OneToken:
    token = Token("x", "Bearer", *[datetime(2030, 1, 1, tzinfo=UTC)] * 2)

    _working = token

    def _cached_token(self) -> Token:
        return self.token

    def _detach(self) -> None:
        """There is nothing to leave behind."""


def units(
    clock: Clock,
    server: Simulated,
    *,
    max_connections: int = 100,
    max_calls_per_second: float | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
    tokens: TokenManager | None = None,
    random: Callable[[], float] = lambda: 0.5,
) -> Units:
    throttle = Throttle(
        max_in_flight=max_connections,
        max_calls_per_second=max_calls_per_second,
        clock=clock,
        random=random,
    )
    pool: Any = server
    one_token: Any = _OneToken()
    resources = LoopResources(
        pool=pool, tokens=tokens or one_token, throttle=throttle, clock=clock, random=random
    )
    return Units(
        state=SessionState(resources),
        options=Options(30.0, retry),
        base_url="http://h",
        batches=set(),
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


def token_bucket(limit: int, seconds: float) -> Answer:
    """Hold so many tokens, filled up evenly within so many seconds."""
    tokens, then = float(limit), -math.inf

    def answer(now: float, _: str) -> Reply:
        nonlocal tokens, then
        tokens, then = min(limit, tokens + (now - then) * limit / seconds), now
        if tokens < 1:
            wait = math.ceil((1 - tokens) * seconds / limit)
            return status(429, Retry_After=f"{max(1, wait)}")
        tokens -= 1
        return OK

    return answer
