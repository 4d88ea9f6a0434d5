"""What is learned of a window that is kept to: how long it is, and how much it holds."""

from __future__ import annotations

import math
from typing import Final

from .limits import Limits
from .observations import LEAST_PART, MAX_MARGIN
from .window import Window

# Fewer calls in a window say that others use it, too, and not what it holds.
MIN_TELLING_CALLS: Final = 5

# A wait may be this much longer than the window that asks for it: the window may be longer than it
# seems, and waits are rounded up.
LONGEST_WAIT_LENGTHS: Final = 1.5
ROUNDING_SECONDS: Final = 1.0

# A window that is used to this part may be the one that was full.
LEAST_FULL: Final = 0.9

# A window whose limit is stated is corrected if it has shown to be this much shorter.
MUCH_SHORTER: Final = 0.7

# The least fraction by which a window is stretched for calls that came too early, and how often
# that is done before the pace is taken to be wrong.
MIN_MARGIN: Final = 0.02
MAX_EARLY_REFUSALS: Final = 3

# What takes so few calls so many times in a row is no window: it was a bucket that was full once.
MAX_SCARCE: Final = 3


class Windows(Limits):
    """Limits whose windows are corrected by what the server refuses and states."""

    def __init__(self, window: Window | None = None) -> None:
        super().__init__(window)
        self._early = 0
        self._scarce = 0
        self._is_doubtful = False
        self._changed_at = -math.inf
        self._calls_since_change = 0

    def _heed(self, limit: int, remaining: int | None) -> None:
        """Keep to a limit that the server states with an answer."""
        if len(self.windows) != 1:
            return
        (window,) = self.windows
        # A server with several limits tells of the one with the least left. If it has more left
        # than the known one holds, that one is no more.
        if not window.is_stated or (remaining is not None and remaining >= window.limit):
            window.limit, window.is_stated = limit, True

    def _blamed(self, stated: int | None, wait: float) -> Window | None:
        """Return the known window that was full, `None` for one that is not known yet."""
        if stated is not None:
            return next(
                (one for one in self.windows if one.is_stated and one.limit == stated), None
            )
        fitting = [one for one in self.windows if wait <= longest_wait(one.seconds)]
        return min(
            fitting,
            key=lambda one: (len(one.sent_at) < LEAST_FULL * one.limit, one.seconds),
            default=None,
        )

    def _correct(self, window: Window, at: float, wait: float) -> None:
        """Make a window whose limit is stated a little longer, or as short as it really is."""
        if len(self.seen.sent_at) >= window.limit:
            seconds = self.seen.window_seconds(at - self.seen.sent_at[-window.limit], wait)
            if seconds < MUCH_SHORTER * window.seconds:
                window.seconds, self._early = seconds, 0
                return
        if self._is_early(window, wait):
            self._stretch(window)

    def _measure(self, window: Window, began_at: float, at: float, wait: float) -> None:
        """Set a window from the one that the server began with the first call of all.

        If that took too few calls to tell, count it as scarce.
        """
        limit = self.seen.taken(began_at)
        if limit < MIN_TELLING_CALLS:
            self._scarce += 1
            return
        if limit < LEAST_PART * window.limit and not self._is_doubtful:
            # What was sent before the wait may still count.
            self._is_doubtful = True
            return
        window.seconds = self.seen.window_seconds(at - began_at, wait)
        window.limit = max(limit, math.ceil(self.seen.floor(window.seconds, at) * window.seconds))
        self._changed(at)
        self._early = 0

    def _is_scarce(self, window: Window, refused_at: float) -> bool:
        """Return whether the server refused long before it had taken what the window holds."""
        return self.seen.taken(refused_at - window.seconds) < LEAST_PART * window.limit

    def _is_early(self, window: Window, wait: float) -> bool:
        """Return whether the server refused what came just before the end of its window."""
        return wait <= max(1.0, MAX_MARGIN * window.seconds) and self._early < MAX_EARLY_REFUSALS

    def _stretch(self, window: Window) -> None:
        """Make the window a little longer: it is right, but was not yet over."""
        self._early += 1
        least, most = MIN_MARGIN * window.seconds, MAX_MARGIN * window.seconds
        window.seconds += min(max(self.seen.trips_differ_by, least), most)

    def _changed(self, now: float) -> None:
        self._changed_at, self._calls_since_change = now, 0
        self._is_doubtful, self._scarce = False, 0


def longest_wait(window_seconds: float) -> float:
    """Return the longest wait that a window of so many seconds explains."""
    return LONGEST_WAIT_LENGTHS * window_seconds + ROUNDING_SECONDS
