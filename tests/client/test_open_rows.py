"""The open rows of a batch, as values: no event loop, no clock."""

from __future__ import annotations

import pytest

from propq_async import (
    APIConnectionError,
    APIStatusError,
    NotFoundError,
    PropQError,
    RateLimitError,
    RedirectError,
    ServerError,
)
from propq_async._client.call_spec import BatchRow
from propq_async._client.open_rows import LEAST_LIMIT_OF_CREDIT, Credit, OpenRows
from propq_async._wire.messages import Call
from tests.helpers.support import an_update

TERMS = BatchRow(300.0, lambda: False)
LOST = APIConnectionError("lost", method="POST", url="u")


def a_status(kind: type[APIStatusError], status: int) -> APIStatusError:
    return kind("said", status=status, method="POST", url="u")


def test_the_first_row_alone_is_to_blame() -> None:
    credit = Credit(100)
    assert credit.covers(1)
    assert not credit.covers(2)


@pytest.mark.parametrize("concurrency", [1, 100])
def test_credit_is_earned_up_to_a_limit(concurrency: int) -> None:
    credit = Credit(concurrency)
    limit = max(concurrency, LEAST_LIMIT_OF_CREDIT)
    for _ in range(limit - 1):
        assert not credit.covers(limit)
        credit.earn()
    credit.earn()
    assert credit.covers(limit)
    assert not credit.covers(limit + 1)


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (LOST, 2),
        (a_status(ServerError, 502), 2),
        (a_status(RedirectError, 302), 2),
        (a_status(APIStatusError, 408), 2),
        (a_status(RateLimitError, 429), 4),
        (a_status(ServerError, 503), 4),
        (a_status(ServerError, 500), 5),
        (a_status(NotFoundError, 404), 6),
    ],
)
def test_a_row_that_is_given_up_costs_credit(error: PropQError, left: int) -> None:
    credit = Credit(100)
    for _ in range(4):
        credit.earn()
    credit.note(error)
    assert credit.covers(left)
    assert not credit.covers(left + 1)


def test_credit_is_never_less_than_none() -> None:
    credit = Credit(100)
    for _ in range(3):
        credit.note(a_status(RateLimitError, 429))
    credit.earn()
    assert credit.covers(1)


def test_a_row_follows_the_open_one_of_its_unit() -> None:
    rows = OpenRows()
    first, other, second, third = (
        rows.admit(an_update(name), 0.0, TERMS) for name in ("A 1", "B", "a1", "A1")
    )
    elsewhere = rows.admit(an_update("A 1", development_id="other"), 0.0, TERMS)
    assert (first.previous, other.previous, elsewhere.previous) == (None, None, None)
    assert (second.previous, third.previous) == (first, second)
    for row in (first, second, third):
        rows.settle(row)
    assert rows.admit(an_update("A1"), 0.0, TERMS).previous is None
    assert [row.index for row in rows.drain()] == [1, 4, 5]
    assert len(rows) == 0


def test_a_row_that_was_cut_off_says_what_is_known_of_it() -> None:
    row = OpenRows().admit(an_update("A"), 3.0, TERMS)
    row.requests = 1
    row.ended_in(
        ServerError("broken", status=500, method="POST", url="u", may_have_been_applied=True)
    )
    outcome = row.cut_off(Call("POST", "http://h/"), 5.0)
    assert (outcome.ok, outcome.attempts, outcome.elapsed_seconds) == (False, 1, 2.0)
    assert isinstance(outcome.error, APIConnectionError)
    assert outcome.error.may_have_been_applied
    assert "500 broken" in outcome.error.message
