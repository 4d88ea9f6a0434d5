"""Texts and habits of a Laravel server, without any I/O.

They are stated here a second time, from the vendor's pages and the framework's texts. This shares
nothing with the client, so that a field that is renamed there fails against this.
"""

from __future__ import annotations

import html
import json
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

__all__ = [
    "HTML",
    "INVALID",
    "JSON",
    "TOKEN_PATH",
    "default_body",
    "dump_json",
    "expects_json",
    "is_json",
    "is_text",
    "page",
    "parse_json",
    "phrase",
    "refusal",
]

JSON: Final = "application/json"
HTML: Final = "text/html; charset=UTF-8"

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path

_DEEPEST: Final = 512

INVALID: Final = "The given data was invalid."
"""The message of a 422 in older versions, and of one without errors."""

_PAGE_EXPIRED: Final = 419  # the framework's own


def is_json(content_type: str) -> bool:
    """Return whether the framework reads a body of this `Content-Type` as JSON. Case matters."""
    return "/json" in content_type or "+json" in content_type


@lru_cache(maxsize=64)
def expects_json(accept: str, *, is_ajax: bool) -> bool:
    """Return whether the framework answers in JSON.

    It does if JSON is what `Accept` prefers, or if a script asks that takes anything.
    """
    ranges = []
    for part in accept.split(","):
        media_type, *parameters = (item.strip().lower() for item in part.split(";"))
        ranges.append((_quality(parameters), media_type))
    # max() takes the first of equals, as the framework does.
    preferred = max(ranges, key=lambda item: item[0])[1]
    return is_json(preferred) or (is_ajax and preferred in ("", "*", "*/*"))


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_json(body: bytes) -> Any:
    """Return what the JSON says, `None` if it is broken or too deep for PHP."""
    try:
        # Decoded here, since json.loads would take UTF-16 and a byte order mark, and PHP does not.
        value = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    suspicious = body.count(b"[") + body.count(b"{") > _DEEPEST
    # Half of a surrogate pair is no character, and PHP reads nothing that has one.
    if (suspicious and _is_too_deep(value)) or (b"\\u" in body and not is_text(value)):
        return None
    return value


def is_text(value: Any) -> bool:
    """Return whether every string in the value consists of characters."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST + 1):
        containers = [item for item in level if isinstance(item, list | dict)]
        if not containers:
            return False
        level = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return True


def dump_json(value: object) -> bytes:
    """Return the value as compact JSON.

    Raises:
        ValueError: it cannot be said in JSON, such as an infinite number or half a character.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def phrase(status: int) -> str:
    """Return what stands beside a status."""
    if status == _PAGE_EXPIRED:
        return "Page Expired"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"


def page(title: str, text: str) -> bytes:
    """Return an HTML page of the framework."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title></head>\n<body>{html.escape(text)}</body>\n</html>\n"
    ).encode()


def _gateway_page(status: int) -> bytes:
    title = f"{status} {phrase(status)}"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def refusal(status: int, message: str, *, as_json: bool) -> tuple[str, bytes]:
    """Return content type and body of an error: JSON with the message, or an HTML page."""
    if as_json:
        # The exception handler's JSON is indented. Everything else is compact.
        text = json.dumps({"message": message}, indent=4)
        return JSON, text.encode()
    title = phrase(status)
    return HTML, page(title, f"{status} | {title}")


_MESSAGES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "Unauthenticated.",
    HTTPStatus.FORBIDDEN: "This action is unauthorized.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too Many Attempts.",
    HTTPStatus.UNPROCESSABLE_ENTITY: INVALID,
    HTTPStatus.INTERNAL_SERVER_ERROR: "Server Error",
}


_OF_GATEWAY: Final = (
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.GATEWAY_TIMEOUT,
)


def default_body(status: int, *, of_token: bool) -> tuple[str, bytes]:
    """Return content type and body that usually come with a status.

    With 200 it is an error all the same: the vendor's sister API answers so.
    """
    if of_token and status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return HTML, b"Error."  # Passport's own, and said to be HTML
    if status in _OF_GATEWAY:
        return HTML, _gateway_page(status)
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return HTML, b""
    if 300 <= status < 400 or status == _PAGE_EXPIRED:  # noqa: PLR2004 - a redirect
        return HTML, page(phrase(status), phrase(status))
    value: dict[str, Any] = {"message": _MESSAGES.get(status) or phrase(status)}
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        value["errors"] = {}
    elif status < HTTPStatus.MULTIPLE_CHOICES:
        value = {"status": "error", "message": "The update failed."}
    return JSON, dump_json(value)
