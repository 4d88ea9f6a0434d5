"""The fast lane alone: what it needs of aiohttp, and what it does beyond the plain one."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector, Connection
from aiohttp.streams import DataQueue
from yarl import URL

from propq_async import AsyncPropQ, UnitStatus, fast_lane
from propq_async.fast_lane import MOST_TARGETS, READ_BYTES, FastLane, fits
from propq_async.lanes import Attempt, Connections
from propq_async.plain_lane import PlainLane
from propq_async.testing import PropQEmulator
from propq_async.transport import Pool
from propq_async.wire import Lost, Reply

from .support import ScriptedServer, an_update, answer, until
from .test_lanes import OK, OK_BODY, TOKEN, call, hold


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
    (DataQueue, "read"),
    (ResponseHandler, "should_close"),
    (ResponseHandler, "set_response_params"),
    (ResponseHandler, "data_received"),
    (BaseConnector, "connect"),
    (aiohttp.ClientRequest, "connection_key"),
    (Connection, "protocol"),
    (Connection, "release"),
    (aiohttp.StreamReader, "is_eof"),
    (aiohttp.StreamReader, "exception"),
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
    pool = Pool(Connections())
    async with pool, ScriptedServer(OK) as server:
        assert isinstance(await call(pool, server), Reply)
        assert isinstance(pool._lane, PlainLane)
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert f"aiohttp {aiohttp.__version__} is not known to be fit" in record.getMessage()


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


async def _reads_too_much(_: object) -> Any:
    raise aiohttp.ClientPayloadError


def _wakes_nobody(self: ResponseHandler, data: Any, _: int = 0) -> None:
    self._buffer.append((data, 0))


async def _never(_: object) -> Any:
    while True:  # noqa: ASYNC110 - what it must not do
        await asyncio.sleep(0)


@pytest.mark.usefixtures("unproven")
@pytest.mark.parametrize(
    ("owner", "name", "instead", "problem"),
    [
        (aiohttp, "__version__", "4.0.0", "another generation"),
        (Connection, "release", _keeps_none, "an answer was read as Reply(status=404"),
        (DataQueue, "read", _reads_too_much, "an answer was read as Lost"),
        (DataQueue, "read", _never, "it waits"),
        (ResponseHandler, "should_close", "yes", "an answer was read as Reply(status=404"),
        (ResponseHandler, "feed_data", _wakes_nobody, "RuntimeError"),
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
async def test_what_only_a_session_can_do_takes_the_plain_lane(settings: dict[str, Any]) -> None:
    async with Pool(Connections(**settings)) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        assert isinstance(pool._lane, PlainLane)
    async with Pool(Connections()) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        assert isinstance(pool._lane, FastLane)


# --- what it does itself --------------------------------------------------------------------------


async def test_an_answer_that_comes_while_nobody_asks_is_nobodys() -> None:
    served = asyncio.Event()

    async def and_another_later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await served.wait()
        writer.write(answer(408, {"whose": "nobody's"}))
        await writer.drain()

    async with Pool(Connections()) as pool, ScriptedServer(and_another_later, OK) as server:
        await call(pool, server)
        served.set()
        ((kept,),) = (origin.kept for origin in pool._lane._origins.values())  # type: ignore[union-attr]
        await until(lambda: kept.should_close)
        attempt = Attempt()
        lost = await call(pool, server, attempt=attempt)
        # Nothing was written, and whoever called knows that another connection may do.
        assert isinstance(lost, Lost)
        assert (lost.sent, lost.stale, attempt.sent) == (False, True, False)
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert (reply.body, server.connections) == (OK_BODY, 2)


@contextmanager
def a_thread_that_serves_and_closes(context: ssl.SSLContext | None) -> Iterator[Any]:
    """Run a server that closes its first connection when it is told to, and says when it has.

    In a thread, so that it can do so while the event loop is kept from running.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)  # if the second connection does not come, the test has failed
    tell, told = threading.Event(), threading.Event()
    accepted = []

    def serve() -> None:
        for number in range(2):
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            accepted.append(connection)
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(65536)
                connection.sendall(OK)
                if number == 0:
                    tell.wait()
                    if isinstance(connection, ssl.SSLSocket):
                        # As a server closes: the answer to its goodbye is not waited for.
                        connection.settimeout(0)
                        with suppress(ssl.SSLWantReadError):
                            connection.unwrap()
            if number == 0:
                told.set()

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    scheme, host = ("http", "127.0.0.1") if context is None else ("https", "localhost")
    try:
        yield URL(f"{scheme}://{host}:{port}/"), tell, told, accepted
    finally:
        listener.close()
        tell.set()
        thread.join()


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


async def test_a_connection_closed_while_the_loop_stood_still_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
    contexts: tuple[ssl.SSLContext | None, ssl.SSLContext | None],
) -> None:
    monkeypatch.setattr(fast_lane, "QUIET_SECONDS", 0.0)
    server, client = contexts
    async with Pool(Connections(ssl_context=client)) as pool:
        with a_thread_that_serves_and_closes(server) as (url, tell, told, accepted):
            for _ in range(2):
                attempt = Attempt()
                reply = await pool.call("POST", url, b"{}", TOKEN, 10, attempt)
                assert isinstance(reply, Reply)
                assert reply.body == OK_BODY
                tell.set()
                told.wait()  # nothing else runs meanwhile: so the loop cannot have seen it
            assert len(accepted) == 2


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
    async with listener, Pool(Connections(ssl_context=client)) as pool:
        scheme, host = ("http", "127.0.0.1") if server is None else ("https", "localhost")
        url = URL(f"{scheme}://{host}:{listener.sockets[0].getsockname()[1]}/")
        await asyncio.gather(
            *(pool.call("POST", url, b"{}", TOKEN, 10, Attempt()) for _ in range(3))
        )
        lane: Any = pool._lane
        (origin,) = lane._origins.values()
        kept = list(origin.kept)
        for handler in kept:
            handler.connection_lost = partial(_noting, lost, handler, handler.connection_lost)
        await pool.close()
        assert len(kept) == 3
        assert sorted(map(id, lost)) == sorted(map(id, kept))


def _noting(lost: list[Any], handler: Any, connection_lost: Any, error: Exception | None) -> None:
    lost.append(handler)
    connection_lost(error)


async def test_whoever_is_cancelled_at_the_deadline_is_cancelled() -> None:
    async with Pool(Connections()) as pool, ScriptedServer(hold) as server:
        task = asyncio.create_task(call(pool, server))
        await until(lambda: server.seen)
        deadlines = pool._lane._deadlines  # type: ignore[union-attr]
        deadlines.running[task] = 0.0
        deadlines._sweep()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not deadlines.running


async def test_one_timer_is_there_for_all_and_none_when_the_pool_is_closed() -> None:
    async with Pool(Connections()) as pool, ScriptedServer(OK) as server:
        await call(pool, server, timeout_seconds=20)
        deadlines = pool._lane._deadlines  # type: ignore[union-attr]
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


async def test_a_connection_that_nobody_uses_goes_back_to_aiohttp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fast_lane, "KEPT_SECONDS", 0.02)
    async with Pool(Connections()) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        lane: Any = pool._lane
        (origin,) = lane._origins.values()
        (kept,) = origin.kept
        assert not lane._connector._conns
        # Twice: since it was used lately, the first time it stays.
        lane._give_unused_back()
        assert origin.kept == [kept]
        lane._giving_back.cancel()
        lane._give_unused_back()
        assert (origin.kept, lane._giving_back) == ([], None)
        assert len(lane._connector._conns) == 1
        # The same by the clock, and with the connection that was given back.
        await call(pool, server)
        await until(lambda: not origin.kept)
        assert server.connections == 1
        assert lane._giving_back is None


async def test_the_connection_used_last_is_used_next_so_that_the_others_go_back() -> None:
    async with Pool(Connections()) as pool, ScriptedServer(OK) as server:
        await asyncio.gather(*(call(pool, server) for _ in range(3)))
        lane: Any = pool._lane
        (origin,) = lane._origins.values()
        last = origin.kept[-1]
        lane._give_unused_back()
        for _ in range(3):
            await call(pool, server)
        lane._give_unused_back()
        assert origin.kept == [last]
        assert sum(map(len, lane._connector._conns.values())) == 2


async def test_a_closed_lane_has_no_timer_and_keeps_nothing() -> None:
    serves, arrives = asyncio.Event(), asyncio.Event()

    async def answer_late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serves.wait()
        writer.write(OK)

    async with ScriptedServer(OK, answer_late) as server:
        pool = Pool(Connections())
        await call(pool, server)
        lane: Any = pool._lane
        timer = lane._giving_back
        task = asyncio.create_task(call(pool, server))
        await until(lambda: len(server.seen) == 2)
        (origin,) = lane._origins.values()
        (handler,) = lane._connector._acquired
        feed = handler.feed_data

        def tell_and_feed(*data: Any) -> None:
            arrives.set()
            feed(*data)

        # Its answer arrives, and before the call has its turn, the lane is closed.
        handler.feed_data = tell_and_feed
        serves.set()
        await arrives.wait()
        await pool.close()
        assert isinstance(await task, Reply)
        assert timer.cancelled()
        assert origin.kept == []


async def test_what_is_kept_makes_room_for_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fast_lane, "KEPT_SECONDS", 60.0)
    async with (
        Pool(Connections(max_connections=1)) as pool,
        ScriptedServer(OK) as one,
        ScriptedServer(OK) as other,
    ):
        for _ in range(3):
            for server in (one, other):
                assert isinstance(await call(pool, server, timeout_seconds=5), Reply)
        # aiohttp counts those in use, and has one of each at hand.
        assert (one.connections, other.connections) == (1, 1)


async def test_where_calls_go_is_remembered_within_bounds() -> None:
    async with Pool(Connections()) as pool, ScriptedServer(OK) as server:
        for number in range(MOST_TARGETS + 10):
            await call(pool, server, path=f"/{number}")
        assert len(pool._lane._targets) == 10  # type: ignore[union-attr]
        assert server.connections == 1
    assert [seen.path for seen in server.seen] == [f"/{n}" for n in range(MOST_TARGETS + 10)]


async def test_small_answers_are_read_into_small_buffers() -> None:
    sizes: list[int] = []

    async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (handler,) = pool._lane._connector._acquired  # type: ignore[union-attr]
        sizes.append(handler.transport.max_size)
        writer.write(OK)

    async with Pool(Connections()) as pool, ScriptedServer(look) as server:
        await call(pool, server)
    assert sizes == [READ_BYTES]
