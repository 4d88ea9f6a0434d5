"""One request, one reply. This and the lanes are the only part of the client that knows aiohttp."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, Self
from urllib.parse import urlencode

import attrs
from yarl import URL

from .fast_lane import FastLane, fits
from .lanes import Attempt, Connections, Form, Lane
from .models import Credentials, Token
from .plain_lane import PlainLane
from .tls import default_context
from .wire import Lost, Reply

__all__ = ["AskToken", "Pool", "ask_token_once"]


class Pool:
    """The connections of one event loop. Made without I/O; opened by the first request."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._lane: Lane | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection, for good."""
        self._is_closed = True
        lane, self._lane = self._lane, None
        if lane is not None:
            await lane.close()

    def call(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        token: Token,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Coroutine[Any, Any, Reply | Lost]:
        """Make one authenticated request."""
        lane = self._lane
        return (
            self._send_first(method, url, token, body, timeout_seconds, attempt)
            if lane is None
            else lane.send(method, url, token, body, timeout_seconds, attempt)
        )

    async def ask_token(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        """Make one token request (RFC 6749 section 4.4.2), credentials in the form."""
        send = self._send_first if self._lane is None else self._lane.send
        return await send("POST", URL(url), None, _form(credentials), timeout_seconds, Attempt())

    async def _send_first(
        self,
        method: str,
        url: URL,
        token: Token | None,
        body: bytes | Form | None,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        settings = self._connections
        if settings.ssl_context is None and url.scheme == "https":
            settings = attrs.evolve(settings, ssl_context=await default_context())
        # Meanwhile the pool may have been closed, or opened by another one.
        if self._is_closed:
            return Lost("the session was left", sent=False)
        if self._lane is None:
            is_plain = settings.proxy or settings.trust_env or settings.trace_configs or not fits()
            self._lane = PlainLane(settings, url) if is_plain else FastLane(settings.connector())
        return await self._lane.send(method, url, token, body, timeout_seconds, attempt)


def _form(credentials: Credentials) -> Form:
    # In one expression, so that no variable holds the secret.
    return Form(
        urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
            }
        ).encode()
    )


class AskToken(Protocol):
    """How a `TokenManager` makes one token request."""

    async def __call__(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        """Return what came back."""
        ...


async def ask_token_once(
    url: str, credentials: Credentials, timeout_seconds: float
) -> Reply | Lost:
    """Make one token request over a connection of its own."""
    async with Pool(Connections(max_connections=1)) as pool:
        return await pool.ask_token(url, credentials, timeout_seconds)
