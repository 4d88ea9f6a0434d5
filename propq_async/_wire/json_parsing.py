"""JSON in the bodies of replies."""

from __future__ import annotations

import json
from typing import Any, Final

from propq_async._secret import SecretDict

from .messages import Reply


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


# Written in C, unlike the method that calls it. It stops with `StopIteration` at what is no value.
_scan: Final = json.JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]  # json.scanner


def load_json(reply: Reply) -> Any:
    """Return the JSON value of a body. Raises `ValueError` if it is not JSON."""
    if reply.truncated:
        raise ValueError("cut off")
    try:
        if reply.body.startswith((b'{"', b"{}")):
            # The usual case, without the search for white space and other encodings.
            text = reply.body.decode("utf-8", "surrogatepass")
            try:
                value, end = _scan(text, 0)
            except StopIteration:
                pass  # the error that follows says where
            else:
                if end == len(text):
                    return value
        return json.loads(reply.body, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def load_json_or_none(reply: Reply) -> Any:
    """Return the JSON value of a body, `None` if it is not JSON."""
    try:
        return load_json(reply)
    except ValueError:
        return None


def load_secret_json(reply: Reply) -> SecretDict:
    """Return the JSON object of a body that holds a token, an empty one if it is not an object."""
    try:
        data = (
            None
            if reply.truncated
            else json.loads(
                reply.body, object_pairs_hook=SecretDict, parse_constant=_refuse_constant
            )
        )
    except (ValueError, RecursionError):
        data = None
    return data if isinstance(data, SecretDict) else SecretDict()
