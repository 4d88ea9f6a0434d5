"""A TCP proxy on loopback that does to HTTP what networks do, and the seeds that say what and when.

It stands between a client and a server, reads one request after another, and asks what is to become
of each. It knows as much of HTTP as it takes to find where a message ends.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum, auto
from typing import Self
from urllib.parse import urlsplit

import attrs

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Kind(StrEnum):
    """What becomes of a request, in the order of its way there and back."""

    # The server never sees it.
    RESET_IN_HEAD = auto()
    RESET_IN_BODY = auto()
    RESET_BEFORE_FORWARDING = auto()
    TORN_REQUEST = auto()
    HELD_REQUEST = auto()
    BAD_GATEWAY = auto()
    # The server sees it, the client gets no whole answer.
    LATE_REQUEST = auto()
    RESET_AFTER_FORWARDING = auto()
    HELD_ANSWER = auto()
    RESET_IN_ANSWER = auto()
    TRUNCATED_ANSWER = auto()
    ENDLESS_ANSWER = auto()
    GARBAGE = auto()
    GARBAGE_IN_ANSWER = auto()
    GATEWAY_TIMEOUT = auto()
    # The client gets its answer.
    SLOW_REQUEST = auto()
    SLOW_ANSWER = auto()
    DRIPPING_ANSWER = auto()
    CLOSED_AFTER_ANSWER = auto()
    RESET_AFTER_ANSWER = auto()
    GARBAGE_AFTER_ANSWER = auto()
    ANSWER_TWICE = auto()
    NONE = auto()


UNSEEN = frozenset(list(Kind)[: list(Kind).index(Kind.LATE_REQUEST)])
UNANSWERED = frozenset(list(Kind)[len(UNSEEN) : list(Kind).index(Kind.SLOW_REQUEST)])
ANSWERED = frozenset(Kind) - UNSEEN - UNANSWERED


@attrs.frozen
class Fault:
    """A kind of fault, where in the message it strikes (from 0 to 1), and how long it takes."""

    kind: Kind
    place: float = 0.5
    seconds: float = 0.01
    garbage: bytes = b"\x00\xffgarbage\r\n\r\n"


@attrs.frozen
class Outage:
    """For so long nobody listens. Those who are connected are cut off, or not."""

    seconds: float
    cut: bool


Draw = Callable[[str, int], Fault]


def seeded(seed: int, share: float, *, spared: str, spared_share: float) -> Draw:
    """Return a draw in which a share of the requests is harmed, and less of those for one path.

    What becomes of the n-th request for a path depends on the seed and on nothing else, in whatever
    order the requests for several paths arrive.
    """

    def draw(path: str, number: int) -> Fault:
        chance = random.Random(f"{seed} {path} {number}")
        harmed = chance.random() < (spared_share if path == spared else share)
        return Fault(
            chance.choice([kind for kind in Kind if kind is not Kind.NONE])
            if harmed
            else Kind.NONE,
            chance.choice([0.0, 1.0, chance.random(), chance.random()]),
            chance.uniform(0.0, 0.03),
            chance.randbytes(chance.randint(1, 300)) + b"\r\n\r\n",
        )

    return draw


class FaultyProxy:
    """Forwards requests to a server and answers to the client, but for what is drawn.

    Args:
        target: the URL of the server.
        draw: gets a path, and how many requests there were for it; says what becomes of this one.
        outages: what happens to the listener when that many requests have come in.

    Attributes:
        url: where it listens.
        met: how often each kind of fault was met.
        late: the bodies of requests that reached the server after the client had given them up.
        tokens: every access token that a client sent.
    """

    def __init__(
        self, target: str, draw: Draw, outages: Mapping[int, Outage] | None = None
    ) -> None:
        parts = urlsplit(target)
        assert parts.hostname
        assert parts.port
        self._target = parts.hostname, parts.port
        self._draw = draw
        self._outages = dict(outages or {})
        self._port = 0
        self._connected: dict[asyncio.Task[None], asyncio.StreamWriter | None] = {}
        self._away: asyncio.Task[None] | None = None
        self._requests: Counter[str] = Counter()
        self.met: Counter[Kind] = Counter()
        self.late: list[bytes] = []
        self.tokens: set[str] = set()

    async def __aenter__(self) -> Self:
        self._listen()
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._away is not None:
            self._away.cancel()
            await asyncio.wait((self._away,))
        self._stop_listening()
        serving = list(self._connected)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)

    def _listen(self) -> None:
        # Not asyncio's server: closed just after it has accepted, some versions leak a socket.
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=100)
        self._listener.setblocking(False)  # noqa: FBT003 - the standard library's
        self._port = self._listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # gone again
            connection, _ = listener.accept()
            self._connected[asyncio.create_task(self._serve(connection))] = None

    def _stop_listening(self) -> None:
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()

    async def go_away(self, outage: Outage) -> None:
        """Listen no more for a while: who knocks is refused by the kernel."""
        self._stop_listening()
        if outage.cut:
            for writer in list(self._connected.values()):
                if writer is not None:
                    _reset(writer)
        await asyncio.sleep(outage.seconds)
        self._listen()

    @property
    def is_idle(self) -> bool:
        """Return whether nobody is connected: what was to arrive has arrived."""
        return not self._connected

    # --- one connection -----------------------------------------------------------------------

    async def _serve(self, connection: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        writer: asyncio.StreamWriter | None = None
        upstream: Streams | None = None
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
            self._connected[task] = writer
            upstream = await asyncio.open_connection(*self._target)
            while await self._pass_on((reader, writer), upstream):
                pass
        except (OSError, EOFError, RuntimeError, asyncio.LimitOverrunError, asyncio.CancelledError):
            # One of the two sides is gone (a RuntimeError says so on uvloop), or the test is over.
            pass
        finally:
            del self._connected[task]
            if writer is None:
                connection.close()
            else:
                writer.close()
            if upstream is not None:
                upstream[1].close()

    async def _pass_on(self, client: Streams, server: Streams) -> bool:
        """Deal with one request; return whether the connection is kept."""
        reader, writer = client
        line = await reader.readuntil(b"\r\n")
        path = line.split(b" ")[1].decode()
        self._requests[path] += 1
        fault = self._draw(path, self._requests[path])
        self.met[fault.kind] += 1
        outage = self._outages.pop(self._requests.total(), None)
        if outage is not None and self._away is None:
            self._away = asyncio.create_task(self.go_away(outage))
            self._away.add_done_callback(self._is_back)
        if fault.kind is Kind.RESET_IN_HEAD:
            return _reset(writer)
        head = line + await reader.readuntil(b"\r\n\r\n")
        if fault.kind is Kind.RESET_IN_BODY:
            return _reset(writer)
        self.tokens |= set(re.findall(r"Bearer (\S+)", head.decode("latin-1")))
        body = await reader.readexactly(_length(head))
        if fault.kind in UNSEEN:
            return await self._lose(fault, head + body, client, server)
        if fault.kind is Kind.LATE_REQUEST:
            await _until_gone(reader)
            self.late.append(body)
        elif fault.kind is Kind.SLOW_REQUEST and await _is_gone_within(fault.seconds, reader):
            return False
        server[1].write(head + body)
        if fault.kind is Kind.RESET_AFTER_FORWARDING:
            _reset(writer)
        answer = await _message(server[0])
        if fault.kind in UNANSWERED:
            return await self._withhold(fault, answer, client)
        return await self._answer(fault, answer, client)

    def _is_back(self, _: asyncio.Task[None]) -> None:
        self._away = None

    async def _lose(self, fault: Fault, request: bytes, client: Streams, server: Streams) -> bool:
        reader, writer = client
        if fault.kind is Kind.TORN_REQUEST:
            # Never the whole of it.
            server[1].write(request[: int(fault.place * (len(request) - 1))])
            server[1].close()
        elif fault.kind is Kind.HELD_REQUEST:
            await _until_gone(reader)
            return False
        elif fault.kind is Kind.BAD_GATEWAY:
            await _send(_page(b"502 Bad Gateway"), writer)
            return True
        return _reset(writer)

    async def _withhold(self, fault: Fault, answer: bytes, client: Streams) -> bool:
        reader, writer = client
        part = answer[: int(fault.place * (len(answer) - 1))]
        match fault.kind:
            case Kind.HELD_ANSWER:
                await _until_gone(reader)
            case Kind.RESET_IN_ANSWER:
                await _send(part, writer)
                await asyncio.sleep(fault.seconds / 10)
                _reset(writer)
            case Kind.TRUNCATED_ANSWER:
                await _send(part, writer)
            case Kind.ENDLESS_ANSWER:
                await _send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", writer)
                while not await _is_gone_within(0.005, reader):
                    await _send(b"1\r\n \r\n", writer)
            case Kind.GARBAGE:
                await _send(fault.garbage, writer)
            case Kind.GARBAGE_IN_ANSWER:
                await _send(part + fault.garbage, writer)
            case Kind.GATEWAY_TIMEOUT:
                await _send(_page(b"504 Gateway Timeout"), writer)
                return True
        return False

    async def _answer(self, fault: Fault, answer: bytes, client: Streams) -> bool:
        reader, writer = client
        match fault.kind:
            case Kind.SLOW_ANSWER:
                await asyncio.sleep(fault.seconds)
            case Kind.GARBAGE_AFTER_ANSWER:
                answer += fault.garbage
            case Kind.ANSWER_TWICE:
                answer += answer
        if fault.kind is Kind.DRIPPING_ANSWER:
            step = max(1, len(answer) // 20)
            for start in range(0, len(answer), step):
                await _send(answer[start : start + step], writer)
                await asyncio.sleep(fault.seconds / 20)
        else:
            await _send(answer, writer)
        if fault.kind is Kind.RESET_AFTER_ANSWER:
            # It is read before it can be taken back, and the connection is kept by then.
            await _is_gone_within(fault.seconds, reader)
            return _reset(writer)
        return fault.kind is not Kind.CLOSED_AFTER_ANSWER


def _length(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(_length(head))


async def _send(content: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(content)
    await writer.drain()


async def _until_gone(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read(1)


async def _is_gone_within(seconds: float, reader: asyncio.StreamReader) -> bool:
    """Return whether the client closed its side in that time. It does not send before an answer."""
    try:
        async with asyncio.timeout(seconds):
            await _until_gone(reader)
    except TimeoutError:
        return False
    return True


def _page(status: bytes) -> bytes:
    page = b"<html><title>%s</title></html>" % status
    head = b"HTTP/1.1 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(page)) + page


def _reset(writer: asyncio.StreamWriter) -> bool:
    """Close with a RST, without a FIN, and keep nothing that is not sent yet."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0 and not writer.is_closing():
        # A copy of the descriptor, since not every event loop lets its own be touched.
        with socket.socket(fileno=os.dup(sock.fileno())) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False
