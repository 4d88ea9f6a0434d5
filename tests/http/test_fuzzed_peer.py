"""A server that sends rubbish, and a path that changes what it sends: for as long as one likes."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import uvloop
from yarl import URL

from propq_async._http.pool import Pool
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from tests.helpers.http import TOKEN
from tests.helpers.support import answer, until

# For how long each case runs. The others need no more than a moment.
SECONDS = float(os.environ.get("PROPQ_FUZZ_SECONDS", "3"))

TRICKS: list[Callable[[random.Random, bytes], bytes]] = [
    lambda chance, data: data[: chance.randrange(len(data) + 1)],
    lambda _, data: data + data,
    lambda chance, data: data + chance.randbytes(chance.randrange(40)),
    lambda chance, data: chance.randbytes(chance.randrange(40)) + data,
    lambda _, data: data.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nX", 1),
    lambda chance, data: data.replace(b"\r\n", chance.choice([b"\n", b"\r", b"\r\n "])),
    lambda chance, data: b"HTTP/1.1 103 Early\r\n\r\n" * chance.randrange(50) + data,
]


def changed(chance: random.Random, data: bytes) -> bytes:
    """Return the data with a few of its bytes changed, or with one of the tricks."""
    if chance.random() < 0.5:
        return chance.choice(TRICKS)(chance, data)
    spoiled = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
    return bytes(spoiled)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Peer:
    """Answers each request with its own number. Every other connection gets something changed.

    With TLS it is changed before or after it was encrypted.
    """

    def __init__(self, seed: int, context: ssl.SSLContext | None) -> None:
        self.chance = random.Random(seed)
        self.context = context
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_honest = self.chance.random() < 0.5
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                self.requests += 1
                number = int(head.split(b" ", 2)[1][1:])
                whole = answer(200, {"number": number, "is_honest": is_honest})
                if not is_honest:
                    whole = changed(self.chance, whole)
                for piece in (whole[:20], whole[20:]):
                    writer.write(piece)
                    await asyncio.sleep(0)
                if not is_honest and self.chance.random() < 0.5:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client has left
        finally:
            writer.transport.abort()


async def relay(port: int, chance: random.Random, reader: Any, writer: Any) -> None:
    """Pass on what both sides say, and change a little of what the server says."""
    source, sink = await asyncio.open_connection("127.0.0.1", port)

    async def there() -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                sink.write(data)
        sink.transport.abort()

    task = asyncio.create_task(there())
    try:
        with suppress(OSError):
            while data := await source.read(65_536):
                writer.write(changed(chance, data) if chance.random() < 0.1 else data)
    finally:
        writer.transport.abort()
        await task


# The warnings are about sockets of the servers here. Open files are counted below.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.campaign
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_whatever_a_peer_sends_each_call_ends_and_none_gets_the_answer_of_another(
    certificate: Path, loop: Callable[[], Any], scheme: str
) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)  # noqa: T201 - shown with a failure
    server = client = None
    if scheme == "https":
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        client = ssl.create_default_context(cafile=f"{certificate}.crt")
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(fuzz(Peer(seed, server), client, scheme, random.Random(seed)))


async def fuzz(
    peer: Peer, client: ssl.SSLContext | None, scheme: str, chance: random.Random
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # of the servers
    listener = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=peer.context)
    port = listener.sockets[0].getsockname()[1]
    front = await asyncio.start_server(
        lambda reader, writer: relay(port, chance, reader, writer), "127.0.0.1", 0
    )
    ports = [port] if scheme == "http" else [port, front.sockets[0].getsockname()[1]]
    ends_at, number, honest = monotonic() + SECONDS, 0, 0
    files = open_files()

    async def ask(one: int) -> Reply | Lost:
        url = URL(f"{scheme}://localhost:{chance.choice(ports)}/{one}")
        return await pool.send("GET", url, TOKEN, b"{}", 0.5, Attempt())

    async with listener, front:
        async with Pool(PoolSettings(ssl_context=client, max_connections=8)) as pool:
            while monotonic() < ends_at:
                numbers = range(number, number := number + 8)
                replies = await asyncio.wait_for(asyncio.gather(*map(ask, numbers)), 20)
                for one, reply in zip(numbers, replies, strict=True):
                    if isinstance(reply, Reply) and b'"is_honest": true' in reply.body:
                        honest += 1
                        assert b'{"number": %d, ' % one in reply.body
        assert honest > 10
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks, timeout=20)
        gc.collect()
        # The event loop closes them a turn later.
        await until(lambda: open_files() <= files)
    assert peer.requests > 10
