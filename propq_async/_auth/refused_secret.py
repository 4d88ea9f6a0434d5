"""The secret that the token endpoint refused. It is sent again after longer and longer times.

Otherwise each process would spend a token request a second on it, and have none left when somebody
puts the secret right. Another secret is sent at once.
"""

from __future__ import annotations

import copy
import hashlib
import math
import os
from collections.abc import Callable
from typing import Final, cast

import attrs

from propq_async.credentials import Credentials
from propq_async.errors import PropQError, TokenRefusedError

from .failures import FAILURE_SECONDS

__all__ = ["MAX_SECONDS", "RefusedSecret"]

MAX_SECONDS: Final = 60.0


@attrs.define(eq=False, repr=False)
class RefusedSecret:
    """What the endpoint said of the last secret. The secret itself is not kept.

    Args:
        monotonic: the clock.
    """

    _monotonic: Callable[[], float]
    _key: bytes = attrs.field(factory=lambda: os.urandom(16), init=False)
    _digest: bytes | None = attrs.field(default=None, init=False)
    _error: PropQError | None = attrs.field(default=None, init=False)
    _until: float = attrs.field(default=-math.inf, init=False)
    _streak: int = attrs.field(default=0, init=False)

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
        digest = self._digest_of(credentials)
        self._streak = self._streak + 1 if digest == self._digest else 1
        self._digest, self._error = digest, copy.deepcopy(outcome)
        seconds = FAILURE_SECONDS * 2.0 ** min(self._streak - 1, 10)
        self._until = self._monotonic() + min(MAX_SECONDS, seconds)

    def _digest_of(self, credentials: Credentials) -> bytes:
        # In one expression, so that no variable holds the secret.
        return hashlib.blake2b(
            cast("str", credentials.client_secret).encode(errors="surrogatepass"), key=self._key
        ).digest()
