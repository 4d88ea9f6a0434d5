"""What the throttles of one factory share, whatever their event loops and threads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from propq_async import AsyncPropQ, ConfigurationError, Credentials
from propq_async._throttling.permit import Rejected
from tests.helpers.support import EmulatorInThread, FakeClock, an_update
from tests.helpers.throttling import (
    ThreadsClock,
    a_permit,
    a_throttle,
    an_error,
    in_threads,
    pass_once,
)


def test_three_threads_keep_to_one_max_calls_per_second() -> None:
    threads, calls_each, cap = 3, 8, 10
    time_ = ThreadsClock(threads)
    sent_at: list[float] = []
    with EmulatorInThread() as emulator:
        propq = AsyncPropQ(
            emulator.credentials,
            base_url=emulator.url,
            token_store=None,
            max_calls_per_second=cap,
            clock=time_.clock,
        )

        async def main(_: int) -> None:
            try:
                async with propq.session() as session:
                    for _call in range(calls_each):
                        await session.units.update(an_update())
                        # No time passes while a thread is at work.
                        sent_at.append(time_.monotonic())
            finally:
                time_.leave()

        in_threads(threads, main)
        assert emulator.calls == threads * calls_each
    # Ten in the first second, ten in the next one, and then the rest.
    assert all(later - earlier >= 1 for earlier, later in zip(sent_at, sent_at[cap:], strict=False))
    assert sent_at == sorted(sent_at)
    assert sent_at[-1] - sent_at[0] == 2


async def test_a_retry_after_in_one_loop_closes_all_throttles() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 9)
    other = throttle.copy()
    for one in (throttle, other):
        await pass_once(one)
        await pass_once(one)
    early = a_permit()
    assert other.try_acquire(early)
    other.release(early)
    throttle.refused(a_permit(), an_error(), 30.0, limited=True)
    assert other.opens_in_seconds == 30
    assert not other.try_acquire(a_permit())
    shut = await other.acquire(a_permit(patience=10))
    assert isinstance(shut, Rejected)
    assert shut.seconds == 30
    began = time_.monotonic_now
    await pass_once(other)
    assert time_.monotonic_now == began + 30
    # It is open again, and the short way with it.
    assert other.opens_in_seconds == 0


async def test_who_would_join_others_hears_of_a_closing_in_another_loop() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 1)
    other = throttle.copy()
    await pass_once(other)
    first = a_permit()
    assert other.try_acquire(first)
    waiting = asyncio.create_task(other.acquire(a_permit()))
    await asyncio.sleep(0)
    throttle.refused(a_permit(), an_error(), 30.0, limited=True)
    shut = await other.acquire(a_permit(patience=10))
    assert isinstance(shut, Rejected)
    assert shut.seconds == 30
    other.release(first)
    assert await waiting is None


async def test_a_closing_that_is_over_delays_no_other_loop() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 9)
    other = throttle.copy()
    await pass_once(other)
    throttle.refused(a_permit(), an_error(), 5.0, limited=True)
    time_.advance(5)
    assert await other.acquire(a_permit()) is None
    assert time_.sleeps == []
    assert other.try_acquire(a_permit())


async def test_a_closing_rejects_calls_that_wait_in_another_loop() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 1)
    other = throttle.copy()
    other.failed(an_error())  # it knows that something blocks already
    first = a_permit()
    assert await other.acquire(first) is None
    waiting = asyncio.create_task(other.acquire(a_permit(patience=10)))
    await asyncio.sleep(0)
    throttle.refused(a_permit(), an_error(), 30.0, limited=False)
    other.release(first)
    assert isinstance(await waiting, Rejected)
    timer = other.detach()
    if timer is not None:
        await asyncio.wait((timer,))


async def test_the_longest_closing_of_all_loops_stands() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 9)
    other = throttle.copy()
    throttle.refused(a_permit(), an_error(), 30.0, limited=True)
    other.refused(a_permit(), an_error(), 10.0, limited=True)
    for one in (throttle, other):
        assert one.opens_in_seconds == 30
        shut = await one.acquire(a_permit(patience=20))
        assert shut is not None


def test_a_factory_stays_closed_in_the_next_loop() -> None:
    time_ = FakeClock()
    propq = AsyncPropQ(Credentials(1, "x"), token_store=None, clock=time_.clock)

    async def be_refused() -> None:
        throttle = propq._owner.acquire().throttle
        throttle.refused(a_permit(), an_error(), 50.0, limited=True)

    async def look() -> None:
        async with propq:
            assert propq.asked_to_wait_seconds == 50

    asyncio.run(be_refused())
    asyncio.run(look())


# --- a moment that is too far off -----------------------------------------------------------------


async def test_a_far_off_moment_is_asked_about_each_hour() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 9)
    far = 75 * 365 * 86_400.0
    for _ in range(3):
        probe = a_permit()
        assert await throttle.acquire(probe) is None
        throttle.refused(probe, an_error(), far, limited=True)
        throttle.release(probe)
        shut = await throttle.acquire(a_permit(patience=120))
        # What the server said is told as it is.
        assert shut is not None
        assert shut.seconds == throttle.opens_in_seconds == far
        time_.advance(3_599)
        assert await throttle.acquire(a_permit(patience=0)) is not None
        time_.advance(1)
    for _ in range(3):
        await pass_once(throttle)
    # It says nothing of how many calls the server bears in a time.
    assert not throttle.is_pacing
    assert time_.sleeps == []


async def test_only_one_call_asks_about_a_far_off_moment() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 9, max_closed_seconds=60.0)
    throttle.refused(a_permit(), an_error(), 1e9, limited=False)
    time_.advance(60)
    probe = a_permit()
    assert await throttle.acquire(probe) is None
    waiting = asyncio.create_task(throttle.acquire(a_permit(patience=10)))
    await asyncio.sleep(0)
    assert not waiting.done()
    throttle.refused(probe, an_error(), 1e9, limited=False)
    throttle.release(probe)
    assert isinstance(await waiting, Rejected)


async def test_a_wait_of_an_hour_is_believed() -> None:
    time_ = FakeClock()
    throttle = a_throttle(time_.clock, 9)
    throttle.refused(a_permit(), an_error(), 3_600.0, limited=True)
    began = time_.monotonic_now
    await pass_once(throttle)
    assert time_.monotonic_now == began + 3_600


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "1", None])
def test_max_closed_seconds_must_be_a_time(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_closed_seconds"):
        AsyncPropQ(Credentials(1, "x"), token_store=None, max_closed_seconds=wrong)
