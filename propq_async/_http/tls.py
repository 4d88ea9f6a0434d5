"""TLS as `ssl.create_default_context` sets it up, with sessions that later connections resume.

Neither ssl nor asyncio does so on its own: the client must offer the session of an earlier
connection. This saves sending and verifying the server's certificate again.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import threading
from functools import cache
from time import monotonic
from typing import Final

import attrs

# Each resumed session brings another, so one verification could last without end. After this long
# the certificate is verified again (RFC 8446 section 4.6.1).
TRUST_SECONDS: Final = 3600.0


class _ResumingConnection(ssl.SSLObject):
    """Offers the server the last session that it issued.

    `verified_at` is when the server's certificate was verified, here or on an earlier connection.
    """

    has_begun = False
    verified_at = -math.inf

    def do_handshake(self) -> None:
        # This is called several times, until the handshake is complete.
        server = _servers.known.setdefault((self.context, self.server_hostname), _Server())
        if not self.has_begun:
            self.has_begun = True
            session = server.last_session()
            if session is not None:
                self.session, self.verified_at = session, server.verified_at
        super().do_handshake()
        if not self.session_reused:
            self.verified_at = monotonic()
        server.newest = self


@attrs.define
class _Server:
    """The newest connection to a server, and its last session."""

    newest: _ResumingConnection | None = None
    session: ssl.SSLSession | None = None
    verified_at: float = -math.inf

    def last_session(self) -> ssl.SSLSession | None:
        """Return the session to offer next, `None` if the certificate must be verified again."""
        # In TLS 1.3 the server issues sessions at any time after the handshake. So the connection
        # is retained, even when it is closed, and asked for its session as late as possible.
        if self.newest is not None:
            session = self.newest.session
            if session is not None and session.id:
                self.session, self.verified_at = session, self.newest.verified_at
        return self.session if monotonic() - self.verified_at < TRUST_SECONDS else None


class _Servers(threading.local):
    """Servers by context and host, in each thread: connections do not belong to several threads."""

    def __init__(self) -> None:
        self.known: dict[tuple[ssl.SSLContext, str | None], _Server] = {}


_servers: Final = _Servers()


def resuming(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let the connections of a context resume sessions, and return the context."""
    context.sslobject_class = _ResumingConnection
    return context


async def default_context() -> ssl.SSLContext:
    """Return the context for clients that were given none. The whole process shares it.

    Reading the certificates of all authorities takes a tenth of a second, so a thread does it.
    """
    if _make.cache_info().currsize:
        return _make()
    return await asyncio.to_thread(_default_context)


_making: Final = threading.Lock()


def _default_context() -> ssl.SSLContext:
    with _making:
        return _make()


@cache
def _make() -> ssl.SSLContext:
    context = resuming(ssl.create_default_context())
    context.set_alpn_protocols(("http/1.1",))  # as aiohttp does
    return context
