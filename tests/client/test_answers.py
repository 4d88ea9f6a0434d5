"""Answers that no server should give, of calls and of token requests: bounded in bytes and time."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from propq_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncPropQ,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    RetryPolicy,
    ServerError,
    TokenUnavailableError,
    UnexpectedResponseError,
    UnprocessableError,
    WrongMethodError,
)
from propq_async.testing import PropQEmulator
from tests.helpers.support import Step, an_update, answer, failing, playing

ONCE = RetryPolicy(attempts=1)
OK = answer(200, {"done": True})
MIB = 1024 * 1024


async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def sending(content: bytes, *, then: Callable[..., Any] | None = None) -> Step:
    async def step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        if then is not None:
            await then(reader, writer)
        raise ConnectionError

    return step


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise ConnectionError


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
        await writer.drain()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b" " * 200_000_000)
DEFLATED = zlib.compress(b" " * 200_000_000)


def zipped(body: bytes, encoding: str) -> bytes:
    length = len(body)
    return (
        HEAD
        + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
        % (
            encoding.encode(),
            length,
        )
        + body
    )


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        pytest.param(None, APIConnectionError, id="closed"),
        pytest.param(reset, APIConnectionError, id="reset"),
        pytest.param(sending(OK[:-3]), APIConnectionError, id="truncated"),
        pytest.param(sending(OK[:30]), APIConnectionError, id="head truncated"),
        pytest.param(sending(OK[:-3], then=reset), APIConnectionError, id="reset in the body"),
        pytest.param(sending(b"\x00\xff garbage\r\n\r\n"), APIConnectionError, id="garbage"),
        pytest.param(sending(CHUNKED + b"zz\r\n"), APIConnectionError, id="garbage for chunks"),
        pytest.param(sending(CHUNKED + b"5\r\nab"), APIConnectionError, id="chunk truncated"),
        pytest.param(
            sending(HEAD + b"X: " + b"x" * 100_000), APIConnectionError, id="endless header"
        ),
        pytest.param(sending(zipped(b"zip?" * 9, "gzip")), APIConnectionError, id="no gzip"),
        pytest.param(sending(zipped(b"zip?" * 9, "deflate")), APIConnectionError, id="no deflate"),
        pytest.param(sending(CHUNKED, then=drip), APITimeoutError, id="never ends"),
        pytest.param(hold, APITimeoutError, id="never begins"),
    ],
)
async def test_a_lost_answer_leaves_the_update_in_doubt(
    step: Step, kind: type[APIConnectionError]
) -> None:
    slow = kind is APITimeoutError
    async with playing(step, retry=ONCE, timeout_seconds=0.3 if slow else 30) as play:
        error = await failing(play.session)
        assert len(play.calls) == 1
    assert type(error) is kind
    assert error.may_have_been_applied


async def in_pieces(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"Content-Length: 50000000\r\n\r\n")
    for _piece in range(50):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


WITHOUT_MEASURE = [
    pytest.param(sending(HEAD, then=in_pieces), id="50 MB"),
    pytest.param(sending(CHUNKED, then=flood), id="without end"),
    pytest.param(sending(zipped(BOMB, "gzip"), then=hold), id="gzip bomb"),
    pytest.param(sending(zipped(DEFLATED, "deflate"), then=hold), id="deflate bomb"),
]


@pytest.mark.parametrize("step", WITHOUT_MEASURE)
async def test_a_body_without_measure_is_not_read_to_its_end(step: Step) -> None:
    async with playing(step, OK, retry=ONCE) as play:
        error = await failing(play.session)
        assert type(error) in (UnexpectedResponseError, APIConnectionError)
        assert error.may_have_been_applied
        assert await play.session.units.update(an_update()) == {"done": True}


@pytest.mark.parametrize("then", [drip, reset, flood])
async def test_an_error_remains_one_whatever_becomes_of_its_body(then: Any) -> None:
    head = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with playing(sending(head, then=then), timeout_seconds=0.3) as play:
        error = await failing(play.session)
    assert type(error) is NotFoundError
    assert not error.may_have_been_applied


# --- bounds ---------------------------------------------------------------------------------------


async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a header that never ends, byte by byte."""
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def keep_announcing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Announce an answer again and again, and never give it."""
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


WITHOUT_END = [
    pytest.param(hold, id="nothing"),
    pytest.param(sending(CHUNKED, then=drip), id="body"),
    pytest.param(sending(HEAD + b"X: ", then=trickle), id="header"),
    pytest.param(keep_announcing, id="announcements"),
]


@pytest.mark.parametrize("step", WITHOUT_MEASURE)
async def test_no_body_takes_more_memory_than_the_largest_that_is_read(step: Step) -> None:
    async with playing(OK, step, retry=ONCE) as play:
        await play.session.units.update(an_update())
        tracemalloc.start()
        try:
            error = await failing(play.session)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert error.may_have_been_applied
    # What is read is bounded by 16 MiB, and joined into one piece at the end.
    assert peak < 3 * 16 * MIB


@pytest.mark.parametrize("status", [302, 404, 500])
@pytest.mark.parametrize("step", WITHOUT_MEASURE)
async def test_an_error_with_an_endless_body_is_still_that_error(step: Any, status: int) -> None:
    async def as_an_error(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = b"HTTP/1.1 %d Whatever\r\n" % status
        writer.write(line)
        await step(reader, _WithoutFirstLine(writer))

    async with playing(as_an_error, OK, retry=ONCE) as play:
        error = await failing(play.session)
        assert isinstance(error, APIStatusError)
        assert error.status == status
        assert len(error.body) <= 2_000
        assert await play.session.units.update(an_update()) == {"done": True}


class _WithoutFirstLine:
    """A writer that leaves out the status line, which is written already."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._begun = False

    def write(self, content: bytes) -> None:
        self._writer.write(content if self._begun else content.partition(b"\r\n")[2])
        self._begun = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


@pytest.mark.parametrize("step", WITHOUT_END)
async def test_no_answer_takes_longer_than_the_timeout(step: Step) -> None:
    async with playing(step, OK, retry=ONCE, timeout_seconds=0.2) as play:
        error = await failing(play.session)
        assert type(error) is APITimeoutError
        assert "no answer within 0.2 s" in str(error)
        assert error.may_have_been_applied
        assert await play.session.units.update(an_update()) == {"done": True}


@pytest.mark.parametrize("step", [*WITHOUT_MEASURE, *WITHOUT_END])
async def test_the_same_of_the_token_endpoint_is_no_token_and_no_call(step: Step) -> None:
    async with playing(OK, tokens=[step], retry=ONCE, timeout_seconds=0.5) as play:
        with pytest.raises(TokenUnavailableError) as caught:
            await play.session.units.update(an_update())
        assert play.calls == []
    assert "check th" in str(caught.value)
    assert not caught.value.may_have_been_applied


# --- the usual ones -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (302, RedirectError, "Found"),
        (400, BadRequestError, "Bad Request"),
        (401, AuthenticationError, "Unauthenticated."),
        (403, PermissionDeniedError, ""),
        (404, NotFoundError, ""),
        (405, WrongMethodError, ""),
        (409, APIStatusError, "Conflict"),
        (419, WrongMethodError, "Page Expired"),
        (422, UnprocessableError, "The given data was invalid."),
        (429, RateLimitError, "Too Many Attempts."),
        (500, ServerError, "Server Error"),
        (502, ServerError, "Bad Gateway"),
        (503, ServerError, ""),
        (504, ServerError, "Gateway Time"),
    ],
)
async def test_what_the_stock_server_sends_is_understood(
    emulator: PropQEmulator, status: int, kind: type[APIStatusError], message: str
) -> None:
    # A 429 is waited out, unless it asks for too much.
    emulator.fail_next(status, times=2, retry_after=999 if status == 429 else None)
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None, retry=ONCE)
    async with propq.session() as session:
        error = await failing(session)
    assert type(error) is kind
    assert error.status == status
    assert error.message.startswith(message)
    assert "<" not in error.message
    url = f"{emulator.url}/v1/developments/4711/units/update-by-name"
    assert str(error).startswith(f"POST {url} (unit 'A-101'): ")
    assert f" - {error.advice}" in str(error)
    if isinstance(error, RedirectError):
        assert error.location == "/login"


async def test_a_redirect_without_a_place_to_go_to_is_an_error_as_well() -> None:
    async with playing(answer(302, "<html>", content_type="text/html"), retry=ONCE) as play:
        error = await failing(play.session)
        assert len(play.calls) == 1
    assert type(error) is RedirectError
    assert error.location is None
    assert "Location: none" in str(error)
    assert "Content-Type or Accept" in str(error)
