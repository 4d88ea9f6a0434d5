"""The plain transport: requests over a `ClientSession`, with proxies, trace hooks and mocks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import attrs
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from propq_async._secret import SecretBytes, SecretDict
from propq_async._wire.messages import Lost, Reply
from propq_async.credentials import Token

from .connections import OpenConnections, let_the_loop_see, poll_of, unacknowledged_bytes
from .exceptions import LOSSES, bare, lost_on_the_way, raised_by_hook, ran_out_of_time
from .proxies import proxy_for
from .transport import HEADERS, MAX_HEADER_BYTES, Attempt, Form, PoolSettings, most_bytes

# Where this hook is missing, every request counts as sent: wrong only on the safe side.
_HOOKED: Final = hasattr(aiohttp.ClientRequest, "send")


class _Sending:
    """A request on its way through aiohttp.

    `since`: the loop's time when it went out, if that was on a connection that was used before.
    `connection`: the one that it went out on. `is_to_begin`: nothing has been written so far.
    """

    since: float | None = None
    connection: _PlainConnection | None = None
    is_to_begin = False

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt


_sending: Final[ContextVar[_Sending]] = ContextVar("propq_async.plain_transport.sending")


@attrs.define
class _Answer:
    """Hides a response, since its repr shows its headers, and a server may echo the token there."""

    response: aiohttp.ClientResponse = attrs.field(init=False, repr=False)


class _PlainConnection(ResponseHandler):
    """A connection of aiohttp's pool, as `OpenConnections` describes it.

    It is not used again after data has arrived unasked. Between two requests it has no parser, so
    such data stays unread. aiohttp would take it for the beginning of the next answer.
    """

    is_idle = False
    idle_since = 0.0
    has_unread: Callable[[int], object] = bool
    closed_first = False
    _said_goodbye = False

    def __init__(self, connections: OpenConnections, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.all.add(self)
        self.has_unread = poll_of(transport)

    def eof_received(self) -> None:
        """Note whether the server had the whole request when it said goodbye.

        Its goodbye acknowledges what it had received by then.
        """
        self._said_goodbye = _is_goodbye(self.transport)
        self.closed_first = unacknowledged_bytes(self.transport) > 0
        # With TLS it takes some more turns until the transport is closing.
        self._should_close = True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Unregister, and let no answer end that was cut off.

        aiohttp takes any end of the connection for the end of an answer without a length.
        """
        self._connections.all.discard(self)
        payload = getattr(self, "_payload", None)
        if payload is not None and not self._said_goodbye and not payload.is_eof():
            payload.set_exception(aiohttp.ClientPayloadError("the answer was cut off"))
        super().connection_lost(exc)

    def set_response_params(self, **params: Any) -> None:
        if getattr(self, "_tail", None):
            self.force_close()
        super().set_response_params(**params)

    def rest(self) -> None:
        self.is_idle, self.idle_since = True, self._loop.time()
        self._parser = None


def _is_goodbye(transport: asyncio.Transport | None) -> bool:
    """Return whether the other side itself has ended the connection.

    With TLS that takes a `close_notify`, since anybody can end what TLS runs over.
    """
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLError as error:
        return isinstance(error, ssl.SSLZeroReturnError)


class _Request(aiohttp.ClientRequest):
    """Notes when the request is about to be written: before that the server cannot have seen it."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        sending = _sending.get()
        attempt = sending.attempt
        if attempt.sent:
            # aiohttp would repeat an idempotent request on its own. The retry policy decides that.
            raise aiohttp.ClientConnectionError("Server disconnected")
        connection = conn.protocol
        if _is_closed(connection):
            attempt.stale = True
            raise aiohttp.ServerDisconnectedError
        if isinstance(connection, _PlainConnection):
            connection.is_idle = False
            sending.connection = connection
            sending.since = self.loop.time() if connection.idle_since else None
            conn.add_callback(connection.rest)
        attempt.sent, attempt.stale = True, False
        return await super().send(conn)

    def write_bytes(self, writer: Any, conn: Any, *rest: Any, **named: Any) -> Any:
        """Return what writes head and body: `send` lets it begin some turns of the loop later."""
        _sending.get().is_to_begin = True
        return self._write_bytes(writer, conn, *rest, **named)

    async def _write_bytes(self, writer: Any, conn: Any, *rest: Any, **named: Any) -> None:
        sending = _sending.get()
        connection = sending.connection if sending.since is not None else None
        if connection is not None and (_is_closed(connection) or connection.has_unread(0)):
            connection.set_exception(aiohttp.ServerDisconnectedError())
        else:
            sending.is_to_begin = False
            await super().write_bytes(writer, conn, *rest, **named)


def _is_closed(connection: Any) -> bool:
    """Return whether the connection is closed, or is to be: after data that nobody asked for."""
    transport = connection.transport
    is_to_be = getattr(connection, "should_close", False)
    return transport is None or transport.is_closing() or is_to_be


class PlainTransport:
    """Requests over a `ClientSession`. Making it needs a running loop, and does no I/O."""

    def __init__(self, settings: PoolSettings, url: URL) -> None:
        self._loop = asyncio.get_running_loop()
        self._open = OpenConnections()
        proxy = settings.proxy or (proxy_for(url) if settings.trust_env else None)
        self._has_proxy = proxy is not None
        connector: Any = settings.connector(aiohttp.TCPConnector)
        # An aiohttp that does not know this attribute uses its own connections.
        connector._factory = partial(_PlainConnection, self._open, self._loop)  # noqa: SLF001
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=HEADERS,
            proxy=proxy,
            request_class=_Request,
            trace_configs=list(settings.trace_configs),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        _drop_duplicates(self._session, settings.trace_configs)

    async def close(self) -> None:
        await self._session.close()

    async def send(
        self,
        method: str,
        url: URL,
        token: Token | None,
        body: bytes | Form | None,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        attempt.sent = not _HOOKED
        headers = _headers(token, body)
        answer = _Answer()
        reply: Reply | None = None
        hooks_error: Exception | None = None
        sending = _Sending(attempt)
        previous = _sending.set(sending)
        try:
            if any(one.is_idle and one.has_unread(0) for one in self._open.all):
                await let_the_loop_see()
            async with self._session.request(
                method,
                url,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                headers=headers,
                # In one expression: a form holds the secret.
                data=body.data if isinstance(body, Form) else body,
            ) as answer.response:
                self._check_that_it_passed_a_proxy(answer, attempt)
                # The status is known now, even if the body gets lost.
                reply = _reply(answer, b"", truncated=True)
                return await _read(answer)
        except LOSSES as error:
            hooks_error = raised_by_hook(error)
            if isinstance(error, TimeoutError) and hooks_error is None:
                self._drop_silent(sending, timed_out=True)
                lost = ran_out_of_time(attempt, timeout_seconds)
            else:
                connection = sending.connection
                was_closed_first = connection is not None and connection.closed_first
                if reply is None and (sending.is_to_begin or was_closed_first):
                    attempt.sent, attempt.stale = False, sending.since is not None
                lost = lost_on_the_way(attempt, error)
        except asyncio.CancelledError as error:
            self._drop_silent(sending, timed_out=False)
            raise bare(error) from None
        except BaseException as error:  # noqa: BLE001 - a hook may raise anything
            raise bare(error) from None
        finally:
            _sending.reset(previous)
        if hooks_error is not None:
            # Not where it was caught, since another exception would become its context there.
            raise bare(hooks_error)
        # An error remains one without its body; a success does not.
        return lost if reply is None or reply.is_success else reply

    def _check_that_it_passed_a_proxy(self, answer: _Answer, attempt: Attempt) -> None:
        """Raise what aiohttp raises itself for a tunnel, if the proxy wants a login."""
        refused = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        if self._has_proxy and answer.response.status == refused:
            # The proxy has passed nothing on (RFC 9110 section 15.5.8).
            attempt.sent = False
            raise aiohttp.ClientHttpProxyError(
                answer.response.request_info, (), status=refused, message=refused.phrase
            )

    def _drop_silent(self, sending: _Sending, *, timed_out: bool) -> None:
        if sending.since is not None:
            self._open.drop_silent(sending.since, self._loop.time(), timed_out=timed_out)


def _drop_duplicates(session: Any, given: Sequence[aiohttp.TraceConfig]) -> None:
    """Drop the trace configs of an agent that the caller has given as well: one span is enough."""
    ours = [_hooks(config) for config in given]
    # A mock of a session may have none.
    for config in list(getattr(session, "trace_configs", ())):
        if config not in given and _hooks(config) in ours:
            session.trace_configs.remove(config)


def _hooks(config: aiohttp.TraceConfig) -> list[object]:
    """Return what two configs have in common if the same function made them."""
    return [getattr(hook, "__code__", hook) for hook in config.on_request_start]


def _headers(token: Token | None, body: bytes | Form | None) -> SecretDict:
    kind = "x-www-form-urlencoded" if isinstance(body, Form) else "json"
    headers = SecretDict({"Content-Type": f"application/{kind}"})
    if token is not None:
        headers["Authorization"] = f"Bearer {token.access_token}"
    return headers


def _reply(answer: _Answer, body: bytes, *, truncated: bool) -> Reply:
    return Reply(answer.response.status, answer.response.headers, body, truncated=truncated)


async def _read(answer: _Answer) -> Reply:
    """Read to the end, or until the answer is too long."""
    # Hidden, since the server may echo the token.
    chunks: list[SecretBytes] = []
    room = most_bytes(answer.response.status)
    while room >= 0:
        chunks.append(SecretBytes(await answer.response.content.readany()))
        if not chunks[-1]:
            break
        room -= len(chunks[-1])
    else:
        answer.response.close()
    return _reply(answer, SecretBytes(b"".join(chunks)), truncated=room < 0)
