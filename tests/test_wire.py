from __future__ import annotations

import html
import json
import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from propq_async import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    Credentials,
    Direction,
    NotFoundError,
    PermissionDeniedError,
    PropQError,
    RateLimitError,
    RedirectError,
    ServerError,
    Token,
    TokenError,
    TokenKey,
    TokenRefusedError,
    TokenUnavailableError,
    UnexpectedResponseError,
    UnitStatus,
    UnitUpdate,
    UnprocessableError,
    WrongMethodError,
)
from propq_async.wire import (
    MAX_BODY_CHARACTERS,
    Call,
    Lost,
    Reply,
    dump_json,
    dump_token,
    dump_update,
    lost_answer,
    parse_token,
    read_json,
    read_object,
    read_token,
    retry_after_seconds,
    status_error,
    update_path,
)

from .support import an_update

NOW = 1_800_000_000.0
AT = datetime.fromtimestamp(NOW, UTC)
CALL = Call("POST", "https://api.propq.com/v1/x")
# All that a header can carry and that JSON, a form, a URL or HTML writes differently.
TOKEN_TEXT = "tok.en/with+odd=\"chars\"&<so>~'on'\\100%"
TOKEN = Token(TOKEN_TEXT, "Bearer", AT + timedelta(hours=1), AT)
SECRET = 'se cret/é+"~&\\%'
CREDENTIALS = Credentials(7, SECRET)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=10,
)


def reply(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, *, truncated: bool = False
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, headers or {}, content, truncated)


def error_of(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, token: Token = TOKEN
) -> APIStatusError:
    return status_error(reply(status, body, headers), CALL, token, now=NOW)


def everything_in(error: PropQError) -> str:
    """Return all the text that an error holds or shows."""
    found = [str(error), repr(error), repr(vars(error)), repr(error.args)]
    assert pickle.loads(pickle.dumps(error)).args == error.args
    for value in vars(error).values():
        if isinstance(value, str):
            found.append(value)
        if isinstance(value, dict):
            for key, texts in value.items():
                found += [key, *texts]
    text = "\n".join(found)
    text.encode()  # it can be printed
    return text


# --- values to JSON ------------------------------------------------------------------------------


@given(st.text(min_size=1))
@example("a/b")
@example("a%2Fb")
@example("../..")
@example("a?b#c;d&e=f+g h")
@example("ünï\u2028código")
def test_any_development_is_exactly_one_segment_of_the_path(development: str) -> None:
    assume(development not in (".", ".."))
    path = update_path(development)
    assert path.isascii()
    assert path.isprintable()
    first, *segments = path.split("/")
    assert first == ""
    assert segments[:2] == ["v1", "developments"]
    assert segments[3:] == ["units", "update-by-name"]
    assert unquote(segments[2]) == development
    url = "https://api.propq.com" + path
    parts = urlsplit(url)
    assert (parts.path, parts.query, parts.fragment) == (path, "", "")
    assert URL(url, encoded=True).raw_path == path


def test_the_path_of_the_vendors_page() -> None:
    assert update_path("4711") == "/v1/developments/4711/units/update-by-name"


def test_the_example_of_the_vendors_page() -> None:
    update = UnitUpdate("1", "Test", UnitStatus.AVAILABLE, 123456, [Direction.N, Direction.S])
    text = '{"UntName": "Test", "UntStatus": 1, "UntPrice": 123456, "UntDirections": ["N", "S"]}'
    assert dump_update(update) == text.replace(" ", "").encode()


@given(
    name=st.text(st.characters(exclude_categories=["Cs"])),
    price=st.integers(1, 10**9),
    status=st.sampled_from(UnitStatus),
)
def test_an_update_has_the_four_fields_in_their_types(
    name: str, price: int, status: UnitStatus
) -> None:
    content = dump_update(an_update(f"({name})", price / 100, status=status, directions=["N", "x"]))
    assert content.isascii()
    sent = json.loads(content)
    assert list(sent) == ["UntName", "UntStatus", "UntPrice", "UntDirections"]
    assert sent["UntName"] == f"({name})"
    assert (type(sent["UntStatus"]), sent["UntStatus"]) == (int, status.value)
    assert sent["UntPrice"] == price / 100
    assert sent["UntDirections"] == ["N", "x"]


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (250_000, "250000"),
        (250_000.0, "250000"),
        (Decimal("250000.00"), "250000"),
        (Decimal("2.5E+5"), "250000"),
        (0.5, "0.5"),
        (Decimal("1234567.89"), "1234567.89"),
        (Decimal("0.10"), "0.1"),
    ],
)
def test_a_price_goes_out_as_a_plain_number(price: Any, text: str) -> None:
    assert f'"UntPrice":{text},'.encode() in dump_update(an_update(price=price))


class Colour(Enum):
    RED = "red"


@attrs.frozen
class Point:
    x: int
    at: datetime


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True, None, "é"]}, '{"a":[1,2.5,true,null,"\\u00e9"]}'),
        ((1, 2), "[1,2]"),
        (Point(1, AT), '{"x":1,"at":"2027-01-15T08:00:00+00:00"}'),
        ([Point(1, AT)], '[{"x":1,"at":"2027-01-15T08:00:00+00:00"}]'),
        ({"c": Colour.RED, "s": UnitStatus.SOLD, "d": Direction.N}, '{"c":"red","s":4,"d":"N"}'),
        ({"p": Decimal("1.50"), "q": Decimal(3)}, '{"p":1.5,"q":3}'),
        (
            an_update("B"),
            '{"UntName":"B","UntStatus":4,"UntPrice":250000,"UntDirections":["N","S"]}',
        ),
        (
            [an_update("B")],
            '[{"UntName":"B","UntStatus":4,"UntPrice":250000,"UntDirections":["N","S"]}]',
        ),
    ],
)
def test_values_have_a_form_in_json(value: Any, text: str) -> None:
    assert dump_json(value) == text.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity")])
def test_a_number_that_json_does_not_have_is_a_value_error(number: Any) -> None:
    for value in (number, {"a": [number]}):
        with pytest.raises(ValueError, match=r"JSON|finite"):
            dump_json(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {("a",): 1}, 1j])
def test_what_has_no_form_in_json_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        dump_json(value)


# --- Retry-After ---------------------------------------------------------------------------------


def http_date(seconds_from_now: float) -> str:
    return format_datetime(AT + timedelta(seconds=seconds_from_now), usegmt=True)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", None, 0.0),
        ("120", None, 120.0),
        (" 7 ", None, 7.0),
        ("1.5", None, 1.5),
        ("86400", None, 86400.0),
        (http_date(90), None, 90.0),
        (http_date(-90), None, 0.0),
        (http_date(90), http_date(60), 30.0),
        (http_date(90), http_date(200), 0.0),
        (http_date(90), "garbage", 90.0),
        ("Friday, 15-Jan-27 08:01:30 GMT", None, 90.0),
        ("Fri Jan 15 08:01:30 2027", None, 90.0),
        ("Fri, 15 Jan 2027 09:01:30 +0100", None, 90.0),
        ("120", "garbage", 120.0),
        (None, None, None),
        ("", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("1e3", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("٣", None, None),
        ("5, 5", None, None),
        ("9" * 5000, None, None),
        ("Fri, 99 Jan 2027 08:01:30 GMT", None, None),
        ("Fri, 15 Jan 2027 08:01:30 +9999999999999", None, None),
    ],
)
def test_both_forms_of_retry_after(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    given_ = {"Retry-After": value, "Date": date}
    headers = {name: text for name, text in given_.items() if text is not None}
    assert retry_after_seconds(Reply(429, headers, b""), NOW) == seconds


DATE_LIKE = st.lists(
    st.sampled_from(
        ["Fri", ",", " ", "15", "Jan", "2027", "0001", "9999", ":", "08:01:30", "GMT", "+2359", "-"]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@given(value=st.text() | DATE_LIKE, date=st.text() | DATE_LIKE, now=st.floats(0, 1e11))
def test_no_retry_after_breaks_anything(value: str, date: str, now: float) -> None:
    headers = {"Retry-After": value, "Date": date}
    seconds = retry_after_seconds(Reply(429, headers, b""), now)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


# --- errors --------------------------------------------------------------------------------------


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
        (502, b"<html><TITLE id=x>502 Bad\n  Gateway</TITLE>", "502 Bad Gateway"),
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


def test_what_an_error_keeps_is_bounded_however_much_the_server_sends() -> None:
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


def test_text_that_no_terminal_can_show_is_replaced() -> None:
    body = b'{"message": "a\\ud800b", "errors": {"\\udfff": ["c\\udfffd"]}}'
    error = error_of(422, body)
    assert isinstance(error, UnprocessableError)
    assert error.message == "a?b"
    assert error.errors == {"?": ["c?d"]}
    assert "a?b (?: c?d)" in everything_in(error)


# --- echoes of token and secret ------------------------------------------------------------------


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


# --- successes -----------------------------------------------------------------------------------


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
def test_a_body_that_was_cut_off_is_no_value_even_if_what_is_left_is_json(body: bytes) -> None:
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


# --- the token endpoint --------------------------------------------------------------------------


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
        (400, {"error": "unsupported_grant_type"}, "unsupported_grant_type", None, None),
        (400, {"message": " m "}, None, "m", None),
        (400, {"error": {"message": "m"}}, None, '{"error": {"message": "m"}}', None),
        (400, {"error": "", "message": None}, None, '{"error": "", "message": null}', None),
        (403, {"message": "Forbidden"}, None, "Forbidden", None),
        (404, b"<html><title>Not\nFound</title>", None, "Not Found", None),
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


# --- the token file ------------------------------------------------------------------------------

KEY = TokenKey("https://api.propq.com/oauth/token", 7)
FILE: dict[str, Any] = {
    "version": 1,
    "token_url": KEY.token_url,
    "client_id": 7,
    "access_token": "t0ken",
    "token_type": "Bearer",
    "expires_at": "2027-01-15T09:00:00+00:00",
    "issued_at": "2027-01-15T08:00:00+00:00",
}


def test_the_file_has_these_fields_and_no_others() -> None:
    content = dump_token(KEY, attrs.evolve(TOKEN, access_token="t0ken"))
    assert json.loads(content) == FILE
    assert list(json.loads(content)) == list(FILE)
    assert parse_token(content, KEY) == attrs.evolve(TOKEN, access_token="t0ken")
    assert parse_token(json.dumps(FILE).replace("+00:00", "Z").encode(), KEY) == parse_token(
        content, KEY
    )


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    key=st.builds(TokenKey, st.text(), st.integers()),
    text=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
    kind=st.text(),
    issued_at=st.datetimes(timezones=ZONES),
    expires_at=st.datetimes(timezones=ZONES),
)
def test_a_token_survives_the_file(
    key: TokenKey, text: str, kind: str, issued_at: datetime, expires_at: datetime
) -> None:
    token = Token(text, kind, expires_at, issued_at)
    found = parse_token(dump_token(key, token), key)
    if expires_at > issued_at:
        assert found == token
    else:
        assert found == "its token cannot be one"


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_other_content_is_told_apart(content: bytes) -> None:
    assert isinstance(parse_token(content, KEY), str)


@given(st.sampled_from(list(FILE)), JSON_VALUES)
def test_any_value_in_any_field_is_a_token_or_a_reason(field: str, value: Any) -> None:
    found = parse_token(json.dumps(FILE | {field: value}).encode(), KEY)
    assert found is None or isinstance(found, str | Token)


@given(st.integers(0, 10**6))
def test_a_torn_file_is_no_token(length: int) -> None:
    content = dump_token(KEY, TOKEN).rstrip()
    found = parse_token(content[: length % len(content)], KEY)
    assert found == "it is torn, or no token file"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"version": value}, "version") for value in (0, 2, "1", None, [1])),
        *(({"version": value}, "torn") for value in (True, 1.0)),
        *(({"token_url": value}, "torn") for value in (None, 7, ["x"])),
        *(({"client_id": value}, "torn") for value in (None, "7", 7.0, True)),
        *(({"access_token": value}, "torn") for value in (None, 7, ["x"])),
        *(({"access_token": value}, "cannot be one") for value in ("", "a b", "a\n", "é", "\x00")),
        *(({"token_type": value}, "torn") for value in (None, 7)),
        *(
            ({field: value}, "torn")
            for field in ("expires_at", "issued_at")
            for value in (
                None,
                1_800_000_000,
                "",
                "soon",
                "2027-01-15T09:00:00",
                "2027-13-15T09:00:00Z",
                "2027-01-15T09:00:00+99:00",
            )
        ),
        ({"expires_at": FILE["issued_at"]}, "cannot be one"),
        ({"expires_at": "2027-01-15T08:00:00+01:00"}, "cannot be one"),
    ],
)
def test_a_wrong_field_is_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    found = parse_token(json.dumps(FILE | changes).encode(), KEY)
    assert isinstance(found, str)
    assert reason in found
    assert "t0ken" not in found


@pytest.mark.parametrize("field", FILE)
def test_a_missing_field_is_refused_and_one_too_many_is_not(field: str) -> None:
    less = {name: value for name, value in FILE.items() if name != field}
    assert isinstance(parse_token(json.dumps(less).encode(), KEY), str)
    assert isinstance(parse_token(json.dumps(FILE | {"more": 1}).encode(), KEY), Token)


@pytest.mark.parametrize("changes", [{"token_url": "https://other.example/"}, {"client_id": 8}])
def test_a_file_of_another_key_is_none(changes: dict[str, Any]) -> None:
    assert parse_token(json.dumps(FILE | changes).encode(), KEY) is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("space", ["", " ", "\r\n\t"])
@pytest.mark.parametrize("value", [{}, {"UntName": "Ático ½"}, {"a": [{"b": "}"}]}, [1], 7, "x"])
def test_an_answer_is_the_same_json_in_any_encoding_and_with_any_space(
    value: Any, space: str, encoding: str
) -> None:
    text = space + json.dumps(value, ensure_ascii=False) + space
    body = text.encode(encoding)
    assert read_json(reply(200, body), CALL, TOKEN) == value
    for extra in ("}", "x", "{}"):
        broken = read_json(reply(200, (text + extra).encode(encoding)), CALL, TOKEN)
        assert isinstance(broken, UnexpectedResponseError)


def test_an_update_in_a_body_of_ones_own_is_written_as_one_that_is_sent() -> None:
    update = an_update('Ático "½"', price=1.5)
    assert dump_json([update]) == b"[" + dump_update(update) + b"]"
