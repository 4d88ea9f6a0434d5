"""What a reply is: a value or an error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ServerError,
    TokenUnavailableError,
    UnexpectedResponseError,
    UnprocessableError,
    WrongMethodError,
)
from propq_async._wire.messages import MAX_ERROR_BYTES
from propq_async._wire.oauth import read_token
from propq_async._wire.redaction import MAX_BODY_CHARACTERS
from propq_async._wire.replies import read_json, read_object
from tests.helpers.wire import (
    CALL,
    CREDENTIALS,
    FORGED,
    JSON_VALUES,
    NOW,
    TOKEN,
    error_of,
    everything_in,
    reply,
)


@pytest.mark.parametrize(
    ("status", "kind", "in_doubt"),
    [
        (101, APIStatusError, True),
        *((status, RedirectError, False) for status in (300, 301, 302, 303, 304, 307, 308, 399)),
        (400, BadRequestError, False),
        (401, AuthenticationError, False),
        (403, PermissionDeniedError, False),
        (404, NotFoundError, False),
        (405, WrongMethodError, False),
        (419, WrongMethodError, False),
        (422, UnprocessableError, False),
        (429, RateLimitError, False),
        *((status, APIStatusError, False) for status in (402, 406, 408, 409, 418, 499)),
        *((status, ServerError, True) for status in (500, 501, 502, 504, 520, 599)),
        (503, ServerError, False),
    ],
)
def test_every_status_is_an_error_of_its_own(
    status: int, kind: type[APIStatusError], *, in_doubt: bool
) -> None:
    error = error_of(status, {"message": "Said."}, {"Retry-After": "7", "X-Request-Id": "r-1"})
    assert type(error) is kind
    assert error.may_have_been_applied is in_doubt
    assert (error.method, error.url) == (CALL.method, CALL.url)
    assert (error.status, error.message, error.body) == (status, "Said.", '{"message": "Said."}')
    assert (error.retry_after_seconds, error.request_id) == (7.0, "r-1")
    assert (error.__cause__, error.__context__) == (None, None)


def test_headers_that_are_not_there_are_none() -> None:
    error = error_of(302)
    assert isinstance(error, RedirectError)
    assert (error.location, error.retry_after_seconds, error.request_id) == (None, None, None)
    assert error.body == ""
    located = error_of(302, headers={"Location": "https://login.example/?next=1"})
    assert isinstance(located, RedirectError)
    assert located.location == "https://login.example/?next=1"
    assert "https://login.example/?next=1" in str(located)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b"", "Not Found"),
        (419, b"", "Page Expired"),
        (499, b"", "unknown status"),
        (404, {"message": " gone "}, "gone"),
        (400, {"error": "invalid"}, "invalid"),
        (400, {"error": {"message": "inner"}}, "inner"),
        (400, {"error": {"message": 7}}, "Bad Request"),
        (400, {"error": "e", "error_description": "d"}, "d"),
        (400, {"message": "", "error": "e"}, "e"),
        (400, {"message": None}, "Bad Request"),
        (400, ["message"], "Bad Request"),
        (400, "message", "Bad Request"),
        (500, b"Error.", "Internal Server Error"),
        (500, b'{"message": "cut', "Internal Server Error"),
        (500, b"\xff\xfe\x00\x80", "Internal Server Error"),
        (500, b'\xef\xbb\xbf{"message": "marked"}', "marked"),
        (419, b"<html><head><title>Page Expired</title></head></html>", "Page Expired"),
        (502, b"<html><TITLE id=x>502 Bad\n  Gateway</TITLE>", "Bad Gateway"),
        (504, b"<html><title></title>", "Gateway Timeout"),
        (504, b"<h1>no title</h1>", "Gateway Timeout"),
        (502, b"<title>" * 100_000, "Bad Gateway"),
    ],
)
def test_the_message_is_what_the_server_said_or_else_the_phrase(
    status: int, body: Any, message: str
) -> None:
    error = error_of(status, body)
    assert error.message == message
    assert f"{status} {message}" in str(error)


@pytest.mark.parametrize(
    ("body", "message", "errors"),
    [
        (
            {"message": "invalid", "errors": {"UntPrice": ["a", "b"], "UntDirections.0": ["c"]}},
            "invalid",
            {"UntPrice": ["a", "b"], "UntDirections.0": ["c"]},
        ),
        ({"errors": {"UntPrice": "a"}}, None, {"UntPrice": ["a"]}),
        ({"UntPrice": ["a"], "UntName": "b"}, None, {"UntPrice": ["a"], "UntName": ["b"]}),
        ({"message": "m", "UntPrice": ["a"]}, "m", {"UntPrice": ["a"]}),
        (
            {"errors": {"a": {"b": ["c", {"d": "e"}], "f": 7}}},
            None,
            {"a": ["b: c", "b: d: e", "f: 7"]},
        ),
        (
            {"errors": {"a": None, "b": True, "c": 1.5, "d": []}},
            None,
            {"a": ["null"], "b": ["true"], "c": ["1.5"], "d": []},
        ),
        ({"errors": ["a", ["b"]]}, None, {"": ["a", "b"]}),
        ({"errors": {"a": [[[[[[[[[["b"]]]]]]]]]]}}, None, {"a": ["b"]}),
        ({"errors": {"a": [[[[[[[[[[["b"]]]]]]]]]], "c"]}}, None, {"a": ["...", "c"]}),
        ({"errors": "a"}, None, {"": ["a"]}),
        (["a", "b"], None, {"": ["a", "b"]}),
        ("a", None, {"": ["a"]}),
        ({"message": "m", "errors": []}, "m", {}),
        ({"message": "m", "errors": None}, "m", {}),
        ({"message": "m"}, "m", {}),
        ({}, None, {}),
        ([], None, {}),
        (None, None, {}),
        (0, None, {}),
        (b"", None, {}),
        (b"<p>no</p>", None, {}),
        (b'{"errors": {"UntPrice": ["cut', None, {}),
    ],
)
def test_field_errors_come_in_any_shape(
    body: Any, message: str | None, errors: dict[str, list[str]]
) -> None:
    error = error_of(422, body)
    assert isinstance(error, UnprocessableError)
    assert error.errors == errors
    if message is not None:
        assert error.message == message
    for field, texts in errors.items():
        for text in texts:
            assert f"{field}: {text}" in str(error)


@given(JSON_VALUES, st.sampled_from([200, 302, 400, 422, 500]))
def test_no_json_breaks_an_error_or_a_success(value: Any, status: int) -> None:
    if status == 200:
        found = read_object(reply(status, value), CALL, TOKEN)
        assert isinstance(found, UnexpectedResponseError) or isinstance(value, dict)
        return
    error = error_of(status, value)
    everything_in(error)
    if isinstance(error, UnprocessableError):
        for field, texts in error.errors.items():
            assert isinstance(field, str)
            assert all(isinstance(text, str) for text in texts)


@given(st.binary(), st.sampled_from([200, 302, 400, 422, 500]))
def test_no_bytes_break_an_error_or_a_success(content: bytes, status: int) -> None:
    if status == 200:
        read_object(reply(status, content), CALL, TOKEN)
        read_json(reply(status, content), CALL, TOKEN)
    else:
        everything_in(error_of(status, content))


def test_what_an_error_keeps_is_bounded() -> None:
    much = "é" * 1_000_000
    for body in (
        {"message": much},
        {"errors": {much: [much] * 3}},
        {"errors": {str(number): ["x" * 100] * 10 for number in range(20_000)}},
        {"errors": [["x"] * 10] * 50_000},
        much.encode(),
    ):
        error = error_of(422, body, {"Location": much, "X-Request-Id": much})
        assert len(error.body) == MAX_BODY_CHARACTERS
        assert len(error.message) <= MAX_BODY_CHARACTERS
        assert len(everything_in(error)) < 100_000
    odd = read_object(reply(200, {"error": much}), CALL, TOKEN)
    assert isinstance(odd, UnexpectedResponseError)
    assert len(everything_in(odd)) < 100_000


def test_what_a_success_says_stays_as_it_was_sent() -> None:
    assert read_object(reply(200, {FORGED: FORGED}), CALL, TOKEN) == {FORGED: FORGED}


def test_an_error_is_read_up_to_a_size_that_is_enough_to_tell() -> None:
    def sent(size: int) -> bytes:
        frame = b'{"message": "Said.", "errors": {"a": ["b"]}, "x": "%b"}'
        return frame % (b"x" * (size - len(frame) + 2))

    enough, too_much = (
        error_of(422, sent(MAX_ERROR_BYTES)),
        error_of(422, sent(MAX_ERROR_BYTES + 1)),
    )
    assert isinstance(enough, UnprocessableError)
    assert isinstance(too_much, UnprocessableError)
    assert (enough.message, enough.errors) == ("Said.", {"a": ["b"]})
    assert (too_much.message, too_much.errors) == (HTTPStatus(422).phrase, {})
    assert too_much.body.startswith('{"message": "Said.", "errors"')


@pytest.mark.parametrize("status", [200, 201, 202, 299])
@pytest.mark.parametrize(
    "value",
    [
        {},
        {"status": "ok"},
        {"status": 1},
        {"error": None},
        {"error": ""},
        {"error": False},
        {"a": {"error": 1}},
    ],
)
def test_a_json_object_is_a_success(status: int, value: dict[str, Any]) -> None:
    assert reply(status).is_success
    assert read_object(reply(status, value), CALL, TOKEN) == value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body is empty"),
        (b" \n", "the body is not JSON"),
        (b"<html><title>Welcome</title>", "the body is not JSON"),
        (b'{"status": "ok"', "the body is not JSON"),
        (b"\xff\xfe\xfd", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the body is not JSON"),
        ([], "the body is no JSON object"),
        ([{"status": "ok"}], "the body is no JSON object"),
        ("ok", "the body is no JSON object"),
        (None, "the body is no JSON object"),
        (True, "the body is no JSON object"),
        ({"status": "error"}, "says it is an error: it gives no message"),
        ({"status": " ERROR ", "message": "no such unit"}, "says it is an error: no such unit"),
        ({"error": "broken"}, "says it is an error: broken"),
        ({"error": {"message": "inner"}}, "says it is an error: inner"),
        ({"error": {"code": 7}}, "says it is an error: it gives no message"),
        ({"error": True, "message": "m"}, "says it is an error: m"),
    ],
)
def test_a_success_that_is_none_is_an_error_in_doubt(body: Any, words: str) -> None:
    error = read_object(reply(200, body), CALL, TOKEN)
    assert isinstance(error, UnexpectedResponseError)
    assert words in str(error)
    assert error.may_have_been_applied
    assert (error.status, error.method, error.url) == (200, CALL.method, CALL.url)
    assert error.body == reply(200, body).body.decode(errors="replace")[:MAX_BODY_CHARACTERS]


@pytest.mark.parametrize("body", [b"", b"12345", b"{}", b'{"a": 1'])
def test_a_truncated_body_is_no_value_even_if_it_is_json(body: bytes) -> None:
    cut = reply(200, body, truncated=True)
    for read in (read_json, read_object):
        error = read(cut, CALL, TOKEN)
        assert isinstance(error, UnexpectedResponseError)
        assert "the body is too long" in str(error)
    assert isinstance(read_token(cut, asked_at=NOW, credentials=CREDENTIALS), TokenUnavailableError)


@pytest.mark.parametrize("value", [None, 0, False, "text", [1], {"error": "kept"}, {}])
def test_any_json_is_the_value_of_a_request(value: Any) -> None:
    assert read_json(reply(200, value), CALL, TOKEN) == value
    assert read_json(reply(204), CALL, TOKEN) is None
