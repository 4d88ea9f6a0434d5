"""Which tokens the server refused, and how many may be asked for because of that. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import attrs

from propq_async.credentials import Token

REFUSED_REMEMBERED: Final = 16

# A server that refuses every token must not be asked for one by every call.
REFUSED_AT_ONCE: Final = 3
REFUSED_INTERVAL_SECONDS: Final = 30.0

# A refused token that had worked was revoked, and a new one will work as well.
PROVEN_INTERVAL_SECONDS: Final = 2.0


@attrs.define(eq=False, repr=False)
class Refusals:
    """The last refused tokens, and an allowance of requests that replace them.

    The allowance is `REFUSED_AT_ONCE` requests, and grows back by one in
    `REFUSED_INTERVAL_SECONDS`, or in `PROVEN_INTERVAL_SECONDS` if the last token to be refused had
    worked: these are its `interval_seconds`. Times are of the monotonic clock.
    """

    since: float
    left: float = REFUSED_AT_ONCE
    # Digests, so that no frame and no dump of this object shows a token. Tuples, since two empty
    # deques would be a fifth of what a factory takes, and there may be thousands of factories.
    _digests: tuple[bytes, ...] = attrs.field(default=(), init=False)
    _worked: tuple[bytes, ...] = attrs.field(default=(), init=False)
    interval_seconds: float = attrs.field(default=REFUSED_INTERVAL_SECONDS, init=False)

    def __contains__(self, token: Token) -> bool:
        return _digest(token) in self._digests

    def add(self, token: Token) -> None:
        if token not in self:
            self._digests = (*self._digests, _digest(token))[-REFUSED_REMEMBERED:]
            self.interval_seconds = (
                PROVEN_INTERVAL_SECONDS if self.has_worked(token) else REFUSED_INTERVAL_SECONDS
            )

    def worked(self, token: Token) -> None:
        if not self.has_worked(token):
            self._worked = (*self._worked, _digest(token))[-REFUSED_REMEMBERED:]

    def has_worked(self, token: Token) -> bool:
        return _digest(token) in self._worked

    def forget(self, token: Token) -> None:
        """Give the token another chance."""
        digest = _digest(token)
        self._digests = tuple(one for one in self._digests if one != digest)

    def known(self) -> tuple[bytes, ...]:
        """Return what is known now, for `is_new`."""
        return self._digests

    def is_new(self, token: Token, known: tuple[bytes, ...]) -> bool:
        """Return whether the token was refused after `known` was taken."""
        return token in self and _digest(token) not in known

    def may_ask(self, now: float) -> bool:
        """Return whether one more token may be asked for because one was refused."""
        gained = max(0.0, now - self.since) / self.interval_seconds
        self.left = min(REFUSED_AT_ONCE, self.left + gained)
        self.since = now
        return self.left >= 1

    def seconds_until_one_more(self) -> float:
        """Return how long after the last `may_ask` the allowance has one more request."""
        return max(0.0, 1 - self.left) * self.interval_seconds

    def exhaust(self, now: float) -> None:
        """Take all that is left of the allowance, since others have used up theirs."""
        self.left, self.since = 0, now

    def asked(self) -> None:
        self.left -= 1


def _digest(token: Token) -> bytes:
    return sha256(token.access_token.encode()).digest()
