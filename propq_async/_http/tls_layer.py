"""TLS over a plain connection: OpenSSL's, without the layer that asyncio puts around it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any

from propq_async._messages import tr


class RenegotiationError(ssl.SSLError):
    """The server wants to negotiate anew in the middle of a connection."""

    def __init__(self) -> None:
        super().__init__(tr("the server wants to renegotiate TLS, which is refused"))


class TlsLayer:
    """One side of a TLS connection.

    `is_open`: the handshake is complete. `has_ended`: the other side has said that nothing more
    will come (`close_notify`). Without that, anybody can end what TLS runs over.
    """

    is_open = False
    has_ended = False

    def __init__(
        self, context: ssl.SSLContext, server_name: str, transport: asyncio.Transport
    ) -> None:
        self._transport = transport
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=False, server_hostname=server_name
        )

    def shake_hands(self, received: bytes | memoryview = b"") -> None:
        """Do what can be done of the handshake by now.

        Raises:
            ssl.SSLError: it failed.
        """
        self._incoming.write(received)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            self.is_open = True
        finally:
            # After an error it is the alert that tells the other side.
            self._flush()

    def decrypt(self, received: bytes | memoryview, into: memoryview) -> int:
        """Decrypt what has been received so far.

        Returns:
            How many bytes there are in `into`: none, if no record is complete. It must have room
            for more than `received` has, by the length of a record.

        Raises:
            ssl.SSLError: the other side has broken the protocol, or has said that it failed.
        """
        incoming = self._incoming
        # It returns a number if it is given a buffer.
        read: Any = self._object.read
        incoming.write(received)
        size = 0
        try:  # not `suppress`, which would take longer
            # When OpenSSL has got everything, another call would only raise that it wants more,
            # which takes as long as all else here.
            while incoming.pending:
                more = read(len(into) - size, into[size:] if size else into)
                if not more:
                    self.has_ended = True
                    break
                size += more
        except ssl.SSLWantReadError:
            pass
        if self._outgoing.pending:
            if self._object.version() != "TLSv1.3":
                # What nobody has written begins another handshake.
                raise RenegotiationError
            self._flush()
        return size

    def write(self, data: memoryview) -> None:
        """Send these bytes.

        Raises:
            ssl.SSLError: nothing more can be sent.
        """
        sent = self._object.write(data)
        while sent < len(data):
            sent += self._object.write(data[sent:])
        self._transport.write(self._outgoing.read())

    def say_goodbye(self) -> None:
        """Tell the other side that nothing more will come.

        It need not be waited for until it says the same (RFC 8446 section 6.1).
        """
        # It wants the goodbye of the other side; or there was no handshake.
        with suppress(ssl.SSLError):
            self._object.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())
