"""Replies and losses."""

from __future__ import annotations

import pytest

from propq_async._wire.messages import Lost, Reply, lost_answer
from tests.helpers.wire import reply


@pytest.mark.parametrize(
    ("outcome", "lost"),
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
def test_which_answers_are_lost(outcome: Reply | Lost, *, lost: bool) -> None:
    assert lost_answer(outcome) is lost


def test_a_reply_does_not_show_what_it_holds() -> None:
    text = repr(reply(200, {"access_token": "t0ken"}, {"Authorization": "t0ken"}))
    assert "t0ken" not in text
