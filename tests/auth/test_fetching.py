# ruff: noqa: ASYNC240 - a look at a file blocks for nothing that matters here
"""How a token is brought from store or endpoint, and what shows of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from propq_async import (
    AsyncPropQ,
    ConfigurationError,
    Credentials,
    JsonFileTokenStore,
    MemoryTokenStore,
    RetryPolicy,
    Token,
    TokenError,
    TokenKey,
    TokenManager,
    TokenStore,
    TokenUnavailableError,
)
from propq_async._auth.failures import FAILURE_SECONDS
from propq_async._auth.lifetime import SOFT_FRACTION
from propq_async._wire.messages import Reply
from propq_async.testing import PropQEmulator
from tests.helpers.support import (
    FakeClock,
    ScriptedServer,
    answer,
    token_answer,
    until,
)
from tests.helpers.tokens import (
    CREDENTIALS,
    DOWN,
    KEY,
    QUICK,
    SECRET,
    Endpoint,
    a_manager,
    issued,
    over_the_wire,
    settle,
    shown,
    with_sources,
)


async def test_the_token_is_kept_in_the_file_for_the_next_process(
    token_file: Path, emulator: PropQEmulator
) -> None:
    def manager() -> TokenManager:
        return TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=JsonFileTokenStore(token_file),
        )

    first = await manager().get_token()
    assert await manager().get_token() == first
    forced = await manager().refresh()
    assert forced != first
    assert await manager().get_token() == forced
    assert emulator.token_requests == 2
    assert emulator.credentials.client_secret not in token_file.read_text()


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_the_lock_is_not_held_across_a_back_off(kind: str, token_file: Path) -> None:
    store: TokenStore = JsonFileTokenStore(token_file) if kind == "file" else MemoryTokenStore()
    locked_meanwhile = []

    class Clock(FakeClock):
        async def sleep(self, seconds: float) -> None:
            async with asyncio.timeout(5), store.lock(KEY) as locked:
                locked_meanwhile.append(locked)
            await super().sleep(seconds)

    endpoint = Endpoint(DOWN, DOWN, issued())
    await a_manager(endpoint, Clock(), retry=QUICK, store=store).get_token()
    assert locked_meanwhile == [True, True]


async def test_another_one_s_refresh_is_waited_for_and_taken_over() -> None:
    clock, store = FakeClock(), MemoryTokenStore()
    endpoint = Endpoint()
    managers = [a_manager(endpoint, clock, store=store) for _ in range(20)]
    tokens = await asyncio.gather(*(manager.get_token() for manager in managers))
    assert len({token.access_token for token in tokens}) == 1
    assert (endpoint.requests, endpoint.most_in_flight) == (1, 1)
    clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    for _ in range(3):
        for manager in managers:
            await manager.get_token()
            await settle(manager)
    assert endpoint.requests == 2


async def test_a_lock_held_for_ever_delays_a_call_and_does_not_stop_it(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = JsonFileTokenStore(token_file, lock_timeout_seconds=0.1)
    async with JsonFileTokenStore(token_file).lock(KEY):
        token = await a_manager(Endpoint(), store=store).get_token()
    assert await store.load(KEY) == token
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


async def test_a_store_that_raises_everywhere_never_fails_a_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        async def load(self, _: TokenKey) -> Token | None:
            raise RuntimeError(SECRET)

        async def save(self, _: TokenKey, __: Token) -> None:
            raise RuntimeError(SECRET)

        clear: Any = None

        @asynccontextmanager
        async def lock(self, _: TokenKey) -> AsyncIterator[bool]:
            raise RuntimeError(SECRET)
            yield True

    manager = a_manager(Endpoint(), store=Broken())
    for _ in range(3):
        await manager.refresh()
        await manager.get_token()
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1
    assert SECRET not in caplog.text


async def test_the_event_loop_is_never_blocked(token_file: Path, emulator: PropQEmulator) -> None:
    with blockbuster_ctx():
        manager = TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=JsonFileTokenStore(token_file),
        )
        await manager.get_token()
        await manager.refresh()
        await manager.aclose()


def test_making_a_manager_needs_no_loop_and_no_io(token_file: Path) -> None:
    """A setting that cannot work is refused."""
    TokenManager(CREDENTIALS, store=JsonFileTokenStore(token_file))
    assert not token_file.parent.exists()
    with pytest.raises(ConfigurationError, match="https"):
        TokenManager(CREDENTIALS, token_url="http://api.propq.com/oauth/token")
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        TokenManager(CREDENTIALS, timeout_seconds=0)


async def test_the_log_tells_every_refresh_its_cause_and_its_duration(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    clock, store = FakeClock(), MemoryTokenStore()

    async def slow() -> Reply:
        clock.advance(2)
        return issued(f"token-{endpoint.requests}")

    endpoint = Endpoint(slow)
    manager, other = (a_manager(endpoint, clock, store=store) for _ in range(2))
    await manager.get_token()
    await other.get_token()
    await manager.refresh()
    manager.invalidate(await manager.get_token())
    await manager.get_token()
    clock.advance(3600 * (1 - SOFT_FRACTION))
    await manager.get_token()
    await settle(manager)
    clock.advance(3600)
    await manager.get_token()
    endpoint.script = [DOWN]
    for _ in range(2):
        with pytest.raises(TokenUnavailableError):
            await manager.refresh()
        clock.advance(FAILURE_SECONDS)
    events = [record for record in caplog.records if hasattr(record, "propq_event")]
    told: list[Any] = [
        (e.levelname, e.propq_event, e.propq_cause, e.propq_attempts, e.propq_duration_seconds)  # type: ignore[attr-defined]
        for e in events
    ]
    assert told == [
        ("INFO", "fetched", "cold", 1, 2),
        ("INFO", "adopted", "cold", 1, 0),
        ("INFO", "fetched", "forced", 1, 2),
        ("INFO", "fetched", "refused", 1, 2),
        ("INFO", "fetched", "ahead of expiry", 1, 2),
        ("INFO", "fetched", "expired", 1, 2),
        ("WARNING", "failed", "forced", 1, 0),
        ("DEBUG", "failed", "forced", 1, 0),
    ]


async def test_retries_are_one_warning_and_not_one_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint(*[DOWN] * 4, issued())
    await a_manager(endpoint, retry=RetryPolicy()).get_token()
    levels = [record.levelname for record in caplog.records if "next in" in record.getMessage()]
    assert levels == ["WARNING", "DEBUG", "DEBUG", "DEBUG"]


async def _echo(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    form = f"client_id=7&client_secret={SECRET} the-s3cret%2F%26%3D%25"
    writer.write(answer(400, {"error": form, "message": form, "hint": form}))
    await writer.drain()


@with_sources
@pytest.mark.parametrize(
    "step",
    [
        _echo,
        answer(500, f"you sent client_secret={SECRET} and the-s3cret%2F%26%3D%25"),
        answer(302, headers={"Location": "/login?s=the-s3cret%2F%26%3D%25"}),
        answer(200, {"access_token": "t0ken value", "expires_in": 5, "echo": SECRET}),
        answer(200, f"<title>{SECRET}</title>"),
        None,
        b"no HTTP at all " + SECRET.encode() + b"\r\n\r\n",
    ],
    ids=["echo 400", "echo 500", "echo in a redirect", "unusable", "page", "dropped", "no HTTP"],
)
async def test_no_error_no_log_and_no_traceback_shows_the_secret(
    step: Any, credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedServer(step) as server:
        retry = RetryPolicy(attempts=2, base_delay_seconds=0)
        manager = over_the_wire(server.url, credentials, retry=retry)
        with pytest.raises(TokenError) as caught:
            await manager.get_token()
    everything = [shown(caught.value), repr(manager), caplog.text]
    everything += [repr(record.__dict__) for record in caplog.records]
    assert caught.value.__cause__ is None
    for text in everything:
        assert "the-s3cret" not in text
        assert "t0ken" not in text


@with_sources
async def test_nothing_shows_the_token_or_the_secret_when_all_is_well(
    credentials: Credentials, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedServer(token_answer("t0ken-value")) as server:
        manager = over_the_wire(server.url, credentials, store=JsonFileTokenStore(token_file))
        token = await manager.get_token()
        flight = manager._start("forced")
        await manager.refresh()
        propq = AsyncPropQ(credentials, base_url=server.url, token_store=None)
    error = None
    try:
        manager.invalidate(token)
        await a_manager(Endpoint(DOWN)).get_token()
    except TokenError as caught:
        error = caught
    assert error is not None
    texts = [
        repr(item) for item in (manager, token, flight, propq, propq.tokens, manager._state.current)
    ]
    for text in [*texts, str(token), shown(error), caplog.text]:
        assert "t0ken" not in text
        assert "the-s3cret" not in text
    assert "the-s3cret" not in token_file.read_text()


@with_sources
async def test_a_cancelled_flight_shows_no_secret_in_its_frames(credentials: Credentials) -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    async with ScriptedServer(hang) as server:
        manager = over_the_wire(server.url, credentials)
        waiter = asyncio.create_task(manager.get_token())
        await until(lambda: server.seen)
        (flight,) = manager._flights.tasks.values()
        await manager.aclose()
        with pytest.raises(TokenUnavailableError) as caught:
            await waiter
        assert "the-s3cret" not in shown(caught.value)
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await flight
        assert "the-s3cret" not in shown(cancelled.value)
