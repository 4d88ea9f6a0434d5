"""How long a call waits after a 429, or after a 503 that asks for it. Pure.

`Retry-After` itself is read in `_wire/headers.py`. How much of it the throttle believes is in
`_throttling/server_view.py`, and what a 429 of the token endpoint means in `_auth/failures.py`.
"""

from __future__ import annotations

from typing import Final

from propq_async._wire.statuses import Kind
from propq_async.errors import APIError, APIStatusError

from .progress import Progress
from .terms import Meaning, Others, Terms, Verdict

# For a server that asks to wait without saying how long, or that says "no time at all".
FIRST_UNSTATED_SECONDS: Final = 1.0
LAST_UNSTATED_SECONDS: Final = 60.0
LEAST_WAIT_SECONDS: Final = 0.05
# A call fails for refusals of its own only after so many of them.
LEAST_BLAMED: Final = 3
# The longest wait after a 503 without `Retry-After` that other calls do not get, and how many of
# them cost no attempt.
LAST_OVERLOAD_SECONDS: Final = 2.0
FREE_OVERLOADS: Final = 10


def judge_unavailable(
    kind: Kind, error: APIError, progress: Progress, terms: Terms, others: Others
) -> Verdict | None:
    """Return the verdict on a server that does not take the call now.

    `None`: it is down, or does not take this one call.
    """
    asked = error.retry_after_seconds if isinstance(error, APIStatusError) else None
    if kind is Kind.LIMIT or asked is not None:
        is_limit = kind is Kind.LIMIT
        return Verdict(Meaning.WAIT, seconds_to_wait(asked, progress.waits), is_limit=is_limit)
    if not others.got_through or others.are_overloads_of_calls:
        return None
    # It is not down, since it takes others: it does not take so many at once.
    counts = progress.waits >= FREE_OVERLOADS or terms.policy.attempts == 1
    wait = min(LAST_OVERLOAD_SECONDS, terms.policy.delay_seconds(progress.waits + 1, terms.random))
    is_over = progress.attempts + counts >= terms.policy.attempts or wait > terms.seconds_left
    return Verdict(Meaning.OVERLOAD, wait, fails=is_over, counts=counts)


def seconds_to_wait(asked: float | None, waits: int) -> float:
    """Return how long nobody is to call, if the server asked for that.

    `asked` is how long it said, `None` if it did not. `waits` is how often it has asked this call
    before: the less it says, the longer each next wait.
    """
    growth = 2.0 ** min(waits, 20)
    if asked is None:
        return min(LAST_UNSTATED_SECONDS, FIRST_UNSTATED_SECONDS * growth)
    return max(asked, min(FIRST_UNSTATED_SECONDS, LEAST_WAIT_SECONDS * growth))


def after_own_refusal(
    wait_seconds: float, blamed: int, patience_seconds: float, progress: Progress, terms: Terms
) -> float | None:
    """Return how long a call waits that the server refuses while it takes others, or `None`.

    `blamed` is how many refusals were its own fault. `None`: it fails.
    """
    is_over = progress.attempts >= terms.policy.attempts and blamed >= LEAST_BLAMED
    if is_over or wait_seconds > patience_seconds or wait_seconds > terms.seconds_left:
        return None
    return wait_seconds
