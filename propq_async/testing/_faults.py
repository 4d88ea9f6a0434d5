"""Faults: what happens to the next requests instead of an answer of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import attrs

from propq_async.testing import _laravel as laravel

from ._oauth import ErrorStyle, default_refusal
from ._replies import Reply, default_reply
from ._validators import (
    check_bool,
    check_count,
    check_match,
    check_path,
    check_retry_after,
    check_status,
)
from ._values import RecordedRequest

__all__ = ["Fault", "Faults", "Match"]

Match = Mapping[str, Any] | Callable[[RecordedRequest], bool]
"""Fields that the JSON body must have with these values, or a function of the request."""


@attrs.define
class Fault:
    """What happens to some requests. Without a reply, their connection is closed."""

    reply: Reply | None
    left: int
    path: str | None
    match: Match | None
    after_applying: bool = False

    def concerns(self, request: RecordedRequest) -> bool:
        """Return whether the fault is meant for this request."""
        if self.path is None:
            if request.path == laravel.TOKEN_PATH:
                return False
        elif self.path != request.path:
            return False
        if self.match is None:
            return True
        if callable(self.match):
            return bool(self.match(request))
        body = request.body
        return isinstance(body, dict) and all(
            name in body and body[name] == value for name, value in self.match.items()
        )


def _reply(status: int, body: Any, token_style: ErrorStyle | None) -> Reply:
    if body is None:
        refusal = token_style and default_refusal(status, token_style)
        return refusal or default_reply(status, of_token=token_style is not None)
    if isinstance(body, str):
        return Reply(status, {"Content-Type": laravel.HTML}, body.encode())
    content = body if isinstance(body, bytes) else laravel.dump_json(body)
    return Reply(status, {"Content-Type": laravel.JSON}, content)


@attrs.define
class Faults:
    """The faults that are pending, in the order in which they were added."""

    _faults: list[Fault] = attrs.field(factory=list, init=False)

    def __len__(self) -> int:
        return sum(fault.left for fault in self._faults)

    def clear(self) -> None:
        """Remove all of them."""
        self._faults.clear()

    def take(self, request: RecordedRequest) -> Fault | None:
        """Return the first fault that concerns the request, and use it up by one."""
        for fault in self._faults:
            if fault.concerns(request):
                fault.left -= 1
                if not fault.left:
                    self._faults.remove(fault)
                return fault
        return None

    def fail(
        self,
        status: int,
        times: int,
        retry_after: float | str | None,
        body: Any,
        path: str | None,
        match: Match | None,
        *,
        style: ErrorStyle,
        limit: int,
    ) -> None:
        """Add an answer. `style` is that of token errors, `limit` what the throttle allows."""
        check_status(status)
        check_count("times", times)
        check_retry_after(retry_after)
        check_path(path)
        check_match(match)
        reply = _reply(status, body, style if path == laravel.TOKEN_PATH else None)
        if retry_after is not None:
            reply.headers["Retry-After"] = str(retry_after)
        if 300 <= status < 400:  # noqa: PLR2004 - a redirect
            reply.headers["Location"] = "/login"
        elif status == HTTPStatus.METHOD_NOT_ALLOWED:
            reply.headers["Allow"] = "POST"
        elif status == HTTPStatus.TOO_MANY_REQUESTS:
            reply.headers |= {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0"}
        self._faults.append(Fault(reply, times, path, match))

    def drop(
        self, times: int, path: str | None, match: Match | None, *, after_applying: bool
    ) -> None:
        """Add a dropped connection."""
        check_count("times", times)
        check_path(path)
        check_match(match)
        check_bool("after_applying", after_applying)
        self._faults.append(Fault(None, times, path, match, after_applying))
