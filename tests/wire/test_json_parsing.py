"""JSON in replies, however deep, odd or encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from propq_async import (
    TokenUnavailableError,
    UnexpectedResponseError,
)
from propq_async._wire.oauth import read_token
from propq_async._wire.replies import read_json, read_object
from propq_async._wire.token_file import parse_token
from tests.helpers.wire import CALL, CREDENTIALS, KEY, NOW, TOKEN, error_of, reply


def deep(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


DEEP = [
    deep(9),
    deep(50),
    deep(400),
    deep(900),
    deep(100_000),
    deep(400, '{"a":[', "]}"),
    b'{"errors":' + deep(600) + b"}",
    b'{"errors":{"a":' + deep(600) + b"}}",
    b'{"status":' + deep(600) + b"}",
    b'{"message":' + deep(600) + b',"error":' + deep(600) + b"}",
    b"[" * 1_000_000,
    b'{"expires_in":' + deep(600) + b',"access_token":' + deep(600) + b"}",
]


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
@pytest.mark.parametrize("near_the_limit", [False, True])
def test_no_depth_of_nesting_breaks_anything(body: bytes, *, near_the_limit: bool) -> None:
    def look() -> None:
        error_of(422, body)
        error_of(500, body)
        read_object(reply(200, body), CALL, TOKEN)
        read_token(reply(200, body), asked_at=NOW, credentials=CREDENTIALS)
        read_token(reply(400, body), asked_at=NOW, credentials=CREDENTIALS)
        parse_token(body, KEY)

    def deeper(frames: int) -> None:
        deeper(frames - 1) if frames else look()

    # Callers have stacks of their own.
    deeper(300 if near_the_limit else 0)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    "shape", ['{"a": %s}', '{"a":[{"b":%s}]}', ' {"a": %s}', "[%s]", "%s", '\ufeff{"a": %s}']
)
def test_a_number_that_json_does_not_have_is_no_success(shape: str, constant: str) -> None:
    sent = reply(200, (shape % constant).encode())
    for read in (read_json, read_object):
        error = read(sent, CALL, TOKEN)
        assert isinstance(error, UnexpectedResponseError)
        assert "the body is not JSON" in str(error)
        assert error.may_have_been_applied


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_nor_does_it_make_a_token_or_the_words_of_an_error(constant: str) -> None:
    token = f'{{"access_token": "t", "expires_in": 3600, "x": [{constant}]}}'.encode()
    refused = read_token(reply(200, token), asked_at=NOW, credentials=CREDENTIALS)
    assert isinstance(refused, TokenUnavailableError)
    assert "no usable token" in str(refused)
    said = f'{{"message": "Said.", "x": {constant}}}'.encode()
    assert error_of(400, said).message == "Bad Request"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("space", ["", " ", "\r\n\t"])
@pytest.mark.parametrize("value", [{}, {"UntName": "Ático ½"}, {"a": [{"b": "}"}]}, [1], 7, "x"])
def test_json_is_read_in_any_encoding_and_with_any_space(
    value: Any, space: str, encoding: str
) -> None:
    text = space + json.dumps(value, ensure_ascii=False) + space
    body = text.encode(encoding)
    assert read_json(reply(200, body), CALL, TOKEN) == value
    for extra in ("}", "x", "{}"):
        broken = read_json(reply(200, (text + extra).encode(encoding)), CALL, TOKEN)
        assert isinstance(broken, UnexpectedResponseError)


@pytest.mark.parametrize("body", [b'{"a":}', b'{"a":[}', b'{"', b'{"a":1}x', b"{}{}"])
def test_a_body_that_only_begins_as_json_is_none(body: bytes) -> None:
    value = read_json(reply(200, body), CALL, TOKEN)
    assert isinstance(value, UnexpectedResponseError)
    assert value.message == "the body is not JSON"
