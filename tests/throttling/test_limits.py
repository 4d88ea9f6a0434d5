"""The pace under the limits that real servers have, in virtual time.

Two minutes after its first call an endless batch has to get through at 80% of the rate that the
server bears. From then on it refuses less than 3% of what it is sent.

A server that allows no burst refuses what comes less than its distance after the call before. So
over a way whose time varies it bears what gets through of even calls.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from propq_async._wire.messages import Lost, Reply
from tests.helpers.limiters import (
    ConnectionLimit,
    borne_evenly,
    laravel,
    leaky_bucket,
    request_rate,
    send_evenly,
    serve,
    watch,
)
from tests.helpers.simulation import Answer, fixed_windows, sliding_window, status, token_bucket

LEAST_TAKEN = 0.8
MOST_REFUSED = 0.03
IN_A_SECOND = status(429, Retry_After="1")


def without_headers(answer: Answer) -> Answer:
    """Let nothing but `Retry-After` tell of the limit."""

    def changed(now: float, name: str) -> Reply | Lost:
        reply = answer(now, name)
        assert isinstance(reply, Reply)
        wait = reply.headers.get("Retry-After")
        return reply if reply.status == 200 else status(429, Retry_After=wait or "1")

    return changed


def without_a_wait(answer: Answer) -> Answer:
    """Let nothing tell of the limit."""

    def changed(now: float, name: str) -> Reply | Lost:
        reply = answer(now, name)
        assert isinstance(reply, Reply)
        return status(429) if reply.status == 429 else reply

    return changed


# What to make, and how many calls a second it bears.
LIMITS: dict[str, tuple[Callable[[], Answer], float]] = {
    "Laravel: 20 a second, 100 a minute": (lambda: laravel((20, 1), (100, 60)), 100 / 60),
    "Laravel: 20 a second, 600 a minute": (lambda: laravel((20, 1), (600, 60)), 600 / 60),
    "Laravel: 20 a second": (lambda: laravel((20, 1)), 20),
    "Laravel: 100 a minute": (lambda: laravel((100, 60)), 100 / 60),
    "Laravel: both, without headers": (
        lambda: without_headers(laravel((20, 1), (100, 60))),
        100 / 60,
    ),
    "nginx: limit_req 100r/s burst=20": (lambda: leaky_bucket(100, 20), 100),
    "nginx: limit_req 100r/s burst=20, Retry-After": (
        lambda: leaky_bucket(100, 20, IN_A_SECOND),
        100,
    ),
    "nginx: limit_req 10r/s burst=5": (lambda: leaky_bucket(10, 5), 10),
    "nginx: limit_req 100r/s": (lambda: leaky_bucket(100, 0), 100),
    "nginx: limit_req 10r/s": (lambda: leaky_bucket(10, 0), 10),
    "nginx: limit_conn 10": (lambda: ConnectionLimit(10, 0.1), 100),
    "nginx: limit_conn 10, Retry-After": (lambda: ConnectionLimit(10, 0.1, IN_A_SECOND), 100),
    "nginx: limit_conn 1, Retry-After": (lambda: ConnectionLimit(1, 0.1, IN_A_SECOND), 10),
    "HAProxy: 100 in a second": (lambda: request_rate(100, 1), 100),
    "HAProxy: 100 in a second, Retry-After": (lambda: request_rate(100, 1, IN_A_SECOND), 100),
    "HAProxy: 100 in 10 s": (lambda: request_rate(100, 10), 10),
    "fixed windows: 50 in a second": (lambda: fixed_windows(50, 1, headers=False), 50),
    "fixed windows: 300 in 10 s": (lambda: fixed_windows(300, 10, headers=False), 30),
    "fixed windows: 300 in 10 s, no Retry-After": (
        lambda: without_a_wait(fixed_windows(300, 10, headers=False)),
        30,
    ),
    "fixed windows: 60 in a minute, no Retry-After": (
        lambda: without_a_wait(fixed_windows(60, 60, headers=False)),
        1,
    ),
    "sliding window: 100 in a second": (lambda: sliding_window(100, 1), 100),
    "sliding window: 60 in a minute": (lambda: sliding_window(60, 60), 1),
    "sliding window: 100 in a second, no Retry-After": (
        lambda: without_a_wait(sliding_window(100, 1)),
        100,
    ),
    "token bucket: 100 in a second": (lambda: token_bucket(100, 1), 100),
    "token bucket: 100 in a minute": (lambda: token_bucket(100, 60), 100 / 60),
    "token bucket: 300 in 30 s": (lambda: token_bucket(300, 30), 10),
    "token bucket: 300 in 30 s, no Retry-After": (
        lambda: without_a_wait(token_bucket(300, 30)),
        10,
    ),
}

WITHOUT_BURST = {"nginx: limit_req 100r/s", "nginx: limit_req 10r/s"}


def check(
    name: str, *, latency_seconds: float, jitter: float, learning_seconds: float, seconds: float
) -> None:
    make, bears = LIMITS[name]
    if "limit_conn" in name:
        latency_seconds = 0.01  # the call's own time comes on top of it
    if name in WITHOUT_BURST and jitter:
        bears = borne_evenly(
            make,
            bears,
            most_refused=MOST_REFUSED,
            latency_seconds=latency_seconds,
            jitter=jitter,
        )
    _, then = watch(
        make(),
        latency_seconds=latency_seconds,
        jitter=jitter,
        learning_seconds=learning_seconds,
        seconds=seconds,
    )
    assert then.per_second >= LEAST_TAKEN * bears
    assert then.refused_part < MOST_REFUSED


def check_any_way(name: str, latency_seconds: float, jitter: float) -> None:
    check(
        name,
        latency_seconds=latency_seconds,
        jitter=jitter,
        learning_seconds=120.0,
        # So that one refused call is less than the hundredth part.
        seconds=60.0 if LIMITS[name][1] >= 10 else 180.0,
    )


@pytest.mark.parametrize("name", LIMITS)
def test_the_pace_is_what_the_server_bears(name: str) -> None:
    # Less than the two minutes, since these are many calls.
    seconds = 30.0 if LIMITS[name][1] >= 50 else 60.0
    check(name, latency_seconds=0.05, jitter=0.0, learning_seconds=60.0, seconds=seconds)


def test_uneven_calls_do_not_cost_half_of_a_limit_of_concurrency() -> None:
    check(
        "nginx: limit_conn 10",
        latency_seconds=0.01,
        jitter=0.9,
        learning_seconds=30.0,
        seconds=30.0,
    )


def test_the_pace_of_a_large_bucket_is_what_flows_into_it() -> None:
    check(
        "token bucket: 300 in 30 s, no Retry-After",
        latency_seconds=0.3,
        jitter=0.0,
        learning_seconds=120.0,
        seconds=60.0,
    )


def test_even_calls_get_through_without_burst_unless_their_way_varies() -> None:
    refused = [
        send_evenly(
            leaky_bucket(10, 0), per_second=8, seconds=60.0, latency_seconds=0.2, jitter=jitter
        ).refused_part
        for jitter in (0.0, 0.3)
    ]
    assert refused == [0, pytest.approx(0.17, abs=0.02)]


@pytest.mark.parametrize(
    ("name", "latency_seconds", "jitter"),
    [
        ("nginx: limit_req 10r/s", 0.2, 0.3),
        # What is refused a minute after it was is tried again by as little as before.
        ("nginx: limit_req 10r/s", 0.3, 0.0),
        # Few calls go out in a minute, so that the rate grows by little.
        ("fixed windows: 60 in a minute, no Retry-After", 0.05, 0.5),
        # What it took at once is no window, though it takes some calls in each.
        ("token bucket: 100 in a minute", 0.3, 0.0),
    ],
)
def test_a_long_or_uneven_way_leaves_what_the_server_bears(
    name: str, latency_seconds: float, jitter: float
) -> None:
    check_any_way(name, latency_seconds, jitter)


def check_late_timers(answer: Answer, bears: float, late_seconds: float) -> None:
    _, then = watch(
        answer,
        latency_seconds=0.005,
        jitter=0.05,
        learning_seconds=60.0,
        seconds=30.0,
        late_seconds=late_seconds,
    )
    assert then.per_second >= LEAST_TAKEN * bears
    assert then.refused_part < MOST_REFUSED


@pytest.mark.parametrize(("per_second", "late_seconds"), [(50, 0.004), (100, 0.001)])
def test_late_timers_cost_little_where_no_burst_is_allowed(
    per_second: int, late_seconds: float
) -> None:
    """Such a server refuses a call that makes up for a late one before it."""
    check_late_timers(leaky_bucket(per_second, 0), per_second, late_seconds)


def test_late_timers_cost_little_where_a_bucket_asks_to_wait() -> None:
    """What it took at once is no window, since it takes as much again at even distances."""
    check_late_timers(leaky_bucket(100, 20, IN_A_SECOND), 100, 0.004)


@pytest.mark.parametrize("refusal", [status(429), IN_A_SECOND], ids=["no wait", "a second"])
def test_a_long_way_leaves_a_limit_of_concurrency_what_it_bears(refusal: Reply) -> None:
    """Calls on their way are in flight for the client, and not for the server."""
    _, then = watch(
        ConnectionLimit(4, 0.1, refusal), latency_seconds=0.1, learning_seconds=120.0, seconds=20.0
    )
    assert then.per_second >= LEAST_TAKEN * 40
    assert then.refused_part < MOST_REFUSED


def test_a_long_way_does_not_show_a_rate_refusals_of_the_one_before() -> None:
    """Calls come back refused for longer than the server asks to wait."""

    def in_no_time(answer: Answer) -> Answer:
        def changed(now: float, name: str) -> Reply | Lost:
            reply = answer(now, name)
            assert isinstance(reply, Reply)
            return status(429, Retry_After="0.01") if reply.status == 429 else reply

        return changed

    _, then = watch(
        in_no_time(token_bucket(100, 1)), latency_seconds=0.6, learning_seconds=30.0, seconds=20.0
    )
    assert then.per_second >= LEAST_TAKEN * 100
    assert then.refused_part < MOST_REFUSED


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("latency_seconds", "jitter"), [(0.05, 0.5), (0.2, 0.3), (0.3, 0.0)])
@pytest.mark.parametrize("name", LIMITS)
def test_the_pace_is_what_the_server_bears_whatever_the_way(
    name: str, latency_seconds: float, jitter: float
) -> None:
    check_any_way(name, latency_seconds, jitter)


# --- a service ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal", [status(429), IN_A_SECOND], ids=["no Retry-After", "Retry-After"]
)
def test_a_steady_service_does_not_get_stuck_after_a_burst(refusal: Reply) -> None:
    """A fifth of what the server takes goes on at that rate, whatever was refused before."""
    service = serve(
        request_rate(100, 1, refusal),
        per_second=20,
        seconds=180,
        bursts=[(10.0, 300), (11.5, 100), (14.0, 100)],
    )
    assert service.errors == []
    assert max(service.latencies) < 20
    # The last minute's calls waited for nothing.
    assert max(service.latencies[-1_200:]) < 0.1
