"""How the fast transport reads answers, without a network."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from propq_async._http.answers import MAX_HEADERS, AnswerReader, LazyHeaders
from propq_async._http.transport import MAX_BODY_BYTES, MAX_HEADER_BYTES
from propq_async._secret import SecretBytes
from propq_async._wire.headers import rate_limit
from propq_async._wire.messages import MAX_ERROR_BYTES, RateLimit, Reply

HINT = b"HTTP/1.1 103 Early Hints\r\nX-Hint: yes\r\n\r\n"


def fed(
    *pieces: bytes, reader: AnswerReader | None = None, is_head_only: bool = False
) -> AnswerReader:
    reader = reader or AnswerReader()
    reader.expect(is_head_only=is_head_only)
    for piece in pieces:
        reader.feed(memoryview(piece))
    return reader


def cut(whole: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut it at these places, as far as it has them."""
    edges = [0, *sorted({place % len(whole) for place in places} - {0}), len(whole)]
    return [whole[begin:end] for begin, end in pairwise(edges)]


def framed(body: bytes, how: str) -> bytes:
    if how == "length":
        return b"HTTP/1.1 201 Made\r\nX-A: b\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return (
        b"HTTP/1.1 201 Made\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )


@given(
    body=st.binary(max_size=300),
    how=st.sampled_from(["length", "chunked"]),
    hints=st.integers(0, 2),
    places=st.lists(st.integers(0, 1_000)),
)
def test_an_answer_is_the_same_however_it_is_cut(
    body: bytes, how: str, hints: int, places: list[int]
) -> None:
    reader = fed(*cut(HINT * hints + framed(body, how), places))
    assert (reader.has_ended, reader.is_reusable) == (True, True)
    reply = reader.reply
    assert (reply.status, reply.body, reply.truncated) == (201, body, False)
    assert reply.headers["x-a"] == reply.headers.get("X-A") == "b"
    assert "X-Hint" not in reply.headers
    assert reply.headers.get("X-Hint") is None
    # And the next one is read by the same parser.
    reader = fed(framed(b"next", how), reader=reader)
    assert (reader.has_ended, reader.reply.body) == (True, b"next")


@given(whole=st.binary(max_size=200), places=st.lists(st.integers(0, 200)))
def test_whatever_comes_is_read_or_refused(whole: bytes, places: list[int]) -> None:
    reader = AnswerReader()
    with suppress(aiohttp.http.HttpProcessingError):
        fed(*cut(b"HTTP/1.1 200 OK\r\n" + whole, places), reader=reader)
    if reader.has_head:
        assert reader.reply.status == 200
        assert reader.reply.truncated is not reader.has_ended


NAMES = ["X-RateLimit-Limit", "x-ratelimit-remaining", "Retry-After", "X-A", "X-RateLimit"]
# No header has it as its value.
NONE = "\x7f"
texts = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"))


@given(
    lines=st.lists(st.tuples(st.sampled_from(NAMES), texts, st.sampled_from(["", "\r\n  b"]))),
    body=st.sampled_from(["", "\nx-a: of the body\r\n", "\r\n\r\nRetry-After: 3\r\n\r\n"]),
    hint=st.sampled_from([b"", HINT]),
    ends=st.sampled_from(["\r\n", "\n"]),
)
def test_one_header_is_what_all_have(
    lines: list[tuple[str, str, str]], body: str, hint: bytes, ends: str
) -> None:
    """A single one is looked up without parsing the others."""
    head = ends.join(["HTTP/1.1 200 OK", *(f"{name}: {text}{more}" for name, text, more in lines)])
    raw = SecretBytes(hint + f"{head}{ends}Content-Length: 99{ends}{ends}{body}".encode("latin-1"))
    parsed = LazyHeaders(raw)
    expected = dict(parsed)
    assert len(parsed) == len(expected)
    for name in [*NAMES, "Content-Length", "X-None"]:
        value = parsed.get(name, NONE)
        assert (name in parsed) is (value != NONE)
        fresh = LazyHeaders(raw)
        assert fresh.get(name, NONE) == value
        assert (name in fresh) is (name in parsed)
    assert 7 not in parsed  # type: ignore[comparison-overlap]
    assert repr(parsed).startswith("<propq_async._http.answers.LazyHeaders object at")


@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from([*NAMES, "Content-Encoding"]),
            st.sampled_from(["", "7", "60", "a b"]),
            st.sampled_from(["", "\r\n  b"]),
        )
    ),
    hint=st.sampled_from([b"", HINT, HINT.replace(b"X-Hint", b"X-RateLimit-Limit")]),
    places=st.lists(st.integers(0, 400)),
)
def test_what_every_call_asks_for_is_found_wherever_it_stands(
    lines: list[tuple[str, str, str]], hint: bytes, places: list[int]
) -> None:
    """The shorter ways to it miss nothing that a head without them has."""
    head = "\r\n".join(
        ["HTTP/1.1 200 OK", *(f"{name}: {text}{more}" for name, text, more in lines)]
    )
    raw = hint + f"{head}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    reply = fed(*cut(raw, places)).reply
    plainly = LazyHeaders(SecretBytes(raw))
    assert dict(plainly) == dict(reply.headers)
    for name in [*NAMES, "Content-Encoding"]:
        assert reply.headers.get(name) == plainly.get(name)
        assert (name in reply.headers) is (name in plainly)
    told = rate_limit(Reply(200, CIMultiDict(plainly), b""))
    if told is not None:
        assert reply.may_state_limit
    assert rate_limit(reply) == told


# What Laravel sends, and what hardly differs from it.
PAIRS = [
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 59",
    "x-ratelimit-limit: 60\r\nx-ratelimit-remaining: 0",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 59\r\n 8",
    "X-RateLimit-Limit: 60\r\n 8\r\nX-RateLimit-Remaining: 59",
    "X-RateLimit-Limit:60\r\nX-RateLimit-Remaining: 59",
    "X-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: -1",
    f"X-RateLimit-Limit: {'9' * 19}\r\nX-RateLimit-Remaining: 59",
    "X-RateLimit-Remaining: 59\r\nX-RateLimit-Limit: 60",
]


@given(
    lines=st.lists(st.sampled_from([*PAIRS, "X-A: 1", "Content-Encoding: br"]), max_size=4),
    body=st.sampled_from(["{}", *(f"\r\n{pair}\r\n" for pair in PAIRS)]),
    hint=st.sampled_from([b"", HINT, HINT.replace(b"X-Hint: 1", PAIRS[0].encode())]),
    places=st.lists(st.integers(0, 400), max_size=3),
)
def test_a_limit_in_its_usual_form_is_what_the_headers_say(
    lines: list[str], body: str, hint: bytes, places: list[int]
) -> None:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *lines])
    reply = fed(*cut(hint + f"{head}\r\n\r\n{body}".encode(), places)).reply
    assert rate_limit(reply) == rate_limit(Reply(200, CIMultiDict(reply.headers), b""))


def test_a_limit_as_laravel_states_it_needs_no_search() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{PAIRS[0]}\r\nX-A: 1\r\n\r\n{{}}".encode()
    assert fed(head).reply.stated == RateLimit(60, 59)
    assert fed(HINT + head).reply.stated is None


def test_a_head_without_them_is_known_to_have_none() -> None:
    assert not fed(framed(b"{}", "length")).reply.may_state_limit


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_that_is_too_long_ends_the_answer(status: int) -> None:
    most = MAX_BODY_BYTES if status == 200 else MAX_ERROR_BYTES
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, 2 * most)
    reader = fed(head, bytes(most))
    assert not reader.has_ended
    reader.feed(memoryview(b"x"))
    assert (reader.has_ended, reader.is_reusable, reader.reply.truncated) == (True, False, True)
    # More of it is not kept.
    reader.feed(memoryview(bytes(1_000)))
    assert len(reader.reply.body) == most + 1


def head_of(size: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nX-Large: "
    return head + b"x" * (size - len(head) - 4) + b"\r\n\r\n"


def test_the_largest_head_may_come_with_much_of_its_body() -> None:
    for body in (bytes(100_000), b""):
        reader = fed(head_of(MAX_HEADER_BYTES) + body)
        assert (reader.has_head, reader.has_ended) == (True, bool(body))


@pytest.mark.parametrize("places", [[], [MAX_HEADER_BYTES], [100]])
def test_a_larger_head_is_refused(places: list[int]) -> None:
    reader = AnswerReader()
    with pytest.raises(aiohttp.http_exceptions.LineTooLong):
        fed(*cut(head_of(MAX_HEADER_BYTES + 1), places), reader=reader)
    assert (reader.has_head, reader.has_ended) == (False, False)


def test_many_lines_of_a_body_are_no_headers() -> None:
    body = b"\n" * 1_000
    assert fed(framed(body, "length")).reply.body == body
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(MAX_HEADERS + 1))
    with pytest.raises(aiohttp.http_exceptions.BadHttpMessage, match="Too many headers"):
        fed(b"HTTP/1.1 204 No\r\n" + lines + b"\r\n")


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        (b"", True),
        (b"Transfer-Encoding: gzip\r\n", True),
        (b"Content-Length: 9\r\n", False),
        (b"Transfer-Encoding: chunked\r\n", False),
    ],
)
def test_the_end_of_the_connection_ends_what_has_no_length(head: bytes, *, ends: bool) -> None:
    body = b"5\r\n12345\r\n" if b"chunked" in head else b"12345"
    reader = fed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
    reader.end()
    assert (reader.has_ended, reader.reply.truncated) == (ends, not ends)
    assert reader.reply.body == (b"12345" if ends else b"")
    assert not (ends and reader.is_reusable)
    half = fed(b"HTTP/1.1 200 OK\r\n")
    half.end()
    assert not half.has_ended


def test_what_comes_behind_an_answer_belongs_to_nobody() -> None:
    for more in (b"H", b"HTTP/1.1 200 OK\r\n", framed(b"another", "length")):
        reader = fed(framed(b"one", "length") + more)
        assert (reader.has_ended, reader.is_reusable, reader.reply.body) == (True, False, b"one")


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    reader = AnswerReader()
    for _ in range(2):
        fed(framed(b"12345", "length")[:-5], reader=reader, is_head_only=True)
        assert (reader.has_ended, reader.is_reusable, reader.reply.body) == (True, True, b"")
    # And the next answer has its own.
    assert fed(framed(b"12345", "length"), reader=reader).reply.body == b"12345"


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "deflate", "deflate, raw"])
def test_what_was_compressed_unasked_is_unpacked(encoding: str) -> None:
    body = b"price " * 100
    raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = {
        "deflate": zlib.compress(body),
        "deflate, raw": raw.compress(body) + raw.flush(),
    }.get(encoding) or gzip.compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding.partition(',')[0]}\r\n".encode()
    whole = head + b"Content-Length: %d\r\n\r\n%b" % (len(packed), packed)
    for pieces in ([whole], cut(whole, range(len(whole)))):
        reader = fed(*pieces)
        assert (reader.reply.body, reader.reply.truncated) == (body, False)
        assert reader.is_reusable
    short = head + b"Content-Length: %d\r\n\r\n%b" % (len(packed) - 3, packed[:-3])
    reader = AnswerReader()
    with pytest.raises(aiohttp.ClientPayloadError, match="not compressed as it says"):
        fed(short, reader=reader)
    assert (reader.has_head, reader.reply.truncated) == (True, True)


@pytest.mark.parametrize("encoding", ["br", "identity", ""])
def test_what_nothing_unpacks_stays_as_it_is(encoding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 4\r\n\r\n"
    reply = fed(head.encode() + b"{} }").reply
    assert (reply.body, reply.truncated) == (b"{} }", False)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_not_compressed_is_lost(encoding: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 99\r\n\r\n"
    reader = AnswerReader()
    with pytest.raises(aiohttp.ClientPayloadError):
        fed(head.encode() + b"\xff" * 4, reader=reader)
    assert not reader.has_ended
    # An empty body is none.
    empty = head.replace("99", "0").encode()
    assert fed(empty).reply.body == b""


def test_no_more_is_unpacked_than_may_be_read() -> None:
    bomb = gzip.compress(bytes(4 * MAX_ERROR_BYTES))
    head = b"HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n"
    reader = fed(head + bomb)
    assert (reader.has_ended, reader.is_reusable) == (True, False)
    assert (len(reader.reply.body), reader.reply.truncated) == (MAX_ERROR_BYTES + 1, True)
