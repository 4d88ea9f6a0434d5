"""One request, one reply: the only module of the client that knows aiohttp.

Whatever aiohttp raises ends here, as a `Lost`: its exceptions hold the request's headers, and with
them the token (aio-libs/aiohttp#8402).
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final, Protocol, Self
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import aiohttp
import attrs
from yarl import URL

from ._version import __version__
from .models import Credentials, Token
from .wire import Lost, Reply

__all__ = ["AskToken", "Attempt", "Connections", "Pool", "ask_token_once"]

MAX_BODY_BYTES: Final = 16 * 1024 * 1024

USER_AGENT: Final = (
    f"propq-async/{__version__} aiohttp/{aiohttp.__version__} "
    f"Python/{sys.version_info.major}.{sys.version_info.minor}"
)
# Without this very Accept the server redirects to web pages instead of answering with a status.
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": USER_AGENT,
}


@attrs.frozen(kw_only=True)
class Connections:
    """The settings of a connection pool. A proxy's URL may hold a password, so it does not show."""

    max_connections: int = 100
    ssl_context: ssl.SSLContext | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    trust_env: bool = False
    trace_configs: Sequence[aiohttp.TraceConfig] = ()


# Where this hook is missing, every request counts as sent: wrong only on the safe side.
_HOOKED: Final = hasattr(aiohttp.ClientRequest, "send")


@attrs.define
class Attempt:
    """What is known of a request while it is under way, and after it was cancelled.

    `sent`: the server may have got it. `stale`: it was meant for a connection that was closed.
    """

    sent: bool = not _HOOKED
    stale: bool = False


_attempt: Final[ContextVar[Attempt]] = ContextVar("propq_async.transport.attempt")


@attrs.frozen
class _Content:
    """What a request carries: the token, or the secret. So that no frame shows it."""

    headers: dict[str, str] = attrs.field(repr=False)
    data: bytes | None = attrs.field(repr=False)


@attrs.define
class _Body:
    """What has been read of an answer, which may be a token. So that no frame shows it."""

    chunks: list[bytes] = attrs.field(factory=list, repr=False)
    size: int = 0

    def add(self, chunk: bytes) -> bool:
        """Keep a chunk; return whether there was one."""
        self.chunks.append(chunk)
        self.size += len(chunk)
        return bool(chunk)

    @property
    def is_too_long(self) -> bool:
        return self.size > MAX_BODY_BYTES


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


class Pool:
    """The connections of one event loop. Made without I/O; opened by the first request."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection, for good."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        token: Token,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        """Make one authenticated request. The token goes from here to aiohttp, and nowhere else."""
        return await self._send(
            method,
            url,
            timeout_seconds,
            attempt,
            _Content({"Authorization": f"Bearer {token.access_token}"}, body),
        )

    async def ask_token(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        """Make one token request (RFC 6749 section 4.4.2), credentials in the form."""
        return await self._send(
            "POST",
            URL(url),
            timeout_seconds,
            Attempt(),
            _Content(
                {"Content-Type": "application/x-www-form-urlencoded"},
                urlencode(
                    {
                        "grant_type": "client_credentials",
                        "client_id": credentials.client_id,
                        "client_secret": credentials.client_secret,
                    }
                ).encode(),
            ),
        )

    async def _send(
        self,
        method: str,
        url: URL,
        timeout_seconds: float,
        attempt: Attempt,
        content: _Content,
    ) -> Reply | Lost:
        if self._is_closed:
            return Lost("the session was left", sent=False)
        reply: Reply | None = None
        previous = _attempt.set(attempt)
        try:
            async with self._opened(url).request(
                method,
                url,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                headers=content.headers,
                data=content.data,
            ) as response:
                # From here on the status is known, whatever becomes of the body.
                reply = Reply(response.status, response.headers, b"", truncated=True)
                return await _read(response)
        except TimeoutError:
            what = "answer" if attempt.sent else "connection"
            lost = Lost(f"no {what} within {timeout_seconds:g} s", attempt.sent, timed_out=True)
        except (aiohttp.ClientError, OSError) as error:
            what = "the connection was lost" if attempt.sent else "there is no connection"
            lost = Lost(f"{what}: {_words(error)}", attempt.sent, stale=attempt.stale)
        finally:
            _attempt.reset(previous)
        # An error remains one without its body; a success does not.
        return lost if reply is None or reply.is_success else reply

    def _opened(self, url: URL) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._connections
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=settings.max_connections,
                    ssl=True if settings.ssl_context is None else settings.ssl_context,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                proxy=settings.proxy or (_proxy_for(url) if settings.trust_env else None),
                request_class=_Request,
                trace_configs=list(settings.trace_configs),
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> Reply:
    body = _Body()
    while body.add(await response.content.readany()):
        if body.is_too_long:
            response.close()
            break
    return Reply(
        response.status, response.headers, b"".join(body.chunks), truncated=body.is_too_long
    )


def _proxy_for(url: URL) -> str | None:
    """Return the proxy that the environment names for this host.

    aiohttp's own `trust_env` takes passwords from `~/.netrc`, too: beside a bearer token it refuses
    them with an exception, and without one it sends them.
    """
    if url.host is None or proxy_bypass(url.host):
        return None
    return getproxies().get(url.scheme)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}"
    # The str() of this one shows the URL with its query, its repr() the headers with the token, and
    # its message what the server sent.
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP"
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        # It holds the headers that had arrived, and a server may echo the token in one.
        return "the server disconnected in the middle of its answer"
    return " ".join(str(error).split()) or type(error).__name__


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
