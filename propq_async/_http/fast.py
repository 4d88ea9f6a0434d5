"""The fast transport: requests over aiohttp's connections and parser, without its session.

Most of what a request costs in aiohttp happens in the session. What this transport relies on is not
all public, so `compatibility` tries it out first, and the plain transport serves where it fails.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import Any, Final

import aiohttp
import attrs
from yarl import URL

from propq_async._wire.messages import Lost, Reply
from propq_async.credentials import Token

from .connections import (
    READ_BYTES,
    FastConnection,
    IdleConnections,
    OpenConnections,
    Origin,
    let_the_loop_see,
)
from .heads import Head
from .losses import LOSSES, bare, lost_on_the_way, ran_out_of_time
from .transport import MAX_HEADER_BYTES, Attempt, Body, Form

MOST_TARGETS: Final = 1024
_EMPTY_LINES: Final = b"\r\n\r\n"
_NEVER: Final = aiohttp.ClientTimeout()
_FIRST_FINAL: Final = 200
_SWITCHING: Final = 101


class _Deadlines:
    """One timer for the timeouts of all requests under way. One for each would cost far more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.soonest = math.inf
        # A task that is no longer here has reached its deadline.
        self.running: dict[asyncio.Task[Any], float] = {}

    def set_timer(self, at: float) -> None:
        self.clear()
        self.soonest = at
        self._timer = self._loop.call_at(at, self._sweep)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.soonest = None, math.inf

    def _sweep(self) -> None:
        now = self._loop.time()
        for task in [task for task, deadline in self.running.items() if deadline <= now]:
            del self.running[task]
            task.cancel()
        self.clear()
        if self.running:
            self.set_timer(min(self.running.values()))


def _keep_memory() -> None:
    """Let glibc serve the buffers of 256 KiB that event loops read into from memory that it keeps.

    Otherwise it takes each from the operating system, and returns it. It does so up to the size of
    the largest block that it has returned.
    """
    bytes(1 << 20)


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

    def __init__(self, connector: Any) -> None:
        self._loop = asyncio.get_running_loop()
        _keep_memory()
        # A TCPConnector. Untyped, since not all that is used of it is public.
        self._connector = connector
        self._open = OpenConnections()
        self._connector._factory = partial(FastConnection, self._open, self._loop)  # noqa: SLF001
        self._deadlines = _Deadlines(self._loop)
        self._idle = IdleConnections(self._loop)
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
        # Here and below, timeouts work as in asyncio.timeout().
        task: Any = asyncio.current_task(loop)
        cancelling = task.cancelling()
        deadlines = self._deadlines
        deadlines.running[task] = deadline = now + timeout_seconds
        if deadline < deadlines.soonest:
            deadlines.set_timer(deadline)
        connection = reply = None
        try:
            self._active_at = now
            origin = target.origin
            connection = origin.idle.pop() if origin.idle else await self._connect(origin)
            transport = connection.transport
            if transport is None or transport.is_closing() or connection.has_unread(0):
                connection = await self._looked_at(connection, origin)
                transport = connection.transport
            # Unread data answers no request. The rest of `should_close` was checked when the
            # connection became idle.
            if transport is None or connection._should_close or connection._tail:  # noqa: SLF001
                attempt.stale = True
                raise aiohttp.ServerDisconnectedError
            is_head = method == "HEAD"
            if is_head or connection.spare_parser is None:
                connection.set_response_params(
                    skip_payload=is_head,
                    read_until_eof=True,
                    read_bufsize=READ_BYTES,
                    max_line_size=MAX_HEADER_BYTES,
                    max_field_size=MAX_HEADER_BYTES,
                )
            else:
                # The parser skips empty lines between two answers. If another answer has begun
                # behind the last one, they are an error, or complete it.
                attempt.stale = True
                if connection.spare_parser.feed_data(_EMPTY_LINES)[0]:
                    raise aiohttp.ServerDisconnectedError
                connection._parser = connection.spare_parser  # noqa: SLF001
            connection.spare_parser = None
            connection.is_idle = False
            if token is not target.token or method != target.method:
                target.prepare(method, token)
            transport.write(
                b"%bContent-Length: %d\r\n\r\n%b" % (target.prefix, len(body), body)
                if isinstance(body, bytes)
                else target.request(body)
            )
            attempt.sent, attempt.stale = True, False
            # As connection.read() does it.
            connection._waiter = loop.create_future()  # noqa: SLF001
            await connection._waiter  # noqa: SLF001
            answer = connection.answer
            answer.head, payload = connection._buffer.popleft()[0]  # noqa: SLF001
            while answer.head.code < _FIRST_FINAL and answer.head.code != _SWITCHING:
                answer.head, payload = await connection.read()
            if payload.is_eof() and payload.exception() is None:
                connection.spare_parser = None if is_head else connection._parser  # noqa: SLF001
                # Not with `read_nowait`, which makes parser and transport ask for more.
                reply = Reply(
                    answer.head.code,
                    answer.head.headers,
                    b"".join(payload._buffer) if payload.total_bytes else b"",  # noqa: SLF001
                )
            else:
                # The status is known now, even if the body gets lost.
                reply = Reply(answer.head.code, answer.head.headers, b"", truncated=True)
                reply = await _with_body(reply, payload)
            if reply.truncated:
                connection.lease.close()
            elif transport.get_write_buffer_size():
                # The server has not read the whole request, so it may never read the next one.
                # A graceful close would not get through either.
                transport.abort()
                connection.lease.close()
            else:
                connection.is_idle, connection.idle_since = True, self._active_at
                if self._connecting or connection.should_close:
                    # A request that waits for a connection may be waiting for this one.
                    connection.lease.release()
                else:
                    connection.was_used, connection._parser = True, None  # noqa: SLF001
                    origin.idle.append(connection)
                    if self._idle.timer is None:
                        self._idle.set_timer()
            connection = None
        except asyncio.CancelledError as error:
            timed_out = task not in deadlines.running and task.uncancel() <= cancelling
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
            deadlines.running.pop(task, None)
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
        except AttributeError:
            lease.close()
            raise
        connection.lease = lease
        return connection

    def _target(self, url: URL) -> _Target:
        if len(self._targets) >= MOST_TARGETS:
            self._targets.clear()
        target = self._targets[url] = _Target(url, self._idle.origin(url))
        return target


async def _with_body(reply: Reply, payload: aiohttp.StreamReader) -> Reply:
    body = Body.of(reply.status)
    await body.read(payload)
    return attrs.evolve(reply, body=bytes(body), truncated=body.is_too_long)
