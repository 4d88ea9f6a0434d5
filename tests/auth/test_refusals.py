"""What a refused token costs."""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import Any

import pytest

from propq_async import (
    AsyncPropQ,
    AuthenticationError,
    MemoryTokenStore,
    RetryPolicy,
    TokenKey,
    TokenUnavailableError,
)
from propq_async._auth.failures import FAILURE_SECONDS
from propq_async._auth.refusals import (
    PROVEN_INTERVAL_SECONDS,
    REFUSED_INTERVAL_SECONDS,
    REFUSED_REMEMBERED,
    Refusals,
)
from propq_async._wire.messages import Reply
from tests.helpers.support import (
    FakeClock,
    ScriptedServer,
    answer,
    token_answer,
)
from tests.helpers.tokens import (
    CREDENTIALS,
    DOWN,
    KEY,
    QUICK,
    Endpoint,
    a_manager,
    gather,
    issued,
    numbered_token,
)


async def test_only_a_token_that_can_be_used_takes_its_refusal_back() -> None:
    clock = FakeClock()

    async def too_late() -> Reply:
        clock.advance(2)
        return issued("token-1", 1)

    endpoint = Endpoint(issued("token-1", 100), too_late, DOWN)
    manager = a_manager(endpoint, clock, store=MemoryTokenStore())
    manager.invalidate(await manager.get_token())
    for problem in ("had run out", "no answer"):
        clock.advance(FAILURE_SECONDS)
        # It is still in the store, where its life is as long as before.
        with pytest.raises(TokenUnavailableError, match=problem):
            await manager.get_token()
    assert endpoint.requests == 3


async def test_a_late_refusal_of_an_old_token_keeps_the_new_one() -> None:
    endpoint = Endpoint()
    manager = a_manager(endpoint)
    old = await manager.get_token()
    manager.invalidate(old)
    new = await manager.get_token()
    assert new != old
    for _ in range(100):
        manager.invalidate(old)
    assert await manager.get_token() is new
    assert endpoint.requests == 2


async def test_values_are_compared_and_not_objects() -> None:
    manager = a_manager(Endpoint())
    token = await manager.get_token()
    manager.invalidate(copy.copy(token))
    assert await manager.get_token() != token


async def test_before_a_new_token_is_asked_for_the_store_is_read_again() -> None:
    clock, store = FakeClock(), MemoryTokenStore()
    mine, theirs = Endpoint(issued("first")), Endpoint(issued("renewed"))
    manager, other = (a_manager(endpoint, clock, store=store) for endpoint in (mine, theirs))
    token = await manager.get_token()
    assert await other.get_token() == token
    clock.advance(1)
    for one in (manager, other):
        one.invalidate(token)
    assert (await other.get_token()).access_token == "renewed"
    assert (await manager.get_token()).access_token == "renewed"
    assert (mine.requests, theirs.requests) == (1, 1)


async def test_what_was_refused_is_not_taken_from_the_store_again() -> None:
    clock, store, endpoint = FakeClock(), MemoryTokenStore(), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    refused = []
    for _ in range(16):
        token = await manager.get_token()
        manager.invalidate(token)
        refused.append(token)
        clock.advance(2 * REFUSED_INTERVAL_SECONDS)
    for token in refused:
        await store.save(KEY, token)
        current = await manager.get_token()
        assert current not in refused
        await store.clear(KEY)
        manager._state.current = None
    # Only so many are remembered.
    for _ in range(17):
        manager.invalidate(numbered_token("other", _))
    await store.save(KEY, refused[-1])
    assert await manager.get_token() == refused[-1]


@pytest.mark.parametrize("refused_while", ["under way", "landing"])
async def test_no_flight_brings_back_a_token_refused_meanwhile(
    refused_while: str,
) -> None:
    endpoint = Endpoint()
    manager = a_manager(endpoint, retry=QUICK)
    token = numbered_token("refused", 0)

    async def refused_meanwhile() -> Reply:
        if refused_while == "under way":
            manager.invalidate(token)
        else:
            # After the flight has ended, before its waiters have their turn.
            flight = asyncio.current_task()
            assert flight is not None
            flight.add_done_callback(lambda _: manager.invalidate(token))
        return issued("refused-0")

    endpoint.script = [refused_meanwhile, issued("other")]
    tokens = await asyncio.gather(manager.get_token(), manager.get_token())
    assert {token.access_token for token in tokens} == {"other"}
    assert (await manager.get_token()).access_token == "other"
    assert endpoint.requests == 2


async def test_requests_are_bounded_when_every_token_is_refused() -> None:
    """Recovery is noticed."""
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)

    async def refused_call() -> None:
        manager.invalidate(await manager.get_token())

    for _ in range(100):
        await refused_call()
    assert endpoint.requests == 1 + 3
    for minute in range(1, 11):
        clock.advance(2 * REFUSED_INTERVAL_SECONDS)
        for _ in range(10):
            await refused_call()
        # Two of 30 s each have been saved up.
        assert endpoint.requests == 1 + 3 + 2 * minute
    clock.advance(REFUSED_INTERVAL_SECONDS)
    stays = await manager.get_token()
    manager.invalidate(stays)
    assert await manager.get_token() != stays


async def test_after_many_refusals_a_stored_token_is_still_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The token that another process has left, that is; none is asked for."""
    caplog.set_level(logging.INFO)
    clock, store, endpoint = FakeClock(), MemoryTokenStore(), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    refused = await manager.get_token()
    for _ in range(20):
        manager.invalidate(refused)
        refused = await manager.get_token()
    assert endpoint.requests == 1 + 3
    assert len(caplog.records) == 1 + 3
    # There is no other one yet: it stays, for all who ask at once, and for each who asks again.
    assert await gather(10, manager.get_token) == [refused] * 10
    assert endpoint.requests == 1 + 3
    clock.advance(1)
    renewed = await a_manager(Endpoint(issued("renewed")), clock, store=store).refresh()
    assert await manager.get_token() == renewed
    manager.invalidate(refused)
    assert await manager.get_token() == renewed
    assert endpoint.requests == 1 + 3
    manager.invalidate(renewed)
    clock.advance(REFUSED_INTERVAL_SECONDS)
    assert (await manager.get_token()).access_token == "token-5"


async def test_a_forced_refresh_asks_though_a_refused_token_stays() -> None:
    """The flight under way keeps the refused token, since too many were refused."""
    clock, store, endpoint = FakeClock(), MemoryTokenStore(), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    refused = await manager.get_token()
    for _ in range(5):
        manager.invalidate(refused)
        refused = await manager.get_token()
    assert endpoint.requests == 1 + 3
    kept = asyncio.create_task(manager.get_token())
    forced = asyncio.create_task(manager.refresh())
    assert await kept == refused
    assert (await forced).access_token == "token-5"


@pytest.mark.parametrize("values", ["always new", "always the same"])
async def test_a_server_that_refuses_every_token_is_asked_for_few(values: str) -> None:
    clock = FakeClock()
    count = iter(range(10**6))

    async def issue(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(count) if values == "always new" else 0
        writer.write(token_answer(f"token-{number}"))
        await writer.drain()

    script: dict[str, list[Any]] = {
        "/oauth/token": [issue],
        "/v1/x": [answer(401, {"message": "Unauthenticated."})],
    }
    async with ScriptedServer(by_path=script) as server:
        propq = AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None, clock=clock.clock)
        async with propq.session() as session:
            for _ in range(20):
                with pytest.raises(AuthenticationError):
                    await session.request("GET", "/v1/x")
            assert len(server.paths("/oauth/token")) == 1 + 3
            clock.advance(REFUSED_INTERVAL_SECONDS)
            for _ in range(20):
                with pytest.raises(AuthenticationError):
                    await session.request("GET", "/v1/x")
            assert len(server.paths("/oauth/token")) == 1 + 3 + 1
            script["/v1/x"][:] = [answer(200, {})]
            assert await session.request("GET", "/v1/x") == {}
            assert len(server.paths("/oauth/token")) == 1 + 3 + 1


async def test_failures_do_not_use_up_the_allowance_of_refusals() -> None:
    clock, endpoint = FakeClock(), Endpoint(issued("first"), DOWN)
    manager = a_manager(endpoint, clock, retry=RetryPolicy(base_delay_seconds=0))
    manager.invalidate(await manager.get_token())
    for _ in range(20):
        with pytest.raises(TokenUnavailableError):
            await manager.get_token()
        clock.advance(FAILURE_SECONDS)
    for value in ("second", "third"):
        endpoint.script = [issued(value)]
        token = await manager.get_token()
        assert token.access_token == value
        manager.invalidate(token)


class FleetStore(MemoryTokenStore):
    """A store for a fleet whose other processes have replaced so many refused tokens."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.asked: list[float] = []

    async def replacements(self, _: TokenKey, within_seconds: float, /) -> int:
        self.asked.append(within_seconds)
        return self.count

    async def replaced(self, _: TokenKey, __: float, /) -> None:
        self.count += 1


async def test_the_refused_token_stays_when_the_fleets_allowance_is_used_up() -> None:
    clock, store, endpoint = FakeClock(), FleetStore(2), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    manager.invalidate(await manager.get_token())
    second = await manager.get_token()
    assert (endpoint.requests, store.count) == (2, 3)
    manager.invalidate(second)
    for _ in range(3):
        assert await manager.get_token() is second
    # The fleet was asked once in the time in which the allowance grows back by one.
    assert store.asked == [90, 90]
    clock.advance(REFUSED_INTERVAL_SECONDS)
    assert await manager.get_token() is second
    assert (endpoint.requests, store.asked) == (2, [90, 90, 90])
    store.count = 2
    clock.advance(REFUSED_INTERVAL_SECONDS)
    assert await manager.get_token() != second
    assert endpoint.requests == 3


async def test_a_refused_token_that_has_expired_is_replaced_whatever_the_allowance() -> None:
    clock, endpoint = FakeClock(), Endpoint(issued("token-1", 100), issued("token-2"))
    manager = a_manager(endpoint, clock, store=FleetStore(9))
    manager.invalidate(await manager.get_token())
    clock.advance(100)
    assert (await manager.get_token()).access_token == "token-2"


async def test_a_forced_refresh_does_not_count_as_a_replacement() -> None:
    store, endpoint = FleetStore(9), Endpoint()
    manager = a_manager(endpoint, store=store)
    await manager.get_token()
    await manager.refresh()
    assert (endpoint.requests, store.count, store.asked) == (2, 9, [])


# --- the pure part -------------------------------------------------------------------------------


def test_three_refusals_at_once_then_one_in_thirty_seconds() -> None:
    refusals = Refusals(since=100.0)
    asked = []
    for now in (100, 100, 100, 100, 129, 130, 131, 159, 160, 1000, 1000, 1000, 1000):
        asked.append(refusals.may_ask(now))
        if asked[-1]:
            refusals.asked()
    assert asked == [*[True] * 3, False, False, True, False, False, True, *[True] * 3, False]


def test_a_token_that_had_worked_is_replaced_sooner() -> None:
    refusals = Refusals(since=100.0, left=0.0)
    worked, other = (numbered_token("refused", number) for number in range(2))
    for _ in range(2):
        refusals.worked(worked)
    refusals.add(worked)
    assert [refusals.may_ask(now) for now in (100, 101)] == [False, False]
    assert refusals.seconds_until_one_more() == PROVEN_INTERVAL_SECONDS / 2
    assert refusals.may_ask(102)
    assert refusals.seconds_until_one_more() == 0
    refusals.asked()
    refusals.add(other)
    assert not refusals.may_ask(102 + PROVEN_INTERVAL_SECONDS)


def test_a_clock_that_stands_still_gives_nothing_back() -> None:
    refusals = Refusals(since=100.0, left=0.0)
    assert not any(refusals.may_ask(now) for now in (100, 90, 80))


def test_the_last_sixteen_refused_values_are_remembered() -> None:
    refusals = Refusals(since=0.0)
    tokens = [numbered_token("refused", number) for number in range(REFUSED_REMEMBERED + 1)]
    for token in tokens:
        for _ in range(2):
            refusals.add(copy.copy(token))
    assert [token in refusals for token in tokens] == [False, *[True] * REFUSED_REMEMBERED]


def test_a_refusal_can_be_taken_back_twice() -> None:
    refusals = Refusals(since=0.0)
    token = numbered_token("refused", 0)
    refusals.add(token)
    for _ in range(2):
        refusals.forget(token)
        assert token not in refusals


def test_a_refusal_is_new_if_it_was_not_known_before() -> None:
    refusals = Refusals(since=0.0)
    old, new, other = (numbered_token("refused", number) for number in range(3))
    refusals.add(old)
    known = refusals.known()
    refusals.add(new)
    assert [refusals.is_new(token, known) for token in (old, new, other)] == [False, True, False]


def test_refusals_show_no_token() -> None:
    refusals = Refusals(since=0.0)
    refusals.add(numbered_token("t0ken", 0))
    assert "t0ken" not in repr(refusals)
