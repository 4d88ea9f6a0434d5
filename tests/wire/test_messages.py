"""Replies and losses."""

from __future__ import annotations

from tests.helpers.wire import reply


def test_a_reply_does_not_show_what_it_holds() -> None:
    text = repr(reply(200, {"access_token": "t0ken"}, {"Authorization": "t0ken"}))
    assert "t0ken" not in text
