"""The content of the token file."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

import attrs
from cattrs import Converter

from propq_async._secret import SecretBytes, SecretDict, SecretStr
from propq_async.credentials import Token, TokenKey

from .oauth import has_token_text

TOKEN_FILE_VERSION: Final = 1

# How `dump_token` begins, and how any token file begins, even if its end is missing.
_BEGINNING: Final = b'{\n "version": 1,\n "token_url": "'
_BEGINS: Final = re.compile(rb'\s*\{\s*"version"\s*:\s*\d+\s*,\s*"token_url"\s*:\s*"')

# No real token is older or younger. Between these, a `datetime` can be shifted by a time zone or a
# lifetime without overflow.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@attrs.frozen
class _TokenFile:
    version: int
    token_url: str
    client_id: int
    access_token: str = attrs.field(repr=False)
    token_type: str
    expires_at: datetime
    issued_at: datetime


def _exactly(value: Any, kind: type[Any]) -> Any:
    # cattrs would convert None to a string, and its message would show the value.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"not of type {kind.__name__}")
    return value


def _aware(value: Any, _: object) -> datetime:
    moment = datetime.fromisoformat(_exactly(value, str))
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


# For any file of ours: a value of the wrong type is refused and never converted.
file_values: Final = Converter(detailed_validation=False)
file_values.register_unstructure_hook(datetime, datetime.isoformat)
file_values.register_structure_hook(datetime, _aware)
file_values.register_structure_hook(int, _exactly)
file_values.register_structure_hook(str, _exactly)


def dump_token(key: TokenKey, token: Token) -> SecretBytes:
    """Return the content of the token file."""
    file = _TokenFile(
        TOKEN_FILE_VERSION,
        key.token_url,
        key.client_id,
        token.access_token,
        token.token_type,
        token.expires_at,
        token.issued_at,
    )
    return SecretBytes(json.dumps(file_values.unstructure(file), indent=1).encode() + b"\n")


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
        if isinstance(data.get("access_token"), str):
            data["access_token"] = SecretStr(data["access_token"])
        file = file_values.structure(data, _TokenFile)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return "it is incomplete, or not a token file"
    if (file.token_url, file.client_id) != (key.token_url, key.client_id):
        return None
    if (
        not has_token_text(data, "access_token")
        or not _EARLIEST <= file.issued_at < file.expires_at < _LATEST
    ):
        return "its token cannot be one"
    return Token(str(file.access_token), file.token_type, file.expires_at, file.issued_at)
