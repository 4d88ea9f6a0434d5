"""So many calls in any so many seconds, all at once or evenly spaced."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import attrs

# Timers are no more exact than this. Where calls follow one another faster, late ones catch up.
# Elsewhere they do not, since two of them would come too close for a server that allows no burst.
EXACT_SECONDS: Final = 0.002


@attrs.define(eq=False, repr=False)
class Window:
    """At most `limit` calls in any so many seconds. `sent_at` has those that still count.

    `is_stated`: the server itself says how many.
    """

    limit: int
    seconds: float
    sent_at: deque[float] = attrs.field(factory=deque)
    is_stated: bool = False

    @property
    def rate(self) -> float:
        return self.limit / self.seconds

    def delay(self, now: float) -> float:
        """Return the seconds until one more call may go out."""
        sent_at = self.sent_at
        while sent_at and now - sent_at[0] >= self.seconds:
            sent_at.popleft()
        if len(sent_at) < self.limit:
            return 0.0
        return sent_at[len(sent_at) - self.limit] + self.seconds - now


@attrs.define(eq=False, repr=False)
class Spacing:
    """Calls at even distances. `next_at` is when the next one is due."""

    per_second: float
    next_at: float = -math.inf

    def delay(self, now: float) -> float:
        return max(0.0, self.next_at - now)

    def sent(self, now: float) -> None:
        distance = 1 / self.per_second
        due = max(self.next_at, now - EXACT_SECONDS) if distance < EXACT_SECONDS else now
        self.next_at = due + distance


class Cap:
    """`max_calls_per_second`, for all event loops of a factory, whatever their threads.

    A fraction below one is one call in so many seconds, one above it is rounded down.
    """

    def __init__(self, max_calls_per_second: float, monotonic: Callable[[], float]) -> None:
        if max_calls_per_second >= 1:
            self._window = Window(int(max_calls_per_second), 1.0)
        else:
            self._window = Window(1, 1 / max_calls_per_second)
        self.per_second = max_calls_per_second
        # The time is read within the lock: otherwise threads could note it in the wrong order.
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def take(self) -> float:
        """Let one call go out if it may go now. Returns the seconds until one may."""
        with self._lock:
            now = self._monotonic()
            delay = self._window.delay(now)
            if delay <= 0:
                self._window.sent_at.append(now)
            return delay
