"""How PHP reads the parameters of a form or a query, without any I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Final
from urllib.parse import unquote_to_bytes

__all__ = ["FORM", "MULTIPART", "parse_form", "parse_multipart"]

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

# PHP's `max_input_vars` and `max_input_nesting_level`.
_MOST: Final = 1000
_DEEPEST: Final = 64

_PART: Final = re.compile(r"\[([^\]]*)\]")
_INDEX: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")


def parse_form(text: bytes) -> dict[str, Any]:
    """Return the parameters of a query, or of a form.

    `a[b]=1` and `a[]=1` make arrays. An array whose keys are 0, 1, 2 and so on is a list.
    """
    return _collect(
        (_decode(name), _decode(value))
        for name, _, value in (pair.partition(b"=") for pair in text.split(b"&"))
        if name
    )


def parse_multipart(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a form that was sent as multipart. Files are left out."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode(errors="surrogateescape")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    fields = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str) and part.get_filename() is None:
            content = part.get_payload(decode=True)
            value = content if isinstance(content, bytes) else b""
            fields.append((name, value.decode(errors="surrogateescape")))
    return _collect(fields)


def _decode(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode(errors="surrogateescape")


def _collect(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count == _MOST:
            break
        _put(parameters, name, value)
    return {name: _as_list(value) for name, value in parameters.items()}


def _put(parameters: dict[str, Any], name: str, value: str) -> None:
    name = name.lstrip(" ").partition("\0")[0]
    base, bracket, rest = name.partition("[")
    if not base:
        # A bracket at the start is part of the name.
        if not bracket:
            return
        base, bracket, rest = name, "", ""
    keys: list[str] = []
    tail = bracket + rest
    while match := _PART.match(tail):
        keys.append(match[1])
        tail = tail[match.end() :]
    if bracket and not keys:
        base += "_" + rest  # it is never closed
    base = base.replace(" ", "_").replace(".", "_")
    if len(keys) > _DEEPEST:
        return
    container: dict[Any, Any] = parameters
    for key, following in zip([base, *keys], keys, strict=False):
        name_or_index = _next_index(container) if key == "" else key
        inner = container.get(name_or_index)
        if not isinstance(inner, dict):
            inner = container[name_or_index] = {}
        container = inner
        _ = following
    last = keys[-1] if keys else base
    container[_next_index(container) if last == "" else last] = value


def _next_index(container: dict[str, Any]) -> str:
    indexes = [int(key) for key in container if _INDEX.fullmatch(key)]
    return str(max(indexes) + 1 if indexes else 0)


def _as_list(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {key: _as_list(item) for key, item in value.items()}
    is_list = list(items) == [str(index) for index in range(len(items))]
    return list(items.values()) if is_list else items
