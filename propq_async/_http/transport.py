"""What both transports have in common: settings, headers, limits, bodies.

No exception, log record or result of a transport shows the token.
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Sequence
from typing import Final

import aiohttp
import attrs

from propq_async._version import __version__
from propq_async._wire.messages import FIRST_REDIRECT, FIRST_SUCCESS, MAX_ERROR_BYTES

from .wakeup import Wakeup

MAX_BODY_BYTES: Final = 16 * 1024 * 1024

# The limit of one line of an answer's head. aiohttp's own is 8,190.
MAX_HEADER_BYTES: Final = 65_536

USER_AGENT: Final = (
    f"propq-async/{__version__} aiohttp/{aiohttp.__version__} "
    f"Python/{sys.version_info.major}.{sys.version_info.minor}"
)

# With any other Accept, the server redirects to web pages instead of answering with a status.
HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": USER_AGENT,
}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class PoolSettings:
    """The settings of a pool. The URL of a proxy may hold a password, so the repr omits it."""

    max_connections: int = 100
    ssl_context: ssl.SSLContext | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    trust_env: bool = False
    trace_configs: Sequence[aiohttp.TraceConfig] = ()

    def connector(self, kind: type[aiohttp.TCPConnector], /) -> aiohttp.TCPConnector:
        """Return a new connector. Needs a running event loop, and does no I/O."""
        return kind(
            limit=self.max_connections,
            ssl=True if self.ssl_context is None else self.ssl_context,
        )


class Attempt:
    """What is known of a request while it is under way, and after it was cancelled.

    `sent`: the server may have received it. `stale`: its connection turned out to be closed before
    it was sent. `wakeup`: what has the task run that waits for the answer, where that is known.
    """

    # Class attributes, since a constructor would cost each call more than it saves.
    sent = False
    stale = False
    wakeup: Wakeup | None = None


@attrs.frozen(eq=False, repr=False)
class Form:
    """The body of a token request. It holds the secret, so the repr omits it."""

    data: bytes = attrs.field(repr=False)


def most_bytes(status: int) -> int:
    return MAX_BODY_BYTES if FIRST_SUCCESS <= status < FIRST_REDIRECT else MAX_ERROR_BYTES
