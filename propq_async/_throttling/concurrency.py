"""How many calls the server takes at once, where it counts those under way and not those in a time.

Such a limit refuses a call beside too many others, however slowly they follow one another. A rate
that keeps to it has to be so low that calls never come in bunches. So after a refusal a bound on
the calls in flight is tried instead of the rate: as many as were not refused. It stays if more
calls get through than at the rate. If no higher bound is borne, a higher rate is tried for a while.
"""

from __future__ import annotations

import math
from typing import Final

import attrs

# Within this time a bound has to let this many times as many calls through as the rate, or the
# other way round. An earlier refusal means that the server counts otherwise, or takes less.
TRIAL_SECONDS: Final = 5.0
MUCH_MORE: Final = 1.1

# The least time between two trials of a bound. It is doubled with each trial that fails.
FIRST_TRIAL_AFTER_SECONDS: Final = 30.0
LAST_TRIAL_AFTER_SECONDS: Final = 960.0

# A bound is given up if it is refused so many times in a row within a trial's time.
MAX_EARLY_REFUSALS: Final = 2


@attrs.define(eq=False, repr=False)
class TrialConcurrency:
    """A bound on the calls in flight.

    Attributes:
        limit: what is kept to, infinity while it is the rate that is kept to.
    """

    limit: float = math.inf
    _due_at: float = -math.inf
    _due_seconds: float = FIRST_TRIAL_AFTER_SECONDS
    # The rate that it has to beat, `None` once it has.
    _rate: float | None = None
    # With no more than this in flight it cannot beat the rate, however fast the calls are.
    _least_limit: float = 0.0
    _changed_at: float = -math.inf
    _calls: int = 0
    # How many calls a second went out at the last bound that was borne.
    _per_second: float = 0.0
    # What to return to if a higher rate is refused soon.
    _put_aside: float | None = None
    # Whether a call had to wait for it: otherwise the server has not shown that it bears it.
    _is_used_up: bool = False
    _early_refusals: int = 0
    # What was borne before the bound was raised, and by how much and when it is raised next.
    _borne: float | None = None
    _step: int = 1
    _raise_seconds: float = TRIAL_SECONDS

    @property
    def is_kept_to(self) -> bool:
        return self.limit < math.inf

    def admits(self, in_flight: int) -> bool:
        """Return whether a call may go out beside so many."""
        if in_flight < self.limit:
            return True
        self._is_used_up = True
        return False

    @property
    def rate_to_try(self) -> float | None:
        """Return the rate that is to be tried now in place of the bound."""
        return None if self._put_aside is None else MUCH_MORE * self._per_second

    def try_below(self, refused: float, trip_seconds: float, per_second: float, now: float) -> None:
        """Perhaps try a bound from now on, after a rate was refused.

        `refused`: the fewest calls in flight of which one was refused, when its answer came. Under
        a limit of this kind those that were taken are then still under way. `trip_seconds`: how
        long a call takes at least. `per_second`: the rate that the bound has to beat.
        """
        if self._put_aside is not None:
            limit, self._put_aside = self._put_aside, None
            if now - self._changed_at < TRIAL_SECONDS:
                self.limit = limit
                self._change(now)
            else:
                self._give_up(now)
            return
        if now < self._due_at or refused == math.inf:
            return
        limit, least_limit = refused - 1, MUCH_MORE * per_second * trip_seconds
        if limit <= least_limit:
            return
        self.limit, self._least_limit, self._rate = limit, least_limit, per_second
        self._borne, self._step, self._early_refusals = None, 1, 0
        self._raise_seconds = TRIAL_SECONDS
        self._change(now)

    def answered(self, now: float) -> None:
        """Take note of a call that the server took, and see what the bound is worth."""
        self._calls += 1
        seconds = now - self._changed_at
        if seconds < TRIAL_SECONDS:
            return
        if self._rate is not None:
            if self._calls < MUCH_MORE * self._rate * seconds:
                self._give_up(now)
                return
            self._rate = None
        if self._borne is not None:
            # It was raised, and that was borne.
            self._step, self._borne = 2 * self._step, None
        if self._is_used_up and seconds >= self._raise_seconds:
            self._borne, self._per_second = self.limit, self._calls / seconds
            self.limit += self._step
            self._change(now)

    def refused(self, refused: float, refused_at: float, now: float) -> None:
        """Take note of a refusal under the bound. Calls go out again from `now` on."""
        is_early = refused_at - self._changed_at < TRIAL_SECONDS
        if is_early and self._borne is not None:
            self._put_aside, self._borne, self._step = self._borne, None, 1
            self.limit = math.inf
            self._raise_seconds = min(LAST_TRIAL_AFTER_SECONDS, 2 * self._raise_seconds)
        else:
            self._early_refusals = self._early_refusals + 1 if is_early else 0
            self.limit = max(1, min(self.limit, refused) - 1)
            is_hopeless = self._rate is not None and self.limit <= self._least_limit
            if is_hopeless or self._early_refusals == MAX_EARLY_REFUSALS:
                self._give_up(now)
                return
        self._change(now)

    def _give_up(self, now: float) -> None:
        self.limit = math.inf
        self._due_at = now + self._due_seconds
        self._due_seconds = min(LAST_TRIAL_AFTER_SECONDS, 2 * self._due_seconds)

    def _change(self, now: float) -> None:
        self._changed_at, self._calls, self._is_used_up = now, 0, False
