"""TLS as `ssl.create_default_context` sets it up, but for connections that resume sessions.

Neither ssl nor asyncio does that by itself: a client must offer the session of an earlier
connection. What that saves is the server's certificate, which is not sent and verified again.
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

__all__ = ["default_context", "resuming"]

# Each session that is resumed brings another. So that a certificate is not trusted for ever on the
# strength of one look (RFC 8446 section 4.6.1), it is asked for again after so long.
TRUST_SECONDS: Final = 3600.0


class _Connection(ssl.SSLObject):
    """Offers the server the session that it gave last, and is in turn asked for the next one.

    `verified_at`: when the server's certificate was, on this connection or on an earlier one.
    """

    has_begun = False
    verified_at = -math.inf

    def do_handshake(self) -> None:
        # It is called again and again, until all has been said.
        here = _servers.known.setdefault((self.context, self.server_hostname), _Server())
        if not self.has_begun:
            self.has_begun = True
            session = here.last_session()
            if session is not None:
                self.session, self.verified_at = session, here.verified_at
        super().do_handshake()
        if not self.session_reused:
            self.verified_at = monotonic()
        here.newest = self


@attrs.define
class _Server:
    """What is known of a server: the newest connection to it, and the last session."""

    newest: _Connection | None = None
    session: ssl.SSLSession | None = None
    verified_at: float = -math.inf

    def last_session(self) -> ssl.SSLSession | None:
        """Return the session to offer next, unless its certificate is to be looked at again."""
        # In TLS 1.3 sessions come when the server likes, after the handshake. That is why a
        # connection is asked for them as late as this, and is kept, closed or not.
        if self.newest is not None:
            session = self.newest.session
            if session is not None and session.id:
                self.session, self.verified_at = session, self.newest.verified_at
        return self.session if monotonic() - self.verified_at < TRUST_SECONDS else None


class _Servers(threading.local):
    """By context and host. For each thread, since a connection must not be asked by another one."""

    def __init__(self) -> None:
        self.known: dict[tuple[ssl.SSLContext, str | None], _Server] = {}


_servers: Final = _Servers()


def resuming(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let connections of a client's context resume sessions. Returns the context."""
    context.sslobject_class = _Connection
    return context


async def default_context() -> ssl.SSLContext:
    """Return the context for who has none: one for the process.

    It takes a tenth of a second to read the certificates of all authorities: hence in a thread.
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
