"""How long single calls wait for their turn, and what becomes of those for which it is too long."""

from __future__ import annotations

import asyncio
import logging
import math

import pytest

from propq_async import Clock, RateLimitError, RetryPolicy
from propq_async._client.units import Units
from propq_async._throttling.permit import Permit
from propq_async._throttling.turn_waits import FEW, Waits
from tests.helpers.limiters import laravel
from tests.helpers.simulation import OK, Simulated, fixed_windows, status, units
from tests.helpers.support import an_update, run_virtual
from tests.helpers.throttling import START, a_permit, a_throttle, acquiring, play


async def call(resource: Units, name: str) -> tuple[float, RateLimitError | None]:
    """Make a call; return when it ended, and how."""
    error = None
    try:
        await resource.update(an_update(name))
    except RateLimitError as caught:
        error = caught
    return asyncio.get_running_loop().time() - START, error


def test_a_single_call_whose_turn_does_not_come_ends_in_an_error() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: OK)
        resource = units(clock, server, max_calls_per_second=1)
        ended = await asyncio.gather(*(call(resource, f"{number}") for number in range(100)))
        # One a second from the beginning, until half a minute is over.
        assert [at for at, error in ended if error is None] == pytest.approx(
            [number + 0.05 for number in range(30)]
        )
        late = [(at, error) for at, error in ended if error is not None]
        assert {at for at, _ in late} == {30.0}
        assert len(server.arrived) == 30
        error = late[0][1]
        assert error is not None
        assert (error.status, error.attempts, error.may_have_been_applied) == (429, 0, False)
        assert error.retry_after_seconds is None
        for said in (
            "held back by this client, not refused by the server",
            "30 s (max_wait_seconds)",
            "(70 wait; ",
            "max_calls_per_second=1",
        ):
            assert said in str(error)

    run_virtual(main)


def test_a_call_that_would_have_to_wait_too_long_ends_at_once() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, laravel((5, 60)))
        resource = units(clock, server, retry=RetryPolicy(max_wait_seconds=10))
        for number in range(10):
            # The sixth is refused, and waits as long as the server says.
            _, error = await call(resource, f"{number}")
            assert error is None
        ended, error = await call(resource, "one too many")
        assert error is not None
        assert "at most 0.0833 a second" in str(error)
        assert ended < 62

    run_virtual(main)


def test_rows_of_a_batch_wait_on() -> None:
    _, outcomes, elapsed = play(fixed_windows(5, 60, headers=True), rows=20, concurrency=20)
    assert all(outcome.ok for outcome in outcomes)
    assert elapsed > 120


def test_a_wait_that_the_server_asks_for_does_not_count() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(
            clock, lambda now, _: OK if now > START + 60 else status(429, Retry_After="60")
        )
        resource = units(clock, server, retry=RetryPolicy(max_wait_seconds=1))
        ended = await asyncio.gather(*(call(resource, f"{number}") for number in range(3)))
        assert [error for _, error in ended] == [None] * 3

    run_virtual(main)


def test_calls_that_come_too_fast_are_one_warning_with_figures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: Clock) -> None:
        resource = units(clock, Simulated(clock, lambda *_: OK), max_calls_per_second=10)
        await asyncio.gather(*(call(resource, f"{number}") for number in range(200)))

    run_virtual(main)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.name == "propq_async.throttle"
    assert record.getMessage().startswith(
        "calls come faster than they may go out: 150 wait, the first for 5.0 s "
        "(0 of 100 connections in use, max_calls_per_second=10)"
    )


async def test_a_call_that_waits_no_longer_than_it_may_goes_out() -> None:
    now = 1_000.0
    timers: list[asyncio.Event] = []

    async def sleep(_: float) -> None:
        timers.append(asyncio.Event())
        await timers[-1].wait()

    throttle = a_throttle(Clock(monotonic=lambda: now, sleep=sleep))
    first, second, third = a_permit(), a_permit(), a_permit()
    second.max_wait_seconds, third.max_wait_seconds = 20.0, 10.0
    assert await throttle.acquire(first) is None
    waiting = [await acquiring(throttle, permit) for permit in (second, third)]
    now += 10
    throttle.release(first)
    assert await waiting[0] is None
    rejected = await waiting[1]
    assert rejected is not None
    assert rejected.error is None
    throttle.release(second)
    assert throttle.is_idle
    assert throttle.detach() is None
    await asyncio.sleep(0)  # so that the timer notices that it was cancelled


async def test_who_would_have_to_wait_too_long_is_told_how_many_do() -> None:
    throttle = a_throttle(Clock(monotonic=lambda: 1_000.0), max_in_flight=9, cap=1)
    assert await throttle.acquire(a_permit()) is None
    rows = [await acquiring(throttle, a_permit(is_batch_row=True)) for _ in range(3)]
    single = a_permit()
    single.max_wait_seconds = 0.5
    rejected = await throttle.acquire(single)
    assert rejected is not None
    assert (rejected.error, rejected.waiting) == (None, 4)
    throttle.detach()
    await asyncio.gather(*rows)


class Watched(Permit):
    """A permit that notes when the throttle looks how long it has waited."""

    is_batch_row = False
    patience_seconds = math.inf
    since = 0.0
    put_off = 0

    def __init__(self, looks: list[Permit]) -> None:
        self.max_wait_seconds = 30.0
        self._looks = looks
        self._waits_since = 0.0

    @property
    def waits_since(self) -> float:
        self._looks.append(self)
        return self._waits_since

    @waits_since.setter
    def waits_since(self, since: float) -> None:
        self._waits_since = since


async def test_a_crowd_that_waits_long_is_not_looked_at_for_each_call() -> None:
    """If it were, an event loop with some thousand calls would do nothing else."""
    now = 1_000.0

    async def sleep(_: float) -> None:
        await asyncio.Event().wait()

    looks: list[Permit] = []
    throttle = a_throttle(Clock(monotonic=lambda: now, sleep=sleep), max_in_flight=1)
    under_way = a_permit()
    assert await throttle.acquire(under_way) is None
    waiting = []
    for _ in range(1_000):
        now += 0.002  # so for each of them a warning is due at a moment of its own
        waiting.append((await acquiring(throttle, permit := Watched(looks)), permit))
    now += 4
    looks.clear()
    done = 0
    for task, permit in waiting:
        throttle.succeeded(under_way)
        throttle.release(under_way)
        now += 0.002
        rejected = await task
        under_way = permit
        done += rejected is None
    assert done == 1_000
    assert 1_000 < len(looks) < 200_000  # a million if all were looked at for each


# --- the rule by itself ---------------------------------------------------------------------------


def waiting_since(since: float, max_wait_seconds: float = math.inf) -> Permit:
    permit = a_permit()
    permit.waits_since, permit.max_wait_seconds = since, max_wait_seconds
    return permit


def test_it_is_looked_at_when_a_warning_or_an_end_is_due() -> None:
    waits = Waits()
    assert waits.next_at == math.inf
    waits.began(waiting_since(100.0))
    waits.began(waiting_since(101.0))
    assert waits.next_at == 105
    waits.began(waiting_since(101.0, 3.0))
    assert waits.next_at == 104
    assert waits.looked([waiting_since(100.0, 30.0), waiting_since(103.0, 30.0)], 106.0) == 6
    assert waits.next_at == 108
    assert waits.looked([waiting_since(100.0, 30.0)], 108.0) is None
    assert waits.next_at == 130
    assert waits.looked([], 108.0) is None
    assert waits.next_at == math.inf


def test_the_more_there_are_the_less_often_they_are_looked_at() -> None:
    waits = Waits()
    few = [waiting_since(100.0 + number / 100, 30.0) for number in range(FEW)]
    assert waits.looked(few, 129.999) == pytest.approx(29.999)
    assert waits.next_at == 130
    many = few * 200
    assert waits.looked(many, 129.999) is None
    assert waits.next_at == pytest.approx(129.999 + 0.995)


def test_a_warning_comes_once_a_minute() -> None:
    waits = Waits()
    seen = [now for now in range(100, 230) if waits.looked([waiting_since(100.0)], float(now))]
    assert seen == [105, 165, 225]


def test_time_while_closed_does_not_count() -> None:
    waits, permit = Waits(), waiting_since(100.0, 10.0)
    assert waits.is_over(permit, 110.0)
    waits.reopened(150.0)
    assert not waits.is_over(permit, 159.0)
    assert waits.is_over(permit, 160.0)


def test_a_row_may_wait_on() -> None:
    row = a_permit(is_batch_row=True)
    row.max_wait_seconds = 1.0
    assert not Waits().is_over(row, 1e9)
