"""What an error shows: nothing that forges a line, and neither token nor secret."""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from propq_async import (
    Credentials,
    PropQError,
    Token,
    TokenError,
    UnexpectedResponseError,
    UnprocessableError,
)
from propq_async._wire.messages import MAX_ERROR_BYTES
from propq_async._wire.oauth import read_token
from propq_async._wire.redaction import MAX_BODY_CHARACTERS, printable
from propq_async._wire.replies import read_object
from tests.helpers.wire import (
    CALL,
    CREDENTIALS,
    FORGED,
    NOW,
    SECRET,
    TOKEN,
    TOKEN_TEXT,
    error_of,
    everything_in,
    reply,
)


def test_a_lone_surrogate_is_escaped_since_no_stream_takes_it() -> None:
    body = b'{"message": "a\\ud800b", "errors": {"\\udfff": ["c\\udfffd"]}}'
    error = error_of(422, body)
    assert isinstance(error, UnprocessableError)
    assert error.message == "a\\ud800b"
    assert error.errors == {"\\udfff": ["c\\udfffd"]}
    assert "a\\ud800b (\\udfff: c\\udfffd)" in everything_in(error)


def is_harmless(text: str, kept: str = "") -> bool:
    return all(
        char.isprintable() or char in kept or unicodedata.category(char) == "Zs" for char in text
    )


@given(st.text(st.characters(categories=["C", "Z"]) | st.characters()))
@example(FORGED)
@example("caf\u00e9 12\u00a0\u20ac \\n")
def test_a_printable_text_forges_nothing_and_keeps_the_rest(text: str) -> None:
    shown = printable(text)
    assert is_harmless(shown)
    assert printable(shown) == shown
    shown.encode()
    if is_harmless(text):
        assert shown == text
    assert len(printable(text, "\n\t").splitlines()) <= text.count("\n") + 1


@pytest.mark.parametrize(
    "body",
    [
        {"message": FORGED, "errors": {FORGED: [FORGED]}},
        {"error": FORGED},
        {"error": {"message": FORGED}},
        {FORGED: {FORGED: FORGED}},
        [FORGED],
        FORGED,
        f"<title>{FORGED}</title>".encode(),
        FORGED.encode(),
    ],
)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 422, 429, 500])
def test_nothing_that_a_server_says_forges_a_line(body: Any, status: int) -> None:
    headers = {"Location": FORGED, "X-Request-Id": FORGED + "\udc80"}
    errors: list[PropQError] = []
    if status == 200:
        found = read_object(reply(200, body, headers), CALL, TOKEN)
        if isinstance(found, PropQError):
            errors = [found]
    else:
        errors = [error_of(status, body, headers)]
    refused = read_token(reply(status, body, headers), asked_at=NOW, credentials=CREDENTIALS)
    assert isinstance(refused, PropQError)
    for error in [*errors, refused]:
        fields = dict(vars(error))
        # A text of many lines, which stands in no message and no log record.
        assert is_harmless(fields.pop("body", ""), "\n\t")
        for text in (str(error), repr(error), *strings_in(fields)):
            assert is_harmless(text)


def strings_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return strings_in([*value, *value.values()])
    if isinstance(value, list):
        return [text for item in value for text in strings_in(item)]
    return [value] if isinstance(value, str) else []


def test_a_body_keeps_its_lines_and_is_json_still() -> None:
    body = b'{\r\n\t"message": "no",\n\t"at": 7\r\n}'
    assert json.loads(error_of(400, body).body) == {"message": "no", "at": 7}


@pytest.mark.parametrize("cut", [1, 10, len(TOKEN_TEXT) - 1])
def test_half_a_secret_at_the_cut_is_removed_as_well(cut: int) -> None:
    """What was removed before it is so much that the cut moves to the front."""
    long = Token((TOKEN_TEXT * 200)[:4090], "Bearer", TOKEN.expires_at, TOKEN.issued_at)
    echoed = long.access_token.encode()
    count = MAX_ERROR_BYTES // len(echoed)
    filling = b" " * (MAX_ERROR_BYTES - count * len(echoed) - cut)
    assert 9 * count + len(filling) < MAX_BODY_CHARACTERS
    error = error_of(500, echoed * count + filling + echoed, token=long)
    assert set(error.body.replace("[removed]", "")) <= {" "}


def php_json(text: str) -> str:
    return json.dumps(text)[1:-1].replace("/", "\\/")


FORMS: list[Callable[[str], str]] = [
    str,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    php_json,
    quote_plus,
    lambda text: quote(text, safe=""),
    lambda text: quote_plus(text).replace("~", "%7E"),
    lambda text: quote_plus(text).lower(),
    html.escape,
    lambda text: html.escape(text).replace("&#x27;", "&#039;"),
]


def shows(text: str, error: PropQError) -> bool:
    return any(form(text) in everything_in(error) for form in FORMS)


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
@pytest.mark.parametrize("text", [TOKEN_TEXT, "eyJ0eXAi.eyJhdWQi.c2ln-_", "a~b/c+d="])
def test_an_echoed_token_is_cut_out_of_everything(form: Callable[[str], str], text: str) -> None:
    # What quote_plus() makes lower-case must be so before.
    token = attrs.evolve(TOKEN, access_token=text.lower())
    echo = form(token.access_token)
    sent = {"message": f"no {echo} here", "errors": {f"field {echo}": [f"value {echo}"]}}
    headers = {"Location": f"/login?t={echo}", "X-Request-Id": f"id-{echo}"}
    for body in (sent, f"<title>{echo}</title>".encode(), f"{{{echo}".encode()):
        for status in (302, 401, 422, 500):
            error = error_of(status, body, headers, token)
            assert not shows(token.access_token, error)
            assert "[removed]" in error.body
    bodies: list[Any] = [{"error": f"no {echo}"}, f"<p>{echo}".encode(), [echo]]
    for body in bodies:
        odd = read_object(reply(200, body), CALL, token)
        assert isinstance(odd, UnexpectedResponseError)
        assert not shows(token.access_token, odd)
        assert "[removed]" in odd.body


@pytest.mark.parametrize("form", FORMS, ids=range(len(FORMS)))
def test_an_echoed_secret_is_cut_out_of_everything(form: Callable[[str], str]) -> None:
    echo = form(CREDENTIALS.client_secret)
    said = {"error": echo, "message": f"no {echo}", "hint": echo, "error_description": f"d {echo}"}
    headers = {"Location": f"/x?{echo}"}
    for body in (said, {"message": echo}, [echo], echo.encode(), f"<title>{echo}".encode()):
        for status in (200, 302, 400, 401, 500):
            answer = reply(status, body, headers)
            error = read_token(answer, asked_at=NOW, credentials=CREDENTIALS)
            assert isinstance(error, TokenError)
            assert not shows(SECRET, error)
            assert ("[removed]" in str(error)) is (status != 200)


@pytest.mark.parametrize("offset", range(-20, 21, 4))
def test_no_part_of_a_token_survives_where_the_body_is_cut(offset: int) -> None:
    token = attrs.evolve(TOKEN, access_token="s3cr3t" * 20)
    filler = "x" * (MAX_BODY_CHARACTERS - 60 + offset)
    for body in ({"message": filler + token.access_token}, (filler + token.access_token).encode()):
        assert "s3cr3t" not in everything_in(error_of(500, body, token=token))
    credentials = Credentials(7, token.access_token)
    plain = reply(500, (filler + token.access_token).encode())
    error = read_token(plain, asked_at=NOW, credentials=credentials)
    assert isinstance(error, TokenError)
    assert "s3cr3t" not in everything_in(error)
