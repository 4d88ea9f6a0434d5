"""A secret that the token endpoint has refused, which is sent again at growing intervals.

Otherwise each process would spend a token request a second on it, and would have none left once
somebody corrects the secret. Another secret is sent at once.
"""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Callable
from typing import Final, cast

import attrs

from propq_async._waiting import in_thread
from propq_async._wire.refusal_file import REFUSED, SALT_BYTES, SecretRefusal
from propq_async.credentials import Credentials
from propq_async.errors import PropQError, TokenRefusedError

from .failures import FAILURE_SECONDS

MAX_SECONDS: Final = 60.0

# How long other processes are told that a secret was refused: until well after it is sent again.
KEPT_SECONDS: Final = 2 * MAX_SECONDS

# Of PBKDF2 with SHA-256, as OWASP advises for passwords: a guess costs a good part of a second.
HASH_ROUNDS: Final = 600_000

# A clock that was set back must not make an old refusal a new one for long.
_CLOCK_TOLERANCE_SECONDS: Final = 1.0


@attrs.define(eq=False, repr=False)
class RefusedSecret:
    """What the endpoint said of the last secret. The secret itself is not kept."""

    _monotonic: Callable[[], float]
    _key: bytes = attrs.field(factory=lambda: os.urandom(16), init=False)
    _digest: bytes | None = attrs.field(default=None, init=False)
    _error: PropQError | None = attrs.field(default=None, init=False)
    _until: float = attrs.field(default=-math.inf, init=False)
    _streak: int = attrs.field(default=0, init=False)
    # What tells other processes that it is this secret, as soon as they have to know.
    _salt: bytes | None = attrs.field(default=None, init=False)
    _fingerprint: bytes = attrs.field(default=b"", init=False)

    def answer(self, credentials: Credentials) -> PropQError | None:
        """Return what the endpoint would say again, `None` if it is to be asked."""
        if self._error is None or self._monotonic() >= self._until:
            return None
        return copy.deepcopy(self._error) if self._digest_of(credentials) == self._digest else None

    def note(self, credentials: Credentials, outcome: object) -> None:
        """Take note of what the endpoint made of these credentials."""
        if not isinstance(outcome, TokenRefusedError):
            self._error, self._streak = None, 0
            return
        self._is_about(credentials)
        self._streak += 1
        self._error = copy.deepcopy(outcome)
        self._until = self._monotonic() + _seconds(self._streak)

    # --- among processes ---------------------------------------------------------------------

    async def told(self, credentials: Credentials, refusal: SecretRefusal, origin: str) -> None:
        """Take note of what another process was told, if it had sent the same secret.

        `origin` says where these credentials come from, for the error.
        """
        if not -_CLOCK_TOLERANCE_SECONDS <= refusal.age_seconds < KEPT_SECONDS:
            return
        is_known = self._salt == refusal.salt and self._digest_of(credentials) == self._digest
        fingerprint = (
            self._fingerprint if is_known else await _fingerprint(credentials, refusal.salt)
        )
        if fingerprint != refusal.fingerprint:
            return
        self._is_about(credentials)
        self._salt, self._fingerprint = refusal.salt, fingerprint
        self._streak = max(self._streak, refusal.streak)
        left = _seconds(refusal.streak) - max(0.0, refusal.age_seconds)
        self._until = self._monotonic() + left
        self._error = TokenRefusedError(
            f"the token endpoint refused the request ({refusal.status} invalid_client), as another "
            f"process was told; the same secret is not sent again for {math.ceil(left)} s: check "
            f"{origin}",
            status=refusal.status,
            error="invalid_client",
        )

    async def to_tell(self, credentials: Credentials) -> SecretRefusal | None:
        """Return what other processes should know, `None` if it concerns this one alone.

        Only that the endpoint refused id and secret concerns them. Other refusals may come from
        the proxy of this machine, for example.
        """
        error = self._error
        if (
            not isinstance(error, TokenRefusedError)
            or error.error != "invalid_client"
            or error.status not in REFUSED
        ):
            return None
        if self._salt is None:
            salt = os.urandom(SALT_BYTES)
            self._fingerprint = await _fingerprint(credentials, salt)
            self._salt = salt
        return SecretRefusal(
            status=error.status,
            streak=self._streak,
            salt=self._salt,
            fingerprint=self._fingerprint,
        )

    def _is_about(self, credentials: Credentials) -> None:
        """Begin anew if it was about another secret."""
        digest = self._digest_of(credentials)
        if digest != self._digest:
            self._digest, self._streak, self._salt = digest, 0, None

    def _digest_of(self, credentials: Credentials) -> bytes:
        # In one expression, so that no variable holds the secret.
        return hashlib.blake2b(
            cast("str", credentials.client_secret).encode(errors="surrogatepass"), key=self._key
        ).digest()


def _seconds(streak: int) -> float:
    """Return how long a secret is not sent again that was refused so many times in a row."""
    return min(MAX_SECONDS, FAILURE_SECONDS * 2.0 ** min(streak - 1, 10))


async def _fingerprint(credentials: Credentials, salt: bytes) -> bytes:
    # In a thread, since it takes its time on purpose.
    return await in_thread(
        lambda: hashlib.pbkdf2_hmac(
            "sha256",
            cast("str", credentials.client_secret).encode(errors="surrogatepass"),
            salt,
            HASH_ROUNDS,
        )
    )
