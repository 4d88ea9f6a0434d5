"""A call, its reply, or its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import attrs

from propq_async.errors import APIError

_E = TypeVar("_E", bound=APIError)

# The longest body of an error that is parsed. To parse much more would block the event loop.
MAX_ERROR_BYTES: Final = 256 * 1024
FIRST_SUCCESS, FIRST_REDIRECT, FIRST_CLIENT_ERROR, FIRST_SERVER_ERROR = 200, 300, 400, 500


@attrs.frozen
class Call:
    """The call that an error is about: its method, and its URL without the query."""

    method: str
    url: str

    def error(self, kind: type[_E], message: str, **fields: Any) -> _E:
        return kind(message, method=self.method, url=self.url, **fields)


# Not frozen, since each call may make one, and that would take five times as long.
@attrs.define
class RateLimit:
    """How many calls the server takes in a window, and how many it will still take in this one.

    What it does not say, or not as a number, is `None`.
    """

    limit: int | None
    remaining: int | None


# Not frozen, for the same reason.
@attrs.define
class Reply:
    """An answer. Its body and its headers may hold a token, so the repr omits them.

    `truncated` says that the body is incomplete: it was too long, or the connection was lost.
    `may_state_limit` is `False` if the headers are known to say nothing of a rate limit, and
    `stated` is what they say, if that is known.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    truncated: bool = False
    may_state_limit: bool = attrs.field(default=True, repr=False, eq=False)
    stated: RateLimit | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def is_success(self) -> bool:
        """Return whether the status is a 2xx."""
        return FIRST_SUCCESS <= self.status < FIRST_REDIRECT


@attrs.frozen
class Lost:
    """A request without a usable answer, and the reason.

    `sent`: the server may have received the request. `stale`: an idle connection turned out to be
    closed before the request was sent, so a new one may work. `final`: the server is alive and did
    answer, but this request would get the same unusable answer again. `worth_attempts`: how many
    attempts to connect make sense, for this request and all others, `None` for as many as the
    policy allows. `advice`: what to do about it, where that is known.
    """

    reason: str
    sent: bool
    timed_out: bool = False
    stale: bool = False
    final: bool = False
    worth_attempts: int | None = None
    advice: str = ""
