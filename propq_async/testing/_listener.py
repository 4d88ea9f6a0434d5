"""Listening at a port of loopback, and closing it whatever is in flight."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

import attrs
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ._loops import run_in_loop

__all__ = ["Handle", "Listener"]

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""A function that answers a request."""

# Errors of clients must not appear on the screen of a program that has not configured logging.
_LOGGER: Final = logging.getLogger("propq_async.testing")


class _WithoutTheRequest(logging.Filter):
    """Keeps what was sent out of the log: aiohttp logs the first line of an invalid request."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args = "a request that is no HTTP: %s", (type(error).__name__,)
            record.exc_info = record.exc_text = None
        return True


_LOGGER.addFilter(_WithoutTheRequest())

# A thousand clients that connect at once must not wait for a lost SYN to be sent again.
_BACKLOG: Final = 4096
# Requests in flight are cancelled and end at once; this is only for one that hangs all the same.
_SHUTDOWN_SECONDS: Final = 1.0
# asyncio reads into 256 KiB, which costs each small request an mmap and a munmap.
_READ_SIZE: Final = 65536


class _ListeningSocket(socket.socket):
    """A socket that can stop accepting connections before it is closed.

    asyncio accepts a connection in one turn of the event loop and makes its transport in the next.
    If the server is closed in between, asyncio forgets the connection and leaves it open.
    """

    is_accepting = True

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.is_accepting:
            raise BlockingIOError
        return super().accept()


@attrs.define(eq=False)
class Listener:
    """A server at one address. Started again after it was closed, it listens at the same port.

    Its home is the event loop in which it was started. As long as that loop runs, it does the work
    of `start` and `close`, whichever loop calls them.
    """

    host: str
    port: int
    _home: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    url: str | None = attrs.field(default=None, init=False)
    _socket: _ListeningSocket = attrs.field(init=False)
    _listening: asyncio.Server = attrs.field(init=False)
    _server: web.Server = attrs.field(init=False)
    _ending: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _connections: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    @property
    def in_flight(self) -> int:
        """Return the number of requests that are being processed."""
        return len(self._connections)

    async def start(self, handle: Handle) -> None:
        """Listen, and pass each request to this function.

        Raises:
            RuntimeError: it is started already.
            OSError: the port is taken.
        """
        await self._at_home(partial(self._start, handle))

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        await self._at_home(self._close)

    async def _at_home(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        home = self._home
        if home in (None, asyncio.get_running_loop()) or not await run_in_loop(home, work):
            await work()

    async def _start(self, handle: Handle) -> None:
        if self.url is not None:
            raise RuntimeError("the emulator is started already")
        await self._ended()
        listening = self._bind()
        serve = partial(self._serve, handle)
        server = web.Server(serve, access_log=None, logger=_LOGGER)
        self._listening = await asyncio.get_running_loop().create_server(
            server, sock=listening, backlog=_BACKLOG, start_serving=False
        )
        self._home = asyncio.get_running_loop()
        self._socket, self._server = listening, server
        self.port = listening.getsockname()[1]
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"http://{host}:{self.port}"
        try:
            await self._listening.start_serving()
        except BaseException:
            self.url = None
            self._listening.close()
            raise

    def _bind(self) -> _ListeningSocket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = _ListeningSocket(family, socket.SOCK_STREAM)
        try:
            # Elsewhere it would let two programs listen at one port.
            is_reused = os.name == "posix"
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, is_reused)
            listening.bind((self.host, self.port))
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            number = error.errno or 0
            raise OSError(
                number,
                f"cannot listen at port {self.port} of {self.host}: {os.strerror(number)}; "
                "choose another port, or 0 to get a free one",
            ) from error
        return listening

    async def _close(self) -> None:
        if self.url is not None:
            self.url = None
            self._ending = asyncio.create_task(self._end())
        await self._ended()

    async def _ended(self) -> None:
        """Wait for the end of a `close` that has begun, also when this is cancelled."""
        ending, here = self._ending, asyncio.get_running_loop()
        if ending is None:
            return
        # Another `start` may replace them while this waits.
        listening, port = self._listening, self._socket
        cancelled: asyncio.CancelledError | None = None
        # A task of another loop never ends, since that loop has ended.
        while ending.get_loop() is here and not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError as error:
                cancelled = error
        # The port is still open if the task was cancelled before it began, or its loop was closed.
        if listening.get_loop().is_closed():
            port.close()
        else:
            listening.close()
        if cancelled is not None:
            raise cancelled

    async def _end(self) -> None:
        listening, server = self._listening, self._server
        if listening.get_loop().is_closed():
            return  # its connections ended with it
        self._socket.is_accepting = False
        try:
            await asyncio.sleep(0)  # in which each accepted connection gets its transport
        finally:
            listening.close()
        await asyncio.sleep(0)  # in which each transport gets its handler
        loop, cancelled = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        gives_up_at = loop.time() + _SHUTDOWN_SECONDS
        # A handler may begin with a request in any turn. Once it has ended, it is not there.
        while server.connections and loop.time() < gives_up_at:
            for handler in server.connections:
                if handler.transport is not None:
                    handler.transport.abort()
            for connection in self._connections - cancelled:
                connection.cancel()
                cancelled.add(connection)
            await asyncio.sleep(0)
        await server.shutdown(0)
        await asyncio.sleep(0)  # in which the transports close their sockets

    async def _serve(self, handle: Handle, request: web.BaseRequest) -> web.StreamResponse:
        transport: Any = request.transport
        if getattr(transport, "max_size", 0) > _READ_SIZE:
            transport.max_size = _READ_SIZE
        connection = request.task
        self._connections.add(connection)
        try:
            return await handle(request)
        finally:
            self._connections.discard(connection)
