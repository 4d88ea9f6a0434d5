"""How many retries single calls may make: a part of the recent calls, and a few more.

A server that is down is no better off for getting each call five times from each client.
"""

from __future__ import annotations

from collections import deque
from typing import Final

RECENT_SECONDS: Final = 10.0

# Even those who make few calls may make this many retries in that time.
FREE_RETRIES: Final = 10

MAX_RECENT_CALLS: Final = 10_000


class RetryBudget:
    """The recent single calls in one event loop, and their retries.

    Attributes:
        calls: when the last single calls began, by the monotonic clock.
    """

    def __init__(self) -> None:
        self.calls: deque[float] = deque(maxlen=MAX_RECENT_CALLS)
        self._retries: deque[float] = deque()
        self._successes = 0

    def take(self, part: float | None, now: float, successes: int) -> bool:
        """Take note of a retry, and return `True`; `False` if that would be one too many.

        `part`: how many retries there may be for each recent call, `None` for no bound.
        `successes`: how many calls have got through so far. Each gives one retry back.
        """
        for _ in range(min(successes - self._successes, len(self._retries))):
            self._retries.popleft()
        self._successes = successes
        for times in (self.calls, self._retries):
            while times and now - times[0] > RECENT_SECONDS:
                times.popleft()
        if part is not None and len(self._retries) >= FREE_RETRIES + part * len(self.calls):
            return False
        self._retries.append(now)
        return True
