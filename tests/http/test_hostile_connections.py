"""Servers, and paths to them, that behave badly. Both transports come to the same end."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from yarl import URL

from propq_async import (
    APIConnectionError,
    AsyncPropQ,
    Credentials,
    MemoryTokenStore,
    PropQSession,
    RetryPolicy,
    TokenKey,
    TokenUnavailableError,
    UnitUpdate,
)
from propq_async._http import connections
from propq_async._http.fast import FastTransport
from propq_async._http.pool import Pool
from propq_async._http.transport import MAX_HEADER_BYTES, Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from tests.conftest import MakePool
from tests.helpers.http import OK, OK_BODY, TOKEN, a_thread_that_serves_and_closes, call, hold
from tests.helpers.support import ScriptedServer, Step, an_update, answer, token_answer, until


@attrs.frozen
class Closing:
    """A server of which `close` closes the first connection while the event loop is blocked."""

    url: URL
    ssl_context: ssl.SSLContext | None
    close: Callable[[], None]
    accepted: list[Any]


UNASKED = answer(200, {"whose": "nobody's"})


def open_connections(pool: Any) -> list[Any]:
    return list(pool.transport._open.all)


@pytest.fixture(params=["fast", "plain"])
def traces(request: pytest.FixtureRequest) -> list[aiohttp.TraceConfig]:
    return [aiohttp.TraceConfig()] if request.param == "plain" else []


@asynccontextmanager
async def entered(server: ScriptedServer, **settings: Any) -> AsyncIterator[PropQSession]:
    propq = AsyncPropQ(
        Credentials(1, "the-secret"), base_url=server.url, token_store=None, **settings
    )
    async with propq.session() as session:
        yield session


def scripted(*script: Step) -> ScriptedServer:
    return ScriptedServer(*script, by_path={"/oauth/token": [token_answer()]})


# --- answers that nobody asked for ----------------------------------------------------------------


@pytest.mark.parametrize(
    "unasked",
    [
        UNASKED,
        answer(408),
        UNASKED[:20],
        UNASKED[:-3],
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"\x00 what?\r\n\r\n",
        b"\r\n",
        UNASKED * 1000,
    ],
    ids=["200", "408", "half a head", "half a body", "100", "garbage", "empty line", "many"],
)
async def test_what_comes_while_nobody_asks_is_nobodys(make_pool: MakePool, unasked: bytes) -> None:
    pool = make_pool()
    served = asyncio.Event()

    async def and_more_later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await served.wait()
        writer.write(unasked)
        await writer.drain()

    async with ScriptedServer(and_more_later, OK) as server:
        assert isinstance(await call(pool, server), Reply)
        served.set()
        (line,) = open_connections(pool)
        await until(lambda: line.should_close)
        attempt = Attempt()
        lost = await call(pool, server, attempt=attempt)
        # Nothing was written, and whoever called knows that another connection may do.
        assert isinstance(lost, Lost)
        assert (lost.sent, lost.stale, attempt.sent) == (False, True, False)
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert (reply.body, server.connections) == (OK_BODY, 2)
        assert len(server.seen) == 2


async def test_each_row_of_a_batch_gets_the_answer_that_is_its_own(
    traces: list[aiohttp.TraceConfig],
) -> None:
    resumed = asyncio.Event()

    async def and_another_later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, {"UntName": "A-1"}))
        await writer.drain()
        await resumed.wait()
        writer.write(answer(200, {"UntName": "A-1"}))
        await writer.drain()

    async def updates() -> AsyncIterator[UnitUpdate]:
        yield an_update("A-1")
        await until(lambda: outcomes)
        resumed.set()
        (line,) = open_connections(session._state.entered().pool)
        await until(lambda: line.should_close)
        yield an_update("A-2")
        yield an_update("A-3")

    script: list[Step] = [and_another_later, answer(404), answer(200, {"UntName": "A-3"})]
    async with scripted(*script) as server, entered(server, trace_configs=traces) as session:
        outcomes: list[Any] = []
        async for outcome in session.units.update_many(updates(), concurrency=1):
            outcomes.append((outcome.update.name, outcome.ok, outcome.response))  # noqa: PERF401 - the updates wait for it
    assert outcomes == [
        ("A-1", True, {"UntName": "A-1"}),
        ("A-2", False, None),
        ("A-3", True, {"UntName": "A-3"}),
    ]


@pytest.mark.parametrize("cut", range(1, len(UNASKED), 3))
async def test_an_answer_that_has_begun_is_not_finished_as_the_next(
    make_pool: MakePool, cut: int
) -> None:
    pool = make_pool()
    rest = UNASKED[cut:] + OK

    async def finish_it(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rest if server.connections == 1 else OK)

    async with ScriptedServer(OK + UNASKED[:cut], finish_it) as server:
        first = await call(pool, server)
        second = await call(pool, server)
        third = await call(pool, server)
    assert isinstance(first, Reply)
    assert first.body == OK_BODY
    # aiohttp's parser sees it only when its head is whole.
    head_ends = UNASKED.index(b"\r\n\r\n") + 4
    is_seen_at_once = isinstance(pool.transport, FastTransport) or cut >= head_ends
    assert isinstance(second, Reply if is_seen_at_once else Lost)
    assert isinstance(second, Lost) or second.body == OK_BODY
    assert isinstance(third, Reply)
    assert third.body == OK_BODY


class _Greets(ScriptedServer):
    """Speaks first on its first connection."""

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        if connection == 1:
            writer.write(answer(503, {"message": "too many connections"}))
            await writer.drain()
        await super()._talk(reader, writer, connection)


class _Patient(aiohttp.TCPConnector):
    """Waits until the first connection has heard something."""

    waits = True

    async def connect(self, *arguments: Any, **named: Any) -> Any:
        connection: Any = await super().connect(*arguments, **named)
        if self.waits:
            self.waits = False
            await until(lambda: connection.protocol.should_close)
        return connection


@attrs.frozen(kw_only=True)
class _PatientConnections(PoolSettings):
    def connector(self, _: type[aiohttp.TCPConnector]) -> aiohttp.TCPConnector:
        return _Patient()


async def test_an_answer_before_the_request_is_not_its_answer(
    make_pool: MakePool,
) -> None:
    pool = make_pool(_PatientConnections)
    async with _Greets(OK) as server:
        lost = await call(pool, server)
        assert isinstance(lost, Lost)
        assert (lost.sent, lost.stale) == (False, True)
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert reply.body == OK_BODY
        assert [seen.connection for seen in server.seen] == [2]


class _KeepsItsFactory(aiohttp.TCPConnector):
    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_factory" or not hasattr(self, name):
            super().__setattr__(name, value)


@attrs.frozen(kw_only=True)
class _OtherConnections(PoolSettings):
    def connector(self, _: type[aiohttp.TCPConnector]) -> aiohttp.TCPConnector:
        return _KeepsItsFactory()


async def test_the_plain_transport_works_with_aiohttps_connections() -> None:
    served = asyncio.Event()

    async def and_another_later(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await served.wait()
        writer.write(UNASKED)
        await writer.drain()

    async with (
        Pool(_OtherConnections(trace_configs=[aiohttp.TraceConfig()])) as pool,
        ScriptedServer(and_another_later, OK) as server,
    ):
        assert isinstance(await call(pool, server), Reply)
        served.set()
        transport: Any = pool.transport
        ((line, _),) = next(iter(transport._session.connector._conns.values()))
        await until(lambda: line.should_close)
        lost = await call(pool, server)
        assert isinstance(lost, Lost)
        assert (lost.sent, lost.stale) == (False, True)
        assert isinstance(await call(pool, server), Reply)


# --- answers that are none, too early, or without an end ------------------------------------------


async def test_a_connection_of_another_protocol_is_not_reused(
    make_pool: MakePool,
) -> None:
    pool = make_pool()
    switching = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with ScriptedServer(switching, OK) as server:
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert reply.status == 101
        assert isinstance(await call(pool, server), Reply)
        assert [seen.connection for seen in server.seen] == [1, 2]


async def test_hints_without_an_end_are_no_answer(make_pool: MakePool) -> None:
    pool = make_pool()

    async def hint(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    async with ScriptedServer(hint, OK) as server:
        lost = await call(pool, server, timeout_seconds=0.1)
        assert lost == Lost("no answer within 0.1 s", sent=True, timed_out=True)
        assert isinstance(await call(pool, server), Reply)


async def test_a_connection_with_an_unread_request_is_not_reused() -> None:
    """On the plain transport aiohttp does it: it takes no body of this size unasked."""
    connections = 0
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await done.wait()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    async with server, Pool(PoolSettings()) as pool:
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        for _ in range(2):
            reply = await pool.send("POST", url, TOKEN, b"x" * 50_000_000, 5, Attempt())
            assert isinstance(reply, Reply)
            assert reply.body == OK_BODY
        assert connections == 2
        done.set()


# --- connections that the server closes while nobody uses them -----------------------------------


@pytest.fixture(params=["http", "https"])
def closing(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Closing]:
    """Yield a server in a thread, which closes its first connection after an answer."""
    server = client = None
    if request.param == "https":
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        client = ssl.create_default_context(cafile=f"{certificate}.crt")
    with a_thread_that_serves_and_closes(server) as (url, tell, told, accepted):

        def close() -> None:
            tell.set()
            told.wait()  # nothing else runs meanwhile: so the loop cannot have seen it

        yield Closing(url, client, close, accepted)


@pytest.mark.parametrize("has_poll", [True, False])
async def test_a_connection_closed_during_a_blocked_loop_is_unused(
    monkeypatch: pytest.MonkeyPatch, make_pool: MakePool, closing: Closing, *, has_poll: bool
) -> None:
    if not has_poll:  # as on Windows
        monkeypatch.delattr(select, "poll")
    pool = make_pool(ssl_context=closing.ssl_context)
    for _ in range(2):
        reply = await pool.send("POST", closing.url, TOKEN, b"{}", 10, Attempt())
        assert isinstance(reply, Reply)
        assert reply.body == OK_BODY
        closing.close()
    assert len(closing.accepted) == 2


@pytest.mark.parametrize("can_tell", [True, False])
async def test_a_request_that_crosses_the_servers_goodbye_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, make_pool: MakePool, closing: Closing, *, can_tell: bool
) -> None:
    """The goodbye is on its way when the request goes out, and does not acknowledge it."""
    monkeypatch.setattr(connections, "_poll", lambda _: bool)
    if not can_tell:  # as elsewhere than on Linux
        monkeypatch.setattr(connections, "_SIOCOUTQ", None)
    pool = make_pool(ssl_context=closing.ssl_context)
    assert isinstance(await pool.send("POST", closing.url, TOKEN, b"{}", 10, Attempt()), Reply)
    closing.close()
    attempt = Attempt()
    lost = await pool.send("POST", closing.url, TOKEN, b"{}", 10, attempt)
    assert isinstance(lost, Lost)
    if can_tell:
        assert (lost.sent, lost.stale, attempt.sent) == (False, True, False)
    else:
        assert lost.sent is not lost.stale
    assert isinstance(await pool.send("POST", closing.url, TOKEN, b"{}", 10, Attempt()), Reply)


async def test_what_is_closed_before_the_body_goes_out_is_not_sent(closing: Closing) -> None:
    """aiohttp writes the request some turns of the loop after it has taken a connection."""
    trace = aiohttp.TraceConfig()

    async def close(*_: object) -> None:
        if len(closing.accepted) == 1 and is_second:
            closing.close()

    trace.on_request_headers_sent.append(close)
    is_second = False
    settings = PoolSettings(ssl_context=closing.ssl_context, trace_configs=[trace])
    async with Pool(settings) as pool:
        assert isinstance(await pool.send("POST", closing.url, TOKEN, b"{}", 10, Attempt()), Reply)
        is_second = True
        lost = await pool.send("POST", closing.url, TOKEN, b"{}", 10, Attempt())
        assert isinstance(lost, Lost)
        assert (lost.sent, lost.stale) == (False, True)
        assert isinstance(await pool.send("POST", closing.url, TOKEN, b"{}", 10, Attempt()), Reply)


@pytest.mark.parametrize("is_seen", [True, False])
async def test_such_a_race_costs_no_attempt_and_no_warning(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    traces: list[aiohttp.TraceConfig],
    closing: Closing,
    *,
    is_seen: bool,
) -> None:
    if not is_seen:
        monkeypatch.setattr(connections, "_poll", lambda _: bool)
    store = MemoryTokenStore()
    base_url = str(closing.url.origin())
    await store.save(TokenKey(f"{base_url}/oauth/token", 1), TOKEN)
    propq = AsyncPropQ(
        Credentials(1, "the-secret"),
        base_url=base_url,
        token_store=store,
        ssl_context=closing.ssl_context,
        trace_configs=traces,
        retry=RetryPolicy(attempts=1, retry_unacknowledged=False),
    )
    async with propq.session() as session:
        for _ in range(2):
            await session.request("POST", "/v1/x", json={}, retry_unacknowledged=False)
            closing.close()
    assert len(closing.accepted) == 2
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


# --- headers that are too large -------------------------------------------------------------------


def with_headers(*headers: str) -> bytes:
    lines = "\r\n".join(["", *headers, ""])
    return OK.replace(b"\r\n", lines.encode(), 1)


LARGE = with_headers("X-Large: " + "x" * (MAX_HEADER_BYTES - 100))
TOO_LARGE = with_headers("X-Large: " + "x" * (MAX_HEADER_BYTES + 100))
TOO_MANY = with_headers(*(f"X-{number}: y" for number in range(1000)))
SAID = {
    TOO_LARGE: "the answer's headers are larger than 65,536 bytes",
    TOO_MANY: "the answer has too many headers",
}


async def test_large_headers_are_read(make_pool: MakePool) -> None:
    pool = make_pool()
    async with ScriptedServer(LARGE) as server:
        for _ in range(2):
            reply = await call(pool, server)
            assert isinstance(reply, Reply)
            assert reply.body == OK_BODY
        assert server.connections == 1


@pytest.mark.parametrize("whole", SAID, ids=["too large", "too many"])
async def test_headers_that_are_too_large_are_said_to_be_that(
    make_pool: MakePool, whole: bytes
) -> None:
    pool = make_pool()
    async with ScriptedServer(whole, OK) as server:
        lost = await call(pool, server)
        assert lost == Lost(SAID[whole], sent=True, final=True)
        assert isinstance(await call(pool, server), Reply)


@pytest.mark.parametrize("whole", SAID, ids=["too large", "too many"])
async def test_an_update_is_not_repeated_after_too_large_headers(
    traces: list[aiohttp.TraceConfig], whole: bytes
) -> None:
    async with scripted(whole) as server, entered(server, trace_configs=traces) as session:
        with pytest.raises(APIConnectionError, match=SAID[whole]) as caught:
            await session.units.update(an_update())
        assert len(server.seen) == 2
        assert (caught.value.attempts, caught.value.may_have_been_applied) == (1, True)
        # Nor is it an outage for which a batch would hold its rows.
        outcomes = [one async for one in session.units.update_many([an_update()] * 3)]
        assert len(server.seen) == 5
    assert [(one.ok, one.attempts) for one in outcomes] == [(False, 1)] * 3


# --- paths that are lost without a word -----------------------------------------------------------


class _Forgets(ScriptedServer):
    """Answers on no connection up to the number `dead`, and does not close it either."""

    dead = 0

    def __init__(self) -> None:
        super().__init__(self._answer, by_path={"/oauth/token": [self._answer]})
        self.together = 0
        self.all_here = asyncio.Event()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = self.seen[-1]
        if seen.connection <= self.dead:
            await hold(reader, writer)
        if self.together:
            # So that each of them has a connection of its own.
            self.together -= 1
            if not self.together:
                self.all_here.set()
            await self.all_here.wait()
        writer.write(token_answer() if seen.path == "/oauth/token" else OK)

    async def open(self, pool: Any, number: int) -> None:
        self.together = number
        self.all_here.clear()
        await asyncio.gather(*(call(pool, self) for _ in range(number)))
        assert self.connections == number


@pytest.mark.parametrize("given_back", [False, True])
async def test_after_a_timeout_no_other_dead_connection_is_tried(
    make_pool: MakePool, *, given_back: bool
) -> None:
    pool: Any = make_pool()
    async with _Forgets() as server:
        await server.open(pool, 20)
        if given_back and hasattr(pool.transport, "release_idle"):
            pool.transport.release_idle()
        server.dead = 20
        lost = await call(pool, server, timeout_seconds=0.05)
        assert isinstance(lost, Lost)
        assert lost.timed_out
        for _ in range(5):
            assert isinstance(await call(pool, server), Reply)
        assert server.connections == 21
        assert len(open_connections(pool)) == 1


async def test_an_update_survives_a_pool_of_dead_connections(
    traces: list[aiohttp.TraceConfig],
) -> None:
    retry = RetryPolicy(base_delay_seconds=0.001, total_timeout_seconds=20)
    settings: dict[str, Any] = {"timeout_seconds": 0.2, "retry": retry, "trace_configs": traces}
    async with _Forgets() as server, entered(server, **settings) as session:
        await session.units.update(an_update())
        server.together = 20
        await asyncio.gather(*(session.units.update(an_update()) for _ in range(20)))
        before = server.dead = server.connections
        await session.units.update(an_update())
        assert server.connections == before + 1


async def test_connections_that_have_answered_meanwhile_are_kept(make_pool: MakePool) -> None:
    pool = make_pool()
    async with _Forgets() as server:
        await server.open(pool, 2)
        server.dead = 2
        late = asyncio.create_task(call(pool, server, timeout_seconds=0.2))
        await until(lambda: len(server.seen) == 3)
        # The other one lives.
        server.dead = 0
        alive = await call(pool, server)
        assert isinstance(alive, Reply)
        assert isinstance(await late, Lost)
        assert isinstance(await call(pool, server), Reply)
        assert server.connections == 2


async def test_a_silent_new_connection_says_nothing_about_others(
    make_pool: MakePool,
) -> None:
    pool = make_pool()
    async with ScriptedServer(hold) as silent, _Forgets() as server:
        await server.open(pool, 2)
        assert isinstance(await call(pool, silent, timeout_seconds=0.05), Lost)
        await server.open(pool, 2)
        assert len(open_connections(pool)) == 2


@pytest.mark.parametrize(("waited", "connections"), [(0.0, 3), (60.0, 2)])
async def test_a_call_that_is_cancelled_after_a_while_throws_doubt_too(
    monkeypatch: pytest.MonkeyPatch, make_pool: MakePool, waited: float, connections: int
) -> None:
    monkeypatch.setattr("propq_async._http.connections.SILENCE_SECONDS", waited)
    pool = make_pool()
    async with _Forgets() as server:
        await server.open(pool, 2)
        server.dead = 2
        task = asyncio.create_task(call(pool, server))
        await until(lambda: len(server.seen) == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        server.dead = 0
        assert isinstance(await call(pool, server), Reply)
        assert server.connections == connections


async def test_a_token_request_is_not_repeated_for_too_large_headers(
    traces: list[aiohttp.TraceConfig],
) -> None:
    async with (
        ScriptedServer(TOO_LARGE) as server,
        entered(server, trace_configs=traces, retry=RetryPolicy(attempts=5)) as session,
    ):
        with pytest.raises(TokenUnavailableError, match="headers are larger") as caught:
            await session.units.update(an_update())
        assert caught.value.attempts == 1
        assert len(server.seen) == 1
