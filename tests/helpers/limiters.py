"""Limits as real servers have them, in virtual time, and how well a client does under them.

nginx: `ngx_http_limit_req_module` and `ngx_http_limit_conn_module`. HAProxy: `http_req_rate` of a
stick table. Laravel: `ThrottleRequests` with several limits.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from random import Random

import attrs
from yarl import URL

from propq_async import Clock, RateLimitError
from propq_async._http.transport import Attempt
from propq_async._wire.messages import Reply

from .simulation import OK, Answer, Simulated, status, units
from .support import an_update, run_virtual
from .throttling import START
from .wire import TOKEN

TOO_MANY = status(429)


def laravel(*limits: tuple[int, float]) -> Answer:
    """Count each call in all of these fixed windows. Headers tell of the one with the least left.

    Its times are in whole seconds, so that a window may be shorter than it should be.
    """
    hits = [0] * len(limits)
    ends = [-math.inf] * len(limits)

    def said(index: int) -> dict[str, str]:
        limit = limits[index][0]
        return {
            "X-RateLimit-Limit": f"{limit}",
            "X-RateLimit-Remaining": f"{limit - hits[index]}",
        }

    def answer(now: float, _: str) -> Reply:
        second = math.floor(now)
        for index, (limit, seconds) in enumerate(limits):
            if second >= ends[index]:
                hits[index], ends[index] = 0, second + seconds
            if hits[index] >= limit:
                wait = {"Retry-After": f"{ends[index] - second:g}"}
                return Reply(429, wait | said(index), b"")
        for index in range(len(limits)):
            hits[index] += 1
        least = min(range(len(limits)), key=lambda index: limits[index][0] - hits[index])
        return Reply(200, said(least), b"{}")

    return answer


def leaky_bucket(per_second: float, burst: int, refusal: Reply = TOO_MANY) -> Answer:
    """Let a bucket leak at a steady rate, as `limit_req ... nodelay` does."""
    excess, then = 0.0, -math.inf

    def answer(now: float, _: str) -> Reply:
        nonlocal excess, then
        now = math.floor(now * 1_000) / 1_000  # as nginx reads its clock
        # The first call after a while is no excess.
        after = max(0.0, excess - (now - then) * per_second + 1) if then > -math.inf else 0.0
        if after > burst:
            return refusal
        excess, then = after, now
        return OK

    return answer


def request_rate(limit: int, seconds: float, refusal: Reply = TOO_MANY) -> Answer:
    """Refuse above a rate that counts refused calls as well, as `http_req_rate(1s) gt 100` does.

    The rate is that of this period, and of the last one as far as it still reaches.
    """
    this, last, began = 0, 0, -math.inf

    def answer(now: float, _: str) -> Reply:
        nonlocal this, last, began
        if now - began >= seconds:
            last = this if now - began < 2 * seconds else 0
            this = 0
            began = began + seconds if last else now
        this += 1
        rate = this + last * (1 - (now - began) / seconds)
        return refusal if rate > limit else OK

    return answer


@attrs.define
class ConnectionLimit:
    """Refuse what comes while so many calls are being served, as `limit_conn` does."""

    limit: int
    seconds: float
    refusal: Reply = TOO_MANY
    _serving: int = 0

    def __call__(self, _: float, __: str, /) -> Reply:
        """Answer a call."""
        if self._serving >= self.limit:
            return self.refusal
        self._serving += 1
        return OK

    def done(self) -> None:
        """Take note that one is done."""
        self._serving -= 1


@attrs.frozen
class Watched:
    """What a server saw in some time of a run: how many calls it took, and how many it refused."""

    taken: int
    refused: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.taken / self.seconds

    @property
    def refused_part(self) -> float:
        return self.refused / max(1, self.taken + self.refused)


def watch(
    answer: Answer,
    *,
    learning_seconds: float = 120.0,
    seconds: float = 120.0,
    latency_seconds: float = 0.05,
    jitter: float = 0.0,
    concurrency: int = 100,
    late_seconds: float = 0.0,
) -> tuple[Watched, Watched]:
    """Send an endless batch, and return what the server saw in the time to learn, and after it.

    The client's timers are late by up to so many seconds, and most of them by much less.
    """
    seen: list[tuple[float, bool]] = []
    random = Random(1)

    async def main(clock: Clock) -> None:
        async def sleep(seconds: float) -> None:
            await clock.sleep(seconds + late_seconds * random.random() ** 4)

        server = Simulated(clock, answer, latency_seconds=latency_seconds, jitter=jitter)
        resource = units(attrs.evolve(clock, sleep=sleep), server)
        batch = resource.update_many(
            (an_update(f"{number}") for number in itertools.count()),
            concurrency=concurrency,
            max_outage_seconds=1e6,
        )
        ends = START + learning_seconds + seconds
        async with batch:
            async for outcome in batch:
                assert outcome.ok, outcome.error
                # One that is refused by chance, twice in a row, may count as refused alone.
                assert outcome.attempts <= 2
                if clock.monotonic() >= ends:
                    break
        seen.extend(
            (at - START, code == HTTPStatus.OK)
            for at, code in zip(server.arrived, server.codes, strict=True)
        )

    run_virtual(main)

    def between(first: float, last: float) -> Watched:
        part = [taken for at, taken in seen if first <= at < last]
        return Watched(sum(part), len(part) - sum(part), last - first)

    return between(0, learning_seconds), between(learning_seconds, learning_seconds + seconds)


def send_evenly(
    answer: Answer, *, per_second: float, seconds: float, latency_seconds: float, jitter: float
) -> Watched:
    """Send calls at exactly even distances, whatever the server refuses, and return what it saw."""
    servers: list[Simulated] = []

    async def main(clock: Clock) -> None:
        server = Simulated(clock, answer, latency_seconds=latency_seconds, jitter=jitter)
        servers.append(server)

        async def call(number: int) -> None:
            await asyncio.sleep(number / per_second)
            await server.send("POST", URL(), TOKEN, None, math.inf, Attempt())

        async with asyncio.TaskGroup() as group:
            for number in range(round(per_second * seconds)):
                group.create_task(call(number))

    run_virtual(main)
    (server,) = servers
    taken = server.statuses[HTTPStatus.OK]
    return Watched(taken, server.statuses.total() - taken, seconds)


def borne_evenly(
    make: Callable[[], Answer],
    per_second: float,
    *,
    most_refused: float,
    latency_seconds: float,
    jitter: float,
) -> float:
    """Return how many calls a second get through at the highest even rate, up to `per_second`.

    It is the highest one of which the server refuses less than that part, to the hundredth part.
    """
    borne, low, high = 0.0, 0, 100
    while high - low > 1:
        percent = (low + high) // 2
        seen = send_evenly(
            make(),
            per_second=per_second * percent / 100,
            seconds=60.0,
            latency_seconds=latency_seconds,
            jitter=jitter,
        )
        if seen.refused_part < most_refused:
            borne, low = seen.per_second, percent
        else:
            high = percent
    return borne


@attrs.define
class Service:
    """What became of a service's calls: how long each took, in their order, and what failed."""

    latencies: list[float] = attrs.field(factory=list)
    errors: list[RateLimitError] = attrs.field(factory=list)


def serve(
    answer: Answer,
    *,
    per_second: float,
    seconds: float,
    bursts: Sequence[tuple[float, int]] = (),
    latency_seconds: float = 0.05,
) -> Service:
    """Make single calls at a steady rate, and bursts of so many at some times as well."""
    service = Service()
    took: defaultdict[float, list[float]] = defaultdict(list)

    async def main(clock: Clock) -> None:
        resource = units(clock, Simulated(clock, answer, latency_seconds=latency_seconds))

        async def call(at: float) -> None:
            await asyncio.sleep(at)
            try:
                await resource.update(an_update(f"{at}"))
            except RateLimitError as error:
                service.errors.append(error)
            took[at].append(clock.monotonic() - START - at)

        async with asyncio.TaskGroup() as group:
            for number in range(int(per_second * seconds)):
                group.create_task(call(number / per_second))
            for at, many in bursts:
                for _ in range(many):
                    group.create_task(call(at))

    run_virtual(main)
    service.latencies = [latency for at in sorted(took) for latency in took[at]]
    return service
