"""Complete answers before they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from propq_async.testing import _laravel as laravel

__all__ = ["Reply", "default_reply", "html_reply", "json_reply", "redirect", "refuse", "throttled"]

_NO_HEADERS: Final[Mapping[str, str]] = {}
# The framework's default for every answer that states none.
_UNCACHED: Final = {"Cache-Control": "no-cache, private"}


@attrs.define
class Reply:
    """An answer. `headers` has its `Content-Type`."""

    status: int
    headers: dict[str, str]
    body: bytes = attrs.field(repr=False)  # a token may be in it


def json_reply(status: int, value: object, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
    """Return an answer in JSON."""
    content = laravel.dump_json(value)
    return Reply(status, {"Content-Type": laravel.JSON, **_UNCACHED, **headers}, content)


def html_reply(
    body: bytes, content_type: str = laravel.HTML, headers: Mapping[str, str] = _NO_HEADERS
) -> Reply:
    """Return a page with status 200."""
    return Reply(200, {"Content-Type": content_type, **_UNCACHED, **headers}, body)


def refuse(
    status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS, *, as_json: bool
) -> Reply:
    """Return the answer of the framework's exception handler: JSON or a page."""
    content_type, body = laravel.refusal(status, message, as_json=as_json)
    return Reply(status, {"Content-Type": content_type, **_UNCACHED, **headers}, body)


def default_reply(status: int, *, of_token: bool = False) -> Reply:
    """Return what a server usually sends with a status."""
    content_type, body = laravel.default_body(status, of_token=of_token)
    return Reply(status, {"Content-Type": content_type}, body)


def throttled(headers: Mapping[str, str], *, as_json: bool) -> Reply:
    """Return the refusal of the framework's limiter."""
    return refuse(429, "Too Many Attempts.", headers, as_json=as_json)


def redirect(host: str, location: str) -> Reply:
    """Return a redirect. The framework makes its address absolute."""
    if "://" not in location:
        location = f"http://{host}/{location.strip('/')}".rstrip("/")
    return Reply(
        302,
        # Symfony writes the charset in lower case here, and nowhere else.
        {"Content-Type": laravel.HTML.lower(), **_UNCACHED, "Location": location},
        laravel.page("Redirecting", f"Redirecting to {location}"),
    )
