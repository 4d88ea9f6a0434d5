from __future__ import annotations

import asyncio
import itertools
import logging
import math
from bisect import bisect_left

import pytest

from propq_async import (
    APIConnectionError,
    APIError,
    APIStatusError,
    Clock,
    Credentials,
    PropQError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    TokenManager,
    TokenUnavailableError,
    UnitOutcome,
)
from propq_async.gate import OUTAGE_FAILURES, Gate, Shut, Ticket
from propq_async.wire import Lost, Reply

from .simulation import (
    OK,
    REFUSED,
    Answer,
    Simulated,
    fixed_windows,
    sliding_window,
    status,
    units,
)
from .support import FakeClock, an_update, drain, run_virtual

START = 10_000.0  # where the virtual loop's time begins


def play(
    answer: Answer,
    *,
    rows: int,
    concurrency: int = 100,
    max_connections: int = 100,
    max_calls_per_second: float | None = None,
    max_outage_seconds: float = 1e6,
    latency_seconds: float = 0.05,
    jitter: float = 0.0,
) -> tuple[Simulated, list[UnitOutcome], float]:
    async def main(clock: Clock) -> tuple[Simulated, list[UnitOutcome], float]:
        server = Simulated(clock, answer, latency_seconds=latency_seconds, jitter=jitter)
        resource = units(
            clock,
            server,
            max_connections=max_connections,
            max_calls_per_second=max_calls_per_second,
        )
        batch = resource.update_many(
            (an_update(f"{number}") for number in range(rows)),
            concurrency=concurrency,
            max_outage_seconds=max_outage_seconds,
        )
        outcomes = [outcome async for outcome in batch]
        assert sorted(outcome.index for outcome in outcomes) == list(range(rows))
        return server, outcomes, clock.monotonic() - START

    return run_virtual(main)


# --- the pace -----------------------------------------------------------------------------------


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
def test_n_rows_take_little_longer_than_the_least_time_and_few_calls_are_refused(
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
@pytest.mark.parametrize("limit", [5, 20, 60, 300, 1_000, 5_000])
@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_so_it_is_for_every_limit_and_window(kind: str, limit: int, seconds: float) -> None:
    for windows in (2.5, 6, 20):
        for latency, connections in ((0.2, 100), (0.05, 1_000)):
            answer = (
                sliding_window(limit, seconds)
                if kind == "sliding window"
                else fixed_windows(limit, seconds, headers="headers" in kind)
            )
            check_the_pace(
                answer,
                rows=min(int(limit * windows), 20_000),
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
def test_calls_that_are_on_their_way_for_longer_or_shorter_do_not_come_too_early(
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


def token_bucket(limit: int, seconds: float) -> Answer:
    """Hold so many tokens, filled up evenly within so many seconds."""
    tokens, then = float(limit), START

    def answer(now: float, _: str) -> Reply:
        nonlocal tokens, then
        tokens, then = min(limit, tokens + (now - then) * limit / seconds), now
        if tokens < 1:
            wait = math.ceil((1 - tokens) * seconds / limit)
            return status(429, Retry_After=f"{max(1, wait)}")
        tokens -= 1
        return OK

    return answer


def test_a_server_that_fills_a_bucket_is_borne_at_its_rate() -> None:
    server, outcomes, elapsed = play(token_bucket(300, 30), rows=6_000)
    assert all(outcome.ok for outcome in outcomes)
    assert elapsed <= 1.15 * (6_000 - 300) / 300 * 30
    # It takes some refusals to tell what the bucket held from what flows into it.
    assert server.statuses[429] <= 0.03 * 6_000 + 4 * 100


def test_a_server_with_a_sliding_window_is_borne_as_well() -> None:
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


def test_a_pace_that_is_refused_although_it_is_kept_shrinks_step_by_step() -> None:
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


def test_what_the_server_says_it_will_still_take_is_not_exceeded() -> None:
    server, *_ = play(
        lambda *_: Reply(200, {"X-RateLimit-Remaining": "2"}, b"{}"), rows=30, concurrency=10
    )
    # Ten at once before it was known, then two at a time.
    assert len({round(at, 2) for at in server.arrived}) == 11


# --- max_calls_per_second ------------------------------------------------------------------------


@pytest.mark.parametrize(("cap", "rows"), [(0.5, 5), (1, 10), (1.9, 10), (7, 100), (50, 500)])
def test_max_calls_per_second_is_never_exceeded_in_any_sliding_second(
    cap: float, rows: int
) -> None:
    server, _, elapsed = play(lambda *_: OK, rows=rows, max_calls_per_second=cap)
    window, most = (1.0, int(cap)) if cap >= 1 else (1 / cap, 1)
    times = server.arrived
    assert all(
        later - earlier >= window - 1e-9
        for earlier, later in zip(times, times[most:], strict=False)
    )
    assert elapsed <= rows / most * window + 1


@pytest.mark.parametrize("revoked", [False, True])
def test_max_calls_per_second_holds_for_calls_that_had_to_wait_for_a_token(
    *, revoked: bool
) -> None:
    cap = 10

    async def main(clock: Clock) -> list[float]:
        async def ask(url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
            del url, credentials, timeout_seconds
            await asyncio.sleep(5.0)
            return Reply(200, {}, b'{"access_token": "%f", "expires_in": 9999}' % clock.wall())

        def answer(now: float, _: str) -> Reply | Lost:
            return status(401) if revoked and START + 6 < now < START + 7.5 else OK

        tokens = TokenManager(Credentials(1, "secret"), clock=clock, ask=ask)
        server = Simulated(clock, answer)
        resource = units(clock, server, tokens=tokens, max_calls_per_second=cap)
        batch = resource.update_many(an_update(f"{number}") for number in range(100))
        assert all([outcome.ok async for outcome in batch])
        return server.arrived

    times = run_virtual(main)
    assert all(
        later - earlier >= 1 - 1e-9 for earlier, later in zip(times, times[cap:], strict=False)
    )


async def test_a_copy_for_another_loop_remembers_cap_pace_and_wait() -> None:
    time = FakeClock()
    gate = Gate(max_in_flight=9, max_calls_per_second=2, clock=time.clock)
    tickets = [Ticket(held=False, patience_seconds=9, since=time.monotonic_now) for _ in range(5)]
    for ticket in tickets[:2]:
        assert await gate.enter(ticket) is None
        gate.succeeded(ticket, Reply(200, {"X-RateLimit-Limit": "2"}, b""))
    began = time.monotonic_now
    assert await gate.copy().enter(tickets[2]) is None
    assert time.monotonic_now == began + 1
    gate.refused(a_ticket(), an_error(429), 5.0, limited=True)
    copy = gate.copy()
    closed_at = time.monotonic_now
    assert await copy.enter(tickets[3]) is None
    assert time.monotonic_now == closed_at + 5


@pytest.mark.parametrize(
    ("stated", "calls", "idle", "wait", "seconds"),
    [
        # All that the window held, in the time from its first call to the end of the wait.
        (None, 20, 0, 10.0, 10 + 20),
        # A wait in fractions was not rounded up.
        (None, 20, 0, 10.5, 10.5 + 20),
        # Long idle before: counted from a usual window before the end.
        (None, 20, 3_600, 10.0, 60),
        # The server's word counts; others use it, too, or not all of it was used.
        (50, 20, 0, 10.0, 10 + 20),
        # More than a window held: the last so many.
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
    gate = a_gate(time.clock, 100)
    headers = {} if stated is None else {"X-RateLimit-Limit": str(stated)}
    await pass_once(gate, headers)
    time.advance(idle)
    for _ in range(calls):
        await pass_once(gate, headers)
        time.advance(1)
    refused = a_ticket()
    refused.passed = time.monotonic_now
    gate.refused(refused, an_error(429), wait, limited=True)
    opens = time.monotonic_now + wait
    for _ in range(stated or calls):
        await pass_once(gate, headers)
    if not idle and stated is None:
        await pass_once(gate, headers)  # the one before the others, which took no time
    assert time.monotonic_now == opens
    if in_another_loop:
        gate = gate.copy()
    await pass_once(gate, headers)
    assert time.monotonic_now == pytest.approx(opens + seconds)


async def test_a_refusal_of_calls_from_before_the_wait_teaches_nothing() -> None:
    time = FakeClock()
    gate = a_gate(time.clock, 10)
    await pass_once(gate, {})
    gate.refused(a_ticket(), an_error(429), 5.0, limited=True)
    assert gate._delay(a_ticket(), time.monotonic_now + 5) == 0
    gate.refused(a_ticket(), an_error(429), 7.0, limited=True)
    time.advance(7)
    for _ in range(20):
        await pass_once(gate, {})
    assert time.sleeps == []


# --- outages and poisoned rows --------------------------------------------------------------------


@pytest.mark.parametrize("down", [REFUSED, status(500), status(502), status(503)])
def test_ten_minutes_of_outage_under_a_thousand_rows_cost_few_requests_and_no_row(
    down: Reply | Lost,
) -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return down if START + 5 < now < START + 605 else OK

    server, outcomes, elapsed = play(answer, rows=4_000, concurrency=1_000, max_connections=20)
    assert all(outcome.ok for outcome in outcomes)
    during = [at for at in server.arrived if START + 5 < at < START + 605]
    assert 20 < len(during) < 200
    assert elapsed < 700


@pytest.mark.parametrize("concurrency", [1, 2, 100])
@pytest.mark.parametrize("poisoned", [0, 150, 299])
@pytest.mark.parametrize("answered", [status(500), Lost("the connection was lost", sent=True)])
def test_a_poisoned_row_neither_stops_nor_ends_a_healthy_batch(
    concurrency: int, poisoned: int, answered: Reply | Lost
) -> None:
    server, outcomes, elapsed = play(
        lambda _, name: answered if name == str(poisoned) else OK,
        rows=300,
        concurrency=concurrency,
        max_outage_seconds=60,
    )
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]
    assert failed.index == poisoned
    assert isinstance(failed.error, ServerError | APIConnectionError)
    assert failed.attempts == RetryPolicy().attempts
    assert server.names.count(str(poisoned)) < 20
    assert elapsed < 300 * 0.05 / concurrency + 30


@pytest.mark.parametrize("answered", [REFUSED, status(502), status(503)])
def test_whatever_fails_one_row_while_others_succeed_is_that_rows_error(
    answered: Reply | Lost,
) -> None:
    _, outcomes, _ = play(lambda _, name: answered if name == "10" else OK, rows=300, concurrency=3)
    assert [outcome.index for outcome in outcomes if not outcome.ok] == [10]


def test_probes_rotate_over_the_rows() -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return REFUSED if now < START + 100 else OK

    server, *_ = play(answer, rows=5, concurrency=5)
    probes = [name for name, at in zip(server.names, server.arrived, strict=True) if at > START + 1]
    assert len(set(probes[:5])) == 5


def test_an_outage_longer_than_the_limit_ends_the_batch_after_every_row_has_its_outcome() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: REFUSED)
        outcomes: list[UnitOutcome] = []
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(500)),
            concurrency=20,
            max_outage_seconds=60.0,
        )
        with pytest.raises(APIError, match="there is no connection"):
            await drain(batch, outcomes)
        assert sorted(outcome.index for outcome in outcomes) == list(range(20))
        assert not any(outcome.error.may_have_been_applied for outcome in outcomes if outcome.error)
        assert START + 60 <= clock.monotonic() < START + 61

    run_virtual(main)


def test_what_got_through_before_an_outage_gives_few_rows_away() -> None:
    async def main(clock: Clock) -> None:
        answers = itertools.count()
        server = Simulated(clock, lambda *_: OK if next(answers) < 5_000 else status(500))
        outcomes: list[UnitOutcome] = []
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(6_000)),
            concurrency=1,
            max_outage_seconds=600.0,
        )
        with pytest.raises(ServerError):
            await drain(batch, outcomes)
        assert sum(outcome.ok for outcome in outcomes) == 5_000
        # One more would be held until the end, and is not taken for the one that fails.
        assert len(outcomes) <= 5_006

    run_virtual(main)


def play_without_tokens(
    until: float, *, rows: int, max_outage_seconds: float = 1e6
) -> tuple[int, list[UnitOutcome], PropQError | None, float]:
    """Play a batch while the token endpoint is down. Return what it was asked, and the end."""

    async def main(clock: Clock) -> tuple[int, list[UnitOutcome], PropQError | None, float]:
        asked = 0

        async def ask(url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
            del url, credentials, timeout_seconds
            nonlocal asked
            asked += 1
            if clock.monotonic() < START + until:
                return Reply(503, {}, b"")
            return Reply(200, {}, b'{"access_token": "x", "expires_in": 3600}')

        tokens = TokenManager(Credentials(1, "secret"), clock=clock, random=lambda: 0.5, ask=ask)
        resource = units(clock, Simulated(clock, lambda *_: OK), tokens=tokens)
        updates = [an_update(f"{number}") for number in range(rows)]
        batch = resource.update_many(updates, max_outage_seconds=max_outage_seconds)
        outcomes: list[UnitOutcome] = []
        error = None
        try:
            await drain(batch, outcomes)
        except PropQError as caught:
            error = caught
        return asked, outcomes, error, clock.monotonic() - START

    return run_virtual(main)


def test_rows_are_held_while_there_is_no_token_to_go_with() -> None:
    asked, outcomes, error, elapsed = play_without_tokens(600, rows=1_000)
    assert error is None
    assert len(outcomes) == 1_000
    assert all(outcome.ok and outcome.attempts == 1 for outcome in outcomes)
    assert asked < 200
    assert elapsed < 650


def test_no_token_for_longer_than_the_limit_ends_the_batch() -> None:
    _, outcomes, error, elapsed = play_without_tokens(1e9, rows=500, max_outage_seconds=60)
    assert isinstance(error, TokenUnavailableError)
    assert error.status == 503
    assert len(outcomes) == 100
    assert all(isinstance(outcome.error, TokenUnavailableError) for outcome in outcomes)
    assert not any(outcome.attempts for outcome in outcomes)
    # One attempt to get a token may be under way when the time is over.
    assert 60 <= elapsed < 64


async def test_while_the_gate_is_closed_it_is_what_closed_it_that_blocks() -> None:
    time = FakeClock()
    gate = a_gate(time.clock, 10)
    under_way = a_ticket()
    assert await gate.enter(under_way) is None
    gate.refused(a_ticket(), an_error(429), 30.0, limited=True)
    gate.failed(an_error(502))
    gate.leave(under_way)
    shut = await gate.enter(a_ticket(patience=10))
    assert shut is not None
    assert isinstance(shut.error, APIStatusError)
    assert shut.error.status == 429


@pytest.mark.parametrize("said", ["9" * 5_000, "-1", "1.5", "x", "", "\u0661"])
async def test_a_limit_that_is_no_number_of_ours_is_none(said: str) -> None:
    gate = a_gate(FakeClock().clock, 10)
    await pass_once(gate, {"X-RateLimit-Limit": said, "X-RateLimit-Remaining": said})
    assert (gate._stated, gate._remaining) == (None, None)


def test_patience_is_each_batchs_own() -> None:
    async def main(clock: Clock) -> None:
        resource = units(clock, Simulated(clock, lambda *_: REFUSED))
        ended = {}

        async def run(patience: float) -> None:
            batch = resource.update_many([an_update(f"{patience}")], max_outage_seconds=patience)
            with pytest.raises(APIError):
                await collect_all(batch)
            ended[patience] = clock.monotonic() - START

        await asyncio.gather(*map(run, (200.0, 10.0, 50.0)))
        for patience, at in ended.items():
            assert patience <= at < patience + 1, ended

    async def collect_all(batch: object) -> None:
        async for _ in batch:  # type: ignore[attr-defined]
            pass

    run_virtual(main)


# --- closed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_after_closes_the_gate_for_everybody_and_is_never_cut_short(code: int) -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return OK if now > START + 47.5 else status(code, Retry_After="47.5")

    server, outcomes, _ = play(answer, rows=300)
    # The hundred that were under way, and then nobody until the moment.
    assert server.statuses[code] <= 101
    assert not [at for at in server.arrived if START + 0.03 < at < START + 47.5]
    assert all(outcome.attempts == 1 for outcome in outcomes)


def test_a_single_call_ends_at_once_when_the_wait_is_longer_than_it_may_be() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: status(429, Retry_After="300"))
        resource = units(clock, server)
        with pytest.raises(RateLimitError) as first:
            await resource.update(an_update())
        assert first.value.retry_after_seconds == 300
        await asyncio.sleep(100)
        with pytest.raises(RateLimitError) as second:
            await resource.update(an_update("other"))
        # It carries how long it is closed yet, and was not made.
        assert second.value.retry_after_seconds == pytest.approx(200)
        assert not second.value.may_have_been_applied
        assert len(server.arrived) == 1
        await asyncio.sleep(150)
        with pytest.raises(RateLimitError):
            await resource.update(an_update())
        assert len(server.arrived) == 2

    run_virtual(main)


def test_whoever_waits_already_is_sent_home_when_the_wait_grows_too_long() -> None:
    async def main(clock: Clock) -> None:
        waits = iter(("60", "300"))
        server = Simulated(clock, lambda *_: status(503, Retry_After=next(waits)))
        resource = units(clock, server, max_connections=2)
        results = await asyncio.gather(
            *(resource.update(an_update(f"{number}")) for number in range(5)),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [ServerError] * 5
        assert len(server.arrived) == 2

    run_virtual(main)


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "0"}, {"Retry_After": "soon"}])
def test_a_429_for_ever_without_a_usable_wait_does_not_spin_and_ends(
    headers: dict[str, str],
) -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: status(429, **headers))
        with pytest.raises(RateLimitError):
            await units(clock, server).update(an_update())
        assert clock.monotonic() - START <= 121
        assert len(server.arrived) < 130

    run_virtual(main)


def test_single_calls_follow_their_own_policy_while_nobody_gets_through() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: REFUSED)
        resource = units(clock, server, retry=RetryPolicy(attempts=3, base_delay_seconds=1))
        await asyncio.gather(
            *(resource.update(an_update(f"{number}")) for number in range(10)),
            return_exceptions=True,
        )
        assert len(server.arrived) == 30
        # Delays of 0.5 and 1 s, with a random source that always says 0.5.
        assert clock.monotonic() == pytest.approx(START + 1.5 + 3 * 0.05)

    run_virtual(main)


# --- the parts of it -----------------------------------------------------------------------------


def an_error(code: int) -> APIError:
    kind = RateLimitError if code == 429 else ServerError
    return kind("x", status=code, method="POST", url="http://h/")


def a_gate(clock: Clock, max_in_flight: int = 1) -> Gate:
    return Gate(max_in_flight=max_in_flight, max_calls_per_second=None, clock=clock)


def a_ticket(*, held: bool = False, patience: float = 1e9) -> Ticket:
    return Ticket(held=held, patience_seconds=patience, since=0.0)


async def pass_once(gate: Gate, headers: dict[str, str]) -> None:
    ticket = a_ticket()
    assert await gate.enter(ticket) is None
    gate.succeeded(ticket, Reply(200, headers, b""))
    gate.leave(ticket)


async def entering(gate: Gate, ticket: Ticket) -> asyncio.Task[Shut | None]:
    task = asyncio.create_task(gate.enter(ticket))
    await asyncio.sleep(0)
    return task


async def test_rows_and_single_calls_take_turns() -> None:
    gate, order = a_gate(Clock()), []
    first = a_ticket()
    await gate.enter(first)

    async def call(name: str, ticket: Ticket) -> None:
        await gate.enter(ticket)
        order.append(name)
        gate.leave(ticket)

    async with asyncio.TaskGroup() as group:
        for held, name in ((True, "row"), (False, "single")):
            for _ in range(3):
                group.create_task(call(name, a_ticket(held=held)))
        await asyncio.sleep(0)
        gate.leave(first)
    assert order in (["row", "single"] * 3, ["single", "row"] * 3)
    assert gate.is_idle


@pytest.mark.parametrize("has_its_pass", [True, False])
async def test_whoever_is_cancelled_while_waiting_takes_nobodys_turn(*, has_its_pass: bool) -> None:
    gate = a_gate(Clock())
    first, second, third = a_ticket(), a_ticket(), a_ticket()
    await gate.enter(first)
    waiting = await entering(gate, second)
    last = await entering(gate, third)
    if has_its_pass:
        gate.leave(first)  # wakes the second, which has not run yet
        waiting.cancel()
    else:
        waiting.cancel()
        await asyncio.wait([waiting])
        gate.leave(first)
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert await last is None
    gate.leave(third)
    assert gate.is_idle


async def test_a_probe_that_is_cancelled_makes_way_for_the_next() -> None:
    time = FakeClock()
    gate = a_gate(time.clock, 5)
    for _ in range(OUTAGE_FAILURES):
        gate.failed(an_error(500))
    probe, next_probe = a_ticket(held=True), a_ticket(held=True)
    assert await gate.enter(probe) is None
    waiting = await entering(gate, next_probe)
    assert gate.waiting == 1
    gate.leave(probe)  # without a word of what became of it
    assert await waiting is None
    gate.succeeded(next_probe)
    gate.leave(next_probe)
    assert gate.is_idle


async def test_leaving_lets_go_who_waits_and_leaves_no_timer() -> None:
    gate = a_gate(Clock())
    gate.refused(a_ticket(), an_error(429), 1e6, limited=True)
    tickets = [a_ticket(held=held) for held in (False, True, False)]
    tasks = [await entering(gate, ticket) for ticket in tickets]
    tasks[2].cancel()
    timer = gate.detach()
    assert timer is not None
    await asyncio.wait([timer, *tasks])
    assert timer.cancelled()
    assert [task.result() for task in tasks[:2]] == [None, None]
    for ticket in tickets[:2]:
        gate.leave(ticket)
    assert gate.is_idle
    assert gate.detach() is None


async def test_what_was_under_way_when_the_gate_closed_does_not_open_it() -> None:
    time = FakeClock()
    gate = a_gate(time.clock, 5)
    early, late = a_ticket(), a_ticket()
    await gate.enter(early)
    gate.refused(a_ticket(), an_error(429), 30.0, limited=True)
    gate.refused(a_ticket(), an_error(429), 10.0, limited=True)  # the longer wait stands
    gate.succeeded(early)
    gate.leave(early)
    began = time.monotonic_now
    await gate.enter(late)
    assert time.monotonic_now == began + 30


async def test_a_later_and_nearer_wake_up_replaces_the_timer() -> None:
    gate = a_gate(Clock(), 5)
    gate.refused(a_ticket(), an_error(503), 1e6, limited=False)
    far = await entering(gate, a_ticket(patience=1e9))
    gate._closed_until = Clock().monotonic()
    near = await entering(gate, a_ticket())
    assert await far is None
    gate.detach()
    assert await near is None


async def test_each_absence_of_the_server_is_one_warning_but_one_a_minute_at_most(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = FakeClock()
    gate = a_gate(time.clock, 5)
    with caplog.at_level(logging.INFO, logger="propq_async"):
        for _ in range(5):
            time.advance(60)
            for _ in range(50):
                gate.failed(an_error(500))
                gate.refused(a_ticket(), an_error(503), 1.0, limited=False)
                gate._closed_until = None
            for _ in range(10):
                gate.succeeded(a_ticket())
                gate.failed(an_error(500))
            gate.succeeded(a_ticket())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 5
