"""Trace hooks, and what they raise."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from yarl import URL

from propq_async import (
    AsyncPropQ,
    Credentials,
    TokenManager,
)
from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost
from propq_async._wire.requests import dump_update
from propq_async.testing import PropQEmulator
from tests.helpers.http import PATH, a_client, scripted, shown, update
from tests.helpers.support import an_update


async def test_trace_configs_see_every_request(emulator: PropQEmulator) -> None:
    seen: list[str] = []

    async def note(_: object, __: object, started: aiohttp.TraceRequestStartParams) -> None:
        seen.append(started.url.path)

    hooks = aiohttp.TraceConfig()
    hooks.on_request_start.append(note)
    propq = AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, trace_configs=[hooks]
    )
    await update(propq)
    assert seen == ["/oauth/token", PATH]


@pytest.mark.parametrize(
    "moment",
    [
        "on_request_start",
        "on_connection_reuseconn",
        "on_request_headers_sent",
        "on_request_end",
    ],
)
async def test_what_a_hook_raises_is_the_callers(emulator: PropQEmulator, moment: str) -> None:
    broken = False

    async def break_it(*_: object) -> None:
        if broken:
            raise ZeroDivisionError("of the hook")

    hooks = aiohttp.TraceConfig()
    getattr(hooks, moment).append(break_it)
    propq = AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, trace_configs=[hooks]
    )
    async with propq.session() as session:
        await session.units.update(an_update())
        token = await propq.tokens.get_token()
        broken = True
        with pytest.raises(ZeroDivisionError, match="of the hook") as caught:
            await session.units.update(an_update())
        assert propq._owner.throttle.is_idle
    # It says where it was raised, but without the frames that hold the token.
    (note,) = caught.value.__notes__
    assert re.fullmatch(r"raised in break_it, test_hooks\.py:\d+", note)
    assert token.access_token not in shown(caught.value)


# Those that aiohttp raises itself when a connection is lost, or on a timeout.
ERRORS_OF_CONNECTIONS = [
    OSError,
    ConnectionResetError,
    TimeoutError,
    aiohttp.ClientError,
    aiohttp.ClientConnectionError,
    aiohttp.ClientOSError,
    aiohttp.ServerDisconnectedError,
    aiohttp.ServerTimeoutError,
]


@pytest.mark.parametrize("kind", ERRORS_OF_CONNECTIONS)
@pytest.mark.parametrize(
    "moment",
    [
        "on_request_start",
        "on_connection_create_start",
        "on_connection_create_end",
        "on_dns_resolvehost_start",
        "on_dns_cache_miss",
        "on_request_headers_sent",
        "on_request_chunk_sent",
        "on_request_end",
    ],
)
async def test_an_error_of_a_hook_is_not_a_lost_connection(
    emulator: PropQEmulator, moment: str, kind: type[Exception]
) -> None:
    """At all moments, and whether or not aiohttp wraps it in another exception."""
    token = await TokenManager(
        emulator.credentials, token_url=f"{emulator.url}/oauth/token"
    ).get_token()
    raised: list[Exception] = []

    async def break_it(*_: object) -> None:
        error = kind("of the hook")
        raised.append(error)
        raise error

    hooks = aiohttp.TraceConfig()
    getattr(hooks, moment).append(break_it)
    url = URL(emulator.url.replace("127.0.0.1", "localhost") + PATH)
    async with Pool(PoolSettings(trace_configs=[hooks])) as pool:
        attempt = Attempt()
        call = pool.send("POST", url, token, dump_update(an_update()), 30, attempt)
        with pytest.raises(kind) as caught:
            await call
    assert [caught.value] == raised
    (note,) = caught.value.__notes__
    assert re.fullmatch(r"raised in break_it, test_hooks\.py:\d+", note)
    assert token.access_token not in shown(caught.value)


@pytest.mark.parametrize("kind", ERRORS_OF_CONNECTIONS)
async def test_an_error_of_a_hook_over_a_loss_is_the_callers(kind: type[Exception]) -> None:
    async def break_it(*_: object) -> None:
        raise kind("of the hook")

    hooks = aiohttp.TraceConfig()
    hooks.on_request_exception.append(break_it)
    async with (
        scripted(None) as server,
        a_client(server.url, trace_configs=[hooks]).session() as session,
    ):
        with pytest.raises(kind, match="of the hook") as caught:
            await session.units.update(an_update())
    assert "token-1" not in shown(caught.value)


async def test_a_timeout_while_a_hook_runs_is_a_timeout(emulator: PropQEmulator) -> None:
    async def wait(*_: object) -> None:
        await asyncio.Event().wait()

    hooks = aiohttp.TraceConfig()
    hooks.on_request_headers_sent.append(wait)
    async with Pool(PoolSettings(trace_configs=[hooks])) as pool:
        lost = await pool.ask_token(f"{emulator.url}/oauth/token", emulator.credentials, 0.01)
    assert lost == Lost("no answer within 0.01 s", sent=True, timed_out=True)


async def test_a_hook_that_fails_over_a_lost_request_shows_no_token() -> None:
    async def break_it(*_: object) -> None:
        raise ZeroDivisionError("of the hook")

    hooks = aiohttp.TraceConfig()
    hooks.on_request_exception.append(break_it)
    async with (
        scripted(None) as server,
        a_client(server.url, trace_configs=[hooks]).session() as session,
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            await session.units.update(an_update())
    assert "token-1" not in shown(caught.value)


async def test_a_hook_that_fails_over_a_token_request_shows_no_secret() -> None:
    async def break_it(*_: object) -> None:
        raise ZeroDivisionError("of the hook")

    hooks = aiohttp.TraceConfig()
    hooks.on_request_end.append(break_it)
    async with Pool(PoolSettings(trace_configs=[hooks])) as pool, scripted(None) as server:
        with pytest.raises(ZeroDivisionError) as caught:
            await pool.ask_token(f"{server.url}/oauth/token", Credentials(1, "the-secret"), 5)
    assert "the-secret" not in shown(caught.value)
