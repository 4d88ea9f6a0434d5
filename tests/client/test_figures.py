"""What the figures say of calls: how they ended, how long they took, and what keeps others back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from propq_async import APIError, Durations, RateLimitError, RetryPolicy
from propq_async.stats import BOUNDS
from tests.helpers.support import Playing, Step, an_update, answer, playing, until

OK = answer(200, {})
UNSENT = answer(503, headers={"Retry-After": "999"})


async def one_call(play: Playing) -> None:
    with suppress(APIError):
        await play.session.units.update(an_update())


@pytest.mark.parametrize(
    ("steps", "outcomes"),
    [
        ([OK], {"ok": 1}),
        ([answer(400)], {"BadRequestError": 1}),
        ([answer(404)], {"NotFoundError": 1}),
        ([answer(422, {"errors": {}})], {"UnprocessableError": 1}),
        ([answer(409)], {"APIStatusError": 1}),
        ([answer(500), answer(500), answer(500)], {"ServerError": 1}),
        ([None, None, None], {"APIConnectionError": 1}),
        ([answer(200, [])], {"UnexpectedResponseError": 1}),
        ([UNSENT], {"ServerError": 1}),
        ([answer(503), OK], {"ok": 1}),
    ],
)
async def test_a_call_counts_by_how_it_ended(steps: list[Step], outcomes: dict[str, int]) -> None:
    async with playing(*steps, retry=RetryPolicy(attempts=3)) as play:
        await one_call(play)
        stats = play.propq.stats()
    assert stats.outcomes == outcomes
    assert sum(stats.durations.counts) == stats.calls == 1


async def test_calls_that_are_cancelled_count_as_such() -> None:
    never = asyncio.Event()

    async def hang(*_: object) -> None:
        await never.wait()

    async with playing(hang, OK) as play:
        call = asyncio.create_task(play.session.units.update(an_update()))
        await until(lambda: len(play.calls) == 1)
        call.cancel()
        await asyncio.wait([call])
        coroutine = play.session.units.update(an_update("A-102"))
        coroutine.close()  # it never began
        assert play.propq.stats().outcomes == {"CancelledError": 1}


async def test_a_call_out_of_time_counts_as_a_timeout_and_not_as_cancelled() -> None:
    never = asyncio.Event()

    async def hang(*_: object) -> None:
        await never.wait()

    async with playing(hang, OK, retry=RetryPolicy(total_timeout_seconds=0.05)) as play:
        await one_call(play)
        await one_call(play)
        assert play.propq.stats().outcomes == {"ok": 1, "APITimeoutError": 1}


async def test_rows_count_like_calls() -> None:
    async with playing(OK, answer(404), OK) as play:
        updates = [an_update(name) for name in "abc"]
        async with play.session.units.update_many(updates, concurrency=1) as batch:
            assert [outcome.ok async for outcome in batch] == [True, False, True]
        assert play.propq.stats().outcomes == {"ok": 2, "NotFoundError": 1}


async def test_the_time_of_calls_is_a_histogram() -> None:
    took = iter([0.004, 0.05, 0.051, 400.0])

    async def slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        play.time.advance(next(took))
        writer.write(OK)
        await writer.drain()

    async with playing(slowly) as play:
        for _ in range(4):
            await play.session.units.update(an_update())
        durations = play.propq.stats().durations
    by_bound = dict(zip([*BOUNDS, "more"], durations.counts, strict=True))
    expected = {0.01: 1, 0.05: 1, 0.1: 1, "more": 1}
    assert {bound: count for bound, count in by_bound.items() if count} == expected
    assert durations.total_seconds == pytest.approx(400.105)
    assert durations.bounds == tuple(sorted(durations.bounds))


async def test_a_wait_at_the_throttle_is_told_apart_from_the_call() -> None:
    async with playing(answer(429, headers={"Retry-After": "7"}), OK) as play:
        await play.session.units.update(an_update())
        assert play.propq.stats().waited_seconds == pytest.approx(7)


async def test_the_state_of_the_throttle_is_open_closed_or_probing() -> None:
    once = RetryPolicy(attempts=1)
    async with playing(UNSENT, retry=once) as play:
        assert (play.propq.stats().throttle, play.propq.stats().opens_in_seconds) == ("open", 0)
        await one_call(play)
        stats = play.propq.stats()
        assert stats.throttle == "closed"
        assert stats.opens_in_seconds == pytest.approx(999)
    async with playing(answer(502), answer(502), answer(502), OK, retry=once) as play:
        for _ in range(3):
            await one_call(play)
        assert play.propq.stats().throttle == "probing"
        play.time.advance(60)
        await play.session.units.update(an_update())
        assert play.propq.stats().throttle == "open"


async def test_the_life_of_the_token_is_told() -> None:
    async with playing(OK) as play:
        empty = play.propq.stats()
        assert (empty.token_issued_at, empty.token_expires_at) == (None, None)
        await play.session.units.update(an_update())
        stats: Any = play.propq.stats()
    issued = datetime.fromtimestamp(play.time.wall_now, UTC)
    assert abs(stats.token_issued_at - issued) < timedelta(seconds=1)
    token = await play.propq.tokens.get_token()
    assert stats.token_expires_at == token.expires_at > issued


def test_no_figures_are_zeros() -> None:
    assert sum(Durations().counts) == 0
    assert len(Durations().counts) == len(Durations().bounds) + 1


# --- the time of a request handler ----------------------------------------------------------------


@pytest.mark.parametrize("asked", ["11", "100", "86400"])
async def test_a_handler_is_told_at_once_to_come_back_later(asked: str) -> None:
    closed = answer(429, headers={"Retry-After": asked})
    async with playing(closed, OK, retry=RetryPolicy.for_requests()) as play:
        for _ in range(2):
            with pytest.raises(RateLimitError) as caught:
                await play.session.units.update(an_update())
            assert caught.value.retry_after_seconds == pytest.approx(float(asked))
            assert caught.value.is_retryable
        assert play.time.sleeps == []
        assert len(play.calls) == 1


async def test_a_handler_waits_where_its_time_allows_it() -> None:
    closed = answer(429, headers={"Retry-After": "5"})
    async with playing(closed, OK, retry=RetryPolicy.for_requests(10)) as play:
        await play.session.units.update(an_update())
    assert sum(play.time.sleeps) == pytest.approx(5)


def test_all_that_a_handler_may_wait_for_is_bounded() -> None:
    policy = RetryPolicy.for_requests(3)
    bounds = (policy.total_timeout_seconds, policy.max_wait_seconds, policy.max_retry_after_seconds)
    assert bounds == (3, 3, 3)
    assert RetryPolicy.for_requests().total_timeout_seconds == 10
