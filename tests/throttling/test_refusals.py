"""What the server's request to wait does, and whose fault it is."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from propq_async import (
    APIStatusError,
    Clock,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnitOutcome,
)
from propq_async._client.open_rows import LEAST_LIMIT_OF_CREDIT
from propq_async._throttling.blame import OTHERS_TO_BLAME, Blame, Fault, Overloads
from propq_async._wire.messages import Lost, Reply
from tests.helpers.simulation import (
    OK,
    REFUSED,
    Answer,
    Simulated,
    fixed_windows,
    sliding_window,
    status,
    token_bucket,
    units,
)
from tests.helpers.support import FakeClock, an_update, drain, run_virtual
from tests.helpers.throttling import START, a_permit, a_throttle, an_error, play


@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_after_holds_for_everybody_to_its_end(code: int) -> None:
    def answer(now: float, _: str) -> Reply | Lost:
        return OK if now > START + 47.5 else status(code, Retry_After="47.5")

    server, outcomes, _ = play(answer, rows=300)
    # The hundred that were under way, and then nobody until the moment.
    assert server.statuses[code] <= 101
    assert not [at for at in server.arrived if START + 0.03 < at < START + 47.5]
    assert all(outcome.attempts == 1 for outcome in outcomes)


def test_a_single_call_ends_at_once_when_the_wait_is_too_long() -> None:
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


def test_calls_that_wait_end_when_the_wait_grows_too_long() -> None:
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
def test_endless_429s_without_a_usable_wait_end_the_call(
    headers: dict[str, str],
) -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: status(429, **headers))
        with pytest.raises(RateLimitError):
            await units(clock, server).update(an_update())
        assert clock.monotonic() - START <= 121
        assert len(server.arrived) < 130

    run_virtual(main)


@pytest.mark.parametrize(
    "refusal",
    [
        status(429),
        status(429, Retry_After="1"),
        status(429, Retry_After="5"),
        status(503, Retry_After="1"),
        status(503, Retry_After="10"),
    ],
)
@pytest.mark.parametrize(
    "refused", [{0}, {500}, {999}, {10, 500, 900}, set(range(500, 510)), set(range(10))]
)
def test_rows_that_are_always_refused_fail_alone(refusal: Reply, refused: set[int]) -> None:
    server, outcomes, _ = play(
        lambda _, name: refusal if int(name) in refused else OK,
        rows=1_000,
        max_outage_seconds=20.0,
    )
    failed = [outcome for outcome in outcomes if not outcome.ok]
    assert {outcome.index for outcome in failed} == refused
    for outcome in failed:
        assert isinstance(outcome.error, RateLimitError | ServerError)
    assert len(server.arrived) < 1_000 + 40 * len(refused)


def test_a_row_that_is_always_refused_uses_up_its_attempts() -> None:
    server, outcomes, elapsed = play(
        lambda _, name: status(429, Retry_After="1") if name == "200" else OK,
        rows=5_000,
        concurrency=50,
        latency_seconds=0.5,
        max_outage_seconds=300.0,
    )
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]
    assert (failed.index, failed.attempts) == (200, RetryPolicy().attempts)
    # The first refusal closed the throttle, and no other one.
    assert server.names.count("200") == RetryPolicy().attempts + 1
    assert elapsed < 5_000 / 50 * 0.5 + 30


def test_a_wait_longer_than_a_refused_rows_patience_ends_the_row() -> None:
    waits = itertools.chain(["1"], itertools.repeat("500"))

    def answer(_: float, name: str) -> Reply:
        return status(429, Retry_After=next(waits)) if name == "100" else OK

    _, outcomes, elapsed = play(answer, rows=1_000, max_outage_seconds=60.0)
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]
    assert isinstance(failed.error, RateLimitError)
    assert (failed.index, failed.error.retry_after_seconds) == (100, 500)
    assert elapsed < 60


@pytest.mark.parametrize(
    "refusal",
    [status(429, Retry_After="1"), status(429), status(429, Retry_After="60")],
    ids=["1 s", "unstated", "60 s"],
)
def test_a_row_that_is_always_refused_fails_also_if_no_other_can_go(refusal: Reply) -> None:
    """One at a time: it is the row, since the server took the last one and will take the next."""
    server, outcomes, elapsed = play(
        lambda _, name: refusal if name == "500" else OK,
        rows=1_000,
        concurrency=1,
        max_outage_seconds=300.0,
    )
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]
    assert isinstance(failed.error, RateLimitError)
    assert failed.index == 500
    assert server.names.count("500") <= RetryPolicy().attempts + 1
    assert elapsed < 1_000 * 0.05 + 370


def test_ten_rows_that_are_always_refused_fail_alone_at_concurrency_5() -> None:
    _, outcomes, elapsed = play(
        lambda _, name: status(429, Retry_After="1") if 500 <= int(name) < 510 else OK,
        rows=1_000,
        concurrency=5,
        max_outage_seconds=300.0,
    )
    failed = [outcome.index for outcome in outcomes if not outcome.ok]
    assert sorted(failed) == list(range(500, 510))
    assert elapsed < 1_000 * 0.05 / 5 + 200


@pytest.mark.parametrize("wait", ["1", "60"])
def test_a_limit_that_never_ends_ends_the_batch(wait: str) -> None:
    """After some rows that were taken for the ones to blame."""

    async def main(clock: Clock) -> None:
        answers = itertools.count()
        server = Simulated(
            clock, lambda *_: OK if next(answers) < 100 else status(429, Retry_After=wait)
        )
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(1_000)),
            concurrency=1,
            max_outage_seconds=300.0,
        )
        outcomes: list[UnitOutcome] = []
        with pytest.raises(RateLimitError):
            await drain(batch, outcomes)
        assert sum(not outcome.ok for outcome in outcomes) <= LEAST_LIMIT_OF_CREDIT + 1
        assert clock.monotonic() - START < 700

    run_virtual(main)


def test_a_wait_beyond_the_patience_ends_the_batch_before_another_call() -> None:
    """The server said it to everybody. The next push sends the row that it said it to last."""

    async def main(clock: Clock) -> None:
        server = Simulated(
            clock, lambda _, name: status(429, Retry_After="500") if name == "5" else OK
        )
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(100)),
            concurrency=1,
            max_outage_seconds=300.0,
        )
        outcomes: list[UnitOutcome] = []
        with pytest.raises(RateLimitError) as caught:
            await drain(batch, outcomes)
        assert caught.value.retry_after_seconds == 500
        assert len(server.arrived) == len(outcomes) == 6
        assert batch.cut_off == {5}

    run_virtual(main)


def test_a_single_call_that_alone_is_refused_ends() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(
            clock, lambda _, name: status(429, Retry_After="2") if name == "bad" else OK
        )
        resource = units(clock, server)

        async def others() -> None:
            for number in itertools.count():
                await resource.update(an_update(f"{number}"))

        async with asyncio.timeout(1_000):
            busy = asyncio.create_task(others())
            with pytest.raises(RateLimitError) as caught:
                await resource.update(an_update("bad"))
            busy.cancel()
        assert caught.value.attempts == RetryPolicy().attempts
        assert clock.monotonic() - START < 60

    run_virtual(main)


def with_others(answer: Answer, calls_per_second: float) -> Answer:
    """Let calls of other clients use the same limit."""
    last = START

    def shared(now: float, name: str) -> Reply | Lost:
        nonlocal last
        while last + 1 / calls_per_second <= now:
            last += 1 / calls_per_second
            answer(last, "")
        return answer(now, name)

    return shared


def without_a_wait(answer: Answer) -> Answer:
    def changed(now: float, name: str) -> Reply | Lost:
        reply = answer(now, name)
        return status(429) if isinstance(reply, Reply) and reply.status == 429 else reply

    return changed


@pytest.mark.parametrize("concurrency", [2, 20, 100])
@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
@pytest.mark.parametrize("how", ["alone", "with others", "without a wait"])
def test_a_rate_limit_never_costs_a_row_an_attempt(concurrency: int, kind: str, how: str) -> None:
    """Whatever the server counts, each row is done after one attempt that counts."""
    limit, seconds = 20, 10
    answer = {
        "fixed": lambda: fixed_windows(limit, seconds, headers=False),
        "sliding": lambda: sliding_window(limit, seconds),
        "bucket": lambda: token_bucket(limit, seconds),
    }[kind]()
    if how == "with others":
        answer = with_others(answer, 0.8 * limit / seconds)
    elif how == "without a wait":
        answer = without_a_wait(answer)
    _, outcomes, _ = play(answer, rows=200, concurrency=concurrency, jitter=0.5)
    assert all(outcome.ok and outcome.attempts == 1 for outcome in outcomes)


def test_single_calls_follow_their_own_policy_in_an_outage() -> None:
    async def main(clock: Clock) -> None:
        server = Simulated(clock, lambda *_: REFUSED)
        policy = RetryPolicy(attempts=3, base_delay_seconds=1, retry_budget=None)
        resource = units(clock, server, retry=policy)
        await asyncio.gather(
            *(resource.update(an_update(f"{number}")) for number in range(10)),
            return_exceptions=True,
        )
        assert len(server.arrived) == 30
        # Delays of 0.5 and 1 s, with a random source that always says 0.5.
        assert clock.monotonic() == pytest.approx(START + 1.5 + 3 * 0.05)

    run_virtual(main)


async def test_a_failure_while_closed_does_not_hide_what_closed_it() -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 10)
    under_way = a_permit()
    assert await throttle.acquire(under_way) is None
    throttle.refused(a_permit(), an_error(429), 30.0, limited=True)
    throttle.failed(an_error(502))
    throttle.release(under_way)
    shut = await throttle.acquire(a_permit(patience=10))
    assert shut is not None
    assert isinstance(shut.error, APIStatusError)
    assert shut.error.status == 429


async def test_a_500_while_closed_opens_nothing() -> None:
    time = FakeClock()
    throttle = a_throttle(time.clock, 10)
    under_way = a_permit()
    assert await throttle.acquire(under_way) is None
    throttle.refused(a_permit(), an_error(429), 30.0, limited=True)
    assert not throttle.broke_down(under_way, an_error(500))
    throttle.release(under_way)
    shut = await throttle.acquire(a_permit(patience=10))
    assert shut is not None
    assert shut.seconds == 30.0


# --- whose fault it is ----------------------------------------------------------------------------


def test_a_suspect_is_suspected_as_long_as_nothing_speaks_for_it() -> None:
    blame, permit = Blame(), a_permit()
    blame.refused(permit, successes=5, is_suspect=True)
    for count in (1, 2, 3):
        assert blame.refused(permit, successes=5, is_suspect=True) is Fault.LIMIT
        assert (permit.suspected, permit.blamed) == (count, 0)
    blame.refused(a_permit(), successes=5)
    blame.refused(permit, successes=5, is_suspect=True)
    assert permit.suspected == 0
    blame.refused(permit, successes=5, is_suspect=True)
    assert permit.suspected == 1
    blame.refused(permit, successes=5)
    assert permit.suspected == 0


def test_the_first_refusal_of_a_call_is_a_limit() -> None:
    blame = Blame()
    assert blame.refused(a_permit(), successes=1_000) is Fault.LIMIT
    assert blame.refused(a_permit(), successes=2_000) is Fault.LIMIT


@pytest.mark.parametrize(
    ("others", "fault", "blamed"),
    [
        (0, Fault.LIMIT, 0),
        (1, Fault.CALL, 0),
        (OTHERS_TO_BLAME - 1, Fault.CALL, 0),
        (OTHERS_TO_BLAME, Fault.ONLY_CALLS, 1),
    ],
)
def test_a_call_is_to_blame_if_many_others_got_through(
    others: int, fault: Fault, blamed: int
) -> None:
    blame, permit = Blame(), a_permit()
    blame.refused(permit, successes=5)
    assert blame.refused(permit, successes=5 + others) is fault
    assert (permit.refusals, permit.blamed) == (2, blamed)


@pytest.mark.parametrize("sign", ["another call was refused", "a refused call was taken"])
def test_a_sign_of_a_limit_takes_the_blame_from_a_call(sign: str) -> None:
    blame, permit = Blame(), a_permit()
    blame.refused(permit, successes=0)
    if sign == "another call was refused":
        blame.refused(a_permit(), successes=10)
    else:
        blame.succeeded_after_refusal()
    assert blame.refused(permit, successes=1_000) is Fault.LIMIT
    assert permit.blamed == 0


def test_a_call_that_was_blamed_once_stays_suspicious() -> None:
    blame, permit = Blame(), a_permit()
    blame.refused(permit, successes=0)
    blame.refused(permit, successes=OTHERS_TO_BLAME)
    blame.succeeded_after_refusal()
    assert blame.refused(permit, successes=OTHERS_TO_BLAME + 1) is Fault.CALL
    assert permit.blamed == 1


def test_a_503_again_is_the_calls_own_if_others_got_through_and_none_was_taken_later() -> None:
    overloads, permit = Overloads(), a_permit()
    assert not overloads.noticed(permit, 10)
    # Nobody got through, so it may be the server.
    assert not overloads.noticed(permit, 10)
    assert not overloads.are_of_calls
    overloads.ended()
    assert overloads.noticed(permit, 11)
    assert not overloads.are_of_calls
    assert overloads.noticed(permit, 12)
    assert overloads.are_of_calls
    # Until the server takes one that had got a 503.
    overloads.ended()
    assert not overloads.are_of_calls
    assert permit.put_off == 4


def test_one_call_to_blame_does_not_disprove_the_limit() -> None:
    blame, permit = Blame(), a_permit()
    blame.refused(a_permit(), successes=0)
    blame.refused(permit, successes=0)
    assert blame.refused(permit, successes=OTHERS_TO_BLAME) is Fault.CALL
