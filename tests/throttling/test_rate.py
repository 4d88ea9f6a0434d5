"""A rate found by trial: the rule by itself, and windows that turn into one."""

from __future__ import annotations

import pytest

from propq_async._throttling.pace import MAX_WINDOWS, SHRINK_FACTOR, LearnedPace
from propq_async._throttling.rate import (
    CALLS_FOR_A_REFUSAL,
    MAX_FORGIVEN,
    TrialRate,
)
from propq_async._throttling.window import Spacing, Window
from propq_async._wire.messages import RateLimit


def keep(rate: TrialRate, seconds: float, since: float) -> float:
    """Make calls at the rate for so long, and let the server take them. Returns when it ends."""
    now = since
    while now < since + seconds:
        now += rate.delay(now)
        rate.spacing.sent(now)
        rate.delay(now)
        rate.answered(now)
    return now


def refuse(rate: TrialRate, now: float, *, floor: float = 0.0) -> float:
    """Let a call be refused, and wait a second."""
    rate.refused(now, now + 1, floor)
    assert rate.unblocked(now + 1.1) is None
    return now + 1


def test_a_rate_doubles_while_nothing_is_refused() -> None:
    rate = TrialRate.of(10.0, 0.0)
    keep(rate, 4.5, 0.0)
    assert rate.per_second == 160


def test_a_rate_that_is_not_used_does_not_grow() -> None:
    rate = TrialRate.of(100.0, 0.0)
    for second in range(100):
        rate.spacing.sent(float(second))
        rate.answered(float(second))
    assert rate.per_second == 100


def test_a_trial_that_fails_goes_back_and_is_tried_by_less() -> None:
    rate = TrialRate.of(10.0, 0.0)
    now = keep(rate, 1.1, 0.0)
    assert rate.per_second == 20
    now = refuse(rate, now)
    assert rate.per_second == 10
    # Later, and by half as much.
    now = keep(rate, 1.9, now)
    assert rate.per_second == 10
    now = keep(rate, 0.3, now)
    assert rate.per_second == 15


def test_a_rate_without_a_trial_does_not_grow_faster_later() -> None:
    rate = TrialRate.of(10.0, 0.0, growth=0.03)
    now = keep(rate, 5.1, 0.0)
    assert rate.per_second == pytest.approx(10.3)
    now = refuse(rate, now)
    # Not at once, and by less.
    now = keep(rate, 4.0, now)
    assert rate.per_second == 10
    keep(rate, 1.5, now)
    assert rate.per_second == pytest.approx(10.2)


def test_a_rate_that_is_refused_again_and_again_falls_faster() -> None:
    rate, now, rates = TrialRate.of(100.0, 0.0), 0.0, []
    for _ in range(4):
        now = refuse(rate, now + 10)
        rates.append(rate.per_second)
    assert rates == pytest.approx([90, 72, 43.2, 21.6])


def test_a_rate_does_not_fall_below_what_was_lately_borne() -> None:
    rate = TrialRate.of(100.0, 0.0)
    refuse(rate, 10.0, floor=95.0)
    assert rate.per_second == 95
    # Nor does a refusal raise it.
    refuse(rate, 20.0, floor=200.0)
    assert rate.per_second == 95


def test_refusals_while_everything_is_refused_teach_nothing_until_it_ends() -> None:
    rate = TrialRate.of(100.0, 0.0, blocked_since=10.0)
    for now in range(11, 20):
        rate.refused(float(now), now + 1.0, 0.0)
    assert rate.per_second == 100
    assert rate.unblocked(20.0) == 10
    assert rate.unblocked(21.0) is None
    rate.rescale(10.0, 10.0, 20.0)
    assert (rate.per_second, rate.scale_seconds) == (10, 10)
    # It begins again by little.
    keep(rate, 10.5, 20.0)
    assert rate.per_second == pytest.approx(10.2)


def test_a_copy_goes_its_own_way() -> None:
    pace = LearnedPace()
    pace.rate = rate = TrialRate.of(10.0, 0.0)
    copy = pace.copy()
    keep(rate, 2.5, 0.0)
    assert copy.per_second == 10
    assert copy.delay(0.0) == 0


def test_late_calls_keep_their_distance() -> None:
    spacing = Spacing(10.0)
    spacing.sent(100.0)
    assert spacing.delay(100.0) == pytest.approx(0.1)
    spacing.sent(100.101)
    assert spacing.delay(100.101) == pytest.approx(0.1)


def test_late_calls_catch_up_where_timers_are_not_exact_enough() -> None:
    spacing = Spacing(1_000.0)
    for at in (100.0, 100.0, 100.0, 100.0025, 100.0025):
        spacing.sent(at)
    assert spacing.delay(100.0025) == pytest.approx(0.0005)
    # After a long pause it is two calls.
    spacing.sent(101.0)
    spacing.sent(101.0)
    assert spacing.delay(101.0) == pytest.approx(0.0)
    spacing.sent(101.0)
    assert spacing.delay(101.0) == pytest.approx(0.001)


def test_a_refusal_of_many_calls_is_no_harm() -> None:
    rate = TrialRate.of(100.0, 0.0)
    assert not rate.forgives()
    for number in range(1_000):
        rate.answered(number / 1_000)
    assert [rate.forgives() for _ in range(MAX_FORGIVEN + 1)] == [True] * MAX_FORGIVEN + [False]
    for number in range(CALLS_FOR_A_REFUSAL):
        rate.answered(1 + number / 1_000)
    assert rate.forgives()
    assert not rate.forgives()


def test_a_rate_says_which_calls_went_out_before_it() -> None:
    rate = TrialRate.of(100.0, 50.0)
    assert rate.is_newer_than(49.9)
    assert not rate.is_newer_than(50.0)


# --- what the pace makes of it --------------------------------------------------------------------


def take(pace: LearnedPace, *sent_at: float) -> None:
    for at in sent_at:
        pace.sent(at)
        pace.seen.answered(at, at, 1)
        pace.adjust(None, at)


def windows_of(pace: LearnedPace) -> list[tuple[int, float]]:
    return [(window.limit, window.seconds) for window in pace.windows]


def test_a_refusal_without_a_wait_shows_a_rate() -> None:
    pace = LearnedPace()
    take(pace, *[100 + number / 100 for number in range(20)])
    pace.reopened(101.25, 1.0, is_rate_limit=True, is_wait_stated=False)
    assert pace.windows == []
    assert pace.per_second == 20
    assert pace.copy().per_second == 20
    assert pace.is_limited


def test_a_refusal_of_the_very_first_calls_shows_no_rate() -> None:
    pace = LearnedPace()
    pace.sent(100.0)
    pace.reopened(101.0, 1.0, is_rate_limit=True, is_wait_stated=False)
    assert not pace.is_limited


def test_a_server_that_refuses_all_for_long_counts_in_longer_times() -> None:
    pace = LearnedPace()
    take(pace, *[100 + number / 100 for number in range(20)])
    for now in range(101, 110):
        pace.sent(float(now))
        pace.reopened(now + 1.0, 1.0, is_rate_limit=True, is_wait_stated=False)
    take(pace, 110.5)
    assert pace.per_second == pytest.approx(2, rel=0.15)


def test_a_wait_that_no_window_explains_shows_a_longer_one() -> None:
    pace = LearnedPace()
    take(pace, *[100 + number / 100 for number in range(20)])
    pace.reopened(101.0, 1.0, is_rate_limit=True)
    take(pace, *[101 + number / 100 for number in range(20)])
    pace.reopened(160.0, 58.0, is_rate_limit=True)
    assert windows_of(pace) == [(20, 1.0), (40, 60.0)]
    assert pace.per_second == pytest.approx(40 / 60)
    assert windows_of(pace.copy()) == windows_of(pace)


def test_each_limit_that_the_server_names_has_its_window() -> None:
    pace = LearnedPace()
    take(pace, *[100 + number / 100 for number in range(20)])
    for limit, at, wait in (
        (20, 101.0, 1.0),
        (10, 160.0, 58.0),
        (15, 300.0, 100.0),
        (5, 400.0, 9.0),
    ):
        pace.reopened(at, wait, is_rate_limit=True, stated=limit)
        take(pace, *[at + number / 100 for number in range(20)])
    assert [window.limit for window in pace.windows] == [10, 15, 5]
    assert len(pace.windows) == MAX_WINDOWS
    # What an answer tells is one of them, and changes none.
    pace.adjust(RateLimit(5, 3), 500.0)
    assert [window.limit for window in pace.windows] == [10, 15, 5]


def test_a_limit_with_more_left_than_another_holds_replaces_it() -> None:
    pace = LearnedPace(Window(50, 60.0, is_stated=True))
    pace.adjust(RateLimit(100, 20), 100.0)
    assert windows_of(pace) == [(50, 60.0)]
    pace.adjust(RateLimit(100, 99), 100.0)
    assert windows_of(pace) == [(100, 60.0)]


def test_a_window_with_a_stated_limit_is_corrected() -> None:
    pace = LearnedPace(Window(20, 10.0, is_stated=True))
    take(pace, *[100 + number / 100 for number in range(20)])
    pace.reopened(101.0, 1.0, is_rate_limit=True, stated=20)
    # It was far too long.
    assert windows_of(pace) == [(20, 1.0)]
    take(pace, *[101 + number / 100 for number in range(20)])
    pace.reopened(102.0, 1.0, is_rate_limit=True, stated=20)
    # It was not quite over.
    assert pace.windows[0].limit == 20
    assert pace.windows[0].seconds == pytest.approx(1.02)
    take(pace, 103.0)
    pace.reopened(113.0, 10.0, is_rate_limit=True, stated=20)
    # Others use it, too.
    assert pace.windows[0].limit == 20
    assert pace.windows[0].seconds == pytest.approx(1.02)


def test_a_much_smaller_window_is_believed_the_second_time() -> None:
    pace = LearnedPace(Window(100, 10.0))
    for at in (100.0, 110.0):
        assert windows_of(pace) == [(100, 10.0)]
        take(pace, *[at + number / 100 for number in range(10)])
        pace.reopened(at + 10, 9.0, is_rate_limit=True)
    assert windows_of(pace) == [(10, 10.0)]


def test_too_few_calls_measure_no_window() -> None:
    pace = LearnedPace(Window(100, 10.0))
    take(pace, 100.0)
    pace.reopened(110.0, 9.0, is_rate_limit=True)
    assert windows_of(pace) == [(100, 10.0)]


def test_a_refusal_of_a_call_of_another_rate_does_not_change_the_rate() -> None:
    pace = LearnedPace()
    pace.rate = TrialRate.of(20.0, 100.0)
    take(pace, 101.0)
    for sent_at, per_second in ((99.5, 20), (101.0, 18)):
        pace.refused(sent_at, 140.0, is_rate_limit=True)
        pace.reopened(141.0, 1.0, is_rate_limit=True, is_wait_stated=False)
        assert pace.per_second == per_second
        pace.sent(110.0)


def test_a_window_that_takes_few_calls_again_and_again_was_a_bucket() -> None:
    pace = LearnedPace(Window(100, 1.0))
    for now in (100.0, 102.0, 104.0):
        assert windows_of(pace) == [(100, 1.0)]
        take(pace, now, now + 0.05)
        pace.reopened(now + 1.25, 1.0, is_rate_limit=True)
    assert pace.windows == []
    assert pace.per_second == pytest.approx(2 / 1.25)


def test_a_window_that_shrinks_to_a_few_calls_was_a_bucket() -> None:
    pace = LearnedPace(Window(8, 1.0))
    for now, limit in ((100.0, 8), (102.0, 4)):
        assert windows_of(pace) == [(limit, 1.0)]
        take(pace, now, now + 0.05)
        pace.reopened(now + 2.0, 1.9, is_rate_limit=True)
    assert pace.windows == []
    assert pace.per_second == pytest.approx(SHRINK_FACTOR * 4)


def test_the_test_of_a_window_begins_when_it_has_room() -> None:
    pace = LearnedPace(Window(20, 1.0))
    take(pace, *[100.0] * 20, *[150.0] * 19)
    assert pace.rate is None
    take(pace, 150.0)
    assert pace.rate is not None
    assert pace.delay(150.0) == pytest.approx(1.0)


def test_a_window_that_fails_the_test_late_is_none() -> None:
    pace = LearnedPace(Window(10, 1.0))
    now = 100.0
    for _ in range(400):
        now += pace.delay(now)
        take(pace, now)
        pace.delay(now)
    assert pace.rate is not None
    per_second = pace.per_second
    assert per_second > 12
    pace.reopened(now + 1, 1.0, is_rate_limit=True)
    assert pace.windows == []
    assert pace.per_second < per_second


def test_a_rate_does_not_explain_a_long_wait() -> None:
    pace = LearnedPace()
    take(pace, *[100 + number / 100 for number in range(20)])
    pace.reopened(101.25, 1.0, is_rate_limit=True, is_wait_stated=False)
    take(pace, *[102 + number / 10 for number in range(20)])
    pace.reopened(160.0, 56.0, is_rate_limit=True)
    assert windows_of(pace) == [(40, 60.0)]
    assert pace.rate is not None


def test_few_calls_before_a_long_wait_show_no_longer_window() -> None:
    pace = LearnedPace(Window(10, 1.0))
    take(pace, 100.0, 100.1, 100.2)
    pace.reopened(150.0, 49.5, is_rate_limit=True)
    assert windows_of(pace) == [(5, 1.0)]


def test_a_window_that_others_have_used_up_is_as_long_as_before() -> None:
    pace = LearnedPace(Window(20, 10.0, is_stated=True))
    take(pace, 100.0)
    pace.reopened(109.0, 8.0, is_rate_limit=True, stated=20)
    assert windows_of(pace) == [(20, 10.0)]


def test_a_refused_call_counts_in_no_window() -> None:
    pace = LearnedPace(Window(1, 10.0))
    pace.windows.append(Window(1, 20.0))
    pace.sent(100.0)
    pace.windows[0].sent_at.clear()
    pace.refused(100.0, 100.0, is_rate_limit=True)
    assert pace.delay(100.0) == 0
