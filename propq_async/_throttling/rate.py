"""A rate found by trial, for servers that count in no window or do not say in which.

Examples are leaky buckets, limits of concurrency, and whatever refuses without a `Retry-After`.
Calls go out at even distances. The rate doubles while nothing is refused. After a refusal it goes
back to the last one that was borne, and later grows again in smaller steps.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

from .window import Spacing

# The most time at a rate before the next one is tried. It is doubled with each refusal, and halved
# with each trial that is borne, but is never shorter than the time in which the server counts.
LAST_TRIAL_SECONDS: Final = 60.0

# How many calls go out at a rate, at least, before it is doubled, and before it grows by less.
# Where few calls go out, those that a trial costs are a large part of them.
TRIAL_CALLS: Final = 10
MOST_TRIAL_CALLS: Final = 50

# The fraction by which the rate grows. It is doubled with each trial that is borne, and halved with
# each refusal.
MOST_GROWTH: Final = 1.0
LEAST_GROWTH: Final = 0.02

# If a rate is refused although it had been borne, the server counts over a longer time than it
# seemed to. That is then taken to be twice as long, up to this.
LONGEST_SCALE_SECONDS: Final = 30.0

# A server that refuses everything for this many times the period in which it seemed to count has
# a longer period.
BLOCKED_LENGTHS: Final = 2.0

# One refusal in this many calls does no harm. Calls do not all travel equally fast, so now and then
# one arrives too close to another. At most so many refusals in a row are forgiven.
CALLS_FOR_A_REFUSAL: Final = 50
MAX_FORGIVEN: Final = 3

# The fraction by which a rate is cut if it is refused although it had been borne. It is doubled
# each time until a rate is borne.
FIRST_CUT: Final = 0.1
LAST_CUT: Final = 0.5


@attrs.define(eq=False, repr=False)
class TrialRate:
    """So many calls a second, evenly spaced.

    Attributes:
        spacing: what is kept to.
        scale_seconds: the time in which the server seems to count.
        refused_since: when a rate was refused for the first time since one was borne.
    """

    spacing: Spacing
    scale_seconds: float = 1.0
    _growth: float = attrs.field(default=MOST_GROWTH, alias="growth")
    _trial_seconds: float = attrs.field(default=1.0, alias="trial_seconds")
    _cut: float = FIRST_CUT
    # The last rate that was borne, if this one is not known to be.
    _borne: float | None = None
    _changed_at: float = attrs.field(default=-math.inf, alias="changed_at")
    _calls: int = 0
    # Whether a call had to wait for this rate: otherwise the server has not shown that it bears it.
    _is_kept: bool = False
    # How many refusals are no harm.
    _forgiven: float = 0.0
    # When this rate was refused first, if it has not been borne since.
    refused_since: float | None = None
    # Since when the server refuses everything.
    _blocked_since: float | None = attrs.field(default=None, alias="blocked_since")

    @classmethod
    def of(
        cls,
        per_second: float,
        now: float,
        *,
        growth: float = MOST_GROWTH,
        scale_seconds: float = 1.0,
        blocked_since: float | None = None,
    ) -> TrialRate:
        scale = max(1.0, scale_seconds)
        return cls(
            Spacing(per_second),
            scale,
            growth=growth,
            trial_seconds=scale,
            changed_at=now,
            blocked_since=blocked_since,
        )

    @property
    def per_second(self) -> float:
        return self.spacing.per_second

    def forgives(self) -> bool:
        """Take note that a call was refused. Returns whether that is no harm, as one of many."""
        if self._forgiven < 1:
            return False
        self._forgiven -= 1
        return True

    def delay(self, now: float) -> float:
        delay = self.spacing.delay(now)
        if delay > 0:
            self._is_kept = True
        return delay

    def answered(self, now: float) -> None:
        """Take note of a call that the server took, and perhaps try the next rate."""
        self._calls += 1
        self._forgiven = min(MAX_FORGIVEN, self._forgiven + 1 / CALLS_FOR_A_REFUSAL)
        if (
            not self._is_kept
            or self._calls < min(MOST_TRIAL_CALLS, TRIAL_CALLS / self._growth)
            or now - self._changed_at < self._trial_seconds
        ):
            return
        if self._borne is not None and self._borne < self.per_second:
            self._growth = min(MOST_GROWTH, 2 * self._growth)
            self._trial_seconds = max(self.scale_seconds, self._trial_seconds / 2)
        self._borne = self.per_second
        self._cut, self.refused_since = FIRST_CUT, None
        self._change(self.per_second * (1 + self._growth), now)

    def refused(self, refused_at: float, now: float, floor: float) -> None:
        """Take note of a refusal, after which calls go out again from `now` on.

        `floor`: what the server has surely borne lately. The rate does not fall below it.
        """
        if self._blocked_since is not None:
            return
        self._blocked_since = refused_at
        if self.refused_since is None:
            self.refused_since = refused_at
        if self._borne is not None and self._borne < self.per_second:
            # It was the trial that failed.
            rate = self._borne
            self._growth = max(LEAST_GROWTH, self._growth / 2)
        else:
            rate = self.per_second * (1 - self._cut)
            self._cut = min(LAST_CUT, 2 * self._cut)
            self._growth = LEAST_GROWTH
            # It had seemed to be borne, so it takes longer to find out.
            self.scale_seconds = max(
                self.scale_seconds, min(LONGEST_SCALE_SECONDS, 2 * self.scale_seconds)
            )
        self._trial_seconds = max(
            self.scale_seconds, min(LAST_TRIAL_SECONDS, 2 * self._trial_seconds)
        )
        self._borne = None
        self._change(min(self.per_second, max(rate, floor)), now)

    def is_newer_than(self, sent_at: float) -> bool:
        """Return whether a call went out at another rate, so that it says nothing of this one."""
        return sent_at < self._changed_at

    def unblocked(self, now: float) -> float | None:
        """Take note of a call that the server took.

        Returns since when it had refused everything, if that is longer than the rate can explain.
        """
        since, self._blocked_since = self._blocked_since, None
        if since is None or now - since < BLOCKED_LENGTHS * self.scale_seconds:
            return None
        return since

    def rescale(self, per_second: float, scale_seconds: float, now: float) -> None:
        """Begin anew: the server counts in more time than it seemed to."""
        self.scale_seconds = self._trial_seconds = scale_seconds
        self._change(min(self.per_second, per_second), now)
        self._growth, self._borne = LEAST_GROWTH, None

    def _change(self, per_second: float, now: float) -> None:
        self.spacing.per_second = per_second
        self._changed_at, self._calls = now, 0
        self._is_kept = False
