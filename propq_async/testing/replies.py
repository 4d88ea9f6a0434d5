"""Whole answers, before they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from . import stock

__all__ = ["Reply", "json_reply", "redirect", "refuse", "throttled"]

_NO_HEADERS: Final[Mapping[str, str]] = {}


@attrs.define
class Reply:
    """An answer. `headers` has its `Content-Type`."""

    status: int
    headers: dict[str, str]
    body: bytes


def json_reply(status: int, value: object, headers: Mapping[str, str] = _NO_HEADERS) -> Reply:
    """Return an answer in JSON."""
    return Reply(status, {"Content-Type": stock.JSON, **headers}, stock.dump_json(value))


def refuse(
    accept: str, status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Reply:
    """Return what the framework says to an error: JSON or a page, as `accept` prefers."""
    content_type, body = stock.refusal(status, message, as_json=stock.wants_json(accept))
    return Reply(status, {"Content-Type": content_type, **headers}, body)


def throttled(accept: str, headers: Mapping[str, str]) -> Reply:
    """Return what the framework's limiter says."""
    return refuse(accept, 429, "Too Many Attempts.", headers)


def redirect(location: str) -> Reply:
    """Return a redirect."""
    return Reply(
        302,
        {"Content-Type": stock.HTML, "Location": location},
        stock.page("Redirecting", f"Redirecting to {location}"),
    )
