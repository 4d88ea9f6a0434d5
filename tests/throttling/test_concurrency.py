"""A bound on the calls in flight, found by trial: the rule by itself."""

from __future__ import annotations

import math

import attrs
import pytest

from propq_async import Clock
from propq_async._throttling.concurrency import (
    FIRST_TRIAL_AFTER_SECONDS,
    TRIAL_SECONDS,
    TrialConcurrency,
)
from propq_async._throttling.pace import LearnedPace
from propq_async._throttling.rate import TrialRate
from propq_async._throttling.throttle import Throttle

TRIP_SECONDS = 0.1


def tried(refused: float, per_second: float, now: float = 0.0) -> TrialConcurrency:
    """Return a bound that is tried after one of so many calls in flight was refused."""
    bound = TrialConcurrency()
    bound.try_below(refused, TRIP_SECONDS, per_second, now)
    return bound


def take(
    bound: TrialConcurrency, calls: int, since: float, seconds: float, *, others_wait: bool = True
) -> float:
    """Let the server take so many calls, evenly. Returns when that ends."""
    for number in range(1, calls + 1):
        if others_wait:
            assert not bound.admits(1_000)
        bound.answered(since + number * seconds / calls)
    return since + seconds


def borne(limit: int) -> tuple[TrialConcurrency, float]:
    """Return a bound that has beaten the rate without being used up, and the time."""
    bound = tried(limit + 1, per_second=1.0)
    now = take(bound, 100, 0.0, TRIAL_SECONDS, others_wait=False)
    assert bound.limit == limit
    return bound, now


def test_one_less_than_what_was_refused_goes_out_at_once() -> None:
    bound = tried(11, per_second=50)
    assert bound.limit == 10
    assert bound.admits(9)
    assert not bound.admits(10)


@pytest.mark.parametrize(
    ("refused", "per_second"), [(1, 0.5), (math.inf, 1.0), (6, 50.0)], ids=["alone", "none", "few"]
)
def test_what_cannot_beat_the_rate_is_not_tried(refused: float, per_second: float) -> None:
    assert not tried(refused, per_second).is_kept_to


def test_a_bound_that_takes_no_more_than_the_rate_is_left() -> None:
    bound = tried(11, per_second=50)
    take(bound, 270, 0.0, TRIAL_SECONDS)
    assert not bound.is_kept_to


def test_a_bound_that_was_left_is_tried_again_later_each_time() -> None:
    bound, now = TrialConcurrency(), 0.0
    for seconds in (FIRST_TRIAL_AFTER_SECONDS, 2 * FIRST_TRIAL_AFTER_SECONDS):
        bound.try_below(11, TRIP_SECONDS, 50, now)
        bound.answered(now + TRIAL_SECONDS)
        left = now + TRIAL_SECONDS
        bound.try_below(11, TRIP_SECONDS, 50, left + seconds - 0.1)
        assert not bound.is_kept_to
        now = left + seconds
    bound.try_below(11, TRIP_SECONDS, 50, now)
    assert bound.is_kept_to


def test_a_bound_that_is_refused_twice_at_once_is_left() -> None:
    bound = tried(21, per_second=50)
    bound.refused(20, 0.1, 1.1)
    assert bound.limit == 19
    bound.refused(19, 1.2, 2.2)
    assert not bound.is_kept_to


def test_a_bound_that_is_refused_below_what_the_rate_needs_is_left() -> None:
    bound = tried(21, per_second=100)
    bound.refused(12, 0.1, 1.1)
    assert not bound.is_kept_to


def test_a_refusal_now_and_then_costs_one_in_flight() -> None:
    bound, now = borne(10)
    for limit in (9, 8, 7):
        now = take(bound, 100, now, 2 * TRIAL_SECONDS, others_wait=False)
        bound.refused(11, now, now + 1)
        assert bound.limit == limit
        now += 1


def test_a_bound_that_is_borne_is_raised_by_more_each_time() -> None:
    bound, now = borne(10)
    limits = [bound.limit]
    for _ in range(3):
        now = take(bound, 100, now, TRIAL_SECONDS)
        limits.append(bound.limit)
        now += 0.001
    assert limits == [10, 11, 13, 17]


def raise_in_vain(bound: TrialConcurrency, now: float) -> float:
    """Let a raise be refused after 20 calls a second were borne. Returns when that is over."""
    bound._change(now)
    while bound.limit == 10:
        now = take(bound, 10, now, 0.5)
    assert bound.limit == 11
    bound.refused(11, now + 0.1, now + 1)
    return now + 1


def test_a_raise_that_is_refused_lets_a_higher_rate_be_tried() -> None:
    bound, now = borne(10)
    raise_in_vain(bound, now)
    assert not bound.is_kept_to
    assert bound.rate_to_try == pytest.approx(22)


def test_a_higher_rate_that_is_refused_soon_brings_the_bound_back() -> None:
    bound, now = borne(10)
    now = raise_in_vain(bound, now)
    bound.try_below(5, TRIP_SECONDS, 22, now + TRIAL_SECONDS - 0.1)
    assert bound.limit == 10
    assert bound.rate_to_try is None


def test_a_higher_rate_that_is_borne_takes_the_place_of_the_bound() -> None:
    bound, now = borne(10)
    now = raise_in_vain(bound, now) + TRIAL_SECONDS
    bound.try_below(11, TRIP_SECONDS, 22, now)
    assert not bound.is_kept_to
    assert bound.rate_to_try is None
    bound.try_below(11, TRIP_SECONDS, 22, now)
    assert not bound.is_kept_to


def test_a_raise_that_was_refused_is_tried_again_later_each_time() -> None:
    bound, now = borne(10)
    for seconds in (TRIAL_SECONDS, 2 * TRIAL_SECONDS, 4 * TRIAL_SECONDS):
        since, now = now, raise_in_vain(bound, now)
        assert now - since == pytest.approx(seconds + 1, abs=0.6)
        bound.try_below(11, TRIP_SECONDS, 22, now)


def test_a_bound_that_no_call_waits_for_is_not_raised() -> None:
    bound, now = borne(10)
    assert bound.admits(9)
    take(bound, 100, now, 100.0, others_wait=False)
    assert bound.limit == 10


# --- beside the rate ------------------------------------------------------------------------------


def test_the_bound_takes_the_place_of_the_rate() -> None:
    pace = LearnedPace()
    pace.rate = TrialRate.of(10.0, 0.0)
    pace.concurrency = tried(11, per_second=10.0)
    assert pace.is_limited
    assert pace.per_second == math.inf
    for _ in range(3):
        pace.sent(0.0)
        assert pace.delay(0.0) == 0
    assert pace.admits(9)
    assert not pace.admits(10)
    copy = pace.copy()
    assert attrs.asdict(copy.concurrency) == attrs.asdict(pace.concurrency)
    assert copy.concurrency is not pace.concurrency
    pace.forget()
    assert not pace.is_limited


def test_the_bound_is_told_to_those_who_wait_for_it() -> None:
    throttle = Throttle(max_in_flight=100, max_calls_per_second=None, clock=Clock())
    throttle._pace.concurrency = tried(11, per_second=10.0)
    assert throttle.bounds.endswith(", at most 10 at once, as the server has shown to bear")
