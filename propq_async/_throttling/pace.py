"""The rate that the server has shown it can bear: from what was sent, answered, refused, and when.

Most servers count calls in windows. They refuse the calls beyond a limit, and ask to wait until the
window is over. So one refusal shows how long a window is, and how much it holds: what the server
has taken, or what it states. From then on the pace keeps to that. If no known window explains a
wait, there is another, longer one beside them.

What holds less than it seemed to, or more, is no window. Then, and where the server does not say
how long to wait, calls go out at even distances, at a rate found by trial.
"""

from __future__ import annotations

import math
from typing import Final

from propq_async._wire.messages import RateLimit

from .concurrency import TRIAL_SECONDS
from .observations import LEAST_PART
from .rate import LEAST_GROWTH, MOST_GROWTH, TrialRate
from .window import Window
from .window_learning import MAX_SCARCE, MIN_TELLING_CALLS, Windows, longest_wait

# If it is not known when a window began, it is taken to have begun this long before its end.
USUAL_WINDOW_SECONDS: Final = 60.0

# No server is expected to have more limits at once.
MAX_WINDOWS: Final = 3

# A refusal this soon after a reopening, in lengths of the pace's window, came in the server's first
# window. That began with the first call, so the refusal tells how long it is.
FIRST_WINDOW_LENGTHS: Final = 1.5

# The least time, and the least number of calls, between two tests of a window. The time is doubled
# with each test that it stands.
FIRST_TEST_SECONDS: Final = 30.0
LAST_TEST_SECONDS: Final = 960.0
TEST_CALLS: Final = 40

# A window is used for this many of its lengths before it is tested, since the test of a long one
# takes long, too.
TEST_LENGTHS: Final = 8.0

# A window stands the test if it refuses less than so many times its rate.
MUCH_MORE: Final = 1.2

# The fraction of a window's rate that remains if a call was refused although the window was kept
# to.
SHRINK_FACTOR: Final = 0.9

# What the server took in this time before the first refusal is the rate to begin with.
FIRST_RATE_SECONDS: Final = 1.0


class LearnedPace(Windows):
    """The limits that the server has shown."""

    def __init__(self, window: Window | None = None) -> None:
        super().__init__(window)
        self._test_seconds = FIRST_TEST_SECONDS
        # When the call went out that was refused last.
        self._refused_sent_at = math.inf

    def refused(
        self, sent_at: float, now: float, in_flight: int = 1, *, is_rate_limit: bool
    ) -> None:
        """Take note of a call that the server refused with the request to wait.

        `in_flight` counts it and those beside it.
        """
        self.seen.refused(sent_at, now, in_flight if is_rate_limit else math.inf)
        if not is_rate_limit:
            return
        self._refused_sent_at = sent_at
        for window in self.windows:
            if sent_at in window.sent_at:
                # The server does not count what it refuses.
                window.sent_at.remove(sent_at)

    def adjust(self, told: RateLimit | None, now: float) -> None:
        """After an answer, keep to what the server states, or else grow a little now and then."""
        self._remaining = None
        if told is not None:
            self._remaining = told.remaining
            if told.limit:
                self._stated = told.limit
                self._heed(told.limit, told.remaining)
        if self.rate is not None:
            self._unblock(self.rate, now)
        if self.concurrency.is_kept_to:
            self.concurrency.answered(now)
        elif self.rate is not None:
            self.rate.answered(now)
        elif self.windows and not self.windows[-1].is_stated:
            self._test(self.windows[-1], now)

    def reopened(
        self,
        at: float,
        wait: float,
        *,
        is_rate_limit: bool,
        is_wait_stated: bool = True,
        stated: int | None = None,
    ) -> int:
        """Learn from the window that ends at `at`, after a wait of so many seconds.

        `is_wait_stated`: the server said how long to wait. `stated`: the limit that it named.

        Returns:
            By how many calls the slow start may grow with each answer.
        """
        step = 1
        if is_rate_limit:
            # If it was refused although it kept to a pace, that is wrong, and the next one may be.
            if not self.windows or self._is_early(self.windows[-1], wait):
                step = self.seen.most_in_flight
            if self.seen.began_at is not None:
                if is_wait_stated:
                    stated = stated or self._stated
                self._learn(self.seen.began_at, at, wait, stated, is_wait_stated=is_wait_stated)
        self.seen.begin()
        self._remaining = None
        return step

    # --- what a refusal shows -----------------------------------------------------------------

    def _learn(
        self, began_at: float, at: float, wait: float, stated: int | None, *, is_wait_stated: bool
    ) -> None:
        """Set the pace from a refusal that ends at `at`."""
        if self.concurrency.is_kept_to and stated is None and wait <= longest_wait(1.0):
            self.concurrency.refused(self.seen.least_in_flight, at - wait, at)
            rate = self.concurrency.rate_to_try
            if rate is not None:
                self.rate = TrialRate.of(rate, at, growth=LEAST_GROWTH, scale_seconds=TRIAL_SECONDS)
            return
        if stated is None and not (is_wait_stated and self._is_of_a_window(wait)):
            self._try_rate(at - wait, at)
            return
        if not self.seen.sent_at or self.seen.sent_at[-1] < began_at:
            return
        window = self._blamed(stated, wait)
        if window is None:
            self._add_window(self.seen.first_at if self.is_limited else began_at, at, wait, stated)
        elif window.is_stated:
            self._correct(window, at, wait)
        elif self._is_early(window, wait) and not self._is_scarce(window, at - wait):
            self._stretch(window)
        elif at - began_at > FIRST_WINDOW_LENGTHS * window.seconds:
            self._shrink(window, at, wait)
        else:
            self._measure(window, began_at, at, wait)
            if self._scarce == MAX_SCARCE:
                taken = max(1, self.seen.taken(began_at))
                calls = taken * window.seconds / (at - began_at)
                self._space(window, calls, at, growth=MOST_GROWTH)

    def _is_of_a_window(self, wait: float) -> bool:
        """Return whether a wait that the server states is too long for the rate to explain."""
        return self.rate is None or wait > longest_wait(self.rate.scale_seconds)

    def _add_window(self, since: float, at: float, wait: float, stated: int | None) -> None:
        """Keep to one more window."""
        # Calls long before the refusal were counted in another window.
        since = max(since, at - max(USUAL_WINDOW_SECONDS, 2 * wait))
        if stated is not None and len(self.seen.sent_at) >= stated:
            since = max(since, self.seen.sent_at[-stated])
        limit = stated or self.seen.taken(since)
        if limit < MIN_TELLING_CALLS and stated is None:
            if self.windows:
                self._shrink(self.windows[-1], at, wait)
            else:
                self._try_concurrency(limit / (at - since), at)
            return
        seconds = self.seen.window_seconds(at - since, wait)
        if stated is not None:
            # What it states is better than what was learned without that.
            self.windows = [one for one in self.windows if one.is_stated]
        new = Window(limit, seconds, is_stated=stated is not None)
        self.windows = [*self.windows, new][-MAX_WINDOWS:]
        self._changed(at)

    def _shrink(self, window: Window, at: float, wait: float) -> None:
        """Go back to what the server bore, after it has refused what the pace allowed.

        A window that would hold too few calls to tell is none.
        """
        borne = self.seen.taken(at - wait - window.seconds)
        if 0 < borne < SHRINK_FACTOR * window.limit and window.limit >= MIN_TELLING_CALLS:
            window.limit = max(borne, math.ceil(LEAST_PART * window.limit))
            self._changed(at)
        else:
            self._space(window, SHRINK_FACTOR * window.limit, at)

    def _space(
        self, window: Window, calls: float, now: float, *, growth: float = LEAST_GROWTH
    ) -> None:
        """Go over from a window that is none to a rate."""
        self.windows.remove(window)
        self.rate = TrialRate.of(
            calls / window.seconds, now, growth=growth, scale_seconds=window.seconds
        )
        # What the window had let go at once has to be over, or the first call would be too much.
        self.rate.spacing.next_at = now + window.delay(now)
        self._changed(now)

    def _try_rate(self, refused_at: float, now: float) -> None:
        """Set the rate from a refusal that shows no window."""
        if self.rate is not None:
            if self.rate.is_newer_than(self._refused_sent_at):
                return
            if self._tested is not None and self.rate.per_second < MUCH_MORE * self._tested.rate:
                # It is a window after all.
                self.windows.append(self._tested)
                self._test_seconds = min(LAST_TEST_SECONDS, 2 * self._test_seconds)
                self.rate = None
                self._changed(now)
            else:
                floor = self.seen.floor(self.rate.scale_seconds, now)
                since = self.rate.refused_since
                if since is not None:
                    floor = max(floor, self.seen.filling(since, refused_at))
                self.rate.refused(refused_at, now, floor)
                self._try_concurrency(self.rate.per_second, now)
            self._tested = None
            return
        self.windows = [one for one in self.windows if one.is_stated]
        borne = self.seen.taken(refused_at - FIRST_RATE_SECONDS)
        if borne:
            self.rate = TrialRate.of(borne / FIRST_RATE_SECONDS, now, blocked_since=refused_at)
            self._try_concurrency(self.rate.per_second, now)

    def _try_concurrency(self, per_second: float, now: float) -> None:
        """Perhaps bound the calls in flight instead, if that may let more go out than this."""
        self.concurrency.try_below(
            self.seen.least_in_flight, self.seen.shortest_trip, per_second, now
        )

    def _unblock(self, rate: TrialRate, now: float) -> None:
        """Count over a longer time if the server has refused everything for long."""
        since = rate.unblocked(now)
        if since is not None:
            seconds = now - since
            rate.rescale(self.seen.taken(since - seconds) / seconds, seconds, now)

    # --- more than that -----------------------------------------------------------------------

    def _test(self, window: Window, now: float) -> None:
        """Test a window now and then: one that takes more at even distances is none."""
        self._calls_since_change += 1
        due = max(self._test_seconds, TEST_LENGTHS * window.seconds)
        if self._calls_since_change >= TEST_CALLS and now - self._changed_at >= due:
            self._space(window, (1 + LEAST_GROWTH) * window.limit, now)
            self._tested = window
