"""The heads of requests, as the fast transport writes them. The bodies are made in `_wire`."""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

from propq_async.credentials import Token

from .transport import HEADERS, Form

# RFC 9110 section 5.6.2.
_METHOD: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_USUAL_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

# No body is expected of these, so an empty one is not announced (RFC 9110 section 8.6).
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Bodies have about the same length, so a head serves many.
MOST_HEADS: Final = 64

_JSON: Final = "Content-Type: application/json\r\n"
_FORM: Final = b"Content-Type: application/x-www-form-urlencoded\r\n"


class Head:
    """The head of requests to one URL. Its parts are made once, and not for each request.

    `prefix` is the head of the last request, with its `method` and `token`, up to the headers that
    depend on its body; `heads` has all of the head by the length of a body in JSON. They hold the
    token, so this class has no repr of its own.
    """

    def __init__(self, url: URL) -> None:
        lines = [
            f" {url.raw_path_qs} HTTP/1.1",
            f"Host: {url.host_port_subcomponent}",
            *(f"{name}: {value}" for name, value in HEADERS.items()),
            "",
        ]
        self._after_method = "\r\n".join(lines).encode()
        self.method = ""
        self.token: Token | None = None
        self.prefix = b""
        self.heads: dict[int, bytes] = {}

    def prepare(self, method: str, token: Token | None) -> None:
        """Make the prefix for this method and token. Raises `ValueError` if they cannot be sent."""
        if method not in _USUAL_METHODS and not _METHOD.fullmatch(method):
            raise ValueError(f"{method!r} is not an HTTP method")
        if token is not None and not token.access_token.isprintable():
            raise ValueError("the access token has characters that no header may have")
        self.method, self.token = method, token
        self.heads.clear()
        self.prefix = b"%b%b%b" % (
            method.encode(),
            self._after_method,
            b""
            if token is None
            else f"{_JSON}Authorization: Bearer {token.access_token}\r\n".encode(),
        )

    def head(self, length: int) -> bytes:
        """Return all of the head for a body of so many bytes, and keep it."""
        if len(self.heads) >= MOST_HEADS:
            self.heads.clear()
        # No variable holds it, since a traceback would show its token.
        self.heads[length] = b"%bContent-Length: %d\r\n\r\n" % (self.prefix, length)
        return self.heads[length]

    def request(self, body: Form | None) -> bytes:
        """Return a request that has a form as its body, or no body."""
        if body is None:
            length = b"" if self.method in _WITHOUT_BODY else b"Content-Length: 0\r\n"
            return b"%b%b\r\n" % (self.prefix, length)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (
            self.prefix,
            _FORM,
            len(body.data),
            body.data,
        )
