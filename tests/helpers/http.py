"""Requests through a pool, over both transports, and what is said about them."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from yarl import URL

from propq_async import AsyncPropQ, Credentials, RetryPolicy, Token
from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt
from propq_async._wire.messages import Lost, Reply
from tests.helpers.support import ScriptedServer, Step, an_update, answer, token_answer

SECRET = "t0ken-value"
NOW = datetime.now(UTC)
TOKEN = Token(SECRET, "Bearer", NOW + timedelta(hours=1), NOW)
OK = answer(200, {"done": True})
OK_BODY = b'{"done": true}'
ONCE = RetryPolicy(attempts=1)
PATH = "/v1/developments/4711/units/update-by-name"


def a_client(url: str, **settings: Any) -> AsyncPropQ:
    return AsyncPropQ(
        Credentials(1, "the-secret"),
        base_url=url,
        **({"token_store": None, "retry": ONCE} | settings),
    )


def scripted(*script: Step) -> ScriptedServer:
    return ScriptedServer(*script, by_path={"/oauth/token": [token_answer()]})


async def update(propq: AsyncPropQ) -> Any:
    async with propq.session() as session:
        return await session.units.update(an_update())


async def call(
    pool: Pool,
    server: ScriptedServer,
    *,
    method: str = "POST",
    path: str = "/x",
    body: bytes | None = b"{}",
    timeout_seconds: float = 30,
    attempt: Attempt | None = None,
) -> Reply | Lost:
    return await pool.send(
        method, URL(server.url + path), TOKEN, body, timeout_seconds, attempt or Attempt()
    )


def shown(error: BaseException) -> str:
    """Return what a crash reporter could show of all frames but those of the tests."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert (told.__cause__, told.__context__) == (None, None)
    frames = [frame for frame in told.stack if f"{os.sep}tests{os.sep}" not in frame.filename]
    assert frames
    assert not [frame for frame in frames if "aiohttp" in frame.filename]
    return repr([frame.locals for frame in frames])


async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


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
