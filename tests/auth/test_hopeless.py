"""What waiting does not heal at the token endpoint ends at once. The rest is waited for."""

from __future__ import annotations

import attrs
import pytest

from propq_async import (
    Clock,
    RetryPolicy,
    Token,
    TokenError,
    TokenManager,
    TokenRefusedError,
    TokenUnavailableError,
    UnitOutcome,
)
from propq_async._wire.messages import Lost, Reply
from tests.helpers.simulation import OK, Simulated, units
from tests.helpers.support import (
    ScriptedServer,
    an_update,
    answer,
    drain,
    run_virtual,
    token_answer,
)
from tests.helpers.tokens import (
    CREDENTIALS,
    DOWN,
    QUICK,
    Answer,
    Endpoint,
    gather,
    issued,
    over_the_wire,
    replied,
)

PAGE = "<html><head><title>Welcome</title></head></html>"


@attrs.define
class Ran:
    """What became of a batch."""

    outcomes: list[UnitOutcome] = attrs.field(factory=list)
    error: TokenError | None = None
    token_requests: int = 0
    seconds: float = 0.0


def run_batch(*script: Answer) -> Ran:
    async def run(clock: Clock) -> Ran:
        endpoint = Endpoint(*script)
        manager = TokenManager(CREDENTIALS, clock=clock, ask=endpoint.ask)
        batch = units(clock, Simulated(clock, lambda *_: OK), tokens=manager).update_many(
            (an_update(f"{number}") for number in range(3_000)), concurrency=5
        )
        ran, began = Ran(), clock.monotonic()
        try:
            await drain(batch, ran.outcomes)
        except TokenError as error:
            ran.error = error
        ran.token_requests, ran.seconds = endpoint.requests, clock.monotonic() - began
        return ran

    return run_virtual(run)


@pytest.mark.parametrize(
    ("reply", "requests", "words"),
    [
        (replied(301, Location="https://elsewhere/"), 1, "check the base URL"),
        (replied(302, Location="https://elsewhere/"), 1, "check the base URL"),
        (replied(404, PAGE), 1, "check the base URL"),
        (replied(407), 1, "the proxy wants a login"),
        (replied(200, PAGE), 2, "check that the base URL"),
        (replied(200, '{"message": "Welcome"}'), 2, "check that the base URL"),
        (Lost("no trust", sent=False, worth_attempts=1, advice="check it"), 1, "check it"),
        (Lost("no name", sent=False, worth_attempts=2, advice="check it"), 2, "check it"),
    ],
    ids=["301", "302", "404", "407", "page", "no token", "certificate", "host"],
)
def test_a_batch_that_no_waiting_can_heal_ends_at_once(
    reply: Reply | Lost, requests: int, words: str
) -> None:
    ran = run_batch(reply)
    assert 1 <= len(ran.outcomes) <= 5
    assert not any(outcome.ok for outcome in ran.outcomes)
    assert words in str(ran.error)
    assert ran.token_requests == requests
    assert ran.seconds < 1


@pytest.mark.parametrize(
    "reply", [replied(200), replied(503), replied(408), DOWN], ids=["empty", "503", "408", "down"]
)
def test_a_batch_waits_for_what_may_pass(reply: Reply | Lost) -> None:
    ran = run_batch(*[reply] * 8, issued())
    assert [outcome.ok for outcome in ran.outcomes] == [True] * 3_000
    assert (ran.error, ran.token_requests) == (None, 9)


@pytest.mark.parametrize(
    "reply",
    [
        replied(200, PAGE),
        replied(302, Location="https://elsewhere/maintenance"),
        Lost("no name", sent=False, worth_attempts=2),
    ],
    ids=["page", "redirect", "host"],
)
def test_what_worked_before_is_waited_for_as_an_outage(reply: Reply | Lost) -> None:
    ran = run_batch(issued(expires_in=5), *[reply] * 4, issued())
    assert [outcome.ok for outcome in ran.outcomes] == [True] * 3_000
    assert (ran.error, ran.token_requests) == (None, 6)


async def test_an_empty_answer_is_repeated_as_a_lost_one() -> None:
    async with ScriptedServer(answer(200), token_answer()) as server:
        manager = over_the_wire(server.url, retry=QUICK)
        results = await gather(100, manager.get_token)
        assert all(isinstance(result, Token) for result in results)
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("step", "kind", "words"),
    [
        (answer(200), TokenUnavailableError, "the answer is empty; try again later"),
        (answer(200, PAGE), TokenUnavailableError, "a web page: check that the base URL"),
        (answer(407), TokenRefusedError, "the proxy wants a login"),
    ],
    ids=["empty", "page", "407"],
)
async def test_the_error_says_what_to_do(step: bytes, kind: type[TokenError], words: str) -> None:
    async with ScriptedServer(step) as server:
        with pytest.raises(kind, match=words):
            await over_the_wire(server.url, retry=RetryPolicy(attempts=1)).get_token()
