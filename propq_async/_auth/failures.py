"""What a failed token request means: another attempt, or an answer for a while. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

import attrs

from propq_async._wire.messages import FIRST_CLIENT_ERROR, FIRST_REDIRECT
from propq_async.errors import PropQError, TokenUnavailableError
from propq_async.retry import RetryPolicy

# How long a failure is the answer to all callers: a second for those that need a token, longer and
# longer (up to the second figure) for the refresh that nobody waits for.
FAILURE_SECONDS: Final = 1.0
MAX_AHEAD_FAILURE_SECONDS: Final = 60.0

# The longest that a `Retry-After` is believed, and that a flight waits because of it, whatever the
# policy allows.
MAX_WAIT_SECONDS: Final = 3600.0


def retry_delay(
    error: PropQError,
    policy: RetryPolicy,
    *,
    attempts: int,
    elapsed: float,
    random: Callable[[], float],
) -> float | None:
    """Return the seconds to wait before the next attempt, `None` if there is to be none."""
    if attempts >= policy.attempts or not isinstance(error, TokenUnavailableError):
        return None
    if error.worth_attempts is not None and attempts >= error.worth_attempts:
        return None
    if error.status is not None and FIRST_REDIRECT <= error.status < FIRST_CLIENT_ERROR:
        return None
    asked = error.retry_after_seconds or 0.0
    if asked > _longest_wait(policy) or (asked and elapsed + asked > MAX_WAIT_SECONDS):
        return None
    delay = max(asked, policy.delay_seconds(attempts, random))
    total = policy.total_timeout_seconds
    return None if total is not None and elapsed + delay > total else delay


def _longest_wait(policy: RetryPolicy) -> float:
    return min(policy.max_retry_after_seconds, MAX_WAIT_SECONDS)


@attrs.frozen(eq=False, repr=False)
class Failure:
    """The failure of a flight, and until when it is the answer, on the monotonic clock.

    `until` is for callers that need a token, `until_ahead` for a refresh that nobody waits for.
    `streak` counts the failures since the last success.
    """

    error: PropQError
    until: float
    until_ahead: float
    streak: int

    @classmethod
    def after(
        cls,
        previous: Failure | None,
        error: PropQError,
        policy: RetryPolicy,
        *,
        now: float,
        jitter: float,
    ) -> Self:
        """Return the failure that follows `previous`; `jitter` is from [0, 1)."""
        asked = 0.0
        if isinstance(error, TokenUnavailableError):
            asked = min(error.retry_after_seconds or 0.0, _longest_wait(policy))
        streak = 1 if previous is None else previous.streak + 1
        ahead = min(MAX_AHEAD_FAILURE_SECONDS, FAILURE_SECONDS * 2.0 ** min(streak, 10))
        return cls(
            error,
            until=now + max(FAILURE_SECONDS, asked),
            until_ahead=now + max(ahead * (0.5 + jitter / 2), asked),
            streak=streak,
        )

    def is_answer(self, now: float, *, ahead: bool = False) -> bool:
        """Return whether a caller gets this error now, instead of a request."""
        return now < (self.until_ahead if ahead else self.until)
