"""The content of the file that says which secret the token endpoint refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Final

import attrs

from propq_async.credentials import TokenKey

from .token_file import TOKEN_FILE_VERSION, aware, exactly

# It begins like a token file, so that no more than such a file is ever replaced.
_VERSION: Final = TOKEN_FILE_VERSION
SALT_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 32
REFUSED: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)


@attrs.frozen(kw_only=True)
class SecretRefusal:
    """What processes tell each other of a secret that was refused as `invalid_client`.

    Attributes:
        status: the HTTP status of the last answer.
        streak: how many times in a row it was refused.
        salt: random bytes.
        fingerprint: a slow hash of salt and secret, which tells who has the same secret.
        age_seconds: how long ago the last answer came.
    """

    status: int
    streak: int
    salt: bytes = attrs.field(repr=False)
    fingerprint: bytes = attrs.field(repr=False)
    age_seconds: float = 0.0


@attrs.frozen
class _RefusalFile:
    version: int
    token_url: str
    client_id: int
    refused_at: datetime
    status: int
    streak: int
    salt: str
    fingerprint: str


@cache
def _converter() -> Any:
    # Imported here, since few processes have a secret that was refused.
    from cattrs import Converter  # noqa: PLC0415

    # A value of the wrong type is refused and never converted.
    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda value, _: aware(value))
    converter.register_structure_hook(int, exactly)
    converter.register_structure_hook(str, exactly)
    return converter


def dump_refusal(key: TokenKey, refusal: SecretRefusal, now: float) -> bytes:
    """Return the content of the file; `now` is in seconds since the epoch."""
    file = _RefusalFile(
        _VERSION,
        key.token_url,
        key.client_id,
        datetime.fromtimestamp(now, UTC),
        refusal.status,
        refusal.streak,
        refusal.salt.hex(),
        refusal.fingerprint.hex(),
    )
    return json.dumps(_converter().unstructure(file), indent=1).encode() + b"\n"


def parse_refusal(content: bytes, key: TokenKey, now: float) -> SecretRefusal | None:
    """Return what the file says of this key, `None` if that is nothing that can be read."""
    try:
        file = _converter().structure(json.loads(content), _RefusalFile)
        refusal = SecretRefusal(
            status=file.status,
            streak=file.streak,
            salt=bytes.fromhex(file.salt),
            fingerprint=bytes.fromhex(file.fingerprint),
            age_seconds=now - file.refused_at.timestamp(),
        )
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    is_sound = (
        (file.version, file.token_url, file.client_id) == (_VERSION, key.token_url, key.client_id)
        and refusal.status in REFUSED
        and refusal.streak >= 1
        and (len(refusal.salt), len(refusal.fingerprint)) == (SALT_BYTES, FINGERPRINT_BYTES)
    )
    return refusal if is_sound else None
