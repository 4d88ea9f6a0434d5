"""What a peer may do below HTTP: split records, hang, or ask for a certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from tests.helpers.http import OK, OK_BODY, TOKEN

# It takes several records of TLS.
BODY: Final = b"0123456789abcdef" * 1_250
WHOLE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

loops = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
transports = pytest.mark.parametrize("traces", [[], [aiohttp.TraceConfig()]], ids=["fast", "plain"])


def server_context(pem: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def client_context(pem: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=f"{pem}.crt")


def run(loop: Callable[[], Any], main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


async def ask(pool: Pool, port: int, *, timeout_seconds: float = 30.0) -> Reply | Lost:
    url = URL(f"https://localhost:{port}/")
    return await pool.send("POST", url, TOKEN, b"{}", timeout_seconds, Attempt())


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection, and wait for its end before this one."""
    tasks: set[asyncio.Task[Any]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await serve(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*tasks)


def answering(whole: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(whole)

    return serve


def relay(port: int, sizes: list[int]) -> Serve:
    """Pass on what the server sends in pieces of these sizes, each in a segment of its own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source, sink = await asyncio.open_connection("127.0.0.1", port)

        async def there() -> None:
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    sink.write(data)
            sink.close()

        task = asyncio.create_task(there())
        try:
            for size in cycle(sizes):
                data = await source.read(size)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        finally:
            await task

    return serve


@loops
@versions
@transports
@given(sizes=st.lists(st.sampled_from([5, 6, 17, 64, 1_000, 65_536]), min_size=1))
@example([5, 65_536])
@settings(max_examples=3, deadline=None)
def test_records_are_read_right_however_they_are_split(
    certificate: Path,
    loop: Callable[[], Any],
    version: ssl.TLSVersion,
    traces: list[aiohttp.TraceConfig],
    sizes: list[int],
) -> None:
    check_split(certificate, loop, version, traces, sizes, WHOLE, BODY)


@loops
@versions
@transports
def test_records_are_read_right_byte_by_byte(
    certificate: Path,
    loop: Callable[[], Any],
    version: ssl.TLSVersion,
    traces: list[aiohttp.TraceConfig],
) -> None:
    check_split(certificate, loop, version, traces, [1], OK, OK_BODY)


def check_split(
    certificate: Path,
    loop: Callable[[], Any],
    version: ssl.TLSVersion,
    traces: list[aiohttp.TraceConfig],
    sizes: list[int],
    whole: bytes,
    body: bytes,
) -> None:
    async def main() -> None:
        settings = PoolSettings(ssl_context=client_context(certificate), trace_configs=traces)
        async with (
            listening(answering(whole), server_context(certificate, version)) as port,
            listening(relay(port, sizes)) as relayed,
            Pool(settings) as pool,
        ):
            for _ in range(2):
                reply = await ask(pool, relayed)
                assert isinstance(reply, Reply)
                assert reply.body == body

    run(loop, main())


@loops
@transports
@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x03\x00\x7a\x02"])
def test_a_handshake_that_hangs_ends_within_the_timeout(
    certificate: Path, loop: Callable[[], Any], traces: list[aiohttp.TraceConfig], begins: bytes
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        while await reader.read(65536):
            pass
        closed.set()

    closed = asyncio.Event()

    async def main() -> None:
        settings = PoolSettings(ssl_context=client_context(certificate), trace_configs=traces)
        async with listening(hang) as port, Pool(settings) as pool:
            lost = await ask(pool, port, timeout_seconds=0.1)
            assert isinstance(lost, Lost)
            assert (lost.timed_out, lost.sent) == (True, False)
            # The connection is not left behind.
            await closed.wait()

    run(loop, main())


@loops
@versions
@transports
@pytest.mark.parametrize("shows_one", [True, False])
def test_a_certificate_is_shown_to_who_asks_for_it(
    certificate: Path,
    loop: Callable[[], Any],
    version: ssl.TLSVersion,
    traces: list[aiohttp.TraceConfig],
    *,
    shows_one: bool,
) -> None:
    async def main() -> None:
        server, client = server_context(certificate, version), client_context(certificate)
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(f"{certificate}.crt")
        if shows_one:
            client.load_cert_chain(certificate)
        settings = PoolSettings(ssl_context=client, trace_configs=traces)
        async with listening(answering(OK), server) as port, Pool(settings) as pool:
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # of the server
            reply = await ask(pool, port)
            assert isinstance(reply, Reply if shows_one else Lost)

    run(loop, main())
