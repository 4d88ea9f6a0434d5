"""Successes in which the framework says that it did nothing, or from which the body is gone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import UnexpectedResponseError
from propq_async._wire.framework_messages import MESSAGES, status_said
from propq_async._wire.messages import Lost, Reply
from propq_async._wire.replies import meaning_of_success, read_json, read_object
from propq_async._wire.statuses import rule_of
from tests.helpers.wire import CALL, JSON_VALUES, TOKEN, reply

DEBUG = {
    "exception": "Symfony\\Component\\HttpKernel\\Exception\\HttpException",
    "file": "/var/www/vendor/x.php",
    "line": 109,
    "trace": [],
}


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("more", [{}, DEBUG], ids=["production", "debug"])
@pytest.mark.parametrize("status", [200, 201, 299])
def test_what_the_framework_says_of_an_error_is_no_success(
    status: int, message: str, more: dict[str, Any]
) -> None:
    said = reply(status, {"message": message} | more)
    meant = MESSAGES[message].status
    for read in (read_object, read_json):
        error = read(said, CALL, TOKEN)
        assert isinstance(error, UnexpectedResponseError)
        assert f"{status}, but the body says '{message}'" in str(error)
        assert "base URL" not in error.advice
        assert error.may_have_been_applied is rule_of(meant).may_have_been_applied
    assert meaning_of_success(said) == Reply(meant, {}, said.body)


def test_only_the_500_leaves_it_open_whether_something_was_done() -> None:
    open_ones = [said for said in MESSAGES.values() if rule_of(said.status).may_have_been_applied]
    assert [said.status for said in open_ones] == [500]
    assert all(said.source.startswith("Illuminate\\") for said in MESSAGES.values())


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"message": "OK"},
        {"message": "service unavailable"},
        {"message": "Service Unavailable."},
        {"message": "Service Unavailable", "data": {"UntName": "A-101"}},
        {"message": "Server Error", "status": "ok"},
        {"message": ["Service Unavailable"]},
        {"message": {"message": "Service Unavailable"}},
        {"UntName": "Service Unavailable"},
        {"data": {"message": "Service Unavailable"}},
    ],
)
def test_another_message_or_another_key_is_a_success(value: dict[str, Any]) -> None:
    assert read_object(reply(200, value), CALL, TOKEN) == value


@given(JSON_VALUES)
def test_no_value_is_taken_for_an_error_by_chance(value: Any) -> None:
    assert status_said(value) is None


@given(
    st.dictionaries(st.text(max_size=8), JSON_VALUES, min_size=1, max_size=3),
    st.sampled_from(sorted(MESSAGES)),
)
def test_an_object_with_other_keys_is_the_applications(more: dict[str, Any], said: str) -> None:
    value = {"message": said} | {f"Unt{key}": thing for key, thing in more.items()}
    assert status_said(value) is None


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        (b"<!DOCTYPE html><html>", 502),
        (b"\xef\xbb\xbf\r\n \t<html>", 502),
        (b'<?xml version="1.0"?><Error/>', 502),
        (b'{"message": "Service Unavailable"}', 503),
    ],
)
def test_a_page_is_as_good_as_a_gateways_error(body: bytes, meant: int) -> None:
    found = meaning_of_success(reply(200, body))
    assert isinstance(found, Reply)
    assert found.status == meant


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_body_that_is_missing_is_a_lost_answer(status: int) -> None:
    assert meaning_of_success(reply(status)) == Lost("the answer has no body", sent=True)


@pytest.mark.parametrize(
    "odd",
    [
        reply(204),
        reply(205),
        reply(200, b"OK"),
        reply(200, []),
        reply(200, {"status": "error"}),
        reply(200, b'{"a": '),
        reply(200, b"", truncated=True),
    ],
    ids=repr,
)
def test_what_would_be_the_same_again_is_final(odd: Reply) -> None:
    found = meaning_of_success(odd)
    assert isinstance(found, Lost)
    assert (found.sent, found.final) == (True, True)
