"""The retries of single calls are few while a server is down, in each of many processes."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from random import Random

import pytest

from propq_async import Clock, RetryPolicy, ServerError
from propq_async._client.retry_budget import FREE_RETRIES, RECENT_SECONDS, RetryBudget
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers import processes
from tests.helpers.processes import Process
from tests.helpers.simulation import OK, Simulated, status, units
from tests.helpers.support import an_update, run_virtual
from tests.helpers.throttling import START, play

DOWN = status(503)


def test_few_calls_may_make_a_few_retries() -> None:
    budget = RetryBudget()
    assert all(budget.take(0, float(number) / 10, 0) for number in range(FREE_RETRIES))
    assert not budget.take(0, 1.0, 0)
    assert budget.take(None, 1.0, 0)


def test_a_part_of_the_recent_calls_may_be_retried() -> None:
    budget = RetryBudget()
    budget.calls.extend([0.0] * 100)
    taken = sum(budget.take(0.2, 1.0, 0) for _ in range(100))
    assert taken == 0.2 * 100 + FREE_RETRIES


def test_what_is_long_ago_does_not_count() -> None:
    budget = RetryBudget()
    budget.calls.extend([0.0] * 100)
    now = 2 + RECENT_SECONDS
    assert sum(budget.take(0.2, now, 0) for _ in range(100)) == FREE_RETRIES
    now += RECENT_SECONDS + 1
    assert sum(budget.take(0.2, now, 0) for _ in range(100)) == FREE_RETRIES


def test_each_call_that_gets_through_gives_a_retry_back() -> None:
    budget = RetryBudget()
    assert [budget.take(0, 0.0, 0) for _ in range(FREE_RETRIES + 1)][-1] is False
    assert [budget.take(0, 0.0, 3) for _ in range(4)] == [True, True, True, False]


def test_a_call_without_a_retry_left_says_so() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: DOWN)
        resource = units(clock, server, retry=RetryPolicy(attempts=2, retry_budget=0))
        for number in range(FREE_RETRIES):
            with pytest.raises(ServerError):
                await resource.update(an_update(f"{number}"))
        with pytest.raises(ServerError, match="retry_budget") as caught:
            await resource.update(an_update("the last one"))
        assert caught.value.attempts == 1
        assert len(server.arrived) == 2 * FREE_RETRIES + 1

    run_virtual(main)


def test_rows_of_a_batch_keep_their_attempts() -> None:
    bad = {f"{number}" for number in range(50)}
    _, outcomes, _ = play(lambda _, name: status(500) if name in bad else OK, rows=200)
    assert {outcome.attempts for outcome in outcomes if not outcome.ok} == {5}


def test_eight_processes_do_not_storm_a_server_that_is_down() -> None:
    """80 single calls a second, and 20 s of 503: each is a request, and few are more than one."""
    count, seconds, down = 8, 35.0, (10.0, 30.0)

    def answer(now: float, _: str) -> Reply | Lost:
        return DOWN if down[0] <= now - START < down[1] else OK

    arrived: list[float] = []
    taken: list[float] = []

    async def process(clock: Clock, number: int) -> None:
        random = Random(number)
        server = Simulated(clock, answer)
        resource = units(clock, server, random=random.random)
        calls = []
        async with asyncio.TaskGroup() as group:
            await asyncio.sleep(random.random() / 10)
            for index in range(int(10 * seconds)):
                update = resource.update(an_update(f"{number}-{index}"))
                calls.append(group.create_task(failing(update)))
                await asyncio.sleep(0.1)
        arrived.extend(at - START for at in server.arrived)
        after = [
            at - START
            for at, code in zip(server.arrived, server.codes, strict=True)
            if code == 200 and at - START >= down[1]
        ]
        taken.append(min(after))
        # Who came after the outage, or just before its end, got through.
        assert all([await call for call in calls[-40:]])

    async def main(clock: Clock) -> None:
        await asyncio.gather(*(process(clock, number) for number in range(count)))

    run_virtual(main)
    load = sum(down[0] <= at < down[1] for at in arrived) / (80 * (down[1] - down[0]))
    assert 1 < load <= 1.5
    assert max(taken) <= down[1] + 1


async def failing(update: object) -> bool:
    """Return whether a call got through."""
    try:
        await update  # type: ignore[misc]
    except ServerError:
        return False
    return True


@pytest.mark.campaign
@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform == "win32", reason="one clock for all processes")
async def test_eight_real_processes_do_not_storm_a_server_that_is_down(token_file: Path) -> None:
    # In a thread, so that it answers while this one looks on.
    with run_in_thread(PropQEmulator()) as emulator:
        emulator.add_unit("4711", "A-101")
        credentials = emulator.credentials
        about = (emulator.url, token_file, credentials.client_secret, credentials.client_id)
        jobs = await asyncio.gather(
            *(Process.start(processes.steady, *about, 10, 13) for _ in range(8))
        )
        for job in jobs:
            job.go()
        await asyncio.sleep(2)
        emulator.maintenance()
        before = emulator.calls
        await asyncio.sleep(8)
        load = (emulator.calls - before) / (80 * 8)
        emulator.maintenance(on=False)
        ended = time.monotonic()
        times = await asyncio.gather(*(job.result() for job in jobs))
    assert load <= 1.5
    assert min(at for of_one in times for at in of_one if at >= ended) <= ended + 1
