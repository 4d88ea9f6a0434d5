"""The fast lane: aiohttp's connections and its parser, without what is wrapped around them.

A request is one block of bytes, written to a connection of aiohttp's `TCPConnector`; the answer is
read by aiohttp's `ResponseHandler` and its parser. So pool, limits, DNS, happy eyeballs, TLS and
HTTP remain aiohttp's. What is left out is `ClientSession`, which costs several times as much: an
object for each request and each response, cookies, redirects, a task for each body, timers.

Not all that it takes from aiohttp is documented. `fits` tries it out, so that with an aiohttp that
has changed the plain lane serves.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import Callable, Coroutine
from functools import cache, partial
from typing import Any, Final, TypeVar, cast

import aiohttp
import attrs
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from .lanes import (
    HEADERS,
    LOSSES,
    Attempt,
    Body,
    Form,
    lost_on_the_way,
    ran_out_of_time,
)
from .models import Token
from .wire import Lost, Reply

__all__ = ["FastLane", "fits"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

# A selector transport reads into a new buffer of 256 KiB, which the allocator gets from the system
# and gives back for each small answer (python/cpython#85451). Up to this size it does not.
READ_BYTES: Final = 65_536
# After so long without a request the event loop may have been kept from running, and so from seeing
# which connections were closed. How many turns it takes is a matter of TLS.
QUIET_SECONDS: Final = 0.5
TURNS_TO_SEE: Final = 4
MOST_TARGETS: Final = 1024
# A connection goes back to aiohttp's connector after so long without use, or twice as long.
KEPT_SECONDS: Final = 1.0

# RFC 9110 section 5.6.2.
_METHOD: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_USUAL_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
# Of these nobody expects a body (RFC 9110 section 8.6).
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_JSON: Final = "Content-Type: application/json\r\n"
_FORM: Final = b"Content-Type: application/x-www-form-urlencoded\r\n"
_NEVER: Final = aiohttp.ClientTimeout()
_FIRST_FINAL: Final = 200
_SWITCHING: Final = 101


class _Handler(ResponseHandler):
    """A connection.

    `held`: what the connector gave for it. `reads_on`: its parser may read the next answer, too: it
    has read one, all at once, that had a body or could have had one. Else the next answer gets a
    new parser. `was_used`: since somebody last looked for those that nobody uses.
    """

    held: Any
    reads_on = False
    was_used = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.answer = _Answer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES


class _Origin(aiohttp.ClientRequest):
    """What a connector wants to know of a request: only where it goes."""

    connection_key: Any = None

    def __init__(self, url: URL, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("GET", url, loop=loop)
        # Worked out once, and not for each connection that is asked for.
        self.connection_key = super().connection_key
        self.kept: list[_Handler] = []


class _Target:
    """Where requests go, and the lines of their head that are the same for all that go there.

    `head`: of the last one, up to what depends on its body, with `method` and `token`. It has the
    token, so it does not show.
    """

    def __init__(self, origin: _Origin, lines: bytes) -> None:
        self.origin = origin
        self.lines = lines
        self.method = ""
        self.token: Token | None = None
        self.head = b""


class _Answer:
    """What the parser has read. Its head may echo the token, so it does not show."""

    __slots__ = ("head",)

    head: Any


class _Deadlines:
    """One timer for all requests that are under way: one for each would cost far more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.soonest = math.inf
        # A task whose deadline has passed is no longer here.
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


class FastLane:
    """A `Lane` over a `TCPConnector`. Making it needs a running event loop, and does no I/O.

    A connection that has done its work is kept for the next call, which takes the one used last.
    To the connector go back those that nobody has used for a while, for it to close them in time,
    and all of them when somebody needs another, since that one counts against the limit.
    """

    def __init__(self, connector: Any, *, active_at: float = -math.inf) -> None:
        self._loop = asyncio.get_running_loop()
        # A TCPConnector. Of no type here, since not all that is used of it is public.
        self._connector = connector
        self._connector._factory = partial(_Handler, self._loop)  # noqa: SLF001
        self._deadlines = _Deadlines(self._loop)
        self._targets: dict[URL, _Target] = {}
        self._origins: dict[URL, _Origin] = {}
        self._connecting = 0
        self._giving_back: asyncio.TimerHandle | None = None
        self._active_at = active_at

    async def close(self) -> None:
        """Close every connection, for good."""
        self._deadlines.clear()
        if self._giving_back is not None:
            self._giving_back.cancel()
        self._connecting += 1  # for good: whoever is still under way keeps nothing
        try:
            # It waits for those that it has until they are closed.
            self.give_all_back()
        finally:
            for origin in self._origins.values():
                while origin.kept:
                    origin.kept.pop().held.close()
            await self._connector.close()

    # In one piece, since a coroutine that awaits another costs more than much of what is left out.
    async def send(  # noqa: C901, PLR0912, PLR0915
        self,
        method: str,
        url: URL,
        token: Token | None,
        body: bytes | Form | None,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        """Make one request."""
        target = self._targets.get(url) or self._target(url)
        loop = self._loop
        now = loop.time()
        # Here and below as asyncio.timeout() does it.
        task: Any = asyncio.current_task(loop)
        cancelling = task.cancelling()
        deadlines = self._deadlines
        deadlines.running[task] = deadline = now + timeout_seconds
        if deadline < deadlines.soonest:
            deadlines.set_timer(deadline)
        handler = reply = None
        try:
            if now - self._active_at > QUIET_SECONDS:
                await _let_the_loop_see()
            self._active_at = now
            origin = target.origin
            handler = origin.kept.pop() if origin.kept else await self._connect(origin)
            transport = handler.transport
            if transport is None or transport.is_closing():
                handler.held.close()
                handler = await self._connect(origin)
                transport = handler.transport
            # There may also be an answer to no request. The rest of `should_close` was looked at
            # when the connection was kept.
            if transport is None or handler._should_close or handler._buffer:  # noqa: SLF001
                attempt.stale = True
                raise aiohttp.ServerDisconnectedError
            is_head = method == "HEAD"
            if is_head or not handler.reads_on:
                handler.set_response_params(
                    skip_payload=is_head, read_until_eof=True, read_bufsize=READ_BYTES
                )
            handler.reads_on = False
            if token is not target.token or method != target.method:
                _prepare(target, method, token)
            transport.write(
                b"%bContent-Length: %d\r\n\r\n%b" % (target.head, len(body), body)
                if isinstance(body, bytes)
                else _request(target, body)
            )
            attempt.sent, attempt.stale = True, False
            # As handler.read() does it.
            handler._waiter = loop.create_future()  # noqa: SLF001
            await handler._waiter  # noqa: SLF001
            answer = handler.answer
            answer.head, payload = handler._buffer.popleft()[0]  # noqa: SLF001
            while answer.head.code < _FIRST_FINAL and answer.head.code != _SWITCHING:
                answer.head, payload = await handler.read()
            if payload.is_eof() and payload.exception() is None:
                handler.reads_on = not is_head
                # Not by `read_nowait`, which wakes parser and transport for more.
                reply = Reply(
                    answer.head.code,
                    answer.head.headers,
                    b"".join(payload._buffer) if payload.total_bytes else b"",  # noqa: SLF001
                )
            else:
                # From here on the status is known, whatever becomes of the body.
                reply = Reply(answer.head.code, answer.head.headers, b"", truncated=True)
                reply = await _with_body(reply, payload)
            if reply.truncated:
                handler.held.close()
            elif self._connecting or handler.should_close:
                # Whoever waits for a connection may wait for this one.
                handler.held.release()
            else:
                handler.was_used = True
                origin.kept.append(handler)
                if self._giving_back is None:
                    self._giving_back = loop.call_later(KEPT_SECONDS, self._give_unused_back)
            handler = None
        except asyncio.CancelledError:
            if task in deadlines.running or task.uncancel() > cancelling:
                raise
            lost = ran_out_of_time(attempt, timeout_seconds)
        except LOSSES as error:
            lost = lost_on_the_way(attempt, error)
        else:
            return reply
        finally:
            deadlines.running.pop(task, None)
            if handler is not None:
                # It owes an answer, or is broken.
                handler.held.close()
        # An error remains one without its body; a success does not.
        return lost if reply is None or reply.is_success else reply

    async def _connect(self, origin: _Origin) -> _Handler:
        self.give_all_back()
        self._connecting += 1
        try:
            connection = await self._connector.connect(origin, [], _NEVER)
        finally:
            self._connecting -= 1
        try:
            handler: _Handler = connection.protocol
        except AttributeError:
            connection.close()
            raise
        handler.held = connection
        return handler

    def _give_unused_back(self) -> None:
        for origin in self._origins.values():
            kept, origin.kept = origin.kept, []
            for handler in kept:
                if handler.was_used:
                    handler.was_used = False
                    origin.kept.append(handler)
                else:
                    handler.held.release()
        again = any(origin.kept for origin in self._origins.values())
        self._giving_back = (
            self._loop.call_later(KEPT_SECONDS, self._give_unused_back) if again else None
        )

    def give_all_back(self) -> None:
        """Leave all connections that are kept to the connector."""
        for origin in self._origins.values():
            while origin.kept:
                origin.kept[-1].held.release()
                origin.kept.pop()

    def _target(self, url: URL) -> _Target:
        if len(self._targets) >= MOST_TARGETS:
            self._targets.clear()
        lines = [
            f" {url.raw_path_qs} HTTP/1.1",
            f"Host: {url.host_port_subcomponent}",
            *(f"{name}: {value}" for name, value in HEADERS.items()),
            "",
        ]
        where = url.origin()
        origin = self._origins.get(where)
        if origin is None:
            origin = self._origins[where] = _Origin(where, self._loop)
        target = self._targets[url] = _Target(origin, "\r\n".join(lines).encode())
        return target


def _prepare(target: _Target, method: str, token: Token | None) -> None:
    """Let the target have the head of a request, as far as it is the same for every body."""
    if method not in _USUAL_METHODS and not _METHOD.fullmatch(method):
        raise ValueError(f"{method!r} is no HTTP method")
    if token is not None and not token.access_token.isprintable():
        raise ValueError("the access token has characters that no header may have")
    target.method, target.token = method, token
    target.head = b"%b%b%b" % (
        *(method.encode(), target.lines),
        b"" if token is None else f"{_JSON}Authorization: Bearer {token.access_token}\r\n".encode(),
    )


def _request(target: _Target, body: Form | None) -> bytes:
    """Return a request whose body is none of JSON."""
    if body is None:
        length = b"" if target.method in _WITHOUT_BODY else b"Content-Length: 0\r\n"
        return b"%b%b\r\n" % (target.head, length)
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (
        *(target.head, _FORM),
        *(len(body.data), body.data),
    )


async def _with_body(reply: Reply, payload: aiohttp.StreamReader) -> Reply:
    body = Body()
    await body.read(payload)
    return attrs.evolve(reply, body=bytes(body), truncated=body.is_too_long)


async def _let_the_loop_see() -> None:
    for _ in range(TURNS_TO_SEE):
        await asyncio.sleep(0)


# --- whether aiohttp is the one we know -----------------------------------------------------------

_TRIALS: Final = {
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}": (404, b"{}"),
    b"HTTP/1.1 204 No\r\nX-Request-Id: 1\r\n\r\n": (204, b""),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    b"3\r\n[1]\r\n0\r\n\r\n": (200, b"[1]"),
}
# The first trial is followed by one on a connection that this lane has kept, the second by one on a
# connection that aiohttp has kept.
_GIVEN_BACK_AFTER: Final = 204


class _Echo(asyncio.Transport):
    """Has the answer to whatever is written to it: the next of the trials."""

    def __init__(self, handler: _Handler, owed: list[Callable[[], None]]) -> None:
        super().__init__()
        self._handler = handler
        self._answers = iter(_TRIALS)
        self._owed = owed

    def is_closing(self) -> bool:
        return False

    def write(self, _: object) -> None:
        self._owed.append(partial(self._handler.data_received, next(self._answers)))

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...


class _TrialConnector(aiohttp.TCPConnector):
    """Connects to nowhere. Each connection begins with the first trial: so it must be kept."""

    def __init__(self, owed: list[Callable[[], None]]) -> None:
        super().__init__(resolver=aiohttp.ThreadedResolver())
        self._owed = owed

    async def _create_connection(self, *_: object) -> _Handler:
        handler = cast("_Handler", self._factory())
        handler.connection_made(_Echo(handler, self._owed))
        return handler


@cache
def fits() -> bool:
    """Return whether aiohttp is as this lane needs it, after some calls without a network.

    Needs a running event loop, and does no I/O.
    """
    try:
        problem = None if aiohttp.__version__.startswith("3.") else "it is of another generation"
        problem = problem or _try()
    except Exception as error:  # noqa: BLE001 - whatever it is, there is another lane
        problem = repr(error)
    if problem is not None:
        logger.info(
            "aiohttp %s is not known to be fit for the fast lane, so calls take the plain one: %s",
            aiohttp.__version__,
            problem,
        )
    return problem is None


def _try() -> str | None:
    owed: list[Callable[[], None]] = []
    lane = FastLane(_TrialConnector(owed), active_at=math.inf)
    url = URL("http://127.0.0.1/")
    try:
        for status, body in _TRIALS.values():
            reply = _run(lane.send("POST", url, None, b"{}", math.inf, Attempt()), owed)
            if not isinstance(reply, Reply) or (reply.status, reply.body) != (status, body):
                return f"an answer was read as {reply!r}"
            if status == _GIVEN_BACK_AFTER:
                lane.give_all_back()
    finally:
        _run(lane.close(), owed)
    return None


def _run(coroutine: Coroutine[Any, Any, _T], owed: list[Callable[[], None]]) -> _T:
    """Run it without the event loop: when it waits, then for what is owed."""
    for _ in range(10):
        try:
            coroutine.send(None)
        except StopIteration as end:
            return cast("_T", end.value)
        while owed:
            owed.pop()()
    coroutine.close()
    raise RuntimeError("it waits")
