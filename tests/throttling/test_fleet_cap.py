"""The part of one event loop in the `max_calls_per_second` of its fleet, in virtual time."""

from __future__ import annotations

import asyncio
import logging

import pytest

from propq_async import Clock
from propq_async._throttling.fleet import LEFT_ALONE_SECONDS
from propq_async._throttling.permit import Rejected
from propq_async._throttling.throttle import Throttle
from tests.helpers.fleet_limiters import FakeAllowance
from tests.helpers.support import run_virtual
from tests.helpers.throttling import a_permit, a_throttle, acquiring

from .test_leases import done, go, in_fleet, settle


def asked(limiter: FakeAllowance) -> list[tuple[int, float]]:
    """Return how many were asked for each time, and within how many seconds."""
    return [(one[1], one[3]) for one in limiter.asked if one[0] == "allow"]


async def waiting(throttle: Throttle, count: int) -> list[asyncio.Task[Rejected | None]]:
    """Let so many come at once."""
    permits = [a_permit(is_batch_row=True) for _ in range(count)]
    tasks = [asyncio.create_task(throttle.acquire(permit)) for permit in permits]
    await settle()
    return tasks


def test_calls_go_as_the_limiter_allows() -> None:
    limiter = FakeAllowance(2, 0, 5)

    async def main(throttle: Throttle, clock: Clock) -> None:
        tasks = await waiting(throttle, 5)
        assert done(tasks) == 2
        assert not throttle.try_acquire(a_permit())
        before = clock.monotonic()
        await asyncio.gather(*tasks)
        assert clock.monotonic() - before == 1
        assert asked(limiter) == [(5, 0.05), (3, 0.05), (3, 0.05)]
        # What is left of the last answer is there for a moment.
        await go(throttle)
        await asyncio.sleep(0.06)
        limiter.counts.append(1)
        await go(throttle)
        assert len(asked(limiter)) == 4

    in_fleet(limiter, main, cap=5)


def test_only_those_are_asked_for_that_could_go() -> None:
    limiter = FakeAllowance(100)

    async def main(throttle: Throttle, _clock: Clock) -> None:
        await waiting(throttle, 150)
        assert asked(limiter) == [(100, 0.05)]

    in_fleet(limiter, main, cap=500)


def test_who_waits_no_longer_asks_no_longer() -> None:
    limiter = FakeAllowance(0)

    async def main(throttle: Throttle, _clock: Clock) -> None:
        (task,) = await waiting(throttle, 1)
        task.cancel()
        await asyncio.sleep(5)
        assert len(asked(limiter)) == 1
        limiter.counts.append(1)
        await go(throttle)

    in_fleet(limiter, main, cap=5)


def test_a_limiter_far_away_is_asked_for_permits_that_last_longer() -> None:
    limiter = FakeAllowance(1, 1, answers_after_seconds=0.2)

    async def main(throttle: Throttle, _clock: Clock) -> None:
        await go(throttle)
        assert [within for _, within in asked(limiter)] == [0.05, pytest.approx(0.4)]

    in_fleet(limiter, main, cap=5)


def test_without_the_limiter_a_process_keeps_to_its_share(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limiter = FakeAllowance(1, members=4)

    async def main(throttle: Throttle, clock: Clock) -> None:
        await go(throttle)
        await asyncio.sleep(0.06)
        limiter.failing = True
        began = clock.monotonic()
        for _ in range(6):
            await go(throttle)
        # Two a second of eight, for one of four.
        assert clock.monotonic() - began == pytest.approx(2)
        assert len(asked(limiter)) == 2
        await asyncio.sleep(LEFT_ALONE_SECONDS)
        await asyncio.gather(*await waiting(throttle, 3))
        assert len(asked(limiter)) == 3
        await asyncio.sleep(LEFT_ALONE_SECONDS)
        limiter.failing = False
        limiter.counts.append(5)
        tasks = await waiting(throttle, 7)
        # Two of the share, and what the limiter allows from then on.
        assert done(tasks) == 7

    with caplog.at_level(logging.WARNING):
        in_fleet(limiter, main, cap=8)
    (warning,) = [one.getMessage() for one in caplog.records]
    assert warning.startswith("the shared limiter failed (ConnectionError)")
    assert "worth-hiding" not in caplog.text


def test_who_leaves_keeps_to_the_bound_alone() -> None:
    async def main(clock: Clock) -> None:
        throttle = a_throttle(clock, 100, 2)
        await throttle.join(FakeAllowance(0))
        task = await acquiring(throttle, a_permit())
        ended = throttle.leave()
        assert len(ended) == 2
        await asyncio.wait(ended)
        throttle.detach()
        await task
        before = clock.monotonic()
        for _ in range(3):
            await go(throttle)
        assert clock.monotonic() - before == 1

    run_virtual(main)
