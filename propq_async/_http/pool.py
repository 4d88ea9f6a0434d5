"""The pool of one event loop, and which transport serves it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from urllib.parse import urlencode

import aiohttp
import attrs
from yarl import URL

from propq_async._wire.messages import Lost, Reply
from propq_async.credentials import Credentials, Token

from .compatibility import fits
from .connections import Connector
from .fast import FastTransport
from .tls import default_context
from .transport import Attempt, Form, PoolSettings

if TYPE_CHECKING:
    from .plain import PlainTransport


class Pool:
    """The connections of one event loop. Making it does no I/O: the first request opens it."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        # `None` before the first request.
        self.transport: FastTransport | PlainTransport | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection, for good."""
        self._is_closed = True
        transport, self.transport = self.transport, None
        if transport is not None:
            await transport.close()

    async def ask_token(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        """Make one token request (RFC 6749 section 4.4.2), with the credentials in the form."""
        return await self.send(
            "POST", URL(url), None, _form(credentials), timeout_seconds, Attempt()
        )

    async def send(
        self,
        method: str,
        url: URL,
        token: Token | None,
        body: bytes | Form | None,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        """Make one request. Once there is a `transport`, the way to it is shorter."""
        settings = self._settings
        is_first = self.transport is None
        if is_first and settings.ssl_context is None and url.scheme == "https":
            settings = attrs.evolve(settings, ssl_context=await default_context())
        # During the wait the pool may have been closed, or opened by another request.
        if self._is_closed:
            return Lost("the session was left", sent=False)
        if self.transport is None:
            # bool(), so that the variable does not hold the URL of the proxy with its password.
            is_plain = (
                bool(settings.proxy)
                or settings.trust_env
                or bool(settings.trace_configs)
                or _is_replaced(aiohttp.ClientSession)
                or not fits()
            )
            if is_plain:
                from .plain import PlainTransport  # noqa: PLC0415 - seldom needed

                self.transport = PlainTransport(settings, url)
            else:
                self.transport = FastTransport(settings.connector(Connector), settings.ssl_context)
        return await self.transport.send(method, url, token, body, timeout_seconds, attempt)


# The methods that the plain transport uses. Mocks and agents replace one of these, or the class.
_METHODS: Final = ("__init__", "request", "_request")


def _is_replaced(session: Any) -> bool:
    """Return whether a mock or an agent has replaced aiohttp's `ClientSession` or its methods.

    A mock answers instead of the network, and an agent records requests: neither would see anything
    of the fast transport. The globals of a function tell where it was written, and
    `functools.wraps` does not change them.
    """
    own = vars(aiohttp.client)
    functions = [vars(session).get(name) for name in _METHODS]
    return not all(type(one) is FunctionType and one.__globals__ is own for one in functions)


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


# What a `TokenManager` makes a token request with: URL, credentials, and the timeout in seconds.
AskToken: TypeAlias = Callable[[str, Credentials, float], Awaitable[Reply | Lost]]


async def ask_token_once(
    url: str, credentials: Credentials, timeout_seconds: float
) -> Reply | Lost:
    """Make one token request over a new connection."""
    async with Pool(PoolSettings(max_connections=1)) as pool:
        return await pool.ask_token(url, credentials, timeout_seconds)
