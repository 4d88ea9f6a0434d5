"""A connection of the fast transport: a socket, TLS if need be, and one answer at a time."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from propq_async._messages import tr

from .answers import AnswerReader
from .connections import OpenConnections, poll_of, unacknowledged_bytes
from .exceptions import LOSSES, OutOfTimeError
from .tls_layer import TlsLayer
from .wakeup import Wakeup

READ_BYTES: Final = 65_536

# What is decrypted: of one read, and of a record whose beginning came before.
_DECRYPTED_BYTES: Final = 2 * READ_BYTES


class Buffers:
    """Where the event loop reads to, and what is decrypted from there.

    All connections of a transport share them, since each read ends before the next begins: only on
    Windows does the event loop begin several at once.
    """

    def __init__(self) -> None:
        self.received = memoryview(bytearray(READ_BYTES))
        self.decrypted = memoryview(bytearray(_DECRYPTED_BYTES))


def _reads_side_by_side(loop: asyncio.AbstractEventLoop) -> bool:
    proactor = getattr(asyncio, "ProactorEventLoop", None)
    return proactor is not None and isinstance(loop, proactor)


class FastConnection(asyncio.BufferedProtocol):
    """A connection to the server, as `OpenConnections` describes it.

    `lease` is aiohttp's `Connection`, which counts against the connector's limit until it is
    released or closed. `deadline`: when the answer has to be here. `was_used` says whether there
    was a request since the last look for unused connections. `should_close`: no other request may
    use it. `error`: why it was lost.
    """

    transport: asyncio.Transport | None = None
    is_idle = False
    idle_since = 0.0
    has_unread: Callable[[int], object] = bool
    closed_first = False
    lease: Any
    was_used = False
    _closed: asyncio.Future[None] | None = None
    _was_lost = False

    def __init__(
        self, connections: OpenConnections, buffers: Buffers, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._connections = connections
        self._loop = loop
        self._buffers = Buffers() if _reads_side_by_side(loop) else buffers
        self.answer = AnswerReader()
        # What every request reads is found faster in the object than in the class.
        self.should_close = False
        self.deadline = math.inf
        self.tls: TlsLayer | None = None
        self.error: Exception | None = None
        self.wakeup = Wakeup(loop)

    # --- what aiohttp's connector asks of it ---

    @property
    def closed(self) -> asyncio.Future[None] | None:
        """Return what is done when the connection is closed, `None` if it is."""
        if self._closed is None and not self._was_lost:
            self._closed = self._loop.create_future()
        return self._closed

    def is_connected(self) -> bool:
        """Return whether it is open."""
        return self.transport is not None and not self.transport.is_closing()

    def close(self) -> None:
        """Close it."""
        transport, self.transport = self.transport, None
        if transport is not None:
            self._hang_up(transport)

    def force_close(self) -> None:
        """Let no other request use it."""
        self.should_close = True

    # --- requests ---

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Shake hands. Nothing else may have been sent on this connection.

        Raises:
            ssl.SSLError: it failed.
            OSError: the connection was lost.
        """
        transport = self.transport
        if transport is None:
            raise ConnectionResetError
        self.tls = TlsLayer(context, server_name, transport)
        self.tls.shake_hands()
        await self.wakeup.renewed()
        if self.error is not None:
            raise self.error

    def time_out(self) -> None:
        """Let whoever waits for the answer know that it took too long."""
        self.error, self.should_close, self.deadline = OutOfTimeError(), True, math.inf
        self.wakeup.set_result(None)

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register."""
        connected: Any = transport
        self.transport = connected
        self._connections.all.add(self)
        self.has_unread = poll_of(transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - there is one size
        """Return where to read to."""
        return self._buffers.received

    def buffer_updated(self, nbytes: int) -> None:
        """Read what belongs to the answer that is being waited for."""
        answer, tls, transport = self.answer, self.tls, self.transport
        if transport is None:
            return
        is_expected = not answer.has_ended
        data = self._buffers.received[:nbytes]
        try:
            if tls is not None:
                if not tls.is_open:
                    self._shake_hands(tls, data)
                    return
                decrypted = self._buffers.decrypted
                data = decrypted[: tls.decrypt(data, decrypted)]
            if data:
                if is_expected:
                    answer.feed(data)
                else:
                    # It answers no request.
                    self.should_close = True
            if tls is not None and tls.has_ended:
                self._take_goodbye(transport, ends_answer=True)
        except LOSSES as error:
            self.error, self.should_close = error, True
            transport.abort()
        # Last of all, since the task runs in here.
        if self.error is not None or (is_expected and answer.has_ended):
            self.wakeup.set_result(None)

    def eof_received(self) -> None:
        """Take the goodbye of the server. TLS has its own, so with TLS this one ends no answer."""
        if self.transport is not None:
            self._take_goodbye(self.transport, ends_answer=self.tls is None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister, and let whoever waits know."""
        self._was_lost = self.should_close = True
        self._connections.all.discard(self)
        is_shaking_hands = self.tls is not None and not self.tls.is_open
        if self.error is None and (is_shaking_hands or not self.answer.has_ended):
            self.error = self._loss(exc)
        self.transport = None
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        self.wakeup.set_result(None)

    def _shake_hands(self, tls: TlsLayer, data: memoryview) -> None:
        tls.shake_hands(data)
        if tls.is_open:
            # What has come with the end of the handshake answers no request.
            self.should_close = tls.decrypt(b"", self._buffers.decrypted) > 0
            self.wakeup.set_result(None)

    def _take_goodbye(self, transport: asyncio.Transport, *, ends_answer: bool) -> None:
        """Take the end of the connection, which may end an answer that does not say its length.

        It also acknowledges what the server had received by then.
        """
        if ends_answer and not self.answer.has_ended:
            self.answer.end()
        self.closed_first = unacknowledged_bytes(transport) > 0
        self._hang_up(transport)

    def _hang_up(self, transport: asyncio.Transport) -> None:
        """Close what nothing more is expected of, with a goodbye if that can get through."""
        self.should_close = True
        if transport.get_write_buffer_size():
            # The server has stopped reading, and what is left would wait for it.
            transport.abort()
        else:
            if self.tls is not None and not transport.is_closing():
                self.tls.say_goodbye()
            transport.close()

    def _loss(self, exc: Exception | None) -> Exception:
        if exc is not None:
            return aiohttp.ClientOSError(*exc.args)
        if self.tls is not None and not self.tls.is_open:
            return ConnectionResetError(tr("the server has closed it during the TLS handshake"))
        if self.answer.has_begun:
            return aiohttp.ServerDisconnectedError(
                tr("the server disconnected in the middle of its answer")
            )
        return aiohttp.ServerDisconnectedError()
