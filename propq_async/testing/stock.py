"""What a stock Laravel server does with a request, without any I/O.

Stated here a second time, from the vendor's pages and the framework's texts, and sharing nothing
with the client: a field that is renamed there fails against this.
"""

from __future__ import annotations

import html
import json
import math
import re
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Literal

__all__ = [
    "HTML",
    "JSON",
    "STATES",
    "TOKEN_PATH",
    "ValidationStyle",
    "default_body",
    "dump_json",
    "error_summary",
    "is_json",
    "page",
    "parse_json",
    "phrase",
    "refusal",
    "trim",
    "validate",
    "wants_json",
]

JSON: Final = "application/json"
HTML: Final = "text/html; charset=UTF-8"

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path

ValidationStyle = Literal["current", "older"]

STATES: Final = (1, 2, 4, 8)
"""AVAILABLE, HOLD, SOLD, RESERVED."""

# What the framework trims: white space, NUL, byte order mark, zero-width space, LRM.
_TRIMMED: Final = (
    # The four separators are white space to Python, and not to PCRE.
    "".join(char for char in map(chr, range(0x3001)) if char.isspace() and not "\x1c" <= char < " ")
    + "\0\ufeff\u200b\u200e"
)

# What PHP's is_numeric() takes for a number.
_NUMERIC: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_INTEGER: Final = 15
_DEEPEST: Final = 512

_REQUIRED: Final = "The {} field is required."
_INVALID: Final = "The given data was invalid."

_PAGE_EXPIRED: Final = 419  # the framework's own


def is_json(content_type: str) -> bool:
    """Return whether the framework reads a body of this `Content-Type` as JSON."""
    content_type = content_type.lower()
    return "/json" in content_type or "+json" in content_type


@lru_cache(maxsize=64)
def wants_json(accept: str) -> bool:
    """Return whether the framework answers in JSON: JSON is what `Accept` prefers."""
    ranges = []
    for part in accept.split(","):
        media_type, *parameters = (item.strip().lower() for item in part.split(";"))
        ranges.append((_quality(parameters), media_type))
    # max() takes the first of equals, as the framework does.
    return is_json(max(ranges, key=lambda item: item[0])[1])


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
    if (suspicious and _is_too_deep(value)) or (b"\\u" in body and _has_half_a_pair(value)):
        return None
    return value


def _has_half_a_pair(value: Any) -> bool:
    # Half of a surrogate pair is no character, and PHP reads nothing that has one.
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


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
        ValueError: it cannot be said in JSON.
    """
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def trim(value: str) -> str:
    """Return the string without the surrounding characters that the framework trims."""
    return value.strip(_TRIMMED)


def _arrived(value: Any) -> Any:
    # Strings are trimmed on arrival, and what is then empty becomes null. To PHP, an object is an
    # array as well; one with the keys 0, 1, 2 and so on is the same as the list.
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if not isinstance(value, dict):
        return _trimmed(value)
    items = {key: _trimmed(item) for key, item in value.items()}
    is_list = list(items) == [str(index) for index in range(len(items))]
    return list(items.values()) if is_list else items


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip(_TRIMMED) or None
    return [] if value == {} else value


def _is_missing(value: Any) -> bool:
    # What `required` takes for nothing.
    return value is None or value == []


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMERIC.fullmatch(value):
        short = len(value) <= _LONGEST_INTEGER and value.lstrip("+-").isdigit()
        value = int(value) if short else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # PHP reads 1e999 as INF, which it could not send back.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def validate(
    given: dict[str, Any], style: ValidationStyle, known_directions: tuple[str, ...] | None
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the fields of an update as the server understands them, and what is wrong by field."""
    fields = {
        key: _arrived(given.get(key))
        for key in ("UntName", "UntStatus", "UntPrice", "UntDirections")
    }
    # Older texts say "must be", since version 10 of the framework they say "field must be".
    must_be = "must be" if style == "older" else "field must be"
    errors: dict[str, list[str]] = {}
    name = fields["UntName"]
    if _is_missing(name):
        errors["UntName"] = [_REQUIRED.format("unt name")]
    elif not isinstance(name, str):
        errors["UntName"] = [f"The unt name {must_be} a string."]

    status = _number(fields["UntStatus"])
    if _is_missing(fields["UntStatus"]):
        errors["UntStatus"] = [_REQUIRED.format("unt status")]
    elif status is None or status not in STATES:
        errors["UntStatus"] = ["The selected unt status is invalid."]
    else:
        fields["UntStatus"] = int(status)

    price = _number(fields["UntPrice"])
    if _is_missing(fields["UntPrice"]):
        errors["UntPrice"] = [_REQUIRED.format("unt price")]
    elif price is None:
        errors["UntPrice"] = [f"The unt price {must_be} a number."]
    else:
        fields["UntPrice"] = price

    errors |= _direction_errors(fields["UntDirections"], must_be, known_directions)
    return fields, errors


def _direction_errors(
    directions: Any, must_be: str, known: tuple[str, ...] | None
) -> dict[str, list[str]]:
    if _is_missing(directions):
        return {"UntDirections": [_REQUIRED.format("unt directions")]}
    if not isinstance(directions, list | dict):
        return {"UntDirections": [f"The unt directions {must_be} an array."]}
    errors = {}
    items = directions.items() if isinstance(directions, dict) else enumerate(directions)
    for index, item in items:
        # Of an item of an array, the framework shows the raw name.
        key = f"UntDirections.{index}"
        if _is_missing(item):
            errors[key] = [_REQUIRED.format(key)]
        elif not isinstance(item, str):
            errors[key] = [f"The {key} {must_be} a string."]
        elif known is not None and item not in known:
            errors[key] = [f"The selected {key} is invalid."]
    return errors


def error_summary(errors: dict[str, list[str]], style: ValidationStyle) -> dict[str, Any]:
    """Return the body of a 422: a message, and all errors by field.

    The message has the first error and the number of the others, as it has since version 9 of the
    framework; in the older style it is the same for all.
    """
    if style == "older":
        return {"message": _INVALID, "errors": errors}
    texts = [text for problems in errors.values() for text in problems]
    more = len(texts) - 1
    suffix = f" (and {more} more error{'s' if more > 1 else ''})" if more else ""
    return {"message": texts[0] + suffix, "errors": errors}


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
        return JSON, dump_json({"message": message})
    title = phrase(status)
    return HTML, page(title, f"{status} | {title}")


_MESSAGES: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "Unauthenticated.",
    HTTPStatus.FORBIDDEN: "This action is unauthorized.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too Many Attempts.",
    HTTPStatus.UNPROCESSABLE_ENTITY: _INVALID,
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
