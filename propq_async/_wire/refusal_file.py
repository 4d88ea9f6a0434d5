"""The content of the file that says which secret the token endpoint refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import attrs

from propq_async.credentials import TokenKey

from .token_file import TOKEN_FILE_VERSION, aware, exactly

# The file begins like a token file, since only such files are ever replaced.
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


def dump_refusal(key: TokenKey, refusal: SecretRefusal, now: float) -> bytes:
    """Return the content of the file; `now` is in seconds since the epoch."""
    file = {
        "version": _VERSION,
        "token_url": key.token_url,
        "client_id": key.client_id,
        "refused_at": datetime.fromtimestamp(now, UTC).isoformat(),
        "status": refusal.status,
        "streak": refusal.streak,
        "salt": refusal.salt.hex(),
        "fingerprint": refusal.fingerprint.hex(),
    }
    return json.dumps(file, indent=1).encode() + b"\n"


def parse_refusal(content: bytes, key: TokenKey, now: float) -> SecretRefusal | None:
    """Return what the file says of this key, `None` if it says nothing that can be read."""
    try:
        file = json.loads(content)
        version, client_id = exactly(file["version"], int), exactly(file["client_id"], int)
        refusal = SecretRefusal(
            status=exactly(file["status"], int),
            streak=exactly(file["streak"], int),
            salt=bytes.fromhex(file["salt"]),
            fingerprint=bytes.fromhex(file["fingerprint"]),
            age_seconds=now - aware(file["refused_at"]).timestamp(),
        )
        belongs_to = version, file["token_url"], client_id
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    is_sound = (
        belongs_to == (_VERSION, key.token_url, key.client_id)
        and refusal.status in REFUSED
        and refusal.streak >= 1
        and (len(refusal.salt), len(refusal.fingerprint)) == (SALT_BYTES, FINGERPRINT_BYTES)
    )
    return refusal if is_sound else None
