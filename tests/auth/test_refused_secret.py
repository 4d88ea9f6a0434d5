"""A secret that was refused is sent again less and less often, and another one at once."""

from __future__ import annotations

import asyncio

import pytest

from propq_async import Credentials, RetryPolicy, TokenManager, TokenRefusedError
from propq_async._auth.refused_secret import MAX_SECONDS, RefusedSecret
from propq_async.errors import TokenUnavailableError
from tests.helpers.support import FakeClock, ScriptedServer, answer, token_answer

REFUSED = TokenRefusedError("no", status=401)
OLD, NEW = Credentials(1, "old"), Credentials(1, "new")
NO = answer(401, {"error": "invalid_client"})


def waits_of(time: FakeClock, times: int) -> list[float]:
    """Return for how long each of so many refusals is the answer."""
    refused, waits = RefusedSecret(time.clock.monotonic), []
    for _ in range(times):
        refused.note(OLD, REFUSED)
        began = time.monotonic_now
        while refused.answer(OLD) is not None:
            time.advance(0.5)
        waits.append(time.monotonic_now - began)
    return waits


def test_each_refusal_is_the_answer_for_twice_as_long() -> None:
    assert waits_of(FakeClock(), 8) == [1, 2, 4, 8, 16, 32, MAX_SECONDS, MAX_SECONDS]


def test_another_secret_is_sent_at_once_and_begins_anew() -> None:
    time = FakeClock()
    refused = RefusedSecret(time.clock.monotonic)
    for _ in range(5):
        refused.note(OLD, REFUSED)
    assert refused.answer(NEW) is None
    refused.note(NEW, REFUSED)
    time.advance(1)
    assert refused.answer(NEW) is None


@pytest.mark.parametrize("outcome", [TokenUnavailableError("down"), object()])
def test_any_other_answer_ends_it(outcome: object) -> None:
    refused = RefusedSecret(FakeClock().clock.monotonic)
    assert refused.answer(OLD) is None
    refused.note(OLD, REFUSED)
    answered = refused.answer(OLD)
    assert isinstance(answered, TokenRefusedError)
    # Each caller may change what it gets.
    assert answered is not refused.answer(OLD)
    refused.note(OLD, outcome)
    assert refused.answer(OLD) is None


def test_the_secret_is_not_kept() -> None:
    refused = RefusedSecret(FakeClock().clock.monotonic)
    refused.note(Credentials(1, "the-secret"), REFUSED)
    slots = [getattr(refused, name) for name in RefusedSecret.__slots__ if name != "__weakref__"]
    assert "the-secret" not in repr([refused, *slots])


async def test_a_service_with_a_rotated_secret_leaves_requests_for_the_right_one() -> None:
    secret, time = ["old"], FakeClock()

    async def respond(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known = b"client_secret=new" in server.seen[-1].body
        writer.write(token_answer("token-2") if known else NO)
        await writer.drain()

    async with ScriptedServer(respond) as server:
        manager = TokenManager(
            Credentials(1, lambda: secret[0]),
            token_url=f"{server.url}/oauth/token",
            retry=RetryPolicy(attempts=1),
            clock=time.clock,
        )
        for _ in range(120):
            with pytest.raises(TokenRefusedError):
                await manager.get_token()
            time.advance(1)
        # At 0, 1, 3, 7, 15, 31 and 63 s, and not each second.
        assert len(server.seen) == 7
        with pytest.raises(TokenRefusedError):
            await manager.refresh()  # somebody wants to know
        assert len(server.seen) == 8
        secret[0] = "new"
        time.advance(1)
        assert (await manager.get_token()).access_token == "token-2"
        await manager.aclose()
