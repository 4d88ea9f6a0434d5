"""What a token endpoint may do, over real connections: no row of it rests on a stand-in alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from propq_async import (
    AsyncPropQ,
    AuthenticationError,
    Credentials,
    JsonFileTokenStore,
    RetryPolicy,
    Token,
    TokenManager,
    TokenStore,
    TokenUnavailableError,
)
from propq_async._auth.failures import FAILURE_SECONDS
from tests.helpers.support import FakeClock, ScriptedServer, Step, answer, token_answer, until

CREDENTIALS = Credentials(7, "secret")
ONCE = RetryPolicy(attempts=1)
QUICK = RetryPolicy(base_delay_seconds=0.001, max_delay_seconds=0.001)
ODD_VALUES: list[Any] = [None, "", 7, "a b", "a\n", []]
ODD_LIFETIMES: list[Any] = [None, 0, -1, "", "soon", True, "nan", 1e-12]
NO_TOKENS: list[Any] = [
    [],
    "token",
    None,
    {"expires_in": 3600},
    {"access_token": "x"},
    *({"access_token": odd, "expires_in": 3600} for odd in ODD_VALUES),
    *({"access_token": "x", "expires_in": odd} for odd in ODD_LIFETIMES),
]


@asynccontextmanager
async def endpoint(
    *steps: Step,
    clock: FakeClock | None = None,
    retry: RetryPolicy = ONCE,
    store: TokenStore | None = None,
) -> AsyncIterator[tuple[TokenManager, ScriptedServer]]:
    clock = clock or FakeClock()
    async with ScriptedServer(*steps) as server:
        url = f"{server.url}/oauth/token"
        yield (
            TokenManager(CREDENTIALS, token_url=url, clock=clock.clock, retry=retry, store=store),
            server,
        )


def held_back(go_on: asyncio.Event, value: str = "token-1") -> Step:
    async def step(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(token_answer(value))
        await writer.drain()

    return step


async def settled(manager: TokenManager) -> None:
    await until(lambda: not manager._flights.tasks)


@pytest.mark.parametrize("cancelled", ["first", "last", "all"])
async def test_cancelled_waiters_cancel_nothing_and_the_token_is_kept(cancelled: str) -> None:
    go_on = asyncio.Event()
    async with endpoint(held_back(go_on)) as (manager, server):
        waiters = [asyncio.create_task(manager.get_token()) for _ in range(100)]
        await until(lambda: server.seen)
        gone = {"first": waiters[:1], "last": waiters[-1:], "all": waiters}[cancelled]
        for waiter in gone:
            waiter.cancel()
        outcomes = asyncio.gather(*waiters, return_exceptions=True)
        go_on.set()
        served = [outcome for outcome in await outcomes if isinstance(outcome, Token)]
        assert len(served) == len(waiters) - len(gone)
        assert (await manager.get_token()).access_token == "token-1"
        assert len(server.seen) == 1


@pytest.mark.parametrize("failure", [answer(500, "Error."), answer(503), None])
async def test_one_failure_fails_none_of_those_who_wait(failure: Step) -> None:
    async with endpoint(failure, token_answer(), retry=QUICK) as (manager, server):
        tokens = await asyncio.gather(*(manager.get_token() for _ in range(100)))
        assert {token.access_token for token in tokens} == {"token-1"}
        assert len(server.seen) == 2


async def test_a_failing_endpoint_is_asked_one_budget_for_all() -> None:
    """It is left alone for a while after that."""
    clock = FakeClock()
    async with endpoint(answer(500, "Error."), retry=RetryPolicy(), clock=clock) as (
        manager,
        server,
    ):
        for passed, requests in ((0, 5), (FAILURE_SECONDS / 2, 5), (FAILURE_SECONDS, 10)):
            clock.advance(passed)
            outcomes = await asyncio.gather(
                *(manager.get_token() for _ in range(100)), return_exceptions=True
            )
            assert all(isinstance(outcome, TokenUnavailableError) for outcome in outcomes)
            assert len(server.seen) == requests


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        (lambda _: "7", 7.0),
        (lambda clock: formatdate(clock.wall_now + 9, usegmt=True), 9.0),
        (lambda _: "121", None),
    ],
)
async def test_retry_after_is_honoured_and_beyond_the_cap_ends_it(
    said: Callable[[FakeClock], str], waited: float | None
) -> None:
    clock = FakeClock(wall=1_800_000_000.0)
    refusal = answer(429, headers={"Retry-After": said(clock)})
    async with endpoint(refusal, token_answer(), retry=QUICK, clock=clock) as (manager, server):
        if waited is None:
            with pytest.raises(TokenUnavailableError) as caught:
                await manager.get_token()
            assert caught.value.retry_after_seconds == 121
            assert len(server.seen) == 1
        else:
            await manager.get_token()
            assert clock.sleeps == [pytest.approx(waited)]


@pytest.mark.parametrize("body", NO_TOKENS, ids=repr)
async def test_an_answer_that_is_no_token_changes_nothing(
    body: Any,
) -> None:
    """The next answer recovers."""
    clock = FakeClock()
    no_token = answer(200, b"null" if body is None else body)
    steps = (token_answer("first"), no_token, token_answer("next"))
    async with endpoint(*steps, clock=clock) as (manager, _):
        first = await manager.get_token()
        with pytest.raises(TokenUnavailableError, match="no usable token"):
            await manager.refresh()
        assert await manager.get_token() == first
        clock.advance(2 * FAILURE_SECONDS)
        assert (await manager.refresh()).access_token == "next"


@pytest.mark.parametrize("how", ["slow", "down"])
async def test_nobody_waits_while_the_token_is_ageing(how: str) -> None:
    """Whatever the endpoint does."""
    go_on, clock = asyncio.Event(), FakeClock()
    second = held_back(go_on, "second") if how == "slow" else answer(503)
    async with endpoint(token_answer("first"), second, clock=clock) as (manager, server):
        first = await manager.get_token()
        clock.advance(3_400)
        # Nothing but the turn of the loop that a warm call takes anyway.
        for _ in range(20):
            assert await manager.get_token() == first
        await until(lambda: len(server.seen) == 2)
        go_on.set()
        await settled(manager)
        latest = await manager.get_token()
        assert latest.access_token == ("second" if how == "slow" else "first")


async def test_a_very_short_life_costs_one_request_for_each_life() -> None:
    clock = FakeClock()
    async with endpoint(token_answer(expires_in=10), clock=clock) as (manager, server):
        for life in range(1, 4):
            for _ in range(20):
                await manager.get_token()
            assert len(server.seen) == life
            clock.advance(10)


async def test_a_late_401_for_an_old_token_costs_nothing() -> None:
    """Neither a request nor the new token."""
    tokens = [token_answer(f"token-{number}") for number in range(3)]
    async with endpoint(*tokens) as (manager, server):
        old = await manager.get_token()
        new = await manager.refresh()
        manager.invalidate(old)
        assert await manager.get_token() == new
        assert len(server.seen) == 2


async def test_after_a_refusal_the_file_is_read_first(
    token_file: Path,
) -> None:
    """Before the endpoint is asked."""
    clock = FakeClock()
    store = JsonFileTokenStore(token_file, clock=clock.clock)
    tokens = [token_answer(f"token-{number}") for number in range(3)]
    async with endpoint(*tokens, clock=clock, store=store) as (manager, server):
        refused = await manager.get_token()
        clock.advance(1)
        url = f"{server.url}/oauth/token"
        another = TokenManager(CREDENTIALS, token_url=url, clock=clock.clock, store=store)
        renewed = await another.refresh()
        manager.invalidate(refused)
        assert await manager.get_token() == renewed
        assert len(server.seen) == 2


@pytest.mark.parametrize("why", ["expired", "forced", "refused", "all three"])
async def test_sessions_of_one_factory_share_a_flight(why: str) -> None:
    """Whatever makes it begin."""
    clock = FakeClock()
    tokens: list[Step] = [token_answer(f"token-{number}") for number in range(3)]

    async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        sent = server.seen[-1].headers["authorization"]
        writer.write(answer(401) if is_revoked and sent.endswith("token-0") else answer(200, {}))
        await writer.drain()

    async with ScriptedServer(by_path={"/oauth/token": tokens, "/v1/x": [call]}) as server:
        is_revoked = False
        propq = AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None, clock=clock.clock)

        async def work() -> None:
            async with propq.session() as session:
                await session.request("GET", "/v1/x")

        async with propq:
            await work()
            is_revoked = why in ("refused", "all three")
            clock.advance(3_600 if why in ("expired", "all three") else 0)
            forced = [propq.tokens.refresh() for _ in range(50)] if why != "expired" else []
            await asyncio.gather(*(work() for _ in range(50)), *forced)
            assert len(server.paths("/oauth/token")) == 2


async def test_requests_are_few_when_every_token_is_refused() -> None:
    """The calls say so."""
    count = iter(range(1_000))

    async def issue(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(token_answer(f"token-{next(count)}"))
        await writer.drain()

    script: dict[str, list[Step]] = {"/oauth/token": [issue], "/v1/x": [answer(401)]}
    async with ScriptedServer(by_path=script) as server:
        propq = AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None)
        async with propq.session() as session:
            outcomes = await asyncio.gather(
                *(session.request("GET", "/v1/x") for _ in range(200)), return_exceptions=True
            )
        assert all(isinstance(outcome, AuthenticationError) for outcome in outcomes)
        assert len(server.paths("/oauth/token")) <= 1 + 3


@pytest.mark.parametrize("fault", ["no directory can be made", "no locks"])
async def test_a_file_that_cannot_be_kept_costs_one_warning(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The call goes on."""
    place = tmp_path / "token.json"
    if fault == "no locks":
        fcntl = pytest.importorskip("fcntl")

        def flock(*_: object) -> None:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(fcntl, "flock", flock)
    else:
        (tmp_path / "file").touch()
        place = tmp_path / "file" / "token.json"
    async with endpoint(token_answer(), store=JsonFileTokenStore(place)) as (manager, _):
        for _ in range(2):
            assert (await manager.refresh()).access_token == "token-1"
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len({record.getMessage() for record in warnings}) == len(warnings) <= 2
