"""The plain lane: aiohttp's `ClientSession`, for proxies, traces and any aiohttp there may be."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs
from yarl import URL

from .hidden import HiddenDict
from .lanes import (
    HEADERS,
    LOSSES,
    Attempt,
    Body,
    Connections,
    Form,
    lost_on_the_way,
    ran_out_of_time,
)
from .models import Token
from .wire import Lost, Reply

__all__ = ["PlainLane"]

# Where this hook is missing, every request counts as sent: wrong only on the safe side.
_HOOKED: Final = hasattr(aiohttp.ClientRequest, "send")

_attempt: Final[ContextVar[Attempt]] = ContextVar("propq_async.plain_lane.attempt")


@attrs.frozen
class _Content:
    """What a request carries: the token, or the secret. So that no frame shows it."""

    headers: dict[str, str] = attrs.field(repr=False)
    data: bytes | None = attrs.field(repr=False)


@attrs.define
class _Answer:
    """A response, whose repr() shows its headers. A server may echo the token in them."""

    response: aiohttp.ClientResponse = attrs.field(init=False, repr=False)


class _Request(aiohttp.ClientRequest):
    """Notes that the request is about to be written: until then the server cannot have seen it."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        attempt = _attempt.get()
        if attempt.sent:
            # aiohttp repeats idempotent requests on its own; whether to is the policy's to say.
            raise aiohttp.ClientConnectionError("Server disconnected")
        if conn.transport is None or conn.transport.is_closing():
            attempt.stale = True
        else:
            attempt.sent, attempt.stale = True, False
        return await super().send(conn)


class PlainLane:
    """A `Lane` over a `ClientSession`. Making it needs a running event loop, and does no I/O."""

    def __init__(self, connections: Connections, url: URL) -> None:
        proxy = connections.proxy or (_proxy_for(url) if connections.trust_env else None)
        self._session = aiohttp.ClientSession(
            connector=connections.connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=HEADERS,
            proxy=proxy,
            request_class=_Request,
            trace_configs=list(connections.trace_configs),
        )

    async def close(self) -> None:
        """Close every connection, for good."""
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
        """Make one request."""
        attempt.sent = not _HOOKED
        content = _content(token, body)
        answer = _Answer()
        reply: Reply | None = None
        previous = _attempt.set(attempt)
        try:
            async with self._session.request(
                method,
                url,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                headers=content.headers,
                data=content.data,
            ) as answer.response:
                # From here on the status is known, whatever becomes of the body.
                reply = _reply(answer, Body(), truncated=True)
                return await _read(answer)
        except TimeoutError:
            lost = ran_out_of_time(attempt, timeout_seconds)
        except LOSSES as error:
            lost = lost_on_the_way(attempt, error)
        finally:
            _attempt.reset(previous)
        # An error remains one without its body; a success does not.
        return lost if reply is None or reply.is_success else reply


def _content(token: Token | None, body: bytes | Form | None) -> _Content:
    headers = HiddenDict({"Content-Type": "application/json"})
    if token is not None:
        headers["Authorization"] = f"Bearer {token.access_token}"
    if isinstance(body, Form):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return _Content(headers, body.data)
    return _Content(headers, body)


def _reply(answer: _Answer, body: Body, *, truncated: bool) -> Reply:
    return Reply(answer.response.status, answer.response.headers, bytes(body), truncated=truncated)


async def _read(answer: _Answer) -> Reply:
    body = Body()
    await body.read(answer.response.content)
    if body.is_too_long:
        answer.response.close()
    return _reply(answer, body, truncated=body.is_too_long)


def _proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names for this host.

    aiohttp's own `trust_env` takes passwords from `~/.netrc`, too: beside a bearer token it refuses
    them with an exception, and without one it sends them.
    """
    if url.host is None or proxy_bypass(url.host):
        return None
    return getproxies().get(url.scheme)
