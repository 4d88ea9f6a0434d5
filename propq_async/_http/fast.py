"""The fast transport: requests over aiohttp's connections and parser, without its session.

Most of what a request costs in aiohttp happens in the session. What this transport relies on is not
all public, so `compatibility` tries it out first, and the plain transport serves where it fails.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Any, Final

import aiohttp
from yarl import URL

from propq_async._wire.messages import Lost, Reply
from propq_async.credentials import Token

from .connections import IdleConnections, OpenConnections, Origin, let_the_loop_see
from .deadlines import Deadlines
from .exceptions import LOSSES, OutOfTimeError, bare, lost_on_the_way, ran_out_of_time
from .fast_connection import Buffers, FastConnection
from .request_heads import Head
from .transport import Attempt, Form

MOST_TARGETS: Final = 1024
_NEVER: Final = aiohttp.ClientTimeout()


class _Target(Head):
    """A URL that requests go to."""

    def __init__(self, url: URL, origin: Origin) -> None:
        super().__init__(url)
        self.url = url
        self.origin = origin


class FastTransport:
    """Requests over a `TCPConnector`. Making it needs a running event loop, and does no I/O.

    An idle connection is kept for the next request. When a request needs a new connection, all idle
    ones go back to the connector, since they count against its limit.
    """

    def __init__(self, connector: Any, ssl_context: ssl.SSLContext | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        # A TCPConnector. Untyped, since not all that is used of it is public.
        self._connector = connector
        self._open = OpenConnections()
        self._connector._factory = partial(FastConnection, self._open, Buffers(), self._loop)  # noqa: SLF001
        self._deadlines = Deadlines(self._loop, self._open)
        self._idle = IdleConnections(self._loop, ssl_context)
        self._targets: dict[URL, _Target] = {}
        self._last_target: _Target | None = None
        self._connecting = 0
        self._active_at = 0.0

    async def close(self) -> None:
        """Close every connection, for good."""
        self._deadlines.clear()
        if self._idle.timer is not None:
            self._idle.timer.cancel()
        self._connecting += 1  # for good: a request that is still under way keeps no connection
        try:
            # The connector waits until the connections that it has are closed.
            self.release_idle()
        finally:
            self._idle.close()
            await self._connector.close()

    def release_idle(self) -> None:
        """Hand all idle connections back to the connector."""
        self._idle.release_all()

    async def send(  # noqa: C901, PLR0912, PLR0915
        self,
        method: str,
        url: URL,
        token: Token | None,
        body: bytes | Form | None,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        """Make one request.

        This is the hot path, so it is one long function: each coroutine that awaits another, and
        each call of a small function, costs every request more than much of what is done here.
        """
        target = self._last_target
        # A URL takes longer to hash than to recognise.
        if target is None or target.url is not url:
            self._last_target = target = self._targets.get(url) or self._target(url)
        loop = self._loop
        now = loop.time()
        deadlines = self._deadlines
        deadline = now + timeout_seconds
        if deadline < deadlines.soonest:
            deadlines.set_timer(deadline)
        connection: FastConnection | None = None
        reply: Reply | None = None
        try:
            self._active_at = now
            origin = target.origin
            idle: list[FastConnection] = origin.idle
            if idle:
                connection = idle.pop()
            else:
                connection = await deadlines.keep(deadline, self._connect(origin))
            # As an attribute and not as a method, which is found faster.
            transport, has_unread = connection.transport, connection.has_unread
            if transport is None or transport.is_closing() or has_unread(0):
                connection = await deadlines.keep(deadline, self._looked_at(connection, origin))
                transport = connection.transport
            # What has arrived unasked answers no request.
            if transport is None or connection.should_close:
                attempt.stale = True
                raise aiohttp.ServerDisconnectedError
            if token is not target.token or method != target.method:
                target.prepare(method, token)
            answer = connection.answer
            answer.expect(method == "HEAD")
            connection.is_idle, connection.deadline = False, deadline
            # As a view, whose repr shows nothing of the token.
            (connection.tls or transport).write(
                memoryview(
                    (target.heads.get(len(body)) or target.head(len(body))) + body
                    if isinstance(body, bytes)
                    else target.request(body)
                )
            )
            attempt.sent, attempt.stale, attempt.wakeup = True, False, connection.wakeup
            await connection.wakeup.renewed()
            if connection.error is not None:
                if answer.has_head:
                    # The status is known, even if the body gets lost.
                    reply = answer.reply
                raise connection.error
            reply = answer.read()
            connection.is_idle, connection.idle_since = True, self._active_at
            # If the server has not read the whole request, it may never read the next one.
            unread = transport.get_write_buffer_size()
            if unread or not answer.is_reusable or connection.should_close:
                connection.lease.close()
            elif self._connecting:
                # A request that waits for a connection may be waiting for this one.
                connection.lease.release()
            else:
                connection.was_used = True
                origin.idle.append(connection)
                if self._idle.timer is None:
                    self._idle.set_timer()
            connection = None
        except (asyncio.CancelledError, OutOfTimeError) as error:
            timed_out = isinstance(error, OutOfTimeError)
            if connection is not None and attempt.sent and connection.idle_since:
                self._open.drop_silent(now, loop.time(), timed_out=timed_out)
            if not timed_out:
                raise bare(error) from None
            lost = ran_out_of_time(attempt, timeout_seconds)
        except LOSSES as error:
            if reply is None and connection is not None and connection.closed_first:
                attempt.sent, attempt.stale = False, bool(connection.idle_since)
            lost = lost_on_the_way(attempt, error)
        else:
            return reply
        finally:
            if connection is not None:
                # It is broken, or the answer is still to come.
                connection.lease.close()
        # An error remains one without its body; a success does not.
        return lost if reply is None or reply.is_success else reply

    async def _looked_at(self, connection: FastConnection, origin: Origin) -> FastConnection:
        """Return the connection, or another one if it turns out to be closed."""
        await let_the_loop_see()
        transport = connection.transport
        if transport is None or transport.is_closing():
            connection.lease.close()
            connection = await self._connect(origin)
        return connection

    async def _connect(self, origin: Origin) -> FastConnection:
        self._idle.release_all()
        self._connecting += 1
        try:
            lease = await self._connector.connect(origin, [], _NEVER)
        finally:
            self._connecting -= 1
        try:
            connection: FastConnection = lease.protocol
            # It has begun, unless this is not a `Connector`.
            await origin.begin_tls(connection)
        except BaseException:
            lease.close()
            raise
        connection.lease = lease
        return connection

    def _target(self, url: URL) -> _Target:
        if len(self._targets) >= MOST_TARGETS:
            self._targets.clear()
        target = self._targets[url] = _Target(url, self._idle.origin(url))
        return target
