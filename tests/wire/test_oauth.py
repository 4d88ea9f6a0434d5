"""What a reply of the token endpoint is: a token or an error."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    Token,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)
from propq_async._wire.oauth import read_token
from tests.helpers.wire import AT, CREDENTIALS, JSON_VALUES, NOW, everything_in, reply


def token_of(status: int, body: Any, headers: dict[str, str] | None = None) -> Token | TokenError:
    return read_token(reply(status, body, headers), asked_at=NOW, credentials=CREDENTIALS)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (7200, 7200),
        (2592000, 2592000),
        (0.5, 0.5),
        ("3600", 3600),
        ("3600.0", 3600),
        (" 60 ", 60),
        ("3.6e3", 3600),
        (366 * 86400, 366 * 86400),
        (10**12, 366 * 86400),
        (1e308, 366 * 86400),
        ("9" * 300, 366 * 86400),
    ],
)
def test_the_lifetime_is_the_one_that_came_back(expires_in: Any, seconds: float) -> None:
    body = {"token_type": "Bearer", "expires_in": expires_in, "access_token": "a.b-c_d~e+f/g="}
    token = token_of(200, body)
    assert isinstance(token, Token)
    assert (token.access_token, token.token_type) == ("a.b-c_d~e+f/g=", "Bearer")
    assert token.issued_at == AT
    assert token.expires_at == AT + timedelta(seconds=seconds)


@pytest.mark.parametrize("token_type", [None, "", 7, "two words", "line\nbreak", "\ud800", ["x"]])
def test_a_token_type_that_is_none_is_bearer(token_type: Any) -> None:
    token = token_of(200, {"token_type": token_type, "expires_in": 1, "access_token": "t"})
    assert isinstance(token, Token)
    assert token.token_type == "Bearer"


BAD_LIFETIMES: list[Any] = [None, 0, -1, -0.0, 1e-9, math.nan, math.inf, 10**400, True, [3600], {}]
BAD_LIFETIMES += ["", "0", "-5", "NaN", "Infinity", "1e999", "1_000", "\u0663", "0x10", "9" * 5000]
BAD_TOKENS: list[Any] = [None, "", " ", "a b", "a\n", "é", "\ud800", "\x7f", 7, True, ["a"], {}]


@pytest.mark.parametrize(
    "changes",
    [
        *({"expires_in": value} for value in BAD_LIFETIMES),
        *({"access_token": value} for value in BAD_TOKENS),
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_an_answer_without_lifetime_or_token_is_no_token(changes: dict[str, Any]) -> None:
    body = {"token_type": "Bearer", "expires_in": 3600, "access_token": "t0ken"} | changes
    missing = {key: value for key, value in body.items() if key not in changes}
    for answer in (body, missing):
        error = token_of(200, answer)
        assert isinstance(error, TokenUnavailableError)
        assert (error.status, error.attempts) == (200, 1)
        assert "no usable token: check that the base URL" in str(error)
        assert "t0ken" not in everything_in(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>t0ken</title>",
        [{"access_token": "t0ken"}],
        "t0ken",
        None,
        b"t0ken",
        b"{",
    ],
)
def test_a_200_that_is_no_object_is_no_token(body: Any) -> None:
    error = token_of(200, body)
    assert isinstance(error, TokenUnavailableError)
    assert "t0ken" not in everything_in(error)


@given(
    JSON_VALUES
    | st.fixed_dictionaries(
        {"access_token": JSON_VALUES | st.just("t"), "expires_in": JSON_VALUES | st.just(60)},
        optional={"token_type": JSON_VALUES},
    ),
    st.sampled_from([200, 201, 302, 400, 401, 408, 429, 500]),
)
def test_any_json_is_a_sound_token_or_an_error(value: Any, status: int) -> None:
    found = token_of(status, value)
    if isinstance(found, Token):
        assert status < 300
        assert 0 < found.lifetime_seconds < math.inf
        assert found.access_token.isprintable()
        assert found.access_token.isascii()
        assert found.access_token
        assert found.issued_at == AT
    else:
        everything_in(found)
        assert isinstance(found, TokenRefusedError) is (status in (400, 401))


@given(st.binary(), st.sampled_from([200, 302, 400, 500]))
def test_any_bytes_are_an_error_of_the_token_endpoint(content: bytes, status: int) -> None:
    found = token_of(status, content)
    assert isinstance(found, TokenError)
    everything_in(found)


@pytest.mark.parametrize(
    ("status", "body", "error", "description", "hint"),
    [
        (
            400,
            {"error": "invalid_request", "message": "m", "hint": "Check the `client_id` parameter"},
            "invalid_request",
            "m",
            "Check the `client_id` parameter",
        ),
        (401, {"error": "invalid_client", "message": "m"}, "invalid_client", "m", None),
        (
            401,
            {"error": "invalid_client", "error_description": "d", "message": "m"},
            "invalid_client",
            "d",
            None,
        ),
        (401, {"error": "invalid_client", "error_description": "d"}, "invalid_client", "d", None),
        (400, {"error": "invalid_request"}, "invalid_request", None, None),
        (400, {"message": " m "}, None, "m", None),
        (400, {"error": {"message": "m"}}, None, '{"error": {"message": "m"}}', None),
        (400, {"error": "", "message": None}, None, '{"error": "", "message": null}', None),
        (403, {"message": "Forbidden"}, None, "Forbidden", None),
        (402, b"<html><title>Not\nFound</title>", None, "Not Found", None),
        (401, b"plain words", None, "plain words", None),
        (401, b"", None, "Unauthorized", None),
        (419, b" ", None, "Page Expired", None),
        (422, ["a"], None, '["a"]', None),
        (499, b"", None, "unknown status", None),
    ],
)
def test_all_dialects_of_a_refusal(
    status: int, body: Any, error: str | None, description: str | None, hint: str | None
) -> None:
    refused = token_of(status, body)
    assert isinstance(refused, TokenRefusedError)
    found = (refused.status, refused.error, refused.description, refused.hint)
    assert found == (status, error, description, hint)
    text = str(refused)
    assert f"({status} " in text
    assert "PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET" in text
    assert ("check the base URL" in text) == (error is None and status not in (400, 401))
    for word in (error, description, hint):
        assert word is None or word in text


@pytest.mark.parametrize("status", [101, 301, 302, 307, 408, 429, 500, 502, 503, 504, 599])
def test_anything_else_is_unavailable(status: int) -> None:
    error = token_of(status, b"Error.", {"Retry-After": "7", "Location": "https://else.where/"})
    assert isinstance(error, TokenUnavailableError)
    assert (error.status, error.retry_after_seconds, error.attempts) == (status, 7.0, 1)
    assert str(status) in str(error)
    assert "Error." in str(error)
    assert "https://else.where/" in str(error)
    plain = token_of(status, b"")
    assert isinstance(plain, TokenUnavailableError)
    assert plain.retry_after_seconds is None
    assert "Location" not in str(plain)
    assert ("try again later" if status >= 400 else "check the base URL") in str(plain)
