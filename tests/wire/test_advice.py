"""What errors advise, each with the smallest text that servers really send."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import TokenRefusedError, TokenUnavailableError
from propq_async._wire.advice import is_page
from propq_async._wire.oauth import read_token
from tests.helpers.wire import CREDENTIALS, NOW, error_of, everything_in, reply

BASIC = {"WWW-Authenticate": 'Basic realm="staging"'}


def page(title: str) -> bytes:
    """Return the beginning of nginx's page."""
    return f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n".encode()


# Status, body, headers, and what the advice says. The same for calls and token requests.
TABLE: list[tuple[int, bytes, dict[str, str], str]] = [
    (400, page("400 No required SSL certificate was sent"), {}, "certificate of the client"),
    (400, page("400 The SSL certificate error"), {}, "certificate of the client"),
    (400, page("400 The plain HTTP request was sent to HTTPS port"), {}, "write https://"),
    (
        400,
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
        {},
        "write https://",
    ),
    (400, page("400 Request Header Or Cookie Too Large"), {}, "access token is larger"),
    (400, b"Size of a request header field exceeds server limit.", {}, "access token is larger"),
    (431, b"", {}, "access token is larger"),
    (400, page("400 Bad Request"), {}, "this is a web page"),
    (400, b"<html><body><h1>400 Bad request</h1>", {}, "this is a web page"),
    (401, page("401 Authorization Required"), BASIC, "a login of its own"),
    (401, b"<html><body><h1>401 Unauthorized</h1>", {}, "a login of its own"),
    (401, b"", BASIC, "a login of its own"),
    (401, b" ", {"WWW-Authenticate": "Negotiate"}, "a login of its own"),
    (403, page("403 Forbidden"), {}, "this is a web page"),
    (404, page("404 Not Found"), {}, "this is a web page"),
    (405, page("405 Not Allowed"), {}, "this is a web page"),
    (407, b"", {}, "the proxy wants a login"),
    (407, page("407 Proxy Authentication Required"), {}, "the proxy wants a login"),
]
# Laravel's own, in JSON: version 12, and version 8.
NOT_FOUND = [
    (b'{\n    "message": "The route v1/x could not be found."\n}', "the API has no such path"),
    (b'{\n    "message": ""\n}', "does not say what is missing"),
    (b'{"message":""}', "does not say what is missing"),
    (b'{"message":"Unit not found."}', "the name must match exactly"),
    (b'{"message":"","id":1}', "the name must match exactly"),
]
table = pytest.mark.parametrize(("status", "body", "headers", "advice"), TABLE)


@pytest.mark.parametrize(("body", "advice"), NOT_FOUND)
def test_a_404_says_what_was_not_found_as_far_as_it_can(body: bytes, advice: str) -> None:
    assert advice in str(error_of(404, body, {"Content-Type": "application/json"}))
    # Any other status says what it means by itself.
    assert advice not in str(error_of(403, body, {"Content-Type": "application/json"}))


@table
def test_a_call_says_what_to_do(
    status: int, body: bytes, headers: dict[str, str], advice: str
) -> None:
    error = error_of(status, body, headers)
    assert advice in str(error)
    for misleading in ("PROPQ_CLIENT_ID", "development", "Resales Online", "HTTP method"):
        assert misleading not in str(error)
    assert advice in everything_in(error)


@table
def test_a_token_request_says_what_to_do(
    status: int, body: bytes, headers: dict[str, str], advice: str
) -> None:
    error = read_token(reply(status, body, headers), asked_at=NOW, credentials=CREDENTIALS)
    assert isinstance(error, TokenRefusedError)
    assert advice in str(error)
    assert "PROPQ_CLIENT_ID" not in str(error)


@pytest.mark.parametrize(
    ("status", "body", "headers", "advice"),
    [
        (400, {"message": "Bad."}, {}, "check the development id"),
        (401, {"message": "Unauthenticated."}, {}, "check PROPQ_CLIENT_ID"),
        (401, {"error": "invalid_client"}, BASIC, "check PROPQ_CLIENT_ID"),
        (401, b"", {}, "check PROPQ_CLIENT_ID"),
        (401, b"", {"WWW-Authenticate": "Bearer"}, "check PROPQ_CLIENT_ID"),
        (403, {"message": "This action is unauthorized."}, {}, "belongs to this client"),
        (404, {"message": "Not Found"}, {}, "check the development id and the unit name"),
        (419, page("Page Expired"), {}, "check the HTTP method"),
        (500, page("500 Request Header Or Cookie Too Large"), {}, "try again later"),
    ],
)
def test_what_the_api_itself_says_has_the_usual_advice(
    status: int, body: Any, headers: dict[str, str], advice: str
) -> None:
    assert advice in str(error_of(status, body, headers))


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (400, "invalid_scope", "which scopes"),
        (400, "unauthorized_client", "the grant client_credentials"),
        (400, "unsupported_grant_type", "check the base URL and the proxy"),
        (400, "invalid_request", "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET"),
        (401, "invalid_client", "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET"),
        (400, "something_else", "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET"),
    ],
)
def test_the_code_of_a_refusal_says_what_to_check(status: int, error: str, advice: str) -> None:
    found = read_token(reply(status, {"error": error}), asked_at=NOW, credentials=CREDENTIALS)
    assert isinstance(found, TokenRefusedError)
    assert found.error == error
    assert advice in str(found)
    assert ("PROPQ_CLIENT_ID" in str(found)) == ("PROPQ_CLIENT_ID" in advice)


@pytest.mark.parametrize(
    ("status", "title"),
    [(502, "502 Bad Gateway"), (504, "504 Gateway Time-out"), (404, "404 Not Found")],
)
def test_no_text_says_the_status_twice(status: int, title: str) -> None:
    assert f": {title}" in str(error_of(status, page(title)))
    found = read_token(reply(status, page(title)), asked_at=NOW, credentials=CREDENTIALS)
    assert len(re.findall(str(status), str(found))) == 1
    assert title in str(found)


def test_a_title_that_is_only_the_status_is_the_phrase() -> None:
    assert "502 Bad Gateway" in str(error_of(502, page("502")))


@pytest.mark.parametrize(
    ("status", "body", "words", "worth_attempts"),
    [
        (200, b"", "the answer is empty; try again later", None),
        (200, page("Welcome"), "the answer is a web page: check that the base URL", 2),
        (200, b"\r\n<!DOCTYPE html>", "the answer is a web page: check that the base URL", 2),
        (200, b"{}", "no usable token: check that the base URL", 2),
        (301, b"", "check the base URL", 1),
        (308, b"", "check the base URL", 1),
        (302, b"", "check the base URL", 2),
        (101, b"", "check the base URL", 2),
        (503, b"", "try again later", None),
    ],
)
def test_what_waiting_does_not_heal_is_worth_few_attempts(
    status: int, body: bytes, words: str, worth_attempts: int | None
) -> None:
    found = read_token(reply(status, body), asked_at=NOW, credentials=CREDENTIALS)
    assert isinstance(found, TokenUnavailableError)
    assert words in str(found)
    assert found.worth_attempts == worth_attempts


@given(st.text())
def test_any_text_is_a_page_or_not(text: str) -> None:
    assert is_page(f"<html>{text}")
    assert not is_page(f"{{{text}")
