"""The policy for retries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import attrs

from ._settings import check_at_least

__all__ = ["RetryPolicy"]


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, how fast and how long a failed call is retried.

    Connection errors, timeouts, 429, 500, 502, 503, 504 and what else may pass are retried (the
    documentation has a table of the statuses). The delay before retry `n` is drawn at random
    between nothing and `base_delay_seconds * 2 ** (n - 1)`, at most `max_delay_seconds` ("full
    jitter").

    Args:
        attempts: the number of attempts at most, the first one included.
        base_delay_seconds: the longest delay before the first retry.
        max_delay_seconds: the longest delay before any retry.
        max_retry_after_seconds: the longest wait that a server's `Retry-After` may ask of a single
            call. A longer one ends the call at once.
        max_wait_seconds: the longest that a single call waits for its turn while calls come faster
            than they may go out. Time for which the server asked everybody to wait does not count.
            A longer wait ends in a `RateLimitError` that says so. Rows of a batch wait on.
        total_timeout_seconds: the longest time for one call with all its attempts and waits, or
            `None` for no such limit.
        retry_unacknowledged: whether an update is repeated when its answer was lost: it was sent,
            but the answer is incomplete or empty, or a gateway got none (502, 504, 520, 522, 524).
        retry_budget: the retries of single calls that fail, as a part of all single calls that the
            factory has made within ten seconds; ten more are always allowed, and one more for each
            call that gets through. So a server that is down does not get each call five times.
            `None` for no such bound. Waits that the server asks for do not count, nor do batches.

    Raises:
        ConfigurationError: a value cannot work. The message names it.
    """

    attempts: int = 5
    base_delay_seconds: float = 0.25
    max_delay_seconds: float = 20.0
    max_retry_after_seconds: float = 120.0
    max_wait_seconds: float = 30.0
    total_timeout_seconds: float | None = None
    retry_unacknowledged: bool = True
    retry_budget: float | None = 0.2

    @classmethod
    def for_requests(cls, total_seconds: float = 10.0) -> Self:
        """Return a policy for calls that somebody waits for: none takes longer than this, all told.

        A call that would have to wait longer for the server, or for its turn, ends at once in an
        error whose `retry_after_seconds` says when it makes sense to come back.
        """
        return cls(
            max_retry_after_seconds=total_seconds,
            max_wait_seconds=total_seconds,
            total_timeout_seconds=total_seconds,
        )

    def __attrs_post_init__(self) -> None:
        check_at_least("attempts", self.attempts, 1, whole=True)
        check_at_least("base_delay_seconds", self.base_delay_seconds, 0, finite=True)
        check_at_least("max_delay_seconds", self.max_delay_seconds, 0, finite=True)
        check_at_least("max_retry_after_seconds", self.max_retry_after_seconds, 0)
        check_at_least("max_wait_seconds", self.max_wait_seconds, 0)
        if self.retry_budget is not None:
            check_at_least("retry_budget", self.retry_budget, 0, finite=True)
        total = self.total_timeout_seconds
        if total is not None:
            check_at_least("total_timeout_seconds", total, 0, exclusive=True, finite=True)

    def delay_seconds(self, retry: int, random: Callable[[], float]) -> float:
        """Return the delay before the `retry`-th retry (from 1), given a source of [0, 1)."""
        # The exponent is bounded, since 2.0 ** 1024 is an OverflowError.
        ceiling = self.base_delay_seconds * 2.0 ** min(retry - 1, 1000)
        return random() * min(self.max_delay_seconds, ceiling)
