"""Successes without a usable value: which are repeated, and which are an outage."""

from __future__ import annotations

from typing import Any

import pytest

from propq_async import (
    AsyncPropQ,
    Clock,
    PropQError,
    RetryPolicy,
    UnexpectedResponseError,
    UnitOutcome,
)
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator
from tests.helpers.simulation import OK, Simulated, units
from tests.helpers.support import (
    Step,
    an_update,
    answer,
    drain,
    failing,
    playing,
    run_virtual,
    token_answer,
)
from tests.helpers.throttling import START, play

DOWN = Reply(200, {}, b'{"message":"Service Unavailable"}')
PAGE = Reply(200, {"Content-Type": "text/html"}, b"<html><h1>Please come back later</h1></html>")
EMPTY = Reply(200, {}, b"")
DONE = answer(200, {"done": True})
FIVE = RetryPolicy().attempts


@pytest.mark.parametrize("down", [DOWN, PAGE, EMPTY], ids=["message", "page", "empty"])
def test_an_outage_with_the_status_200_costs_no_row(down: Reply) -> None:
    """Nothing is reported as applied that was not, and hardly anything is asked meanwhile."""
    applied: set[str] = set()

    def reply(now: float, name: str) -> Reply | Lost:
        if START + 2 < now < START + 62:
            return down
        applied.add(name)
        return OK

    server, outcomes, _ = play(reply, rows=3_000, concurrency=10)
    assert all(outcome.ok for outcome in outcomes)
    assert applied == {f"{number}" for number in range(3_000)}
    assert sum(START + 2 < at < START + 62 for at in server.arrived) < 30


@pytest.mark.parametrize("down", [DOWN, PAGE], ids=["message", "page"])
def test_too_long_an_outage_with_the_status_200_ends_a_batch(down: Reply) -> None:
    async def main(clock: Clock) -> tuple[list[UnitOutcome], PropQError, float]:
        outcomes: list[UnitOutcome] = []
        batch = units(clock, Simulated(clock, lambda *_: down)).update_many(
            (an_update(f"{number}") for number in range(500)),
            concurrency=5,
            max_outage_seconds=60.0,
        )
        with pytest.raises(UnexpectedResponseError) as caught:
            await drain(batch, outcomes)
        assert batch.cut_off == {outcome.index for outcome in outcomes}
        return outcomes, caught.value, clock.monotonic() - START

    outcomes, error, elapsed = run_virtual(main)
    assert len(outcomes) == 5
    assert not any(outcome.ok for outcome in outcomes)
    assert 60 <= elapsed < 61
    if down is DOWN:
        assert "200, but the body says 'Service Unavailable'" in str(error)
        assert not error.may_have_been_applied


@pytest.mark.parametrize(
    ("body", "applied"),
    [
        (b"", True),
        (b"<html>", True),
        ({"message": "Service Unavailable"}, False),
        ({"message": "Server Error"}, True),
    ],
    ids=repr,
)
async def test_an_update_without_an_answer_is_repeated(body: Any, *, applied: bool) -> None:
    async with playing(answer(200, body), DONE) as play:
        assert await play.session.units.update(an_update()) == {"done": True}
        assert len(play.calls) == 2
    async with playing(answer(200, body)) as play:
        error = await failing(play.session)
        assert len(play.calls) == error.attempts == FIVE
    assert type(error) is UnexpectedResponseError
    assert error.may_have_been_applied is applied


@pytest.mark.parametrize(
    ("body", "repeated"),
    [
        (b"", False),
        (b"<html>", False),
        # Certainly not applied, or answered: no answer was lost.
        ({"message": "Service Unavailable"}, True),
        ({"message": "Server Error"}, True),
    ],
    ids=repr,
)
async def test_a_lost_answer_of_an_update_is_repeated_if_wanted(
    body: Any, *, repeated: bool
) -> None:
    retry = RetryPolicy(retry_unacknowledged=False)
    async with playing(answer(200, body), retry=retry) as play:
        error = await failing(play.session)
        assert len(play.calls) == (FIVE if repeated else 1)
    assert type(error) is UnexpectedResponseError


@pytest.mark.parametrize("status", [204, 205])
async def test_a_success_that_never_has_a_body_is_not_repeated(status: int) -> None:
    async with playing(answer(status)) as play:
        error = await failing(play.session)
        assert len(play.calls) == 1
        assert await play.session.request("POST", "/x") is None
    assert type(error) is UnexpectedResponseError
    assert error.may_have_been_applied


async def test_an_empty_body_of_any_other_call_is_none() -> None:
    async with playing(answer(200, b"")) as play:
        assert await play.session.request("POST", "/x") is None
        assert len(play.calls) == 1


@pytest.mark.parametrize(
    ("method", "body", "requests"),
    [
        ("GET", b"<html>", FIVE),
        ("POST", b"<html>", 1),
        ("POST", {"message": "Service Unavailable"}, FIVE),
        ("POST", {"message": "This action is unauthorized."}, 1),
        ("POST", {"message": "CSRF token mismatch."}, 1),
    ],
)
async def test_any_other_call_is_repeated_if_it_was_not_made(
    method: str, body: Any, requests: int
) -> None:
    async with playing(answer(200, body)) as play:
        with pytest.raises(UnexpectedResponseError):
            await play.session.request(method, "/x")
        assert len(play.calls) == requests


async def test_a_refused_token_with_the_status_200_is_replaced() -> None:
    refused: Step = answer(200, {"message": "Unauthenticated."})
    tokens: list[Step] = [token_answer("token-1"), token_answer("token-2")]
    async with playing(refused, DONE, tokens=tokens) as play:
        assert await play.session.units.update(an_update()) == {"done": True}
        assert play.token_requests == 2


@pytest.mark.parametrize("body", ["echo", "empty", "message", "status"])
async def test_no_success_of_the_emulator_is_taken_for_an_error(body: Any) -> None:
    async with PropQEmulator(success_body=body) as emulator:
        emulator.add_unit("4711", "A-101")
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
        async with propq.session() as session:
            assert isinstance(await session.units.update(an_update()), dict)
        assert emulator.applied == emulator.calls == 1
