"""Both transports to the server: the same requests go out, and the same answers come back."""

from __future__ import annotations

import asyncio
import gzip
import random
import re
import zlib
from typing import Any

import aiohttp
import pytest
from yarl import URL

from propq_async import Credentials, Token
from propq_async._http.fast import FastTransport
from propq_async._http.plain import PlainTransport
from propq_async._http.pool import Pool
from propq_async._http.transport import MAX_BODY_BYTES, Attempt, PoolSettings
from propq_async._wire.messages import MAX_ERROR_BYTES, Lost, Reply
from tests.conftest import MakePool
from tests.helpers.http import NOW, OK, OK_BODY, SECRET, TOKEN, call, hold, shown
from tests.helpers.support import ScriptedServer, Step, answer, until


def slowly(*pieces: bytes, then_close: bool = False) -> Step:
    """Send each piece in a segment of its own, and let the client read it alone."""

    async def step(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            for _turn in range(3):
                await asyncio.sleep(0)
        if then_close:
            raise ConnectionError

    return step


def bytewise(whole: bytes) -> Step:
    return slowly(*(whole[place : place + 1] for place in range(len(whole))))


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, b'{"a": 1}'])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_both_transports_send_the_same_request(method: str, body: bytes | None) -> None:
    async with ScriptedServer(answer(204)) as server:
        for traces in ([], [aiohttp.TraceConfig()]):
            async with Pool(PoolSettings(trace_configs=traces)) as pool:
                await call(pool, server, method=method, path="/a/b%2Fc/ü?q=%20x&y", body=body)
                assert isinstance(pool.transport, PlainTransport if traces else FastTransport)
    fast, plain = server.seen
    assert (fast.method, fast.path, fast.body) == (plain.method, plain.path, plain.body)
    assert fast.headers == plain.headers
    assert fast.path == "/a/b%2Fc/%C3%BC?q=%20x&y"
    assert fast.headers["authorization"] == f"Bearer {SECRET}"
    assert fast.body == (body or b"")


async def test_both_transports_send_the_same_token_request() -> None:
    async with ScriptedServer(answer(200)) as server:
        for traces in ([], [aiohttp.TraceConfig()]):
            async with Pool(PoolSettings(trace_configs=traces)) as pool:
                # A token that was sent before must not go out with the credentials.
                await call(pool, server)
                await pool.ask_token(f"{server.url}/token", Credentials(7, "s&=ü"), 30)
    fast, plain = server.paths("/token")
    assert fast.headers == plain.headers
    assert "authorization" not in fast.headers
    assert fast.headers["content-type"] == "application/x-www-form-urlencoded"
    assert fast.body == plain.body
    assert fast.body == b"grant_type=client_credentials&client_id=7&client_secret=s%26%3D%C3%BC"


async def test_each_call_carries_its_own_token(make_pool: MakePool) -> None:
    pool = make_pool()
    async with ScriptedServer(OK) as server:
        for value in ("one", "two", "two", "one"):
            token = Token(value, "Bearer", NOW, NOW)
            await pool.send("GET", URL(server.url), token, None, 30, Attempt())
    assert [seen.headers["authorization"] for seen in server.seen] == [
        f"Bearer {value}" for value in ("one", "two", "two", "one")
    ]


@pytest.mark.parametrize("method", ["GE T", "GET\r\nX: y", "GÉT", "GET /other HTTP/1.1\r\n"])
async def test_what_is_no_method_is_not_sent(make_pool: MakePool, method: str) -> None:
    pool = make_pool()
    async with ScriptedServer(OK) as server:
        with pytest.raises(ValueError, match="ethod"):
            await call(pool, server, method=method)
    assert server.seen == []


async def test_a_token_that_would_end_its_header_is_not_sent(make_pool: MakePool) -> None:
    pool = make_pool()
    async with ScriptedServer(OK) as server:
        token = Token("x\r\nInjected: yes", "Bearer", NOW, NOW)
        with pytest.raises(ValueError, match="header") as caught:
            await pool.send("GET", URL(server.url), token, None, 30, Attempt())
        assert "Injected" not in str(caught.value)
        # And the connection that was meant for it serves the next call.
        assert isinstance(await call(pool, server), Reply)
    assert [seen.headers.get("injected") for seen in server.seen] == [None]


# --- answers --------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b'Transfer-Encoding: chunked\r\n\r\n6;x=y\r\n{"done\r\n8\r\n": true}\r\n0\r\n\r\n'


def zipped(body: bytes, encoding: str) -> bytes:
    lines = f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return HEAD + lines + body


ANSWERS = {
    "plain": OK,
    "chunked": CHUNKED,
    "chunked, with a trailer": CHUNKED[:-2] + b"X-Trailer: 1\r\n\r\n",
    "gzip": zipped(gzip.compress(OK_BODY), "gzip"),
    "deflate": zipped(zlib.compress(OK_BODY), "deflate"),
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "after 102 and 103": b"HTTP/1.1 102 Processing\r\n\r\n"
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + OK,
}


@pytest.mark.parametrize("whole", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_read_right_however_it_comes(make_pool: MakePool, whole: bytes) -> None:
    pool = make_pool()
    head, _, rest = whole.rpartition(b"\r\n\r\n")
    steps = [whole, bytewise(whole), whole, slowly(head + b"\r\n\r\n", rest), bytewise(whole)]
    async with ScriptedServer(*steps, answer(422, {"message": "no"})) as server:
        for _step in steps:
            reply = await call(pool, server)
            assert isinstance(reply, Reply)
            assert (reply.status, reply.body, reply.truncated) == (200, OK_BODY, False)
            assert reply.headers["content-type"] == "application/json"
        last = await call(pool, server)
        assert isinstance(last, Reply)
        assert (last.status, last.body) == (422, b'{"message": "no"}')
        # And none of it cost the connection.
        assert server.connections == 1


@pytest.mark.parametrize(
    ("method", "whole", "status"),
    [
        ("HEAD", answer(200, "x" * 1000)[:-1000], 200),
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("POST", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", 304),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    ],
)
@pytest.mark.parametrize("whole_at_once", [True, False])
async def test_an_answer_without_a_body_ends_with_its_head(
    make_pool: MakePool, method: str, whole: bytes, status: int, *, whole_at_once: bool
) -> None:
    pool = make_pool()
    step = whole if whole_at_once else bytewise(whole)
    async with ScriptedServer(OK, step, OK, step, step, OK) as server:
        for expected in (200, status, 200, status, status, 200):
            # The usual one in between, with a body of its own.
            usual = expected == 200 and len(server.seen) in (0, 2, 5)
            reply = await call(pool, server, method="POST" if usual else method)
            assert isinstance(reply, Reply)
            assert (reply.status, reply.body) == (expected, OK_BODY if usual else b"")
        assert server.connections == 1


async def test_a_body_without_length_ends_with_the_connection(make_pool: MakePool) -> None:
    pool = make_pool()
    step = slowly(HEAD + b"\r\n", OK_BODY[:5], OK_BODY[5:], then_close=True)
    async with ScriptedServer(step, step, OK) as server:
        for _ in range(3):
            reply = await call(pool, server)
            assert isinstance(reply, Reply)
            assert (reply.body, reply.truncated) == (OK_BODY, False)
        assert server.connections == 3


@pytest.mark.parametrize("close", [b"Connection: close\r\n", b"Connection: Close\r\nX: y\r\n"])
async def test_a_connection_that_the_server_will_close_is_not_kept(
    make_pool: MakePool, close: bytes
) -> None:
    pool = make_pool()
    whole = OK.replace(b"\r\n", b"\r\n" + close, 1)
    async with ScriptedServer(whole, OK) as server:
        for _ in range(3):
            assert isinstance(await call(pool, server), Reply)
        assert [seen.connection for seen in server.seen] == [1, 2, 2]


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "cut", [OK[:-3], CHUNKED[:-3], CHUNKED[:-20], zipped(gzip.compress(OK_BODY)[:-9], "gzip")[:-1]]
)
async def test_an_answer_that_is_cut_off_is_lost_unless_it_is_an_error(
    make_pool: MakePool, cut: bytes, status: int
) -> None:
    pool = make_pool()
    whole = cut.replace(b"200", b"%d" % status, 1)
    head, _, rest = whole.partition(b"\r\n\r\n")
    async with ScriptedServer(
        slowly(whole, then_close=True), slowly(head + b"\r\n\r\n", rest, then_close=True), OK
    ) as server:
        for _ in range(2):
            reply = await call(pool, server)
            if status == 200:
                assert isinstance(reply, Lost)
                assert (reply.sent, reply.stale, reply.timed_out) == (True, False, False)
                assert reply.reason.startswith("the connection was lost: ")
            else:
                assert isinstance(reply, Reply)
                assert (reply.status, reply.truncated) == (500, True)
        assert isinstance(await call(pool, server), Reply)
        assert server.connections == 3


@pytest.mark.parametrize("garbage", [b"\x00\xff what?\r\n\r\n", b"HTTP/1.1 \r\n\r\n", b"<html>\n"])
async def test_what_is_not_http_is_said_to_be_that_and_no_more(
    make_pool: MakePool, garbage: bytes
) -> None:
    pool = make_pool()
    async with ScriptedServer(slowly(garbage + SECRET.encode(), then_close=True)) as server:
        lost = await call(pool, server)
    assert lost == Lost("the connection was lost: the answer is not HTTP", sent=True)


async def test_a_body_is_read_up_to_its_limit(make_pool: MakePool) -> None:
    pool = make_pool()
    just = b"x" * MAX_BODY_BYTES
    async with ScriptedServer(answer(200, just), answer(200, 2 * just), OK) as server:
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert (len(reply.body), reply.truncated) == (MAX_BODY_BYTES, False)
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert reply.truncated
        assert isinstance(await call(pool, server), Reply)
        # What is left of the body is not read, so its connection cannot be kept.
        assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_an_error_is_read_up_to_a_lower_limit(make_pool: MakePool) -> None:
    pool = make_pool()
    just = b"x" * MAX_ERROR_BYTES
    async with ScriptedServer(answer(422, just), answer(422, 64 * just), OK) as server:
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert (len(reply.body), reply.truncated) == (MAX_ERROR_BYTES, False)
        reply = await call(pool, server)
        assert isinstance(reply, Reply)
        assert reply.truncated
        assert len(reply.body) < 2 * MAX_ERROR_BYTES
        assert isinstance(await call(pool, server), Reply)
        assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_an_answer_to_no_request_is_not_taken_for_one(make_pool: MakePool) -> None:
    pool = make_pool()
    unasked = answer(200, {"whose": "nobody's"})
    async with ScriptedServer(OK + unasked, OK) as server:
        assert isinstance(await call(pool, server), Reply)
        for _ in range(2):
            reply = await call(pool, server)
            assert isinstance(reply, Reply)
            assert reply.body == OK_BODY
        assert server.connections == 2


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        f"HTTP/1.1 103 Early Hints\r\nX-Echo: {SECRET}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nX-Echo: {SECRET}\r\n\r\n{SECRET}".encode(),
    ],
    ids=["nothing", "a hint", "half a body"],
)
async def test_a_cancelled_call_shows_no_token_in_its_frames(
    make_pool: MakePool, begun: bytes
) -> None:
    pool = make_pool()
    read = asyncio.Event()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await slowly(begun)(reader, writer)  # type: ignore[operator, misc] # it is a function
        read.set()
        await reader.read()

    async with ScriptedServer(begin) as server:
        task = asyncio.create_task(call(pool, server, body=None))
        await read.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        form = asyncio.create_task(pool.ask_token(server.url, Credentials(1, SECRET), 30))
        await until(lambda: len(server.seen) == 2)
        form.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled_form:
            await form
    for caught in (cancelled, cancelled_form):
        assert SECRET not in shown(caught.value)


async def test_a_call_cancelled_before_its_connection_shows_nothing(
    make_pool: MakePool,
) -> None:
    pool = make_pool(max_connections=1)
    async with ScriptedServer(hold) as server:
        tasks = [asyncio.create_task(call(pool, server)) for _ in range(2)]
        await until(lambda: server.seen)
        for task in reversed(tasks):
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
            assert SECRET not in shown(cancelled.value)


async def test_a_cancelled_call_shows_no_password_of_a_proxy() -> None:
    async with ScriptedServer(hold) as server:
        proxy = server.url.replace("//", f"//me:{SECRET}@")
        async with Pool(PoolSettings(proxy=proxy)) as pool:
            task = asyncio.create_task(call(pool, server))
            await until(lambda: server.seen)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
    assert SECRET not in shown(cancelled.value)


async def test_a_cancellation_arrives_as_it_was_made(make_pool: MakePool) -> None:
    pool = make_pool()

    async def story() -> None:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(asyncio.CancelledError, match="why"):
            await call(pool, server)
        assert task.cancelling() == 1
        assert task.uncancel() == 0
        # And whoever has taken note of it may go on.
        assert isinstance(await call(pool, server), Reply)

    async with ScriptedServer(hold, OK) as server:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(story())
            await until(lambda: server.seen)
            task.cancel("why")
        assert not task.cancelled()


async def test_a_group_cancels_its_calls_when_one_of_its_tasks_fails(make_pool: MakePool) -> None:
    pool = make_pool()

    async def fail() -> None:
        await until(lambda: server.seen)
        raise ZeroDivisionError

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            tasks.append(group.create_task(call(pool, server)))
            group.create_task(fail())

    tasks: list[asyncio.Task[Any]] = []
    async with ScriptedServer(hold) as server:
        with pytest.raises(ExceptionGroup) as caught:
            await both()
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
    (waiting,) = tasks
    assert waiting.cancelled()


# --- connections ----------------------------------------------------------------------------------


async def test_one_connection_after_another_is_used_again(make_pool: MakePool) -> None:
    pool = make_pool(max_connections=3)
    async with ScriptedServer(OK) as server:
        for _ in range(5):
            await asyncio.gather(*(call(pool, server) for _ in range(20)))
        assert server.connections == 3


async def test_a_connection_closed_while_idle_is_not_used(make_pool: MakePool) -> None:
    pool = make_pool()
    closed = asyncio.Event()

    async def answer_and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()
        raise ConnectionError

    async with ScriptedServer(answer_and_close) as server:
        for number in range(1, 4):
            assert isinstance(await call(pool, server), Reply)
            await closed.wait()
            await asyncio.sleep(0)
            closed.clear()
            assert server.connections == number


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_is_not_repeated_by_the_transport_itself(
    make_pool: MakePool, method: str
) -> None:
    pool = make_pool()
    async with ScriptedServer(OK, None) as server:
        await call(pool, server, method=method)
        attempt = Attempt()
        lost = await call(pool, server, method=method, attempt=attempt)
        assert len(server.seen) == 2
    assert isinstance(lost, Lost)
    assert (lost.sent, lost.stale, lost.timed_out) == (True, False, False)
    assert attempt.sent


async def test_no_connection_is_a_loss_of_what_was_not_sent(make_pool: MakePool) -> None:
    async with ScriptedServer(OK) as server:
        pass
    attempt = Attempt()
    lost = await call(make_pool(), server, attempt=attempt)
    assert isinstance(lost, Lost)
    assert re.match(
        r"there is no connection: Cannot connect to host 127\.0\.0\.1:\d+ ", lost.reason
    )
    assert (lost.sent, lost.stale, attempt.sent) == (False, False, False)


async def test_a_closed_pool_gives_up_what_is_under_way(make_pool: MakePool) -> None:
    pool = make_pool(max_connections=1)
    async with ScriptedServer(hold) as server:
        under_way = asyncio.create_task(call(pool, server))
        await until(lambda: server.seen)
        await pool.close()
        lost = await under_way
        assert isinstance(lost, Lost)
        assert lost.sent
        assert await call(pool, server) == Lost("the session was left", sent=False)


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (hold, None),
        (slowly(OK[:30]), None),
        (slowly(OK[:-3]), None),
        (slowly(answer(500, "x")[:-1]), 500),
    ],
    ids=["no answer", "half a head", "half a body", "half the body of an error"],
)
async def test_a_late_answer_is_not_waited_for(
    make_pool: MakePool, step: Step, status: int | None
) -> None:
    pool = make_pool()

    async def and_hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert callable(step)
        await step(reader, writer)
        await reader.read()
        ended.set()

    ended = asyncio.Event()
    async with ScriptedServer(OK, and_hold, OK) as server:
        await call(pool, server)
        reply = await call(pool, server, timeout_seconds=0.05)
        if status is None:
            assert reply == Lost("no answer within 0.05 s", sent=True, timed_out=True)
        else:
            assert isinstance(reply, Reply)
            assert (reply.status, reply.truncated) == (status, True)
        # Its connection is closed, since an answer may still come.
        await ended.wait()
        assert isinstance(await call(pool, server), Reply)
        assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_each_call_has_a_deadline_of_its_own(make_pool: MakePool) -> None:
    pool = make_pool()
    ended: list[float] = []

    async def late(timeout_seconds: float) -> None:
        lost = await call(pool, server, timeout_seconds=timeout_seconds)
        assert isinstance(lost, Lost)
        assert lost.timed_out
        ended.append(timeout_seconds)

    async with ScriptedServer(hold) as server:
        await asyncio.gather(*map(late, (0.45, 0.15, 0.6, 0.3)))
    assert ended == [0.15, 0.3, 0.45, 0.6]


async def test_waiting_for_a_connection_counts_as_well(make_pool: MakePool) -> None:
    pool = make_pool(max_connections=1)
    async with ScriptedServer(hold) as server:
        first = asyncio.create_task(call(pool, server))
        await until(lambda: server.seen)
        lost = await call(pool, server, timeout_seconds=0.05)
        assert lost == Lost("no connection within 0.05 s", sent=False, timed_out=True)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert len(server.seen) == 1


async def test_a_deadline_leaves_no_trace_in_its_task(make_pool: MakePool) -> None:
    pool = make_pool()
    task = asyncio.current_task()
    assert task is not None
    async with ScriptedServer(hold) as server:
        await call(pool, server, timeout_seconds=0.05)
        assert task.cancelling() == 0
        # One that is around it still works.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await call(pool, server)
        assert task.cancelling() == 0


# --- cancellation ---------------------------------------------------------------------------------


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say to each request whose it was, sooner or later, in one piece or in two."""
    dice = random.Random(id(writer))
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        body = await reader.readexactly(int(length[1]))
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(0)
        whole = answer(200, body)
        place = dice.choice([0, dice.randrange(len(whole))])
        for piece in (whole[:place], whole[place:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)


async def test_no_call_gets_the_answer_of_another_whoever_is_cancelled(
    make_pool: MakePool,
) -> None:
    connections = 10
    pool = make_pool(max_connections=connections)
    dice = random.Random(5)
    counts = {"answered": 0, "cancelled": 0}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await echo(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def one(number: int) -> None:
        body = b"%d" % number
        # Now and then a call whose deadline cuts it off.
        seconds = 0.001 if number % 50 == 0 else 30
        reply = await pool.send("POST", url, TOKEN, body, seconds, Attempt())
        if isinstance(reply, Reply):
            assert reply.body == body
            counts["answered"] += 1
        else:
            assert reply.timed_out

    async def caller(numbers: range) -> None:
        for number in numbers:
            task = asyncio.create_task(one(number))
            if dice.random() < 0.6:
                for _ in range(dice.randrange(12)):
                    await asyncio.sleep(0)
                counts["cancelled"] += task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    await asyncio.gather(*(caller(range(at, at + 200)) for at in range(0, 3000, 200)))
    assert counts["cancelled"] > 1000
    assert counts["answered"] > 1000
    # Whatever is in the pool now owes nothing.
    await asyncio.gather(*(one(number) for number in range(10_001, 10_001 + 3 * connections)))
    await pool.close()
    server.close()
    await server.wait_closed()
