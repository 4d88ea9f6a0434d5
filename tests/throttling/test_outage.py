"""What outages cost: batches in virtual time, and the rules by themselves."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math

import pytest

from propq_async import (
    APIConnectionError,
    APIError,
    APIStatusError,
    Clock,
    Credentials,
    PropQError,
    RetryPolicy,
    ServerError,
    TokenManager,
    TokenUnavailableError,
    UnitOutcome,
)
from propq_async._throttling.outage import (
    BREAKDOWN_CALLS,
    BREAKDOWN_PLACES,
    FIRST_PROBE_SECONDS,
    Breakdowns,
    CircuitBreaker,
    Outage,
)
from propq_async._wire.messages import Lost, Reply
from tests.helpers.simulation import OK, REFUSED, Answer, Simulated, status, units
from tests.helpers.support import an_update, drain, run_virtual
from tests.helpers.throttling import START, a_permit, play


@pytest.mark.parametrize("down", [REFUSED, status(500), status(502), status(503)])
def test_ten_minutes_of_outage_cost_few_requests_and_no_row(
    down: Reply | Lost,
) -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return down if START + 5 < now < START + 605 else OK

    server, outcomes, elapsed = play(
        answer, rows=4_000, concurrency=1_000, max_connections=20, developments=5
    )
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
def test_what_fails_one_row_of_many_is_that_rows_error(
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


def test_too_long_an_outage_ends_the_batch_with_all_outcomes() -> None:
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


def test_successes_before_an_outage_cost_few_rows_in_it() -> None:
    async def main(clock: Clock) -> None:
        answers = itertools.count()
        server = Simulated(clock, lambda *_: OK if next(answers) < 5_000 else status(500))
        outcomes: list[UnitOutcome] = []
        batch = units(clock, server).update_many(
            (an_update(f"{number}", development_id=f"{number % 5}") for number in range(6_000)),
            concurrency=1,
            max_outage_seconds=600.0,
        )
        with pytest.raises(ServerError):
            await drain(batch, outcomes)
        assert sum(outcome.ok for outcome in outcomes) == 5_000
        # The last of them is held until the end, and is not taken for the one that fails.
        assert len(outcomes) == 5_000 + BREAKDOWN_CALLS

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


def test_rows_wait_while_there_is_no_token() -> None:
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


def test_each_batch_has_its_own_patience() -> None:
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


# --- rows over which the server breaks down -------------------------------------------------------


def bad_rows(count: int, where: str, rows: int) -> set[int]:
    first = {"first": 0, "middle": rows // 2, "last": rows - count}
    if where == "scattered":
        return set(range(0, rows, rows // count))
    return set(range(first[where], first[where] + count))


def check_bad_rows(count: int, where: str, concurrency: int, code: int = 500) -> None:
    """Each costs its attempts and back-offs, divided by the concurrency, and no other row."""
    rows, latency, attempts = 3_000, 0.05, RetryPolicy().attempts
    bad = bad_rows(count, where, rows)
    server, outcomes, elapsed = play(
        lambda _, name: status(code) if int(name) in bad else OK,
        rows=rows,
        concurrency=concurrency,
        max_outage_seconds=20.0,
        latency_seconds=latency,
    )
    assert {outcome.index for outcome in outcomes if not outcome.ok} == bad
    for outcome in outcomes:
        if not outcome.ok:
            assert isinstance(outcome.error, ServerError)
            assert (outcome.error.status, outcome.attempts) == (code, attempts)
            assert outcome.error.may_have_been_applied is (code == 500)
    sent = rows + (attempts - 1) * count
    # A 503 costs no attempt before one row has got it twice.
    assert sent <= len(server.arrived) <= sent + (concurrency + 20 if code == 503 else 0)
    # The random source says 0.5, so a back-off takes half of what it may take.
    back_off = sum(RetryPolicy().delay_seconds(n, lambda: 0.5) for n in range(1, attempts))
    of_one = attempts * latency + back_off
    # The last rows of all cannot share their time.
    assert elapsed <= (rows * latency + count * of_one) / concurrency + of_one


@pytest.mark.parametrize("concurrency", [1, 5, 100])
@pytest.mark.parametrize("where", ["scattered", "middle"])
def test_rows_that_get_a_500_cost_their_attempts_only(where: str, concurrency: int) -> None:
    check_bad_rows(100, where, concurrency)


@pytest.mark.campaign
@pytest.mark.parametrize("concurrency", [1, 5, 100])
@pytest.mark.parametrize("where", ["scattered", "first", "middle", "last"])
@pytest.mark.parametrize("count", [1, 10, 1_000])
def test_any_number_of_rows_that_get_a_500_cost_their_attempts_only(
    count: int, where: str, concurrency: int
) -> None:
    check_bad_rows(count, where, concurrency)


@pytest.mark.parametrize("concurrency", [5, 100])
def test_a_500_for_every_row_of_the_only_development_names_each(concurrency: int) -> None:
    """It may be the development that the server breaks down over, so no row waits for another."""
    rows, attempts = 300, RetryPolicy().attempts
    server, outcomes, elapsed = play(
        lambda *_: status(500), rows=rows, concurrency=concurrency, max_outage_seconds=20.0
    )
    assert all(
        isinstance(outcome.error, ServerError) and outcome.attempts == attempts
        for outcome in outcomes
    )
    assert len(server.arrived) == rows * attempts
    assert elapsed < (rows / concurrency + 1) * (attempts * 0.05 + 2)


def test_what_failed_is_tried_again_after_what_was_not_tried() -> None:
    server, outcomes, _ = play(
        lambda _, name: status(500) if int(name) < 5 else OK,
        rows=100,
        concurrency=100,
        max_connections=5,
    )
    assert sum(outcome.ok for outcome in outcomes) == 95
    firsts = [name for index, name in enumerate(server.names) if name not in server.names[:index]]
    assert firsts == server.names[:100]


def test_a_server_that_answers_500_is_back_from_an_outage() -> None:
    """One row that breaks it does not keep the next ones waiting, even if it is alone."""

    def answer(now: float, name: str) -> Reply | Lost:
        if now < START + 30:
            return REFUSED
        return status(500) if int(name) < 50 else OK

    _, outcomes, elapsed = play(answer, rows=100, concurrency=1, max_outage_seconds=60.0)
    assert [outcome.index for outcome in outcomes if not outcome.ok] == list(range(50))
    assert elapsed < 35 + 50 * 2.2 + 50 * 0.06


@pytest.mark.parametrize("concurrency", [20, 100])
def test_a_500_for_every_row_of_many_developments_costs_none(concurrency: int) -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return status(500) if START + 5 < now < START + 205 else OK

    server, outcomes, _ = play(answer, rows=10_000, concurrency=concurrency, developments=4)
    assert all(outcome.ok for outcome in outcomes)
    assert sum(START + 5 < at < START + 205 for at in server.arrived) < 150


# --- a gateway's limit that says nothing ----------------------------------------------------------


def limit_req(rate: int, burst: int) -> Answer:
    """Answer as nginx with `limit_req` and `nodelay`: a leaky bucket, and a 503 without a word."""
    excess, last = 0.0, -math.inf

    def answer(now: float, _: str) -> Reply:
        nonlocal excess, last
        level = max(0.0, excess - (now - last) * rate + 1)
        if level > burst:
            return status(503)
        excess, last = level, now
        return OK

    return answer


@pytest.mark.parametrize("concurrency", [5, 100])
@pytest.mark.parametrize(("rate", "burst"), [(200, 20), (20, 20)])
def test_a_limit_that_answers_503_costs_no_row(rate: int, burst: int, concurrency: int) -> None:
    server, outcomes, elapsed = play(
        limit_req(rate, burst), rows=2_000, concurrency=concurrency, max_outage_seconds=300.0
    )
    assert all(outcome.ok for outcome in outcomes)
    assert len(server.arrived) < 2_000 * 1.6
    assert elapsed < 1.1 * 2_000 / min(rate, concurrency / 0.05)


@pytest.mark.parametrize(("rate", "burst"), [(200, 20), (50, 5)])
def test_a_limit_that_answers_503_costs_no_single_call(rate: int, burst: int) -> None:
    async def main(clock: Clock) -> None:
        resource = units(clock, Simulated(clock, limit_req(rate, burst)))
        await asyncio.gather(*(resource.update(an_update(f"{number}")) for number in range(200)))
        assert clock.monotonic() - START < 2 * 200 / rate

    run_virtual(main)


@pytest.mark.parametrize("concurrency", [3, 5, 100])
def test_a_row_that_alone_gets_a_503_fails_alone(concurrency: int) -> None:
    _, outcomes, elapsed = play(
        lambda _, name: status(503) if name == "100" else OK,
        rows=3_000,
        concurrency=concurrency,
        max_outage_seconds=300.0,
    )
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]
    assert isinstance(failed.error, ServerError)
    assert (failed.index, failed.attempts) == (100, RetryPolicy().attempts)
    assert elapsed < 3_000 * 0.05 / concurrency + 60


@pytest.mark.parametrize(
    ("count", "where", "concurrency"),
    [
        *[(count, "scattered", 100) for count in (1, 10, 100, 1_000)],
        *[(count, "middle", 100) for count in (1, 10)],
        *[(count, "scattered", 5) for count in (1, 10, 100)],
        pytest.param(1_000, "scattered", 5, marks=pytest.mark.campaign),
        (2, "middle", 5),
    ],
)
def test_rows_that_get_a_503_while_others_get_through_cost_their_attempts_only(
    count: int, where: str, concurrency: int
) -> None:
    check_bad_rows(count, where, concurrency, 503)


@pytest.mark.parametrize("count", [100, 1_000])
def test_rows_that_get_a_503_while_nobody_gets_through_are_an_outage(count: int) -> None:
    """With all places taken by such rows, nothing tells them from one. No other row is harmed."""

    async def main(clock: Clock) -> None:
        bad = bad_rows(count, "middle", 3_000)
        server = Simulated(clock, lambda _, name: status(503) if int(name) in bad else OK)
        outcomes: list[UnitOutcome] = []
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(3_000)),
            concurrency=100,
            max_outage_seconds=60.0,
        )
        with pytest.raises(ServerError):
            await drain(batch, outcomes)
        assert {outcome.index for outcome in outcomes if not outcome.ok} == set(range(1_500, 1_600))
        assert {outcome.index for outcome in outcomes if outcome.ok} == set(range(1_500))
        assert clock.monotonic() - START < 1.5 + 60.0 + 1.0

    run_virtual(main)


def test_a_server_that_takes_fewer_later_costs_no_row_after_rows_that_it_never_takes() -> None:
    """One row shows that a 503 is a row's own, and then there is a limit after all."""
    limit = limit_req(100, 10)

    def answer(now: float, name: str) -> Reply | Lost:
        if name == "10":
            return status(503)
        return limit(now, name) if now > START + 5 else OK

    _, outcomes, _ = play(answer, rows=10_000, concurrency=50, max_outage_seconds=300.0)
    assert [outcome.index for outcome in outcomes if not outcome.ok] == [10]


# --- the same outage, said otherwise --------------------------------------------------------------


@pytest.mark.parametrize(
    "down",
    [*map(status, (408, 504, 507, 521)), status(302, Location="https://h/maintenance")],
    ids=repr,
)
@pytest.mark.parametrize("concurrency", [1, 20])
def test_an_outage_costs_hardly_a_row_whatever_its_status(down: Reply, concurrency: int) -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return down if START + 2 < now < START + 62 else OK

    server, outcomes, _ = play(answer, rows=1_500, concurrency=concurrency)
    failed = [outcome for outcome in outcomes if not outcome.ok]
    # A redirect may be one of the row's own, so a few fail before it is taken for an outage.
    assert len(failed) <= (5 if 300 <= down.status < 400 else 0)
    assert sum(START + 2 < at < START + 62 for at in server.arrived) < 60


@pytest.mark.parametrize("code", [301, 308, 407, 511])
@pytest.mark.parametrize("has_worked", [True, False])
def test_what_does_not_pass_ends_a_batch_at_once(code: int, *, has_worked: bool) -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda now, _: OK if has_worked and now < START + 2 else end)
        outcomes: list[UnitOutcome] = []
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(3_000)), concurrency=10
        )
        with pytest.raises(APIStatusError) as caught:
            await drain(batch, outcomes)
        assert clock.monotonic() - START < 2.2
        assert sum(not outcome.ok for outcome in outcomes) <= 10 + has_worked
        assert batch.cut_off
        assert caught.value.status == code
        assert f" - {advice[code]}" in str(caught.value)

    end = status(code, Location="https://elsewhere.example/")
    advice = {
        301: "the API has moved",
        308: "the API has moved",
        407: "the proxy wants a login",
        511: "this network wants a login",
    }
    run_virtual(main)


@pytest.mark.parametrize("code", [301, 302, 407])
@pytest.mark.parametrize("concurrency", [1, 5, 100])
def test_a_row_that_alone_is_sent_elsewhere_fails_alone(code: int, concurrency: int) -> None:
    _, outcomes, elapsed = play(
        lambda _, name: status(code) if name in ("500", "700") else OK,
        rows=1_000,
        concurrency=concurrency,
    )
    failed = [outcome for outcome in outcomes if not outcome.ok]
    assert {outcome.index for outcome in failed} == {500, 700}
    assert all(outcome.attempts == 1 for outcome in failed)
    assert elapsed < 1_000 * 0.05 / concurrency + 1


# --- the rules by themselves ----------------------------------------------------------------------


def test_an_overload_halves_what_is_in_flight_once_for_each_trip() -> None:
    breaker, single = CircuitBreaker(10), a_permit()
    breaker.overloaded(1.0, 2.0, in_flight=8)
    # It went out before the first one came back.
    breaker.overloaded(1.5, 2.1, in_flight=7)
    assert not breaker.is_at_rest
    assert breaker.delay(single, 3.0, in_flight=3) == 0
    assert breaker.delay(single, 3.0, in_flight=4) == math.inf
    for _ in range(5):
        breaker.succeeded()
    assert breaker.delay(single, 3.0, in_flight=4) == 0
    assert breaker.delay(single, 3.0, in_flight=5) == math.inf
    breaker.overloaded(2.5, 3.0, in_flight=1)
    assert breaker.delay(single, 3.0, in_flight=0) == 0
    assert breaker.delay(single, 3.0, in_flight=1) == math.inf
    for _ in range(100):
        breaker.succeeded()
    assert breaker.is_at_rest


def test_a_slow_start_after_an_outage_is_as_fast_as_ever() -> None:
    breaker = CircuitBreaker(10)
    breaker.overloaded(1.0, 2.0, in_flight=8)
    for _ in range(3):
        breaker.failed(3.0)
    for _ in range(5):
        breaker.succeeded()
    assert breaker.delay(a_permit(), 4.0, in_flight=5) == 0


def test_an_overload_leaves_an_open_circuit_as_it_is() -> None:
    breaker = an_open_breaker()
    breaker.overloaded(1.0, 2.0, in_flight=8)
    assert breaker.is_open
    assert breaker.delay(a_permit(), 3.0, in_flight=9) == 0


@pytest.mark.parametrize(
    ("calls", "places", "everybody"),
    [
        (BREAKDOWN_CALLS, BREAKDOWN_PLACES, True),
        (BREAKDOWN_CALLS - 1, BREAKDOWN_PLACES, False),
        (10 * BREAKDOWN_CALLS, BREAKDOWN_PLACES - 1, False),
    ],
)
def test_many_calls_to_several_places_are_everybody(
    calls: int, places: int, *, everybody: bool
) -> None:
    breakdowns = Breakdowns()
    seen = [breakdowns.noticed(a_permit(), f"{number % places}") for number in range(calls)]
    assert not any(seen[:-1])
    assert seen[-1] is everybody
    breakdowns.ended()
    assert not breakdowns.noticed(a_permit(), "0")


def test_a_call_that_breaks_down_again_and_again_is_one_call() -> None:
    breakdowns, permit = Breakdowns(), a_permit()
    for number in range(100):
        assert not breakdowns.noticed(permit, f"{number}")
    # After a success it counts anew.
    breakdowns.ended()
    for number in range(BREAKDOWN_CALLS - 1):
        assert not breakdowns.noticed(a_permit(), f"{number}")
    assert breakdowns.noticed(permit, "0")


def an_open_breaker(
    now: float = 0.0, max_in_flight: int = 10, random: float = 0.5
) -> CircuitBreaker:
    breaker = CircuitBreaker(max_in_flight, lambda: random)
    for _ in range(3):
        assert not breaker.is_open
        breaker.failed(now)
    assert breaker.is_open
    return breaker


@pytest.mark.parametrize(("random", "part"), [(0.0, 0.7), (0.5, 1.0), (1.0, 1.3)])
def test_probes_are_spread_by_chance(random: float, part: float) -> None:
    breaker, row = an_open_breaker(random=random), a_permit(is_batch_row=True)
    assert breaker.delay(row, 0.0, 0) == pytest.approx(part * FIRST_PROBE_SECONDS)


def test_failures_with_a_success_between_do_not_open_the_circuit() -> None:
    breaker = CircuitBreaker(10)
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.is_at_rest


def test_an_open_circuit_delays_rows_only() -> None:
    breaker = an_open_breaker(now=100.0)
    row, single = a_permit(is_batch_row=True), a_permit()
    assert breaker.delay(row, 100.0, in_flight=0) == 0.5
    assert breaker.delay(row, 100.5, in_flight=0) == 0
    assert breaker.delay(single, 100.0, in_flight=9) == 0
    breaker.sent(single)
    assert breaker.probe is None


def test_one_row_probes_at_a_time() -> None:
    breaker = an_open_breaker()
    probe, other = a_permit(is_batch_row=True), a_permit(is_batch_row=True)
    breaker.sent(probe)
    assert breaker.probe is probe
    assert breaker.delay(other, 1_000.0, in_flight=1) == math.inf
    # It was cancelled.
    breaker.probe_ended(1_000.0)
    assert breaker.probe is None
    assert breaker.delay(other, 1_000.0, in_flight=0) == 0


def test_probes_go_out_at_growing_distances() -> None:
    breaker, now = an_open_breaker(), 0.0
    distances = []
    for _ in range(30):
        probe = a_permit(is_batch_row=True)
        distances.append(breaker.delay(probe, now, in_flight=0))
        now += distances[-1]
        breaker.sent(probe)
        breaker.failed(now)
        breaker.probe_ended(now)
    assert distances == [0.5, 1, 2, 4, 8, 16, *[20] * 24]


@pytest.mark.parametrize(("step", "limits"), [(1, [1, 2, 3, 4]), (3, [1, 4, 7])])
def test_after_a_restart_each_success_lets_more_calls_out(step: int, limits: list[int]) -> None:
    breaker, single = an_open_breaker(max_in_flight=limits[-1] + 1), a_permit()
    breaker.restart(step)
    for limit in limits:
        assert breaker.delay(single, 0.0, in_flight=limit - 1) == 0
        assert breaker.delay(single, 0.0, in_flight=limit) == math.inf
        assert not breaker.is_at_rest
        breaker.succeeded()
    assert breaker.is_at_rest


def test_the_first_success_closes_the_circuit_and_starts_slowly() -> None:
    breaker, row = an_open_breaker(), a_permit(is_batch_row=True)
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.delay(row, 0.0, in_flight=1) == 0
    assert breaker.delay(row, 0.0, in_flight=2) == math.inf


def test_an_outage_is_worth_one_warning_a_minute() -> None:
    outage = Outage()
    levels = []
    for now in (0.0, 1.0, 30.0, 60.0):
        levels += [outage.noticed(now), outage.noticed(now), outage.ended()]
    assert levels == [
        *(logging.WARNING, logging.DEBUG, logging.INFO),
        *[logging.DEBUG] * 6,
        *(logging.WARNING, logging.DEBUG, logging.INFO),
    ]


def test_an_outage_that_another_loop_has_logged_is_no_warning() -> None:
    outage = Outage()
    outage.joined(5.0)
    assert outage.since == 5
    outage.joined(6.0)
    assert outage.since == 5
    assert outage.ended() == logging.DEBUG
    assert outage.since is None
