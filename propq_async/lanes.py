"""What the two lanes to the server have in common: what goes in, and how a loss is put in words.

Whatever aiohttp raises ends in a lane, as a `Lost`: its exceptions hold the request's headers, and
with them the token (aio-libs/aiohttp#8402).
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from typing import Final, Protocol

import aiohttp
import attrs
from yarl import URL

from ._version import __version__
from .models import Token
from .wire import Lost, Reply

__all__ = [
    "HEADERS",
    "LOSSES",
    "MAX_BODY_BYTES",
    "USER_AGENT",
    "Attempt",
    "Body",
    "Connections",
    "Form",
    "Lane",
    "lost_on_the_way",
    "ran_out_of_time",
]

MAX_BODY_BYTES: Final = 16 * 1024 * 1024

USER_AGENT: Final = (
    f"propq-async/{__version__} aiohttp/{aiohttp.__version__} "
    f"Python/{sys.version_info.major}.{sys.version_info.minor}"
)
# Without this very Accept the server redirects to web pages instead of answering with a status.
HEADERS: Final = {
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

    def connector(self) -> aiohttp.TCPConnector:
        """Return a new connector. Needs a running event loop, and does no I/O."""
        return aiohttp.TCPConnector(
            limit=self.max_connections,
            ssl=True if self.ssl_context is None else self.ssl_context,
        )


class Attempt:
    """What is known of a request while it is under way, and after it was cancelled.

    `sent`: the server may have got it. `stale`: it was meant for a connection that was closed.
    """

    # Here and not in a constructor, which would cost more than all that a call changes of them.
    sent = False
    stale = False


@attrs.frozen
class Form:
    """The body of a token request: it holds the secret, so it does not show."""

    data: bytes = attrs.field(repr=False)


@attrs.define
class Body:
    """What has been read of an answer, which may be a token. So that no frame shows it."""

    chunks: list[bytes] = attrs.field(factory=list, repr=False)
    size: int = 0

    @property
    def is_too_long(self) -> bool:
        """Return whether it is longer than we are willing to read."""
        return self.size > MAX_BODY_BYTES

    async def read(self, stream: aiohttp.StreamReader) -> None:
        """Read to the end, or until it is too long."""
        while not self.is_too_long:
            self.chunks.append(await stream.readany())
            if not self.chunks[-1]:
                break
            self.size += len(self.chunks[-1])

    def __bytes__(self) -> bytes:
        return b"".join(self.chunks)


class Lane(Protocol):
    """A way to make requests, within one event loop."""

    async def send(
        self,
        method: str,
        url: URL,
        token: Token | None,
        body: bytes | Form | None,
        timeout_seconds: float,
        attempt: Attempt,
    ) -> Reply | Lost:
        """Make one request. The token goes from here to aiohttp, and nowhere else."""
        ...

    async def close(self) -> None:
        """Close every connection, for good."""
        ...


# What can become of a request, but for a timeout.
LOSSES: Final = (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)


def ran_out_of_time(attempt: Attempt, timeout_seconds: float) -> Lost:
    """Return the loss of a request that took too long."""
    what = "answer" if attempt.sent else "connection"
    return Lost(f"no {what} within {timeout_seconds:g} s", attempt.sent, timed_out=True)


def lost_on_the_way(attempt: Attempt, error: Exception) -> Lost:
    """Return the loss of a request that one of the `LOSSES` has ended."""
    what = "the connection was lost" if attempt.sent else "there is no connection"
    return Lost(f"{what}: {_words(error)}", attempt.sent, stale=attempt.stale)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status} {error.message}"
    # The str() of these shows the URL with its query, their repr() the headers with the token, and
    # their message what the server sent.
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http.HttpProcessingError):
        return "the answer is not HTTP"
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        # It holds the headers that had arrived, and a server may echo the token in one.
        return "the server disconnected in the middle of its answer"
    return " ".join(str(error).split()) or type(error).__name__
