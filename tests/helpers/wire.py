"""Replies and tokens for the tests of the wire format."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from hypothesis import strategies as st

from propq_async import (
    APIStatusError,
    Credentials,
    PropQError,
    Token,
    TokenKey,
)
from propq_async._wire.messages import Call, Reply
from propq_async._wire.status_errors import status_error

__all__ = [
    "AT",
    "CALL",
    "CREDENTIALS",
    "FORGED",
    "JSON_VALUES",
    "KEY",
    "NOW",
    "SECRET",
    "TOKEN",
    "TOKEN_TEXT",
    "error_of",
    "everything_in",
    "http_date",
    "reply",
]

NOW = 1_800_000_000.0
AT = datetime.fromtimestamp(NOW, UTC)
CALL = Call("POST", "https://api.propq.com/v1/x")
# All that a header can carry and that JSON, a form, a URL or HTML writes differently.
TOKEN_TEXT = "tok.en/with+odd=\"chars\"&<so>~'on'\\100%"
TOKEN = Token(TOKEN_TEXT, "Bearer", AT + timedelta(hours=1), AT)
SECRET = 'se cret/é+"~&\\%'
CREDENTIALS = Credentials(7, SECRET)
KEY = TokenKey("https://api.propq.com/oauth/token", 7)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


def reply(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, *, truncated: bool = False
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, headers or {}, content, truncated)


def error_of(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, token: Token = TOKEN
) -> APIStatusError:
    return status_error(reply(status, body, headers), CALL, token, now=NOW)


def everything_in(error: PropQError) -> str:
    """Return all the text that an error holds or shows."""
    found = [str(error), repr(error), repr(vars(error)), repr(error.args)]
    assert pickle.loads(pickle.dumps(error)).args == error.args
    for value in vars(error).values():
        if isinstance(value, str):
            found.append(value)
        if isinstance(value, dict):
            for key, texts in value.items():
                found += [key, *texts]
    text = "\n".join(found)
    text.encode()  # it can be printed
    return text


def http_date(seconds_from_now: float) -> str:
    return format_datetime(AT + timedelta(seconds=seconds_from_now), usegmt=True)


FORGED = (
    "down\n00:00 CRITICAL root: all is lost\x1b[2J\x9b1A\x7f\x85\u2028\u202e\u2066\r\t\0 \u200b"
)
