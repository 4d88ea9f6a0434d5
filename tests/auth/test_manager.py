"""What callers of a token manager get, and when."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from propq_async import (
    AsyncPropQ,
    JsonFileTokenStore,
    MemoryTokenStore,
    Token,
    TokenError,
    TokenKey,
    TokenManager,
    TokenUnavailableError,
)
from propq_async._auth.failures import FAILURE_SECONDS
from propq_async._auth.lifetime import SOFT_FRACTION
from propq_async._auth.refused_secret import MAX_SECONDS
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator
from tests.helpers.support import (
    FakeClock,
    ScriptedServer,
    run_virtual,
    token_answer,
    until,
)
from tests.helpers.tokens import (
    CALL,
    CREDENTIALS,
    DOWN,
    PATH,
    QUICK,
    SECRET,
    Endpoint,
    a_manager,
    gather,
    issued,
    over_the_wire,
    replied,
    settle,
)


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_thousand_cold_callers_make_one_request(kind: str, token_file: Path) -> None:
    store = JsonFileTokenStore(token_file) if kind == "file" else None
    async with ScriptedServer(token_answer()) as server:
        manager = over_the_wire(server.url, store=store)
        tokens = await gather(1000, manager.get_token)
        assert {token.access_token for token in tokens if isinstance(token, Token)} == {"token-1"}
        (request,) = server.seen
    assert (request.method, request.path) == ("POST", "/oauth/token")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["7"],
        "client_secret": [SECRET],
    }


@pytest.mark.parametrize("sessions", [1, 300])
async def test_sessions_of_a_factory_share_one_request(
    emulator: PropQEmulator, sessions: int
) -> None:
    """Cold, and again after a revocation."""
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)

    async def job() -> None:
        async with propq.session() as session:
            for _ in range(300 // sessions):
                await session.request("POST", PATH, json=CALL)

    async with propq:
        await asyncio.gather(*(job() for _ in range(sessions)))
        assert emulator.token_requests == 1
        emulator.revoke_tokens()
        await asyncio.gather(*(job() for _ in range(sessions)))
        assert emulator.token_requests == 2


async def test_a_thousand_401s_make_one_request_and_fail_no_call(
    emulator: PropQEmulator,
) -> None:
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with propq.session() as session:
        await session.request("POST", PATH, json=CALL)
        emulator.revoke_tokens()
        await asyncio.gather(*(session.request("POST", PATH, json=CALL) for _ in range(1000)))
    assert emulator.token_requests == 2


async def test_calls_go_on_side_by_side_once_there_is_a_token(emulator: PropQEmulator) -> None:
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with propq.session() as session:
        emulator.latency_seconds = 0.2
        async with asyncio.timeout(4):  # one after another they would take 10 s
            await asyncio.gather(*(session.request("POST", PATH, json=CALL) for _ in range(50)))


async def test_cold_expired_refused_and_forced_share_one_flight() -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    await gather(4, manager.get_token)
    assert endpoint.requests == 1
    for cause in ("expired", "refused", "forced"):
        current = await manager.get_token()
        if cause == "expired":
            clock.advance(3600)
        elif cause == "refused":
            manager.invalidate(current)
        before = endpoint.requests
        tokens = await asyncio.gather(
            manager.refresh(), manager.get_token(), manager.refresh(), manager.get_token()
        )
        assert endpoint.requests == before + 1
        assert tokens[0] is tokens[2] is not current
        assert tokens[1] is tokens[3] is (current if cause == "forced" else tokens[0])
    assert endpoint.most_in_flight == 1


@pytest.mark.parametrize("who", ["first", "last", "all", "all but one"])
async def test_a_waiter_that_is_cancelled_cancels_nothing(who: str) -> None:
    answered = asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued()

    endpoint = Endpoint(slow)
    manager = a_manager(endpoint)
    waiters = [asyncio.create_task(manager.get_token()) for _ in range(100)]
    await until(lambda: endpoint.requests)
    doomed = {
        "first": waiters[:1],
        "last": waiters[-1:],
        "all": waiters,
        "all but one": waiters[1:],
    }[who]
    for waiter in doomed:
        waiter.cancel()
    await asyncio.wait(doomed)
    assert all(waiter.cancelled() for waiter in doomed)
    answered.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert sum(isinstance(result, Token) for result in results) == 100 - len(doomed)
    await settle(manager)
    # The token that arrived is kept, also when nobody was left to wait for it.
    assert (await manager.get_token()).access_token == "token-1"
    assert endpoint.requests == 1


async def test_a_timeout_of_a_caller_does_not_end_the_flight() -> None:
    answered = asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued()

    endpoint = Endpoint(slow)
    manager = a_manager(endpoint)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await manager.get_token()
    answered.set()
    assert (await manager.get_token()).access_token == "token-1"
    assert endpoint.requests == 1


async def test_nobody_waits_for_a_refresh_ahead_of_expiry() -> None:
    clock, answered = FakeClock(), asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued("second")

    endpoint = Endpoint(issued("first"), slow)
    manager = a_manager(endpoint, clock)
    first = await manager.get_token()
    clock.advance(3600 * (1 - SOFT_FRACTION) - 1)
    assert await manager.get_token() is first
    assert not manager._flights.tasks
    clock.advance(2)
    for _ in range(100):
        # A coroutine that ends without having been suspended has not waited for anything.
        with pytest.raises(StopIteration) as done:
            manager.get_token().send(None)
        assert done.value.value is first
        await asyncio.sleep(0)
    assert endpoint.requests == 2
    answered.set()
    await settle(manager)
    assert (await manager.get_token()).access_token == "second"
    assert endpoint.requests == 2


@pytest.mark.parametrize(
    ("trouble", "heals_after"),
    [
        (DOWN, FAILURE_SECONDS),
        (replied(500), FAILURE_SECONDS),
        # The same secret is not sent again each second.
        (replied(401), MAX_SECONDS),
        (replied(429), FAILURE_SECONDS),
        (issued(""), FAILURE_SECONDS),
    ],
)
async def test_an_ageing_token_serves_while_the_endpoint_is_down(
    trouble: Reply | Lost, heals_after: float
) -> None:
    """Until its hard deadline."""
    clock, endpoint = FakeClock(), Endpoint(issued("first"), trouble)
    manager = a_manager(endpoint, clock)
    first = await manager.get_token()
    clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    for _ in range(650):  # 1 s apart
        assert await manager.get_token() is first
        await settle(manager)
        clock.advance(1)
    # Ever more rarely, up to once a minute.
    assert 8 < endpoint.requests < 25
    clock.advance(60)
    with pytest.raises(TokenError):
        await manager.get_token()
    endpoint.script = [issued("second")]
    clock.advance(heals_after)
    assert (await manager.get_token()).access_token == "second"


@pytest.mark.parametrize("lifetime", [1, 5, 60])
async def test_a_short_lifetime_costs_one_request_for_each_life(
    lifetime: int,
) -> None:
    clock, endpoint = FakeClock(), Endpoint(issued(expires_in=lifetime))
    manager = a_manager(endpoint, clock)
    for _ in range(1000):
        await manager.get_token()
        await settle(manager)
        clock.advance(lifetime / 100)
    assert 10 <= endpoint.requests <= 14


async def test_a_token_expired_on_arrival_is_asked_for_again() -> None:
    clock = FakeClock()

    async def suspended() -> Reply:
        clock.wall_now += 7200
        return issued("old")

    endpoint = Endpoint(suspended, issued("new"))
    manager = a_manager(endpoint, clock, retry=QUICK)
    assert (await manager.get_token()).access_token == "new"
    endpoint.script = [suspended]
    with pytest.raises(TokenUnavailableError, match="run out"):
        await manager.refresh()
    assert endpoint.requests == 2 + 5


async def test_a_token_that_expires_during_its_save_is_replaced() -> None:
    clock = FakeClock()

    class Slow(MemoryTokenStore):
        async def save(self, key: TokenKey, token: Token) -> None:
            await super().save(key, token)
            if token.access_token == "old":
                clock.advance(3600)

    endpoint = Endpoint(issued("old"), issued("new"))
    manager = a_manager(endpoint, clock, retry=QUICK, store=Slow())
    assert (await manager.get_token()).access_token == "new"


@pytest.mark.parametrize(("lifetime", "longest"), [(10, 0.5), (60, 0), (3600, 0)])
def test_nobody_waits_when_a_token_goes_stale_under_load(lifetime: int, longest: float) -> None:
    async def main(clock: Any) -> None:
        loop = asyncio.get_running_loop()

        async def slow() -> Reply:
            await asyncio.sleep(1)
            return issued(expires_in=lifetime)

        endpoint = Endpoint(slow)
        manager = TokenManager(CREDENTIALS, clock=clock, ask=endpoint.ask)
        await manager.get_token()
        waits = []
        for _ in range(4000):
            began = loop.time()
            await manager.get_token()
            waits.append(loop.time() - began)
            await asyncio.sleep(lifetime / 1000)
        assert max(waits) <= longest
        assert 4 <= endpoint.requests <= 6
        await manager.aclose()

    run_virtual(main)
