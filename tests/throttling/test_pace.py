"""The pace: batches in virtual time, and the rule by itself."""

from __future__ import annotations

import math
from bisect import bisect_left

import pytest

from propq_async._throttling.pace import LearnedPace
from propq_async._throttling.window import Window
from propq_async._wire.messages import Lost, RateLimit, Reply
from tests.helpers.simulation import OK, Answer, fixed_windows, sliding_window, status, token_bucket
from tests.helpers.support import FakeClock
from tests.helpers.throttling import START, a_permit, a_throttle, an_error, pass_once, play


def least_seconds(
    rows: int, limit: int, seconds: float, latency_seconds: float, connections: int
) -> float:
    """Return the least time for a client that learns of the limit by being refused once.

    It waits once as long as the server says, which is a whole number of seconds; from then on it
    sends in each window as many as it holds, as soon as it begins.
    """
    trips = math.ceil(rows / connections)
    refused_at = (limit // connections + 0.5) * latency_seconds
    ends_at = latency_seconds / 2 + seconds
    if rows <= limit or refused_at >= ends_at:
        return trips * latency_seconds
    opens_at = refused_at + latency_seconds / 2 + max(1, math.ceil(ends_at - refused_at - 1e-9))
    windows = math.ceil((rows - limit) / limit) - 1
    last = rows - limit * (windows + 1)
    each = max(seconds, limit * latency_seconds / connections)
    return opens_at + windows * each + math.ceil(last / connections) * latency_seconds


def check_the_pace(
    answer: Answer,
    *,
    rows: int,
    limit: int,
    seconds: float,
    latency: float = 0.05,
    connections: int = 100,
    jitter: float = 0.0,
) -> None:
    server, outcomes, elapsed = play(
        answer,
        rows=rows,
        concurrency=connections,
        max_connections=connections,
        latency_seconds=latency,
        jitter=jitter,
    )
    assert all(outcome.ok and outcome.attempts == 1 for outcome in outcomes)
    assert elapsed <= 1.15 * least_seconds(rows, limit, seconds, latency, connections)
    assert server.statuses[429] <= 0.03 * rows + connections


@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize(
    ("rows", "limit", "seconds", "latency", "connections"),
    [
        (100, 5, 1, 0.05, 100),
        (100, 5, 60, 0.05, 100),
        (600, 60, 60, 0.2, 100),
        (750, 300, 1, 0.2, 100),
        (2_000, 100, 1, 0.05, 100),
        (3_000, 500, 10, 0.2, 100),
        (10_000, 5_000, 60, 0.05, 100),
        (12_500, 5_000, 1, 0.05, 1_000),
    ],
)
def test_rows_take_little_longer_than_the_least_time(
    rows: int, limit: int, seconds: float, latency: float, connections: int, *, headers: bool
) -> None:
    check_the_pace(
        fixed_windows(limit, seconds, headers=headers),
        rows=rows,
        limit=limit,
        seconds=seconds,
        latency=latency,
        connections=connections,
    )


@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["fixed windows", "fixed windows, headers", "sliding window"])
@pytest.mark.parametrize("limit", [5, 60, 300, 5_000])
@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_rows_take_little_longer_for_every_limit_and_window(
    kind: str, limit: int, seconds: float
) -> None:
    for rows in sorted({min(int(limit * windows), 12_500) for windows in (2.5, 6, 20)}):
        for latency, connections in ((0.2, 100), (0.05, 1_000)):
            answer = (
                sliding_window(limit, seconds)
                if kind == "sliding window"
                else fixed_windows(limit, seconds, headers="headers" in kind)
            )
            check_the_pace(
                answer,
                rows=rows,
                limit=limit,
                seconds=seconds,
                latency=latency,
                connections=connections,
            )


@pytest.mark.parametrize(
    ("rows", "limit", "seconds", "latency"),
    [
        (100, 5, 60, 0.2),
        (400, 20, 1, 0.05),
        (400, 20, 10, 0.2),
        (1_200, 60, 1, 0.05),
        (3_000, 500, 5, 0.2),
        (6_000, 300, 60, 0.05),
    ],
)
def test_calls_with_jitter_do_not_arrive_too_early(
    rows: int, limit: int, seconds: float, latency: float
) -> None:
    check_the_pace(
        fixed_windows(limit, seconds, headers=False),
        rows=rows,
        limit=limit,
        seconds=seconds,
        latency=latency,
        jitter=0.5,
    )


def test_the_pace_of_a_token_bucket_is_its_rate() -> None:
    server, outcomes, elapsed = play(token_bucket(300, 30), rows=6_000)
    assert all(outcome.ok for outcome in outcomes)
    assert elapsed <= 1.15 * (6_000 - 300) / 300 * 30
    # It takes some refusals to tell what the bucket held from what flows into it.
    assert server.statuses[429] <= 0.03 * 6_000 + 4 * 100


def test_the_pace_of_a_sliding_window_is_its_rate() -> None:
    check_the_pace(sliding_window(60, 60), rows=600, limit=60, seconds=60)


def test_the_pace_grows_when_the_server_bears_more() -> None:
    narrow, wide = (fixed_windows(limit, 10, headers=False) for limit in (50, 250))

    def answer(now: float, name: str) -> Reply | Lost:
        return (narrow if now < START + 40 else wide)(now, name)

    *_, elapsed = play(answer, rows=4_000)
    assert elapsed < 0.6 * 4_000 / 50 * 10


def test_the_pace_shrinks_when_the_server_bears_less() -> None:
    wide, narrow = (fixed_windows(limit, 10, headers=False) for limit in (500, 50))

    def answer(now: float, name: str) -> Reply | Lost:
        return (wide if now < START + 25 else narrow)(now, name)

    server, *_ = play(answer, rows=3_000)
    assert server.statuses[429] <= 0.03 * 3_000 + 200


def test_a_pace_that_is_kept_and_refused_shrinks_by_steps() -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        # First it bears 20 in 10 s, then it refuses whatever comes in a rhythm of its own.
        if now < START + 30:
            return first(now, _)
        return status(429, Retry_After="1") if int(now) % 40 == 0 else OK

    first = fixed_windows(20, 10, headers=False)
    _, outcomes, _ = play(answer, rows=400)
    assert all(outcome.ok for outcome in outcomes)


def test_on_reopening_calls_do_not_arrive_as_a_stampede() -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return OK if now > START + 30 else status(503, Retry_After="30")

    server, *_ = play(answer, rows=200)
    after = [at for at in server.arrived if at > START + 30]
    # One, then two at a time, then four: as many more as have come back.
    assert bisect_left(after, after[0] + 0.04) == 1
    assert bisect_left(after, after[0] + 0.09) <= 3
    assert bisect_left(after, after[0] + 0.14) <= 7


def test_no_more_calls_go_out_than_the_server_will_still_take() -> None:
    server, *_ = play(
        lambda *_: Reply(200, {"X-RateLimit-Remaining": "2"}, b"{}"), rows=30, concurrency=10
    )
    # Ten at once before it was known, then two at a time.
    assert len({round(at, 2) for at in server.arrived}) == 11


@pytest.mark.parametrize(
    ("stated", "calls", "idle", "wait", "seconds"),
    [
        # All that the window had, in the time from its first call to the end of the wait.
        (None, 20, 0, 10.0, 10 + 20),
        # A wait in fractions was not rounded up.
        (None, 20, 0, 10.5, 10.5 + 20),
        # Long idle before: counted from a usual window before the end.
        (None, 20, 3_600, 10.0, 60),
        # The server's word counts; others use it, too, or not all of it was used.
        (50, 20, 0, 10.0, 10 + 20),
        # More than fit into a window: the last so many.
        (10, 20, 0, 10.0, 10 + 10),
    ],
)
@pytest.mark.parametrize("in_another_loop", [False, True])
async def test_the_pace_is_what_the_window_before_the_wait_has_held(
    stated: int | None,
    calls: int,
    idle: float,
    wait: float,
    seconds: float,
    *,
    in_another_loop: bool,
) -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 100)
    headers = {} if stated is None else {"X-RateLimit-Limit": str(stated)}
    await pass_once(throttle, headers)
    time.advance(idle)
    for _ in range(calls):
        await pass_once(throttle, headers)
        time.advance(1)
    refused = a_permit()
    refused.sent_at = time.monotonic_now
    throttle.refused(refused, an_error(429), wait, limited=True)
    opens = time.monotonic_now + wait
    for _ in range(stated or calls):
        await pass_once(throttle, headers)
    if not idle and stated is None:
        await pass_once(throttle, headers)  # the one before the others, which took no time
    assert time.monotonic_now == opens
    if in_another_loop:
        throttle = throttle.copy()
    await pass_once(throttle, headers)
    assert time.monotonic_now == pytest.approx(opens + seconds)


async def test_a_refusal_of_calls_from_before_the_wait_teaches_nothing() -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 10)
    await pass_once(throttle, {})
    throttle.refused(a_permit(), an_error(429), 5.0, limited=True)
    assert throttle._delay(a_permit(), time.monotonic_now + 5) == 0
    throttle.refused(a_permit(), an_error(429), 7.0, limited=True)
    time.advance(7)
    for _ in range(20):
        await pass_once(throttle, {})
    assert time.sleeps == []


@pytest.mark.parametrize("said", ["9" * 5_000, "-1", "1.5", "x", "", "\u0661"])
async def test_a_stated_limit_that_is_no_number_is_ignored(said: str) -> None:
    throttle = a_throttle(FakeClock().clock, 10)
    await pass_once(throttle, {"X-RateLimit-Limit": said, "X-RateLimit-Remaining": said})
    assert (throttle._pace._stated, throttle._pace._remaining) == (None, None)


# --- the rule by itself ---------------------------------------------------------------------------


def send(pace: LearnedPace, *sent_at: float, trip: float = 0.0, in_flight: int = 1) -> None:
    """Let calls go out, and each come back before the next one."""
    for at in sent_at:
        pace.sent(at)
        pace.seen.answered(at, at + trip, in_flight)


def limit_of(pace: LearnedPace) -> tuple[int, float]:
    (window,) = pace.windows
    return window.limit, window.seconds


def rate_of(pace: LearnedPace) -> float:
    assert not pace.windows
    assert pace.rate is not None
    return pace.rate.per_second


def test_a_new_pace_has_no_limit_once_it_has_seen_a_call() -> None:
    pace = LearnedPace()
    assert pace.at_once(10) == 0
    pace.sent(0.0)
    assert pace.at_once(10) == 10
    assert pace.delay(0.0) == 0


def test_a_refusal_shows_limit_and_window() -> None:
    pace = LearnedPace()
    send(pace, *range(20))
    pace.refused(20.0, 20.0, is_rate_limit=True)
    pace.reopened(30.0, 10.0, is_rate_limit=True)
    assert limit_of(pace) == (20, 30.0)
    assert pace.at_once(10) == 0


def test_half_the_trips_there_and_back_are_no_part_of_a_window() -> None:
    pace = LearnedPace()
    send(pace, *range(20), trip=2.0)
    pace.reopened(30.5, 10.5, is_rate_limit=True)
    assert limit_of(pace) == (20, 28.5)


@pytest.mark.parametrize(("calls", "is_rate_limit"), [(0, True), (4, True), (20, False)])
def test_few_calls_or_a_server_that_is_down_teach_nothing(
    calls: int, *, is_rate_limit: bool
) -> None:
    pace = LearnedPace()
    send(pace, *range(calls))
    assert pace.reopened(30.0, 10.0, is_rate_limit=is_rate_limit) == 1
    assert not pace.is_limited


def test_the_slow_start_may_take_steps_as_wide_as_it_was() -> None:
    pace = LearnedPace()
    send(pace, *range(20), in_flight=7)
    assert pace.reopened(30.0, 10.0, is_rate_limit=True) == 7
    # The pace was kept to, and refused long before its end.
    send(pace, *range(30, 40), in_flight=7)
    assert pace.reopened(60.0, 20.0, is_rate_limit=True) == 1


def test_a_window_that_was_not_quite_over_is_stretched() -> None:
    pace = LearnedPace(Window(10, 60.0))
    for _ in range(3):
        send(pace, *range(10))
        pace.reopened(61.0, 1.0, is_rate_limit=True)
    limit, seconds = limit_of(pace)
    assert limit == 10
    assert seconds == pytest.approx(60 * 1.02**3)
    send(pace, *range(10))
    pace.reopened(200.0, 1.0, is_rate_limit=True)
    # Then it is no window, and calls go out at even distances, a tenth fewer of them.
    assert rate_of(pace) == pytest.approx(9 / seconds)


@pytest.mark.parametrize(("borne", "limit"), [(3, 5), (7, 7)])
def test_a_refused_window_shrinks_to_what_was_borne_or_half(borne: int, limit: int) -> None:
    pace = LearnedPace(Window(10, 10.0))
    send(pace, 0.0, *(91.0 + number for number in range(borne)))
    pace.reopened(104.0, 4.0, is_rate_limit=True)
    assert limit_of(pace) == (limit, 10.0)


def answers(pace: LearnedPace, count: int, now: float) -> None:
    """Let calls wait for their turn, and come back, at one moment."""
    for _ in range(count):
        pace.sent(now)
        pace.delay(now)
        pace.seen.answered(now, now, 1)
        pace.adjust(None, now)


def test_a_window_is_tested_with_calls_at_even_distances() -> None:
    pace = LearnedPace(Window(100, 1.0))
    answers(pace, 39, 100.0)
    assert limit_of(pace) == (100, 1.0)
    answers(pace, 1, 100.0)
    assert rate_of(pace) == 102


def test_a_window_that_holds_more_is_none_and_the_rate_doubles() -> None:
    pace = LearnedPace(Window(100, 1.0))
    answers(pace, 40, 100.0)
    rates = []
    for now in range(101, 110):
        answers(pace, 51, float(now))
        rates.append(round(rate_of(pace)))
    assert rates == pytest.approx([104, 108, 117, 136, 179, 293, 587, 1_174, 2_347], rel=0.01)


def test_a_window_that_stands_the_test_is_tested_later_each_time() -> None:
    pace = LearnedPace(Window(100, 1.0))
    now = 100.0
    for distance in (0.0, 60.0, 120.0, 240.0):
        if distance:
            answers(pace, 40, now + distance - 1)
            assert limit_of(pace) == (100, 1.0)
        now += distance
        answers(pace, 40, now)
        assert rate_of(pace) == 102
        now += 1
        pace.reopened(now, 1.0, is_rate_limit=True)
        assert limit_of(pace) == (100, 1.0)


def test_a_limit_that_the_server_states_is_kept_to() -> None:
    pace = LearnedPace(Window(100, 1.0))
    pace.adjust(RateLimit(30, None), 0.0)
    assert limit_of(pace)[0] == 30
    pace.adjust(None, 0.0)
    assert limit_of(pace)[0] == 30
    # It goes on in another loop.
    assert limit_of(pace.copy())[0] == 30
    pace.forget()
    assert not pace.copy().is_limited


def test_what_the_server_will_still_take_bounds_the_flight() -> None:
    pace = LearnedPace()
    assert pace.admits(1_000)
    pace.adjust(RateLimit(None, 2), 0.0)
    assert [pace.admits(in_flight) for in_flight in (0, 1, 2)] == [True, True, False]
    pace.adjust(RateLimit(None, 0), 0.0)
    assert [pace.admits(in_flight) for in_flight in (0, 1)] == [True, False]
    pace.adjust(None, 0.0)
    assert pace.admits(1_000)


def test_a_refused_call_does_not_count_in_the_window() -> None:
    pace = LearnedPace(Window(1, 10.0))
    pace.sent(5.0)
    assert pace.delay(6.0) == 9
    pace.refused(5.0, 6.0, is_rate_limit=False)
    assert pace.delay(6.0) == 9
    pace.refused(5.0, 6.0, is_rate_limit=True)
    assert pace.delay(6.0) == 0
