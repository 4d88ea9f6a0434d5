"""What a clock or a trace hook of the caller's raises reaches the caller as it is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from propq_async import AsyncPropQ, Clock, Credentials, RetryPolicy, UnitOutcome, UnitUpdate
from tests.helpers.simulation import OK, Simulated, status, units
from tests.helpers.support import ScriptedServer, an_update, answer, drain, token_answer


class OddError(Exception):
    pass


class BrokenClock:
    """A clock that raises from its `breaks_at`-th reading on."""

    def __init__(self, breaks_at: int) -> None:
        self.error = OddError()
        self.readings_left = breaks_at

    @property
    def clock(self) -> Clock:
        return Clock(wall=self._read, monotonic=self._read, sleep=self._sleep)

    def _read(self) -> float:
        self.readings_left -= 1
        if self.readings_left < 0:
            raise self.error
        return time.monotonic()

    async def _sleep(self, _: float) -> None:
        self._read()
        await asyncio.sleep(0)


READINGS = range(40)


@pytest.mark.parametrize("breaks_at", READINGS)
async def test_a_call_raises_what_its_clock_raises(breaks_at: int) -> None:
    broken = BrokenClock(breaks_at)
    answers = iter([status(500), status(502), *[OK] * 99])
    server = Simulated(Clock(), lambda *_: next(answers), latency_seconds=0)
    session_units = units(broken.clock, server, retry=RetryPolicy(attempts=9))
    caught = None
    try:
        for _ in range(9):
            await session_units.update(an_update())
    except OddError as error:
        caught = error
    assert caught is (broken.error if broken.readings_left < 0 else None)


@pytest.mark.parametrize("breaks_at", READINGS)
async def test_a_batch_raises_what_its_clock_raises_and_loses_no_row(breaks_at: int) -> None:
    broken = BrokenClock(breaks_at)
    server = Simulated(Clock(), lambda *_: OK, latency_seconds=0)
    pulled: list[UnitUpdate] = []

    def updates() -> Any:
        for name in "abaab":
            pulled.append(an_update(name))
            yield pulled[-1]

    outcomes: list[UnitOutcome] = []
    batch = units(broken.clock, server).update_many(updates(), concurrency=3)
    caught = None
    try:
        await drain(batch, outcomes)
    except OddError as error:
        caught = error
    assert caught is (broken.error if broken.readings_left < 0 else None)
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(pulled)))
    # What the server acknowledged is no failure.
    assert sum(outcome.ok for outcome in outcomes) <= len(server.arrived)
    assert all(outcome.ok or outcome.index in batch.cut_off for outcome in outcomes)


async def test_a_batch_closed_with_a_broken_clock_has_its_outcomes() -> None:
    broken = BrokenClock(99)
    never = asyncio.Event()

    class Hanging(Simulated):
        async def send(self, *_: Any) -> Any:
            self.arrived.append(0.0)
            await never.wait()

    server = Hanging(Clock(), lambda *_: OK)
    batch = units(broken.clock, server).update_many([an_update()])
    waiting = asyncio.create_task(anext(batch, None))
    while not server.arrived:  # noqa: ASYNC110
        await asyncio.sleep(0)
    broken.readings_left = 0
    await batch.aclose()
    assert await waiting is None
    assert [outcome.index for outcome in batch.unfinished] == [0]


@pytest.mark.parametrize("hook", ["on_request_start", "on_request_end"])
async def test_a_trace_hooks_exception_reaches_call_and_batch(hook: str) -> None:
    odd = OddError()

    async def fail(_: object, __: object, about: Any) -> None:
        if about.url.path != "/oauth/token":
            raise odd

    hooks = aiohttp.TraceConfig()
    getattr(hooks, hook).append(fail)
    by_path: Any = {"/oauth/token": [token_answer()]}
    async with ScriptedServer(answer(200, {}), by_path=by_path) as server:
        propq = AsyncPropQ(
            Credentials(1, "x"), base_url=server.url, token_store=None, trace_configs=[hooks]
        )
        async with propq.session() as session:
            with pytest.raises(OddError) as caught:
                await session.units.update(an_update())
            assert caught.value is odd
            outcomes: list[UnitOutcome] = []
            with pytest.raises(OddError) as caught:
                await drain(session.units.update_many([an_update()]), outcomes)
            assert caught.value is odd
            assert [outcome.ok for outcome in outcomes] == [False]
