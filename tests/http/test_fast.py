"""The fast transport alone: what it needs of aiohttp, and what it does beyond the plain one."""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.connector import BaseConnector, Connection
from yarl import URL

from propq_async import AsyncPropQ, UnitStatus
from propq_async._http import connections
from propq_async._http.compatibility import fits
from propq_async._http.fast import MOST_TARGETS, FastTransport
from propq_async._http.plain import PlainTransport
from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator
from tests.helpers.http import OK, OK_BODY, TOKEN, call, hold
from tests.helpers.support import ScriptedServer, an_update, until


@pytest.fixture
def unproven() -> Iterator[None]:
    """Let it be found out anew, before and after, whether aiohttp fits."""
    fits.cache_clear()
    yield
    fits.cache_clear()


# --- what it needs of aiohttp ---------------------------------------------------------------------


@pytest.mark.usefixtures("unproven")
async def test_the_installed_aiohttp_fits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "propq_async")
    assert fits()
    assert caplog.records == []


NEEDED = [
    (BaseConnector, "connect"),
    (aiohttp.ClientRequest, "connection_key"),
    (Connection, "protocol"),
    (Connection, "release"),
]


@pytest.mark.usefixtures("unproven")
@pytest.mark.parametrize(
    ("owner", "name"), NEEDED, ids=lambda part: getattr(part, "__name__", part)
)
async def test_what_aiohttp_no_longer_has_is_done_without(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: type,
    name: str,
) -> None:
    caplog.set_level(logging.INFO, "propq_async")
    with monkeypatch.context() as without:
        without.delattr(owner, name)
        assert not fits()
    # It would fit now, but what was found out once holds.
    pool = Pool(PoolSettings())
    async with pool, ScriptedServer(OK) as server:
        assert isinstance(await call(pool, server), Reply)
        assert isinstance(pool.transport, PlainTransport)
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert f"aiohttp {aiohttp.__version__} does not fit" in record.getMessage()


@pytest.mark.usefixtures("unproven")
async def test_with_an_unknown_aiohttp_everything_works(
    emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiohttp, "__version__", "4.0.0")
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with propq.session() as session:
        assert await session.units.update(an_update())
    assert emulator.unit("4711", "A-101").status == UnitStatus.SOLD


def _keeps_none(self: Connection) -> None:
    self.close()


async def _connects_otherwise(*_: object) -> Any:
    raise aiohttp.ClientConnectionError


async def _never(*_: object) -> Any:
    while True:  # noqa: ASYNC110 - what it must not do
        await asyncio.sleep(0)


@pytest.mark.usefixtures("unproven")
@pytest.mark.parametrize(
    ("owner", "name", "instead", "problem"),
    [
        (aiohttp, "__version__", "4.0.0", "major version"),
        (Connection, "release", _keeps_none, "an answer was read as Reply(status=404"),
        (BaseConnector, "connect", _connects_otherwise, "an answer was read as Lost"),
        (BaseConnector, "connect", _never, "it waits"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_what_aiohttp_does_otherwise_is_not_relied_on(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: Any,
    name: str,
    instead: Any,
    problem: str,
) -> None:
    caplog.set_level(logging.INFO, "propq_async")
    with monkeypatch.context() as changed:
        changed.setattr(owner, name, instead)
        assert not fits()
    assert problem in caplog.text


@pytest.mark.parametrize(
    "settings",
    [
        {"proxy": "http://127.0.0.1:1"},
        {"trust_env": True},
        {"trace_configs": [aiohttp.TraceConfig()]},
    ],
)
async def test_what_only_a_session_can_do_takes_the_plain_transport(
    settings: dict[str, Any],
) -> None:
    async with Pool(PoolSettings(**settings)) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        assert isinstance(pool.transport, PlainTransport)
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        assert isinstance(pool.transport, FastTransport)


# --- what it does itself --------------------------------------------------------------------------


@pytest.fixture(params=["http", "https"])
def contexts(
    request: pytest.FixtureRequest, certificate: Path
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Return the contexts of a server and of a client."""
    if request.param == "http":
        return None, None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context, ssl.create_default_context(cafile=f"{certificate}.crt")


async def test_the_pool_is_closed_when_what_was_kept_is(
    contexts: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    """TLS takes a while to close: a program that ends before would leave sockets behind."""
    server, client = contexts

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.write(OK)
        writer.close()

    lost: list[Any] = []
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listener, Pool(PoolSettings(ssl_context=client)) as pool:
        scheme, host = ("http", "127.0.0.1") if server is None else ("https", "localhost")
        url = URL(f"{scheme}://{host}:{listener.sockets[0].getsockname()[1]}/")
        await asyncio.gather(
            *(pool.send("POST", url, TOKEN, b"{}", 10, Attempt()) for _ in range(3))
        )
        transport: Any = pool.transport
        (origin,) = transport._idle._origins.values()
        idle_before = list(origin.idle)
        for handler in idle_before:
            handler.connection_lost = partial(_noting, lost, handler, handler.connection_lost)
        await pool.close()
        assert len(idle_before) == 3
        assert sorted(map(id, lost)) == sorted(map(id, idle_before))


def _noting(lost: list[Any], handler: Any, connection_lost: Any, error: Exception | None) -> None:
    lost.append(handler)
    connection_lost(error)


async def test_whoever_is_cancelled_at_the_deadline_is_cancelled() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(hold) as server:
        task = asyncio.create_task(call(pool, server))
        await until(lambda: server.seen)
        deadlines = pool.transport._deadlines  # type: ignore[union-attr]
        deadlines.running[task] = 0.0
        deadlines._sweep()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not deadlines.running


async def test_whoever_is_cancelled_while_the_answer_is_late_is_cancelled() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(hold) as server:
        task = asyncio.create_task(call(pool, server))
        await until(lambda: server.seen)
        transport: Any = pool.transport
        (connection,) = transport._open.all
        connection.deadline = 0.0
        asyncio.get_running_loop().call_soon(transport._deadlines._sweep)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection not in transport._open.all


async def test_the_timer_goes_off_for_the_next_request_as_well() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(hold, hold) as server:
        soon = asyncio.create_task(call(pool, server, timeout_seconds=10))
        await until(lambda: len(server.seen) == 1)
        later = asyncio.create_task(call(pool, server, timeout_seconds=20))
        await until(lambda: len(server.seen) == 2)
        transport: Any = pool.transport
        deadlines = transport._deadlines
        first, second = sorted(one.deadline for one in transport._open.all)
        assert deadlines.soonest == first
        min(transport._open.all, key=lambda one: one.deadline).deadline = 0.0
        asyncio.get_running_loop().call_soon(deadlines._sweep)
        lost = await soon
        assert isinstance(lost, Lost)
        assert (lost.timed_out, lost.sent, lost.reason) == (True, True, "no answer within 10 s")
        assert deadlines.soonest == second
        later.cancel()
        await asyncio.wait((later,))


async def test_one_timer_serves_all_requests_of_an_open_pool() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        await call(pool, server, timeout_seconds=20)
        deadlines = pool.transport._deadlines  # type: ignore[union-attr]
        timer = deadlines._timer
        await asyncio.gather(*(call(pool, server, timeout_seconds=20) for _ in range(50)))
        assert deadlines._timer is timer
        # When it goes off and nobody is under way, it is not set again.
        deadlines._sweep()
        assert deadlines._timer is None
        await call(pool, server, timeout_seconds=10)
        timer = deadlines._timer
    assert timer is not None
    assert timer.cancelled()


async def test_an_unused_connection_goes_back_to_aiohttp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.02)
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        transport: Any = pool.transport
        (origin,) = transport._idle._origins.values()
        (connection,) = origin.idle
        assert not transport._connector._conns
        # Twice: since it was used lately, the first time it stays.
        transport._idle._release_unused()
        assert origin.idle == [connection]
        transport._idle.timer.cancel()
        transport._idle._release_unused()
        assert (origin.idle, transport._idle.timer) == ([], None)
        assert len(transport._connector._conns) == 1
        # The same by the clock, and with the connection that was given back.
        await call(pool, server)
        await until(lambda: not origin.idle)
        assert server.connections == 1
        assert transport._idle.timer is None


class Failing:
    """What a request is written to, and fails in a frame of its own."""

    def write(self, data: memoryview) -> None:
        assert bytes(data).startswith(b"POST /x HTTP/1.1")
        raise ValueError("it cannot be written")

    def say_goodbye(self) -> None:
        """Be closed."""


async def test_no_frame_below_the_transport_shows_the_token() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        assert isinstance(await call(pool, server), Reply)
        assert isinstance(pool.transport, FastTransport)
        (connection,) = pool.transport._open.all
        failing: Any = Failing()
        connection.tls = failing
        with pytest.raises(ValueError, match="cannot be written") as caught:
            await call(pool, server)
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert "<memory at" in (text := "".join(shown.format()))
        assert TOKEN.access_token not in text


async def test_the_connection_used_last_is_used_next() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        await asyncio.gather(*(call(pool, server) for _ in range(3)))
        transport: Any = pool.transport
        (origin,) = transport._idle._origins.values()
        last = origin.idle[-1]
        transport._idle._release_unused()
        for _ in range(3):
            await call(pool, server)
        transport._idle._release_unused()
        assert origin.idle == [last]
        assert sum(map(len, transport._connector._conns.values())) == 2


async def test_a_closed_transport_has_no_timer_and_keeps_nothing() -> None:
    serves, arrives = asyncio.Event(), asyncio.Event()

    async def answer_late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serves.wait()
        writer.write(OK)

    async with ScriptedServer(OK, answer_late) as server:
        pool = Pool(PoolSettings())
        await call(pool, server)
        transport: Any = pool.transport
        timer = transport._idle.timer
        task = asyncio.create_task(call(pool, server))
        await until(lambda: len(server.seen) == 2)
        (origin,) = transport._idle._origins.values()
        (handler,) = transport._connector._acquired
        updated = handler.buffer_updated

        def tell_and_update(nbytes: int) -> None:
            updated(nbytes)
            arrives.set()

        # Its answer arrives, and before the call has its turn, the transport is closed.
        handler.buffer_updated = tell_and_update
        serves.set()
        await arrives.wait()
        await pool.close()
        assert isinstance(await task, Reply)
        assert timer.cancelled()
        assert origin.idle == []


async def test_idle_connections_make_room_for_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 60.0)
    async with (
        Pool(PoolSettings(max_connections=1)) as pool,
        ScriptedServer(OK) as one,
        ScriptedServer(OK) as other,
    ):
        for _ in range(3):
            for server in (one, other):
                assert isinstance(await call(pool, server, timeout_seconds=5), Reply)
        # aiohttp counts those in use, and has one of each at hand.
        assert (one.connections, other.connections) == (1, 1)


async def test_targets_are_remembered_within_bounds() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        for number in range(MOST_TARGETS + 10):
            await call(pool, server, path=f"/{number}")
        assert len(pool.transport._targets) == 10  # type: ignore[union-attr]
        assert server.connections == 1
    assert [seen.path for seen in server.seen] == [f"/{n}" for n in range(MOST_TARGETS + 10)]


async def test_all_connections_read_into_the_same_memory() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        replies = await asyncio.gather(*(call(pool, server) for _ in range(3)))
        (origin,) = pool.transport._idle._origins.values()  # type: ignore[union-attr]
        assert len(origin.idle) == 3
        assert len({id(one.get_buffer(-1).obj) for one in origin.idle}) == 1
    assert [reply.body for reply in replies if isinstance(reply, Reply)] == [OK_BODY] * 3


async def test_where_reads_overlap_each_connection_has_its_own_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on Windows."""
    loop = type(asyncio.get_running_loop())
    monkeypatch.setattr(asyncio, "ProactorEventLoop", loop, raising=False)
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        await asyncio.gather(*(call(pool, server) for _ in range(3)))
        (origin,) = pool.transport._idle._origins.values()  # type: ignore[union-attr]
        assert len({id(one.get_buffer(-1).obj) for one in origin.idle}) == 3
