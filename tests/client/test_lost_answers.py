"""Which calls may be made again although the server may have received them."""

from __future__ import annotations

import pytest

from propq_async import RetryPolicy
from propq_async._client.lost_answers import may_be_repeated
from propq_async._client.terms import Terms
from propq_async._wire.messages import Lost, Reply
from tests.helpers.wire import reply


@pytest.mark.parametrize(
    ("outcome", "is_lost"),
    [
        (Lost("no connection", sent=False), False),
        (Lost("broken", sent=True), True),
        (Lost("late", sent=True, timed_out=True), True),
        (reply(502), True),
        (reply(504), True),
        (reply(500), False),
        (reply(503), False),
        (reply(200), False),
    ],
)
def test_which_answers_are_lost(outcome: Reply | Lost, *, is_lost: bool) -> None:
    careful, usual = (
        Terms(RetryPolicy(), is_repeatable=can, is_batch_row=False) for can in (False, True)
    )
    assert may_be_repeated(outcome, careful) is not is_lost
    assert may_be_repeated(outcome, usual)
