"""Who waits, in which order, and until when."""

from __future__ import annotations

import asyncio
import logging

import attrs
import pytest

from propq_async import Clock, UnitOutcome
from propq_async._throttling.outage import OUTAGE_FAILURES
from propq_async._throttling.permit import Permit
from propq_async._throttling.throttle import Throttle
from propq_async._wire.messages import Reply
from tests.helpers.simulation import Simulated, status, units
from tests.helpers.support import FakeClock, an_update, drain, run_virtual
from tests.helpers.throttling import a_permit, a_throttle, acquiring, an_error


async def test_rows_and_single_calls_take_turns() -> None:
    throttle, order = a_throttle(Clock()), []
    first = a_permit()
    await throttle.acquire(first)

    async def call(name: str, permit: Permit) -> None:
        await throttle.acquire(permit)
        order.append(name)
        throttle.release(permit)

    async with asyncio.TaskGroup() as group:
        for is_batch_row, name in ((True, "row"), (False, "single")):
            for _ in range(3):
                group.create_task(call(name, a_permit(is_batch_row=is_batch_row)))
        await asyncio.sleep(0)
        throttle.release(first)
    assert order in (["row", "single"] * 3, ["single", "row"] * 3)
    assert throttle.is_idle


@pytest.mark.parametrize("has_its_pass", [True, False])
async def test_a_call_cancelled_while_waiting_takes_nobodys_turn(*, has_its_pass: bool) -> None:
    throttle = a_throttle(Clock())
    first, second, third = a_permit(), a_permit(), a_permit()
    await throttle.acquire(first)
    waiting = await acquiring(throttle, second)
    last = await acquiring(throttle, third)
    if has_its_pass:
        throttle.release(first)  # wakes the second, which has not run yet
        waiting.cancel()
    else:
        waiting.cancel()
        await asyncio.wait([waiting])
        throttle.release(first)
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert await last is None
    throttle.release(third)
    assert throttle.is_idle


async def test_a_probe_that_is_cancelled_makes_way_for_the_next() -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 5)
    for _ in range(OUTAGE_FAILURES):
        throttle.failed(an_error(500))
    probe, next_probe = a_permit(is_batch_row=True), a_permit(is_batch_row=True)
    assert await throttle.acquire(probe) is None
    waiting = await acquiring(throttle, next_probe)
    assert throttle.waiting == 1
    throttle.release(probe)  # without a word of what became of it
    assert await waiting is None
    throttle.succeeded(next_probe)
    throttle.release(next_probe)
    assert throttle.is_idle


async def test_detaching_lets_waiting_calls_go_and_leaves_no_timer() -> None:
    throttle = a_throttle(Clock())
    throttle.refused(a_permit(), an_error(429), 1e6, limited=True)
    permits = [a_permit(is_batch_row=is_row) for is_row in (False, True, False)]
    tasks = [await acquiring(throttle, permit) for permit in permits]
    tasks[2].cancel()
    timer = throttle.detach()
    assert timer is not None
    await asyncio.wait([timer, *tasks])
    assert timer.cancelled()
    assert [task.result() for task in tasks[:2]] == [None, None]
    for permit in permits[:2]:
        throttle.release(permit)
    assert throttle.is_idle
    assert throttle.detach() is None


async def test_calls_from_before_a_closing_do_not_open_the_throttle() -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 5)
    early, late = a_permit(), a_permit()
    await throttle.acquire(early)
    throttle.refused(a_permit(), an_error(429), 30.0, limited=True)
    throttle.refused(a_permit(), an_error(429), 10.0, limited=True)  # the longer wait stands
    throttle.succeeded(early)
    throttle.release(early)
    began = time.monotonic_now
    await throttle.acquire(late)
    assert time.monotonic_now == began + 30


async def test_a_later_and_nearer_wake_up_replaces_the_timer() -> None:
    throttle = a_throttle(Clock(), 5)
    throttle.refused(a_permit(), an_error(503), 1e6, limited=False)
    far = await acquiring(throttle, a_permit(patience=1e9))
    throttle._closing = None
    near = await acquiring(throttle, a_permit())
    assert await far is None
    throttle.detach()
    assert await near is None


async def test_an_outage_is_one_warning_and_at_most_one_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 5)
    with caplog.at_level(logging.INFO, logger="propq_async"):
        for _ in range(5):
            time.advance(60)
            for _ in range(50):
                throttle.failed(an_error(500))
                throttle.refused(a_permit(), an_error(503), 1.0, limited=False)
                throttle._closing = None
            for _ in range(10):
                throttle.succeeded(a_permit())
                throttle.failed(an_error(500))
            throttle.succeeded(a_permit())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 5


async def test_a_copy_for_another_loop_remembers_cap_pace_and_wait() -> None:
    time = FakeClock()
    throttle = Throttle(max_in_flight=9, max_calls_per_second=2, clock=time.clock)
    permits = [a_permit(patience=9, since=time.monotonic_now) for _ in range(5)]
    for permit in permits[:2]:
        assert await throttle.acquire(permit) is None
        throttle.succeeded(permit, Reply(200, {"X-RateLimit-Limit": "2"}, b""))
    began = time.monotonic_now
    assert await throttle.copy().acquire(permits[2]) is None
    assert time.monotonic_now == began + 1
    throttle.refused(a_permit(), an_error(429), 5.0, limited=True)
    copy = throttle.copy()
    closed_at = time.monotonic_now
    assert await copy.acquire(permits[3]) is None
    assert time.monotonic_now == closed_at + 5


@pytest.mark.parametrize("is_batch_row", [True, False])
async def test_calls_that_wait_get_what_the_clock_raises(*, is_batch_row: bool) -> None:
    wake_up = asyncio.Event()

    async def sleep(_: float) -> None:
        await wake_up.wait()
        raise OSError("the clock is broken")

    throttle = a_throttle(Clock(sleep=sleep), 5)
    throttle.refused(a_permit(), an_error(), 30.0, limited=True)
    waiting = [await acquiring(throttle, a_permit(is_batch_row=is_batch_row)) for _ in range(3)]
    waiting[0].cancel()
    wake_up.set()
    await asyncio.wait(waiting)
    assert waiting[0].cancelled()
    assert [str(task.exception()) for task in waiting[1:]] == ["the clock is broken"] * 2
    assert throttle.is_idle
    assert throttle.detach() is None


async def test_a_call_cancelled_as_the_clock_raises_is_cancelled() -> None:
    async def sleep(_: float) -> None:
        waiting.cancel()
        raise OSError("the clock is broken")

    throttle = a_throttle(Clock(sleep=sleep), 5)
    throttle.refused(a_permit(), an_error(), 30.0, limited=True)
    waiting = asyncio.create_task(throttle.acquire(a_permit()))
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert throttle.is_idle


async def test_a_clock_that_raised_once_serves_the_next_call() -> None:
    time = FakeClock()
    outcomes: list[Exception | None] = [OSError("the clock is broken"), None]

    async def sleep(seconds: float) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        await time.sleep(seconds)

    throttle = a_throttle(attrs.evolve(time.clock, sleep=sleep), 5)
    throttle.refused(a_permit(), an_error(), 30.0, limited=True)
    with pytest.raises(OSError, match="broken"):
        await throttle.acquire(a_permit())
    assert await throttle.acquire(a_permit()) is None
    assert time.sleeps == [30.0]


async def test_a_cancelled_row_does_not_keep_the_timer_busy() -> None:
    """Its patience is over, but there is nothing to do about it."""
    sleeps: list[float] = []
    timers: list[asyncio.Event] = []
    now = 1_000.0

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if seconds > 0:
            timers.append(asyncio.Event())
            await timers[-1].wait()

    throttle = a_throttle(Clock(monotonic=lambda: now, sleep=sleep))
    under_way = a_permit()
    assert await throttle.acquire(under_way) is None
    throttle.failed(an_error(500))
    first = await acquiring(throttle, a_permit(is_batch_row=True))
    second = await acquiring(throttle, a_permit(is_batch_row=True, patience=10))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    now += 20
    timers[-1].set()
    for _ in range(10):
        await asyncio.sleep(0)
    timer = throttle.detach()
    assert timer is not None
    await asyncio.wait([timer, first])
    assert sleeps[-1] > 20
    assert min(sleeps) > 0


def test_a_batch_ends_with_what_the_clock_raises() -> None:
    async def main(clock: Clock) -> None:
        async def sleep(_: float) -> None:
            raise OSError("the clock is broken")

        broken = attrs.evolve(clock, sleep=sleep)
        server = Simulated(broken, lambda *_: status(429, Retry_After="5"))
        outcomes: list[UnitOutcome] = []
        with pytest.raises(OSError, match="broken"):
            await drain(units(broken, server).update_many([an_update()] * 3), outcomes)
        assert len(outcomes) <= 3

    run_virtual(main)
