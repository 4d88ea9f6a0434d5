"""The content of the token file."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from propq_async._secret import SecretBytes, SecretDict
from propq_async.credentials import Token, TokenKey

from .oauth import has_token_text

TOKEN_FILE_VERSION: Final = 1
_T = TypeVar("_T")

# How `dump_token` begins, and how any token file begins, even if its end is missing.
_BEGINNING: Final = b'{\n "version": 1,\n "token_url": "'
_BEGINS: Final = re.compile(rb'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"token_url"\s*:\s*"')

# No real token is older or younger. Between these, a `datetime` can be shifted by a time zone or a
# lifetime without overflow.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


# Read and written by hand, since a script would spend more time on importing a library for it than
# on the update that it sends.
def exactly(value: Any, kind: type[_T]) -> _T:
    """Return the value. Raises `TypeError` if it is of another type, without showing it."""
    # True is an int.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"not of type {kind.__name__}")
    return value


def aware(value: Any) -> datetime:
    """Return a moment as a file has it. Raises `ValueError` or `TypeError` if it is none."""
    moment = datetime.fromisoformat(exactly(value, str))
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


def dump_token(key: TokenKey, token: Token) -> SecretBytes:
    file = SecretDict(
        version=TOKEN_FILE_VERSION,
        token_url=key.token_url,
        client_id=key.client_id,
        access_token=token.access_token,
        token_type=token.token_type,
        expires_at=token.expires_at.isoformat(),
        issued_at=token.issued_at.isoformat(),
    )
    return SecretBytes(json.dumps(file, indent=1).encode() + b"\n")


def is_token_file(content: bytes) -> bool:
    """Return whether this is a token file, of any key and version, whether complete or not.

    Only such a file may be overwritten. An empty one counts; another program's JSON does not.
    """
    if _BEGINNING.startswith(content) or _BEGINS.match(content):
        return True
    try:
        data = json.loads(content, object_pairs_hook=SecretDict)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, SecretDict) and {"version", "token_url", "client_id"} <= data.keys()


def parse_token(content: bytes, key: TokenKey) -> Token | str | None:
    """Return the token, `None` if it belongs to another key, or what is wrong with the file."""
    try:
        data = json.loads(content, object_pairs_hook=SecretDict)
        if not isinstance(data, SecretDict):
            return "it holds no JSON object"
        if data.get("version") != TOKEN_FILE_VERSION:
            return "it is of another version"
        exactly(data["version"], int)
        belongs_to = exactly(data["token_url"], str), exactly(data["client_id"], int)
        # Not by `exactly`, whose frame would hold the token.
        if not isinstance(data["access_token"], str):
            raise TypeError  # noqa: TRY301 - as `exactly` does
        token_type = exactly(data["token_type"], str)
        expires_at, issued_at = aware(data["expires_at"]), aware(data["issued_at"])
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return "it is incomplete, or not a token file"
    if belongs_to != (key.token_url, key.client_id):
        return None
    if (
        not has_token_text(data, "access_token")
        or not _EARLIEST <= issued_at < expires_at < _LATEST
    ):
        return "its token cannot be one"
    return Token(data["access_token"], token_type, expires_at, issued_at)
