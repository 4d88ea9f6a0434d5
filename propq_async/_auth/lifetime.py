"""When a token is fresh, ageing or expired. Pure: the caller brings the time.

    fresh    until the soft deadline    it is served
    ageing   until the hard deadline    it is served while the next one is fetched
    expired  from then on               it is not served

Both clocks count, and the earlier deadline wins: the wall clock notices a suspended machine, and
the monotonic clock notices a wall clock that is set back.
"""

from __future__ import annotations

import math
from typing import Final, Self

import attrs

from propq_async._wire.oauth import MAX_LIFETIME
from propq_async.credentials import Token

# How long before its end a token is no longer fresh, and no longer served: a fraction of its
# lifetime, and at most so many seconds.
SOFT_FRACTION: Final = 0.2
SOFT_SECONDS: Final = 24 * 3600.0
HARD_FRACTION: Final = 0.02
HARD_SECONDS: Final = 30.0


@attrs.frozen(eq=False, repr=False)
class Moment:
    """One moment on both clocks, in seconds."""

    wall: float
    monotonic: float


@attrs.frozen(eq=False, repr=False)
class TimedToken:
    """A token with its deadlines on both clocks, and its beginning on the monotonic one."""

    token: Token
    since_monotonic: float
    soft_wall: float
    soft_monotonic: float
    hard_wall: float
    hard_monotonic: float

    @classmethod
    def of(cls, token: Token, now: Moment, *, jitter: float) -> Self:
        """Return the token with its deadlines.

        A clock that was set back since the token was issued does not make it live longer than it
        was issued for.

        Args:
            token: the token, new or from a store.
            now: the present, or for a new token the moment before it was asked for.
            jitter: from [0, 1). It spreads the soft deadlines, so that processes that share a
                token do not all renew it at once.
        """
        lifetime = min(token.lifetime_seconds, MAX_LIFETIME.total_seconds())
        expires = token.expires_at.timestamp()
        age = min(max(0.0, now.wall - token.issued_at.timestamp()), lifetime)
        remaining = min(lifetime, expires - now.wall)
        soft = min(lifetime * SOFT_FRACTION, SOFT_SECONDS) * (0.5 + jitter / 2)
        hard = min(lifetime * HARD_FRACTION, HARD_SECONDS)
        return cls(
            token,
            since_monotonic=now.monotonic - age,
            soft_wall=expires - soft,
            soft_monotonic=now.monotonic + remaining - soft,
            hard_wall=expires - hard,
            hard_monotonic=now.monotonic + remaining - hard,
        )

    def is_fresh(self, now: Moment) -> bool:
        """Return whether the token is served, and needs no successor yet."""
        return now.wall < self.soft_wall and now.monotonic < self.soft_monotonic

    def is_expired(self, now: Moment) -> bool:
        return now.wall >= self.hard_wall or now.monotonic >= self.hard_monotonic

    def is_younger_than(self, other: TimedToken) -> bool:
        """Return whether this token, from a store, is younger than the current one.

        The wall clock tells two tokens apart. The monotonic clock decides which one stays current.
        """
        return (
            self.token.issued_at > other.token.issued_at
            and self.since_monotonic >= other.since_monotonic
        )

    def aged(self) -> Self:
        """Return the same token, no longer fresh."""
        return attrs.evolve(self, soft_wall=-math.inf, soft_monotonic=-math.inf)
