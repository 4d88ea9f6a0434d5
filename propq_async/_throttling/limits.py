"""What calls are kept to: windows, a rate, a bound on those in flight."""

from __future__ import annotations

import copy
import math
from typing import Self

from .concurrency import TrialConcurrency
from .observations import Observed
from .rate import TrialRate
from .window import Window


class Limits:
    """So many calls in so many seconds, or at once.

    Attributes:
        windows: all that are kept to. None as long as no limit is known.
        rate: what is kept to beside them where there seem to be no windows.
        seen: what they are learned from.
        concurrency: what is kept to instead of the rate where the server counts calls under way.
    """

    def __init__(self, window: Window | None = None) -> None:
        self.windows = [] if window is None else [window]
        self.rate: TrialRate | None = None
        self.concurrency = TrialConcurrency()
        self._stated: int | None = None
        self._remaining: int | None = None
        # A window that is being tested: whether it holds no more than it should.
        self._tested: Window | None = None
        self.seen = Observed()

    def copy(self) -> Self:
        """Return these for another event loop."""
        limits = type(self)()
        known = self.windows, self.rate, self.concurrency
        limits.windows, limits.rate, limits.concurrency = copy.deepcopy(known)
        limits._stated = self._stated if self.is_limited else None  # noqa: SLF001 - the same class
        return limits

    @property
    def is_limited(self) -> bool:
        """Return whether there is a limit to how many calls go out in a time."""
        return bool(self.windows) or self.rate is not None or self.concurrency.is_kept_to

    @property
    def per_second(self) -> float:
        """Return how many calls may go out in a second, infinity if there is no limit."""
        rates = [window.rate for window in self.windows]
        if self.rate is not None and not self.concurrency.is_kept_to:
            rates.append(self.rate.per_second)
        return min(rates, default=math.inf)

    def at_once(self, most: int) -> int:
        """Return how many calls, of so many, may be in flight without asking or telling.

        None may while there is a limit in a time. The first call of a window has to tell.
        """
        if self.is_limited or self.seen.began_at is None:
            return 0
        return most if self._remaining is None else min(most, max(1, self._remaining))

    def admits(self, in_flight: int) -> bool:
        """Return whether the server will take more than those in flight, as it said or has shown.

        One may always go, to learn of the next.
        """
        if not self.concurrency.admits(in_flight):
            return False
        return self._remaining is None or in_flight < max(1, self._remaining)

    def delay(self, now: float) -> float:
        delay = 0.0
        for window in self.windows:
            delay = max(delay, window.delay(now))
        if delay <= 0 and self.rate is not None and not self.concurrency.is_kept_to:
            # The rate is not what holds a call back that waits for a window anyway.
            delay = self.rate.delay(now)
        return delay

    def sent(self, now: float) -> None:
        for window in self.windows:
            window.sent_at.append(now)
        if self.rate is not None and not self.concurrency.is_kept_to:
            self.rate.spacing.sent(now)
            if self._tested is not None:
                self._tested.sent_at.append(now)
        self.seen.sent(now)

    def forget(self) -> None:
        """Keep to no limit: what was taken for one was none."""
        self.windows, self.rate, self._tested = [], None, None
        self.concurrency = TrialConcurrency()
