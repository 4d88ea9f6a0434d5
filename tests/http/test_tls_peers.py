"""What a peer may do below HTTP: split records, hang, or ask for a certificate."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import ssl
import termios
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs
import pytest
import uvloop
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from tests.helpers.http import OK, OK_BODY, TOKEN
from tests.helpers.support import until

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


@attrs.frozen
class OpenSSL:
    """OpenSSL's server, which sends what it reads, or does what a letter says."""

    port: int
    lines: asyncio.StreamReader
    pipe: int

    async def until_said(self, what: bytes) -> None:
        while what not in await self.lines.readline():
            assert not self.lines.at_eof()

    async def read(self, what: bytes) -> None:
        """Let it read this at once, and nothing else with it."""
        os.write(self.pipe, what)
        await until(lambda: not any(fcntl.ioctl(self.pipe, termios.FIONREAD, bytes(4))))


@asynccontextmanager
async def openssl(pem: Path, *options: str) -> AsyncIterator[OpenSSL]:
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", str(pem), "-key", str(pem)]
    stdin, pipe = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *command, *options, stdin=stdin, stdout=asyncio.subprocess.PIPE
    )
    os.close(stdin)
    try:
        assert process.stdout is not None
        while b"ACCEPT " not in (line := await process.stdout.readline()):
            assert line
        yield OpenSSL(int(line.rpartition(b":")[2]), process.stdout, pipe)
    finally:
        process.kill()
        os.close(pipe)
        await process.communicate()


@loops
def test_new_keys_are_taken_and_given(certificate: Path, loop: Callable[[], Any]) -> None:
    """RFC 8446 section 4.6.3: the server changes its keys, and asks for ours to change."""

    async def main() -> None:
        settings = PoolSettings(ssl_context=client_context(certificate))
        async with openssl(certificate, "-tls1_3") as server, Pool(settings) as pool:
            for _ in range(2):
                task = asyncio.create_task(ask(pool, server.port))
                await server.until_said(b"POST /")
                await server.read(b"K\n")
                await server.read(OK)
                reply = await task
                assert isinstance(reply, Reply)
                assert reply.body == OK_BODY
            # The second request was read with the new keys of the first.
            (connection,) = pool.transport._open.all  # type: ignore[union-attr]
            assert connection.transport is not None

    run(loop, main())


@loops
def test_a_renegotiation_is_refused(certificate: Path, loop: Callable[[], Any]) -> None:
    async def main() -> None:
        settings = PoolSettings(ssl_context=client_context(certificate))
        async with openssl(certificate, "-tls1_2") as server, Pool(settings) as pool:
            task = asyncio.create_task(ask(pool, server.port))
            await server.until_said(b"POST /")
            await server.read(b"r\n")
            lost = await task
            assert isinstance(lost, Lost)
            assert lost.sent
            assert "the server wants to renegotiate TLS, which is refused" in lost.reason

    run(loop, main())


@loops
@versions
def test_a_server_that_goes_during_the_handshake_was_sent_nothing(
    certificate: Path, loop: Callable[[], Any], version: ssl.TLSVersion
) -> None:
    async def go(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async def main() -> None:
        context = client_context(certificate)
        context.maximum_version = version
        async with listening(go) as port, Pool(PoolSettings(ssl_context=context)) as pool:
            for _ in range(2):
                lost = await ask(pool, port)
                assert isinstance(lost, Lost)
                assert (lost.sent, lost.timed_out) == (False, False)
                assert "there is no connection: Cannot connect to host localhost" in lost.reason

    run(loop, main())


class _Resolver(AbstractResolver):
    """Knows one host, with an address for each of these ports."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del port
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=one, family=family, proto=0, flags=0
            )
            for one in self.ports
        ]

    async def close(self) -> None: ...


@attrs.frozen(kw_only=True)
class _ManyAddresses(PoolSettings):
    ports: list[int]

    def connector(self, kind: type[aiohttp.TCPConnector]) -> aiohttp.TCPConnector:
        return kind(resolver=_Resolver(self.ports), ssl=self.ssl_context or True)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


async def speak_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@loops
@transports
@pytest.mark.parametrize("fails", [reset, speak_plainly])
def test_where_tls_fails_at_one_address_the_same_attempt_tries_the_next(
    certificate: Path, loop: Callable[[], Any], traces: list[aiohttp.TraceConfig], fails: Serve
) -> None:
    tried: list[int] = []

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.append(writer.get_extra_info("sockname")[1])
        await fails(reader, writer)

    async def main() -> None:
        async with (
            listening(fail) as first,
            listening(fail) as second,
            listening(answering(OK), server_context(certificate)) as good,
        ):
            for ports, kind in (([first, second], Lost), ([first, second, good], Reply)):
                tried.clear()
                settings = _ManyAddresses(
                    ports=ports, ssl_context=client_context(certificate), trace_configs=traces
                )
                async with Pool(settings) as pool:
                    assert isinstance(await ask(pool, first), kind)
                    assert tried == [first, second]

    run(loop, main())


@attrs.frozen(kw_only=True)
class _OtherConnector(PoolSettings):
    def connector(self, _: type[aiohttp.TCPConnector]) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector()


@loops
def test_a_connector_that_leaves_tls_out_gets_it_nevertheless(
    certificate: Path, loop: Callable[[], Any]
) -> None:
    """So nothing goes out in the clear, however the next aiohttp opens its connections."""

    async def main() -> None:
        settings = _OtherConnector(ssl_context=client_context(certificate))
        async with (
            listening(answering(OK), server_context(certificate)) as good,
            listening(reset) as bad,
            Pool(settings) as pool,
        ):
            assert isinstance(await ask(pool, good), Reply)
            assert isinstance(await ask(pool, bad), Lost)

    run(loop, main())


@loops
@versions
def test_a_server_that_says_goodbye_and_stays_is_left(
    certificate: Path, loop: Callable[[], Any], version: ssl.TLSVersion
) -> None:
    """Its half of the connection is closed, and it waits for ours."""

    async def main() -> None:
        left = asyncio.Event()

        async def bid_farewell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = server_context(certificate, version).wrap_bio(
                incoming, outgoing, server_side=True
            )
            for step in (
                tls.do_handshake,
                lambda: tls.read(65_536),
                lambda: tls.write(OK),
                tls.unwrap,
            ):
                while True:
                    try:
                        step()
                    except ssl.SSLWantReadError:
                        writer.write(outgoing.read())
                        received = await reader.read(65_536)
                        incoming.write(received)
                        if not received:
                            break
                    else:
                        break
            left.set()

        settings = PoolSettings(ssl_context=client_context(certificate))
        async with listening(bid_farewell) as port, Pool(settings) as pool:
            for _ in range(2):
                left.clear()
                reply = await ask(pool, port)
                assert isinstance(reply, Reply)
                assert reply.body == OK_BODY
                await left.wait()

    run(loop, main())


async def test_a_request_that_the_server_does_not_read_is_no_reason_to_wait(
    certificate: Path,
) -> None:
    """Neither its answer nor the end of the pool waits until the rest can be written."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await done.wait()
        writer.transport.abort()

    settings = PoolSettings(ssl_context=client_context(certificate))
    context = server_context(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1024)
    async with server:
        url = URL(f"https://localhost:{server.sockets[0].getsockname()[1]}/")
        async with Pool(settings) as pool:
            reply = await pool.send("POST", url, TOKEN, b"x" * 20_000_000, 5, Attempt())
            assert isinstance(reply, Reply)
            assert reply.body == OK_BODY
            lost = await pool.send("POST", url, TOKEN, b"x" * 20_000_000, 5, Attempt())
            assert isinstance(lost, Reply)
        done.set()
