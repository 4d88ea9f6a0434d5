"""TLS as `ssl.create_default_context` sets it up, with sessions that later connections resume.

Neither ssl nor asyncio does so on its own: the client must offer the session of an earlier
connection. This saves sending and verifying the server's certificate again.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import threading
from functools import cache
from time import monotonic
from typing import Any, Final

import aiohttp
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


@attrs.define(eq=False, repr=False)
class _Server:
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


class _SharedContext(ssl.SSLContext):
    """The context of another, for connections of ours. It trusts nobody by itself.

    So the connections that others make with their context do not resume any sessions.
    """

    shared: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as ssl.SSLContext has it
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> _ResumingConnection:
        make: Any = _ResumingConnection._create  # type: ignore[attr-defined] # noqa: SLF001 - as ssl
        connection: _ResumingConnection = make(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            session=session,
            context=self.shared,
        )
        return connection


_AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# As they were when aiohttp was imported, or soon after that.
_authorities_of_aiohttp: Final = [*map(os.environ.get, _AUTHORITIES)]


def _context_of_aiohttp() -> ssl.SSLContext | None:
    """Return the context that aiohttp has made for itself, `None` if it is not what we would make.

    It is not public, and reading the authorities once more takes as long as importing this package.
    """
    context = getattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", None)
    is_as_ours = (
        type(context) is ssl.SSLContext
        and ssl.SSLContext.__module__ == "ssl"  # truststore puts its own there
        and context.verify_mode is ssl.CERT_REQUIRED
        and context.check_hostname
        and [*map(os.environ.get, _AUTHORITIES)] == _authorities_of_aiohttp
    )
    return context if is_as_ours else None


async def default_context() -> ssl.SSLContext:
    """Return the context for clients that were given none. The whole process shares it.

    Reading the certificates of all authorities takes a tenth of a second, so a thread does it.
    """
    if _make.cache_info().currsize or _context_of_aiohttp() is not None:
        return _make()
    return await asyncio.to_thread(_default_context)


_making: Final = threading.Lock()


def _default_context() -> ssl.SSLContext:
    with _making:
        return _make()


@cache
def _make() -> ssl.SSLContext:
    shared = _context_of_aiohttp()
    if shared is not None:
        ours = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
        ours.shared = shared
        return ours
    context = resuming(ssl.create_default_context())
    context.set_alpn_protocols(("http/1.1",))  # as aiohttp does
    return context
