"""The part of one process in the pace of its fleet, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from propq_async import Clock, Closing, Lease, Opened, Pace
from propq_async._throttling.fleet import LEFT_ALONE_SECONDS
from propq_async._throttling.permit import Rejected
from propq_async._throttling.throttle import Throttle
from propq_async._wire.messages import Reply
from tests.helpers.fleet_limiters import UNLIMITED, FakeLimiter
from tests.helpers.support import run_virtual
from tests.helpers.throttling import a_permit, a_throttle, acquiring, an_error

PACE = Pace(8, 4.0, is_stated=True)
OK = Reply(200, {}, b"{}")
# The last lease of a window: there is nothing more for an hour.
NOTHING = Lease(0, 3600.0, 0.0, PACE, 4)


def lease(count: int, valid_for: float = 10.0, epoch: int | None = None) -> Lease:
    return Lease(count, 0.0, valid_for, PACE, 4, epoch)


def in_fleet(
    limiter: FakeLimiter,
    main: Callable[[Throttle, Clock], Awaitable[None]],
    cap: float | None = None,
) -> None:
    """Run `main` with a throttle that has joined."""

    async def run(clock: Clock) -> None:
        throttle = a_throttle(clock, 100, cap)
        await throttle.join(limiter)
        try:
            await main(throttle, clock)
        finally:
            ended = throttle.leave()
            if (timer := throttle.detach()) is not None:
                ended.append(timer)
            if ended:
                await asyncio.wait(ended)

    run_virtual(run)


async def go(throttle: Throttle) -> None:
    """Let one call go out, and succeed."""
    permit = a_permit(is_batch_row=True)
    if not throttle.try_acquire(permit):
        assert await throttle.acquire(permit) is None
    throttle.succeeded(permit, OK)
    throttle.release(permit)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def waiting(throttle: Throttle, count: int) -> list[asyncio.Task[Rejected | None]]:
    tasks = [await acquiring(throttle, a_permit(is_batch_row=True)) for _ in range(count)]
    await settle()
    return tasks


def done(tasks: list[asyncio.Task[Rejected | None]]) -> int:
    return sum(task.done() for task in tasks)


def test_nothing_is_asked_before_anybody_was_refused() -> None:
    async def main(throttle: Throttle, _clock: Clock) -> None:
        for _ in range(100):
            await go(throttle)
        # The short way, as without a limiter.
        assert throttle.try_acquire(a_permit())

    limiter = FakeLimiter()
    in_fleet(limiter, main)
    assert limiter.asked == [("join",)]


def test_a_process_that_joins_keeps_to_the_pace_from_its_first_call() -> None:
    async def main(throttle: Throttle, _: Clock) -> None:
        tasks = await waiting(throttle, 5)
        assert done(tasks) == 3

    limiter = FakeLimiter(lease(3), NOTHING, pace=PACE)
    in_fleet(limiter, main)
    assert limiter.asked == [("join",), ("lease", 1, PACE), ("lease", 1, PACE)]


def test_many_refusals_of_one_closing_are_one_message() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        permits = [a_permit(is_batch_row=True) for _ in range(20)]
        for permit in permits:
            assert await throttle.acquire(permit) is None
        await clock.sleep(0.1)
        for permit in permits:
            assert throttle.refused(permit, an_error(), 5.0, limited=True, reply=STATED)
            throttle.release(permit)
        await settle()

    limiter = FakeLimiter()
    in_fleet(limiter, main)
    assert limiter.asked == [("join",), ("refused", 5.0, 8)]


STATED = Reply(
    429, {"Retry-After": "5", "X-RateLimit-Limit": "8", "X-RateLimit-Remaining": "0"}, b""
)


def test_a_probe_opens_a_throttle_that_had_closed_for_longer() -> None:
    """The server asked for five seconds, rounded up; the probe shows that it was less."""

    async def main(throttle: Throttle, clock: Clock) -> None:
        permit = a_permit(is_batch_row=True)
        assert await throttle.acquire(permit) is None
        assert throttle.refused(permit, an_error(), 5.0, limited=True, reply=STATED)
        throttle.release(permit)
        await clock.sleep(4.1)
        limiter.leases = [lease(1, epoch=7), NOTHING]
        began_at = clock.monotonic()
        await go(throttle)
        assert clock.monotonic() == began_at
        await settle()
        assert ("proven", 7) in limiter.asked
        # It is told once.
        limiter.leases = [lease(1)]
        limiter.said.put_nowait(Opened(7))
        await go(throttle)
        assert limiter.asked.count(("proven", 7)) == 1

    limiter = FakeLimiter()
    in_fleet(limiter, main)


def test_a_server_that_is_down_closes_nobody_else() -> None:
    async def main(throttle: Throttle, _: Clock) -> None:
        permit = a_permit(is_batch_row=True)
        assert await throttle.acquire(permit) is None
        throttle.refused(permit, an_error(503), 5.0, limited=False)
        throttle.release(permit)
        await settle()

    limiter = FakeLimiter()
    in_fleet(limiter, main)
    assert limiter.asked == [("join",)]


def test_a_refusal_without_a_wait_is_of_this_process_alone() -> None:
    """As where the server limits how many calls it serves at once."""

    async def main(throttle: Throttle, _: Clock) -> None:
        permit = a_permit(is_batch_row=True)
        assert await throttle.acquire(permit) is None
        refused = Reply(429, {}, b"")
        assert throttle.refused(permit, an_error(), 1.0, limited=True, reply=refused)
        throttle.release(permit)
        await settle()

    limiter = FakeLimiter()
    in_fleet(limiter, main)
    assert limiter.asked == [("join",)]


def test_a_closing_of_another_process_takes_the_permits_back() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        (first,) = await waiting(throttle, 1)
        assert first.done()
        limiter.said.put_nowait(Closing(3, 2.0))
        await settle()
        tasks = await waiting(throttle, 1)
        assert done(tasks) == 0
        limiter.leases = [lease(1)]
        limiter.said.put_nowait(Opened(3))
        await settle()
        assert done(tasks) == 1
        await clock.sleep(1.0)

    limiter = FakeLimiter(lease(5), pace=PACE)
    in_fleet(limiter, main)
    # What it had sent is told in the middle of the wait, when the answers have come.
    assert ("report", 3, []) in limiter.asked


def test_a_closing_of_another_process_ends_the_short_way() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        await go(throttle)
        assert throttle.try_acquire(a_permit())
        await clock.sleep(1.0)
        limiter.said.put_nowait(Closing(1, 2.0))
        await settle()
        assert not throttle.try_acquire(a_permit())
        await clock.sleep(1.0)

    limiter = FakeLimiter()
    in_fleet(limiter, main)
    ((_kind, epoch, ages),) = [asked for asked in limiter.asked if asked[0] == "report"]
    assert (epoch, ages) == (1, [pytest.approx(2.0)])


def test_a_stated_limit_needs_no_report() -> None:
    async def main(_: Throttle, clock: Clock) -> None:
        limiter.said.put_nowait(Closing(1, 2.0, is_stated=True))
        await clock.sleep(5)

    limiter = FakeLimiter()
    in_fleet(limiter, main)
    assert limiter.asked == [("join",)]


def test_permits_that_were_not_used_in_time_are_leased_anew() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        limiter.leases = [lease(4, valid_for=1.0), lease(1)]
        assert done(await waiting(throttle, 1)) == 1
        await clock.sleep(2)
        assert done(await waiting(throttle, 1)) == 1

    limiter = FakeLimiter(pace=PACE)
    in_fleet(limiter, main)
    assert limiter.asked[1:] == [("lease", 1, PACE)] * 2


class SlowLimiter(FakeLimiter):
    """One that hands out a lease when the test says so."""

    begun: asyncio.Event
    proceed: asyncio.Event

    async def lease(self, want: int, known: Pace | None) -> Lease:
        self.begun.set()
        await self.proceed.wait()
        return await super().lease(want, known)


def test_a_lease_that_a_closing_overtook_is_not_used() -> None:
    async def main(throttle: Throttle, _: Clock) -> None:
        begun, proceed = asyncio.Event(), asyncio.Event()
        limiter.begun, limiter.proceed = begun, proceed
        task = await acquiring(throttle, a_permit(is_batch_row=True))
        await begun.wait()
        await asyncio.sleep(0.5)
        limiter.said.put_nowait(Closing(1, 2.0, is_stated=True))
        await settle()
        proceed.set()
        await settle()
        assert not task.done()

    limiter = SlowLimiter(lease(1), pace=PACE)
    in_fleet(limiter, main)


def test_a_fleet_that_has_forgotten_its_limit_sets_all_free() -> None:
    async def main(throttle: Throttle, _: Clock) -> None:
        assert done(await waiting(throttle, 20)) == 20
        await go(throttle)

    limiter = FakeLimiter(UNLIMITED, pace=PACE)
    in_fleet(limiter, main)
    assert len(limiter.asked) == 2


def test_without_the_limiter_a_process_keeps_to_its_share(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A quarter of eight calls in four seconds."""

    async def main(throttle: Throttle, clock: Clock) -> None:
        assert done(await waiting(throttle, 1)) == 1
        limiter.failing = True
        tasks = await waiting(throttle, 9)
        # The one with a permit counts as well.
        assert done(tasks) == 1
        await clock.sleep(8.1)
        assert done(tasks) == 5
        # It is asked again after a while, and not before.
        assert len(limiter.asked) == 3
        limiter.failing = False
        limiter.leases = [lease(1)]
        await clock.sleep(LEFT_ALONE_SECONDS - 6)
        assert done(tasks) == 8
        assert limiter.asked[3:] == [("lease", 2, PACE), ("lease", 1, PACE)]

    limiter = FakeLimiter(lease(1), pace=PACE)
    in_fleet(limiter, main)
    (warning,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "the shared limiter failed (ConnectionError)" in warning.getMessage()
    assert "worth-hiding" not in caplog.text


def test_only_what_still_counts_is_part_of_a_share() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        assert done(await waiting(throttle, 2)) == 2
        await clock.sleep(PACE.seconds)
        assert done(await waiting(throttle, 1)) == 1
        limiter.failing = True
        assert done(await waiting(throttle, 9)) == 1

    limiter = FakeLimiter(lease(1), lease(1), lease(1), pace=PACE)
    in_fleet(limiter, main)


def test_a_limiter_that_never_worked_is_none(caplog: pytest.LogCaptureFixture) -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        await go(throttle)
        permit = a_permit(is_batch_row=True)
        assert throttle.try_acquire(permit)
        await clock.sleep(0.1)
        assert throttle.refused(permit, an_error(), 5.0, limited=True, reply=STATED)
        throttle.release(permit)
        await settle()
        began = clock.monotonic()
        await go(throttle)
        assert clock.monotonic() == began + 5

    limiter = FakeLimiter()
    limiter.failing = True
    in_fleet(limiter, main)
    assert [one.levelname for one in caplog.records].count("WARNING") == 2


def test_what_failed_while_a_share_is_kept_to_changes_nothing() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        limiter.failing = True
        tasks = await waiting(throttle, 9)
        assert done(tasks) == 8
        limiter.said.put_nowait(Closing(1, 2.0))
        await clock.sleep(1.5)
        assert ("report", 1, []) in limiter.asked
        assert done(tasks) == 8

    in_fleet(limiter := FakeLimiter(pace=PACE), main)


def test_max_calls_per_second_holds_in_a_fleet_too() -> None:
    async def main(throttle: Throttle, clock: Clock) -> None:
        tasks = await waiting(throttle, 5)
        assert done(tasks) == 2
        await clock.sleep(1.1)
        assert done(tasks) == 4

    in_fleet(FakeLimiter(lease(5), pace=PACE), main, cap=2)


def test_a_throttle_without_a_fleet_leaves_none() -> None:
    async def run(clock: Clock) -> None:
        assert a_throttle(clock).leave() == []

    run_virtual(run)
