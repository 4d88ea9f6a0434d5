"""Listening at a port of loopback, and letting go of it whatever is in flight."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import attrs
from aiohttp import web

__all__ = ["Listener"]

# What comes over the wire is no news for a screen on which nobody configured logging.
_LOGGER: Final = logging.getLogger(__name__)

# A thousand clients that connect at once must not wait for a lost SYN to be sent again.
_BACKLOG: Final = 4096
# Everything in flight is cancelled before; this is only for what could hang all the same.
_SHUTDOWN_SECONDS: Final = 1.0
# asyncio reads into 256 KiB, which costs each small request an mmap and a munmap.
_READ_SIZE: Final = 65536


@attrs.define(eq=False)
class Listener:
    """A server at one address. Closed and started again, it listens at the port that it had.

    While the event loop runs in which it was started, it is started and closed there, from whatever
    loop that is asked for.
    """

    host: str
    port: int
    _handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    _home: asyncio.AbstractEventLoop | None = attrs.field(default=None, init=False)
    url: str | None = attrs.field(default=None, init=False)
    _runner: web.ServerRunner | None = attrs.field(default=None, init=False)
    _connections: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    @property
    def in_flight(self) -> int:
        """Return the number of requests that are being dealt with."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen."""
        await self._at_home(self._start())

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        await self._at_home(self._close())

    async def _at_home(self, work: Coroutine[Any, Any, None]) -> None:
        home = self._home
        if home is None or home is asyncio.get_running_loop() or not home.is_running():
            await work
        else:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, home))

    async def _start(self) -> None:
        if self._runner is not None:
            raise RuntimeError("the emulator is started already")
        server = web.Server(self._serve, access_log=None, logger=_LOGGER)
        runner = self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        try:
            await runner.setup()
            await self._bind(runner)
        except BaseException:
            self._runner = None
            raise
        self._home = asyncio.get_running_loop()
        self.port = runner.addresses[0][1]
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"http://{host}:{self.port}"

    async def _bind(self, runner: web.ServerRunner) -> None:
        try:
            await web.TCPSite(runner, self.host, self.port, backlog=_BACKLOG).start()
        except OSError as error:
            number = error.errno or 0
            raise OSError(
                number,
                f"cannot listen at port {self.port} of {self.host}: {os.strerror(number)}; "
                "choose another port, or 0 to get a free one",
            ) from error

    async def _close(self) -> None:
        runner, self._runner, self.url = self._runner, None, None
        if runner is None:
            return
        # Up to the gather nothing is suspended: whoever cancels this leaves no open port.
        for site in runner.sites:
            await site.stop()
        server = runner.server
        transports = [handler.transport for handler in server.connections] if server else []
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        for transport in filter(None, transports):
            transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)
        await runner.cleanup()
        await asyncio.sleep(0)  # so that the transports have closed their sockets

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        transport: Any = request.transport
        if getattr(transport, "max_size", 0) > _READ_SIZE:
            transport.max_size = _READ_SIZE
        connection = request.task
        self._connections.add(connection)
        try:
            return await self._handle(request)
        finally:
            self._connections.discard(connection)
