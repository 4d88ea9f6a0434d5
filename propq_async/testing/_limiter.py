"""The framework's limiter."""

from __future__ import annotations

import math
from typing import Final

import attrs

__all__ = ["DEFAULT_LIMIT", "Limiter"]

DEFAULT_LIMIT: Final = 60
"""Calls a minute that the framework allows by default."""


@attrs.define
class Limiter:
    """A limiter that counts in fixed windows, as the framework's does.

    A window begins with the first hit after the previous window has ended. A refused hit does not
    count.
    """

    calls: int
    per_seconds: float
    _hits: int = attrs.field(default=0, init=False)
    _ends_at: float = attrs.field(default=-math.inf, init=False)

    def hit(self, now: float) -> dict[str, str] | None:
        """Count a hit and return the headers of its answer, `None` if it is one too many."""
        if now >= self._ends_at:
            self._hits = 0
            self._ends_at = now + self.per_seconds
        if self._hits >= self.calls:
            return None
        self._hits += 1
        return {
            "X-RateLimit-Limit": str(self.calls),
            "X-RateLimit-Remaining": str(self.calls - self._hits),
        }

    def refusal_headers(self, now: float) -> dict[str, str]:
        """Return the headers of the answer to a hit too many."""
        return {
            "X-RateLimit-Limit": str(self.calls),
            "X-RateLimit-Remaining": "0",
            "Retry-After": str(max(1, math.ceil(self._ends_at - now))),
            "X-RateLimit-Reset": str(math.ceil(self._ends_at)),
        }
