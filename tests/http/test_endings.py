"""Answers without a length, which end with their connection: which ends count."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from yarl import URL

from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from tests.helpers.http import OK_BODY, TOKEN

HEAD = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nX-Pad: %s\r\n\r\n"

transports = pytest.mark.parametrize("traces", [[], [aiohttp.TraceConfig()]], ids=["fast", "plain"])
loops = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


async def ask(
    end: Callable[[asyncio.StreamWriter], None],
    *,
    status: int = 200,
    traces: list[aiohttp.TraceConfig],
    server: ssl.SSLContext | None = None,
    client: ssl.SSLContext | None = None,
) -> Reply | Lost:
    """Make a call whose answer has no length, and ends so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(HEAD % (status, b"") + OK_BODY)
        await writer.drain()
        await seen.wait()
        end(writer)
        writer.close()

    seen = asyncio.Event()
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    settings = PoolSettings(ssl_context=client, trace_configs=traces)
    async with listener, Pool(settings) as pool:
        scheme, host = ("http", "127.0.0.1") if server is None else ("https", "localhost")
        url = URL(f"{scheme}://{host}:{listener.sockets[0].getsockname()[1]}/")
        task = asyncio.create_task(pool.send("POST", url, TOKEN, b"{}", 30, Attempt()))
        asyncio.get_running_loop().call_later(0.05, seen.set)
        return await task


def goodbye(_: asyncio.StreamWriter) -> None:
    """Close as HTTP and TLS do."""


def cut(writer: asyncio.StreamWriter) -> None:
    """End the connection below TLS, as whatever stands in between can do."""
    # The socket that uvloop shows cannot do so.
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as same:
        same.shutdown(socket.SHUT_WR)


def reset(writer: asyncio.StreamWriter) -> None:
    """Have the operating system say that there is no such connection."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


def run(loop: Callable[[], Any], **how: Any) -> Reply | Lost:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(ask(**how))


def check(reply: Reply | Lost, *, whole: bool, status: int) -> None:
    if whole:
        assert reply == Reply(status, reply.headers, OK_BODY)  # type: ignore[union-attr]
    elif status == 200:
        assert isinstance(reply, Lost)
        assert reply.sent
        assert reply.reason.startswith("the connection was lost: ")
    else:
        assert isinstance(reply, Reply)
        assert (reply.status, reply.truncated) == (status, True)


@transports
@loops
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(("end", "whole"), [(goodbye, True), (cut, True), (reset, False)])
def test_over_http_an_answer_ends_with_the_connection_unless_it_is_reset(
    loop: Callable[[], Any],
    traces: list[aiohttp.TraceConfig],
    end: Callable[[asyncio.StreamWriter], None],
    status: int,
    *,
    whole: bool,
) -> None:
    check(run(loop, end=end, status=status, traces=traces), whole=whole, status=status)


@transports
@loops
@versions
@pytest.mark.parametrize(("end", "whole"), [(goodbye, True), (cut, False), (reset, False)])
def test_over_https_an_answer_without_length_ends_with_a_goodbye(
    certificate: Path,
    loop: Callable[[], Any],
    traces: list[aiohttp.TraceConfig],
    version: ssl.TLSVersion,
    end: Callable[[asyncio.StreamWriter], None],
    *,
    whole: bool,
) -> None:
    """Whoever can end a connection could otherwise shorten an answer (RFC 9112 section 9.8)."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.maximum_version = version
    client = ssl.create_default_context(cafile=f"{certificate}.crt")
    reply = run(loop, end=end, traces=traces, server=server, client=client)
    check(reply, whole=whole, status=200)
