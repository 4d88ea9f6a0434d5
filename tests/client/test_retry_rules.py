"""What an answer means for a call, as values: no event loop, no clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    APIConnectionError,
    APITimeoutError,
    RateLimitError,
    RetryPolicy,
    Token,
)
from propq_async._client.lost_answers import MAX_DEAD_CONNECTIONS, is_hopeless
from propq_async._client.progress import Progress
from propq_async._client.retry_rules import error_of, judge
from propq_async._client.terms import Meaning, Others, Terms, Verdict
from propq_async._client.wait_after_429 import (
    FIRST_UNSTATED_SECONDS,
    FREE_OVERLOADS,
    LAST_OVERLOAD_SECONDS,
    LAST_UNSTATED_SECONDS,
    LEAST_BLAMED,
    LEAST_WAIT_SECONDS,
    after_own_refusal,
    seconds_to_wait,
)
from propq_async._wire.messages import Call, Lost, Reply

A_TOKEN = Token("x", "Bearer", *[datetime(2030, 1, 1, tzinfo=UTC)] * 2)
CALL = Call("POST", "http://h/x")
POLICY = RetryPolicy(attempts=3, base_delay_seconds=1.0, max_delay_seconds=8.0)
AN_OUTAGE = Others(got_through=False, ever_got_through=True)
FAILS = {"fails": True, "counts": True}

NOT_SENT = Lost("refused", sent=False)
NO_ANSWER = Lost("closed", sent=True)
TOO_LATE = Lost("too late", sent=True, timed_out=True)
DEAD = Lost("dead", sent=False, stale=True)
FINAL_LOSS = Lost("header too long", sent=True, final=True)
NO_NAME = Lost("no such name", sent=False, worth_attempts=2)
NO_TRUST = Lost("no certificate", sent=False, worth_attempts=1)


def reply(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


def verdict_on(
    outcome: Reply | Lost,
    *,
    is_batch_row: bool = False,
    is_repeatable: bool = True,
    seconds_left: float = math.inf,
    others: Others = AN_OUTAGE,
    **so_far: Any,
) -> Verdict:
    progress = Progress()
    vars(progress).update(so_far)
    terms = Terms(POLICY, is_repeatable, is_batch_row, seconds_left, lambda: 1.0)
    error = error_of(outcome, CALL, A_TOKEN, now=0.0)
    return judge(outcome, error, progress, terms, others)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (reply(101), Verdict(Meaning.FINAL, **FAILS)),
        (reply(301), Verdict(Meaning.FUTILE, **FAILS)),
        (reply(302), Verdict(Meaning.OWN, **FAILS)),
        (reply(304), Verdict(Meaning.FINAL, **FAILS)),
        (reply(400), Verdict(Meaning.FINAL, **FAILS)),
        (reply(401), Verdict(Meaning.TOKEN)),
        (reply(403), Verdict(Meaning.FINAL, **FAILS)),
        (reply(404), Verdict(Meaning.FINAL, **FAILS)),
        (reply(404, Retry_After="7"), Verdict(Meaning.FINAL, **FAILS)),
        (reply(407), Verdict(Meaning.FUTILE, **FAILS)),
        (reply(408), Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (reply(422), Verdict(Meaning.FINAL, **FAILS)),
        (reply(429), Verdict(Meaning.WAIT, FIRST_UNSTATED_SECONDS, is_limit=True)),
        (reply(429, Retry_After="7"), Verdict(Meaning.WAIT, 7.0, is_limit=True)),
        (reply(500), Verdict(Meaning.OWN, 1.0, counts=True)),
        (reply(501), Verdict(Meaning.FINAL, **FAILS)),
        (reply(502), Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (reply(503), Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (reply(503, Retry_After="7"), Verdict(Meaning.WAIT, 7.0)),
        (reply(504), Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (reply(511), Verdict(Meaning.FUTILE, **FAILS)),
        (reply(521), Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (reply(599), Verdict(Meaning.OWN, 1.0, counts=True)),
        (NOT_SENT, Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (NO_ANSWER, Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (TOO_LATE, Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (DEAD, Verdict(Meaning.DEAD)),
        (FINAL_LOSS, Verdict(Meaning.FINAL, **FAILS)),
        (NO_NAME, Verdict(Meaning.OUTAGE, 1.0, counts=True)),
        (NO_TRUST, Verdict(Meaning.FUTILE, **FAILS)),
    ],
    ids=repr,
)
def test_a_first_answer_means(outcome: Reply | Lost, expected: Verdict) -> None:
    assert verdict_on(outcome) == expected


def test_a_second_401_fails() -> None:
    assert verdict_on(reply(401), token_refused=True) == Verdict(Meaning.TOKEN, **FAILS)


@pytest.mark.parametrize(
    ("who", "attempts", "expected"),
    [
        ("row", 100, Verdict(Meaning.TOKEN)),
        ("single call", 1, Verdict(Meaning.TOKEN, counts=True)),
        ("single call", 2, Verdict(Meaning.TOKEN, **FAILS)),
    ],
)
def test_a_second_401_is_no_end_if_the_credentials_are_proven(
    who: str, attempts: int, expected: Verdict
) -> None:
    others = Others(got_through=True, ever_got_through=True, prove_credentials=True)
    found = verdict_on(
        reply(401), others=others, is_batch_row=who == "row", attempts=attempts, token_refused=True
    )
    assert found == expected


@pytest.mark.parametrize("outcome", [reply(500), reply(503), NOT_SENT, NO_ANSWER])
def test_the_last_attempt_fails_and_those_before_back_off(outcome: Reply | Lost) -> None:
    meaning = Meaning.OWN if outcome == reply(500) else Meaning.OUTAGE
    assert verdict_on(outcome, attempts=1) == Verdict(meaning, 2.0, counts=True)
    assert verdict_on(outcome, attempts=2) == Verdict(meaning, **FAILS)


@pytest.mark.parametrize("seconds_left", [1.0, 0.99])
def test_a_back_off_longer_than_the_time_left_fails(seconds_left: float) -> None:
    assert verdict_on(reply(500), seconds_left=seconds_left).fails is (seconds_left < 1.0)


@pytest.mark.parametrize(
    ("outcome", "is_lost"),
    [
        (reply(502), True),
        (reply(504), True),
        (NO_ANSWER, True),
        (TOO_LATE, True),
        (reply(500), False),
        (reply(503), False),
        (NOT_SENT, False),
    ],
    ids=repr,
)
def test_a_lost_answer_is_not_repeated_where_unwanted(
    outcome: Reply | Lost, *, is_lost: bool
) -> None:
    assert verdict_on(outcome, is_repeatable=False).fails is is_lost


@pytest.mark.parametrize(
    ("outcome", "broke_down"),
    [
        (NO_ANSWER, True),
        (reply(502), False),
        (reply(504), False),
        (NOT_SENT, False),
        (TOO_LATE, False),
    ],
    ids=repr,
)
def test_a_row_is_to_blame_if_others_show_it(outcome: Reply | Lost, *, broke_down: bool) -> None:
    def counts(*, got_through: bool, row_is_suspect: bool) -> bool:
        others = Others(
            got_through=got_through, ever_got_through=True, row_is_suspect=row_is_suspect
        )
        verdict = verdict_on(outcome, is_batch_row=True, others=others)
        assert (verdict.meaning, verdict.fails) == (Meaning.OUTAGE, False)
        return verdict.counts

    assert counts(got_through=True, row_is_suspect=False)
    assert counts(got_through=False, row_is_suspect=True) is broke_down
    assert not counts(got_through=False, row_is_suspect=False)


def test_a_row_that_is_not_to_blame_is_tried_without_end() -> None:
    assert verdict_on(reply(502), is_batch_row=True, attempts=2) == Verdict(Meaning.OUTAGE, 2.0)


def test_a_500_costs_a_row_an_attempt_unless_everybody_gets_it() -> None:
    everybodys = attrs.evolve(AN_OUTAGE, all_break_down=True)
    own = Verdict(Meaning.OWN, 1.0, counts=True)
    assert verdict_on(reply(500), is_batch_row=True) == own
    assert verdict_on(reply(500), is_batch_row=True, others=everybodys) == Verdict(
        Meaning.OUTAGE, 1.0
    )
    # A single call follows its policy, whoever gets it as well.
    assert verdict_on(reply(500), others=everybodys).counts


@pytest.mark.parametrize("status", [302, 303, 307])
def test_a_detour_ends_a_row_only_if_it_is_its_own(status: int) -> None:
    own = Verdict(Meaning.OWN, **FAILS)
    cases = [
        (Others(got_through=False, ever_got_through=True), Verdict(Meaning.OUTAGE, 1.0)),
        (
            Others(got_through=False, ever_got_through=False, row_is_suspect=True),
            Verdict(Meaning.OUTAGE, 1.0),
        ),
        (Others(got_through=True, ever_got_through=True), own),
        (Others(got_through=False, ever_got_through=True, row_is_suspect=True), own),
    ]
    for others, expected in cases:
        assert verdict_on(reply(status), is_batch_row=True, others=others) == expected


@pytest.mark.parametrize("status", [301, 308, 407, 511])
def test_what_needs_a_person_ends_a_batch_unless_others_get_through(status: int) -> None:
    cases = [
        (Others(got_through=False, ever_got_through=True), Meaning.FUTILE),
        (Others(got_through=False, ever_got_through=False, row_is_suspect=True), Meaning.FUTILE),
        (Others(got_through=True, ever_got_through=True), Meaning.OWN),
        (Others(got_through=False, ever_got_through=True, row_is_suspect=True), Meaning.OWN),
    ]
    for others, meaning in cases:
        verdict = verdict_on(reply(status), is_batch_row=True, others=others)
        assert verdict == Verdict(meaning, **FAILS)


@pytest.mark.parametrize("is_batch_row", [True, False])
def test_a_503_while_others_get_through_backs_off(*, is_batch_row: bool) -> None:
    def verdict(waits: int, attempts: int = 0, **more: Any) -> Verdict:
        return verdict_on(
            reply(503),
            is_batch_row=is_batch_row,
            others=Others(got_through=True, ever_got_through=True),
            waits=waits,
            attempts=attempts,
            **more,
        )

    assert verdict(0) == Verdict(Meaning.OVERLOAD, 1.0)
    assert verdict(FREE_OVERLOADS - 1) == Verdict(Meaning.OVERLOAD, LAST_OVERLOAD_SECONDS)
    last = verdict(FREE_OVERLOADS, attempts=1)
    assert last == Verdict(Meaning.OVERLOAD, LAST_OVERLOAD_SECONDS, counts=True)
    assert verdict(FREE_OVERLOADS, attempts=2).fails
    assert not verdict(0, seconds_left=1.0).fails
    assert verdict(0, seconds_left=0.9).fails


def test_a_503_that_says_how_long_is_waited_for_whoever_gets_through() -> None:
    others = Others(got_through=True, ever_got_through=True)
    assert verdict_on(reply(503, Retry_After="7"), others=others) == Verdict(Meaning.WAIT, 7.0)


def test_a_row_that_others_have_passed_several_times_is_to_blame() -> None:
    alone = Others(got_through=False, ever_got_through=True, row_is_suspect=True)
    for waits, counts in ((LEAST_BLAMED - 1, False), (LEAST_BLAMED, True)):
        verdict = verdict_on(reply(503), is_batch_row=True, others=alone, waits=waits)
        assert (verdict.meaning, verdict.counts) == (Meaning.OUTAGE, counts)


def test_a_row_that_gets_what_no_other_one_does_is_to_blame() -> None:
    others = Others(
        got_through=False, ever_got_through=True, row_is_suspect=True, are_overloads_of_calls=True
    )
    verdict = verdict_on(reply(503), is_batch_row=True, others=others)
    assert (verdict.meaning, verdict.counts) == (Meaning.OUTAGE, True)


@pytest.mark.parametrize("is_batch_row", [True, False])
def test_a_503_of_calls_that_the_server_never_takes_costs_an_attempt(*, is_batch_row: bool) -> None:
    others = Others(got_through=True, ever_got_through=True, are_overloads_of_calls=True)
    first = verdict_on(reply(503), is_batch_row=is_batch_row, others=others)
    assert first == Verdict(Meaning.OWN, 1.0, counts=True)
    last = verdict_on(reply(503), is_batch_row=is_batch_row, others=others, attempts=2)
    assert last == Verdict(Meaning.OWN, **FAILS)


def test_dead_connections_without_end_are_an_outage() -> None:
    last = MAX_DEAD_CONNECTIONS - 1
    assert verdict_on(DEAD, dead_connections=last).meaning is Meaning.DEAD
    assert verdict_on(DEAD, dead_connections=last + 1).meaning is Meaning.OUTAGE


@pytest.mark.parametrize(
    ("futile", "got_through", "ever_got_through", "expected"),
    [
        (0, False, False, Meaning.OUTAGE),  # one more attempt is worth it
        (1, False, False, Meaning.FUTILE),
        (1, False, True, Meaning.OUTAGE),  # an outage: the name did resolve before
        (1, True, True, Meaning.OUTAGE),
    ],
)
def test_a_name_that_never_resolved_is_futile(
    futile: int, expected: Meaning, *, got_through: bool, ever_got_through: bool
) -> None:
    others = Others(got_through=got_through, ever_got_through=ever_got_through)
    assert verdict_on(NO_NAME, futile=futile, others=others).meaning is expected


def test_a_certificate_is_not_futile_if_another_call_got_through() -> None:
    others = Others(got_through=True, ever_got_through=True)
    assert verdict_on(NO_TRUST, others=others).meaning is Meaning.OUTAGE


def test_hopeless_is_what_no_outage_explains() -> None:
    assert is_hopeless(1, ever_got_through=True)
    assert is_hopeless(2, ever_got_through=False)
    assert not is_hopeless(2, ever_got_through=True)


# --- how long the server wants nobody to call -----------------------------------------------------


@given(asked=st.none() | st.floats(0, 1e6), waits=st.integers(0, 10_000))
def test_a_wait_grows_while_the_server_states_none(asked: float | None, waits: int) -> None:
    wait, next_wait = (seconds_to_wait(asked, waits + more) for more in (0, 1))
    assert wait <= next_wait
    if asked is None:
        assert FIRST_UNSTATED_SECONDS <= wait <= LAST_UNSTATED_SECONDS
    else:
        assert max(asked, LEAST_WAIT_SECONDS) <= wait <= max(asked, FIRST_UNSTATED_SECONDS)


@pytest.mark.parametrize(
    ("wait", "blamed", "attempts", "seconds_left", "expected"),
    [
        (5.0, 0, 0, math.inf, 5.0),
        (5.0, LEAST_BLAMED, 3, math.inf, None),
        (5.0, LEAST_BLAMED - 1, 3, math.inf, 5.0),
        (5.0, LEAST_BLAMED, 2, math.inf, 5.0),
        (10.0, 0, 0, math.inf, 10.0),
        (10.5, 0, 0, math.inf, None),  # longer than its patience
        (5.0, 0, 0, 4.0, None),
    ],
)
def test_a_call_refused_alone_waits_or_fails(
    wait: float, blamed: int, attempts: int, seconds_left: float, expected: float | None
) -> None:
    progress = Progress()
    progress.attempts = attempts
    terms = Terms(POLICY, True, False, seconds_left)  # noqa: FBT003 - as it is made
    assert after_own_refusal(wait, blamed, 10.0, progress, terms) == expected


# --- the error that an outcome is -----------------------------------------------------------------


def test_a_loss_is_a_connection_error_with_its_own_advice() -> None:
    error = error_of(Lost("gone", sent=True, advice="look"), CALL, A_TOKEN, now=0.0)
    assert type(error) is APIConnectionError
    assert (error.method, error.url, error.message) == ("POST", "http://h/x", "gone")
    assert error.may_have_been_applied
    assert error.advice == "look"
    late = error_of(Lost("late", sent=False, timed_out=True), CALL, A_TOKEN, now=0.0)
    assert type(late) is APITimeoutError
    assert not late.may_have_been_applied
    assert late.advice == APITimeoutError.advice


def test_a_status_is_its_own_error() -> None:
    error = error_of(reply(429, Retry_After="3"), CALL, A_TOKEN, now=0.0)
    assert isinstance(error, RateLimitError)
    assert error.retry_after_seconds == 3.0
