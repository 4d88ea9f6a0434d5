"""The bytes of a request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from yarl import URL

from propq_async import Token
from propq_async._http.request_heads import MOST_HEADS, Head
from propq_async._http.transport import USER_AGENT, Form

NOW = datetime.now(UTC)


def a_token(text: str) -> Token:
    return Token(text, "Bearer", NOW, NOW)


def test_a_head_is_complete_but_for_its_body() -> None:
    head = Head(URL("https://api.propq.com:8443/v1/a%2Fb?c=d"))
    head.prepare("PUT", a_token("t0ken"))
    assert head.prefix.decode().split("\r\n") == [
        "PUT /v1/a%2Fb?c=d HTTP/1.1",
        "Host: api.propq.com:8443",
        "Accept: application/json",
        "Accept-Encoding: identity",
        f"User-Agent: {USER_AGENT}",
        "Content-Type: application/json",
        "Authorization: Bearer t0ken",
        "",
    ]


def test_a_head_is_made_for_each_method_and_token() -> None:
    head = Head(URL("https://api.propq.com/"))
    head.prepare("POST", a_token("one"))
    head.prepare("GET", a_token("two"))
    assert (head.method, head.token) == ("GET", a_token("two"))
    assert head.prefix.startswith(b"GET / HTTP/1.1\r\n")
    assert b"one" not in head.prefix


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\nX: y", "GÉT"])
def test_a_method_that_no_head_may_have_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="is not an HTTP method"):
        Head(URL("https://api.propq.com/")).prepare(method, None)


def test_a_token_that_no_head_may_have_is_refused_unseen() -> None:
    with pytest.raises(ValueError, match="the access token has characters") as caught:
        Head(URL("https://api.propq.com/")).prepare("GET", a_token("s3cret\r\nX: y"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "end"),
    [("GET", b"\r\n"), ("TRACE", b"\r\n"), ("POST", b"Content-Length: 0\r\n\r\n")],
)
def test_an_empty_body_is_announced_where_one_is_expected(method: str, end: bytes) -> None:
    head = Head(URL("https://api.propq.com/"))
    head.prepare(method, None)
    assert head.request(None) == head.prefix + end


def test_a_form_has_its_type_and_length() -> None:
    head = Head(URL("https://api.propq.com/oauth/token"))
    head.prepare("POST", None)
    assert head.request(Form(b"a=b")) == head.prefix + (
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b"
    )


def test_heads_of_bodies_are_kept_and_not_without_end() -> None:
    head = Head(URL("https://api.propq.com/"))
    for token in ("one", "two"):
        head.prepare("POST", a_token(token))
        # None is left of the token before.
        assert head.heads == {}
        for length in range(MOST_HEADS + 1):
            made = head.head(length)
            assert made == head.prefix + b"Content-Length: %d\r\n\r\n" % length
            assert head.heads[length] is made
        assert list(head.heads) == [MOST_HEADS]
