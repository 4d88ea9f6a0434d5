"""Connections: whether they are idle, closed or perhaps dead, and which one is used next.

aiohttp calls a connection a protocol. Both transports put theirs in the place of aiohttp's own.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import sys
from collections.abc import Callable
from typing import Any, Final

import aiohttp
from yarl import URL

# The ioctl for the bytes that the other side has not acknowledged yet.
_SIOCOUTQ: Final = 0x5411 if sys.platform == "linux" else None

# With asyncio's TLS, the event loop sees after several turns that a connection was closed.
_TURNS_TO_SEE: Final = 4

# A call that is cancelled earlier than this says nothing about its connection.
SILENCE_SECONDS: Final = 1.0

# A connection goes back to aiohttp's connector after between one and two times as long without use.
IDLE_SECONDS: Final = 1.0


def poll_of(transport: asyncio.BaseTransport) -> Callable[[int], object]:
    """Return a function that tells whether something has arrived that nobody has read yet.

    Its argument is for how many milliseconds it may wait.
    """
    socket = transport.get_extra_info("socket")
    return bool if socket is None else _poll(socket)


def _poll(socket: Any) -> Callable[[int], object]:
    if not hasattr(select, "poll"):  # Windows
        return lambda timeout: select.select([socket], [], [], timeout)[0]
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return poll.poll


def unacknowledged_bytes(transport: asyncio.Transport | None) -> int:
    """Return how much of what was sent the other side has not acknowledged."""
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None or _SIOCOUTQ is None:
        return 0
    import fcntl  # noqa: PLC0415 - where there is none, `_SIOCOUTQ` is `None`

    return int.from_bytes(fcntl.ioctl(socket, _SIOCOUTQ, bytes(4)), sys.byteorder)


class OpenConnections:
    """All open connections of a pool, including those that aiohttp's connector holds.

    Both kinds of connections have these attributes. `is_idle`: no request is waiting for an answer
    on it. `idle_since`: the loop's time of its last answer, 0 if there was none. `has_unread(0)`:
    whether something has arrived that the event loop has not read yet. On an idle connection that
    is the end of it, most of the time: a server that closes connections at a reload, for example,
    has closed it before the next request is sent. `closed_first`: the server closed it before it
    had all of the request, so it did not act on it.
    """

    def __init__(self) -> None:
        self.all: set[Any] = set()

    def drop_silent(self, since: float, now: float, *, timed_out: bool) -> None:
        """Drop the idle connections that may be dead, since a call that began then got no answer.

        A network path can die without notice: the computer was suspended, or a NAT forgot about it.
        Then all its connections are dead. The sign is a call without an answer on a connection that
        had worked before. Connections that have answered since are alive.
        """
        if timed_out or now - since >= SILENCE_SECONDS:
            for connection in list(self.all):
                transport = connection.transport
                if transport is not None and connection.is_idle and connection.idle_since < since:
                    connection.force_close()
                    # A graceful close would wait for an answer that never comes.
                    transport.abort()


async def let_the_loop_see() -> None:
    """Let the event loop find out which connections were closed."""
    for _ in range(_TURNS_TO_SEE):
        await asyncio.sleep(0)


class Origin(aiohttp.ClientRequest):
    """Scheme, host and port, in the form that a connector takes, and the idle connections there.

    aiohttp opens connections without TLS: the fast transport has its own.
    """

    connection_key: Any = None

    def __init__(
        self, url: URL, loop: asyncio.AbstractEventLoop, ssl_context: ssl.SSLContext | None
    ) -> None:
        super().__init__("GET", url, loop=loop)
        # Computed once, and not for each connection. It differs for http and https.
        self.connection_key = super().connection_key
        self._has_tls = url.scheme == "https"
        self._ssl_context = ssl_context
        # Certificates name hosts without the dot at the end of a complete name, as aiohttp has it.
        self._server_name = (url.raw_host or "").rstrip(".")
        self.idle: list[Any] = []

    def is_ssl(self) -> bool:
        """Return `False`: aiohttp has nothing to do with TLS."""
        return False

    async def begin_tls(self, connection: Any) -> None:
        """Begin TLS on a new connection if it needs it.

        Raises:
            aiohttp.ClientConnectorError: it failed, as aiohttp tells it.
        """
        if not self._has_tls or connection.tls is not None:
            return
        try:
            await connection.start_tls(self._ssl_context, self._server_name)
        except ssl.SSLCertVerificationError as error:
            raise aiohttp.ClientConnectorCertificateError(self.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(self.connection_key, error) from error
        except OSError as error:
            raise aiohttp.ClientConnectorError(self.connection_key, error) from error


class Connector(aiohttp.TCPConnector):
    """Opens connections to an `Origin`, and begins TLS before it counts them as open.

    So where TLS fails at one address of a host, aiohttp goes on to the next, as with its own TLS.
    """

    async def _wrap_create_connection(self, *arguments: Any, **named: Any) -> Any:
        transport, connection = await super()._wrap_create_connection(*arguments, **named)
        try:
            await named["req"].begin_tls(connection)
        except BaseException:
            connection.close()
            raise
        return transport, connection


class IdleConnections:
    """The idle connections of a transport, by origin.

    The next request takes the one that was used last. Those that were not used for a while go back
    to the connector, which closes them in time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ssl_context: ssl.SSLContext | None) -> None:
        self._loop = loop
        self._ssl_context = ssl_context
        self._origins: dict[URL, Origin] = {}
        self.timer: asyncio.TimerHandle | None = None

    def origin(self, url: URL) -> Origin:
        key = url.origin()
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origins[key] = Origin(key, self._loop, self._ssl_context)
        return origin

    def set_timer(self) -> None:
        """Look for unused connections in a while."""
        self.timer = self._loop.call_later(IDLE_SECONDS, self._release_unused)

    def release_all(self) -> None:
        """Hand all idle connections back to the connector."""
        for origin in self._origins.values():
            while origin.idle:
                # It stays in the list if this fails, so that `close` finds it.
                origin.idle[-1].lease.release()
                origin.idle.pop()

    def close(self) -> None:
        """Close what `release_all` has not handed back."""
        for origin in self._origins.values():
            while origin.idle:
                origin.idle.pop().lease.close()

    def _release_unused(self) -> None:
        self.timer = None
        for origin in self._origins.values():
            idle, origin.idle = origin.idle, []
            for connection in idle:
                if connection.was_used:
                    connection.was_used = False
                    origin.idle.append(connection)
                else:
                    connection.lease.release()
            if origin.idle and self.timer is None:
                self.set_timer()
