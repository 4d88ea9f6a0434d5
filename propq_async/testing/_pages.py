"""The page of the emulator and the description of the API."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from ._replies import Reply, json_reply

__all__ = ["GUARD_HEADERS", "description", "page"]

GUARD_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers that keep pages of other origins from reading an answer."""


@cache
def page() -> Reply:
    """Return the page. It runs no script but its own, and no other page can frame it."""
    content = _file("page.html")
    hashes = {}
    for element in (b"script", b"style"):
        (inline,) = re.findall(rb"<%s>(.*?)</%s>" % (element, element), content, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline).digest()).decode()
        hashes[element.decode()] = f"'sha256-{digest}'"
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
    return Reply(200, headers | GUARD_HEADERS, content)


def description(url: str) -> Reply:
    """Return the description of the API, with the address of the emulator as its server.

    A tool that is given the description must not call the vendor's server.
    """
    return json_reply(200, {**_described(), "servers": [{"url": url}]}, GUARD_HEADERS)


@cache
def _described() -> Mapping[str, Any]:
    described: dict[str, Any] = json.loads(_file("openapi.json"))
    return described


def _file(name: str) -> bytes:
    return resources.files("propq_async.testing").joinpath(name).read_bytes()
