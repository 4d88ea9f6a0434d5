from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ServerDisconnectedError

from propq_async.testing import PropQEmulator, run_in_thread

from .client import (
    Client,
    connect,
    hang_up,
    port,
    until,
)


async def test_it_has_a_url_only_while_it_is_started() -> None:
    emulator = PropQEmulator()
    with pytest.raises(RuntimeError, match="it is not started: use `async with PropQEmulator"):
        _ = emulator.url
    assert repr(emulator) == "<PropQEmulator not started>"
    async with emulator as entered:
        assert entered is emulator
        assert emulator.url == f"http://127.0.0.1:{port(emulator)}"
        assert repr(emulator) == f"<PropQEmulator {emulator.url}>"
        with pytest.raises(RuntimeError, match="started already"):
            await emulator.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    await emulator.close()


def test_it_says_how_it_is_entered() -> None:
    emulator: Any = PropQEmulator()
    with pytest.raises(TypeError, match=r"use `async with .*`with run_in_thread"), emulator:
        pytest.fail("it is entered")


async def test_it_starts_again_at_the_same_port_with_all_it_had(client: Client) -> None:
    emulator, url = client.emulator, client.emulator.url
    await emulator.close()
    with pytest.raises(ClientError):
        await client.session.get(url)
    await emulator.start()
    assert emulator.url == url
    assert (await client.call()).status == 200
    assert emulator.token_requests == 1


async def test_a_port_that_is_taken_is_an_error_and_leaves_it_startable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        emulator = PropQEmulator(port=number)
        with pytest.raises(OSError, match=str(number)):
            await emulator.start()
    async with emulator:
        assert emulator.url == f"http://127.0.0.1:{number}"


async def test_it_runs_in_several_loops_one_after_another() -> None:
    emulator = PropQEmulator()

    async def one_run() -> int:
        async with emulator, ClientSession() as session:
            return await asyncio.wait_for(_status_of(session, emulator.url + "/x"), 10)

    def run() -> int:
        return asyncio.run(one_run())

    assert [await asyncio.to_thread(run) for _ in range(2)] == [404, 404]
    assert emulator.calls == 2


async def _status_of(session: ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status


@pytest.mark.parametrize(
    ("host", "start"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
    ],
)
async def test_it_listens_on_loopback(host: str, start: str) -> None:
    if host == "::1" and not _has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    async with PropQEmulator(host=host) as emulator, ClientSession() as session:
        assert emulator.url.startswith(start)
        assert await _status_of(session, emulator.url + "/_emulator/state") == 200


def _has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_close_is_prompt_whatever_is_in_flight(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = emulator.token_latency_seconds = 3600
    slow = [
        asyncio.create_task(client.call()),
        asyncio.create_task(client.ask_for_token()),
    ]
    half_a_body, half_a_head, silent, unread = [await connect(emulator) for _ in range(4)]
    half_a_body[1].write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc")
    half_a_head[1].write(b"POST /x HTTP/1.1\r\nHo")
    await until(lambda: emulator.calls == 1 and emulator.token_requests == 2)
    # An answer that nobody reads stays in the server's buffers.
    emulator.latency_seconds = 0
    emulator.fail_next(200, body="x" * 50_000_000)
    unread[1].write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: emulator.calls == 2)

    # Would it wait for any of them, it would not end before the test's time is up.
    await emulator.close()

    for outcome in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(outcome, ServerDisconnectedError)
    for reader, writer in (half_a_body, half_a_head, silent, unread):
        # What it had in its buffer when the connection broke does not matter here.
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(50_000_000)
        await hang_up(writer)
    assert emulator.applied == 0
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    gc.collect()


async def test_it_tells_what_it_is_dealing_with(client: Client) -> None:
    client.emulator.latency_seconds = 3600
    call = asyncio.create_task(client.call())
    await until(lambda: client.emulator.in_flight == 1)
    await client.emulator.close()
    with pytest.raises(ServerDisconnectedError):
        await call
    assert client.emulator.in_flight == 0


async def test_close_leaves_no_task(client: Client) -> None:
    _, silent = await connect(client.emulator)
    await until(lambda: len(asyncio.all_tasks()) == 3)  # this one and one for each connection
    await client.emulator.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await hang_up(silent)


async def test_what_a_client_does_to_its_connection_is_no_error_of_the_server(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _, writer = await connect(client.emulator)
    writer.write(
        b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\na"
    )
    await writer.drain()
    async with asyncio.timeout(10):
        assert await _.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await hang_up(writer)
    assert (await client.call()).status == 200
    client.emulator.drop_next(after_applying=False)
    with pytest.raises(ServerDisconnectedError):
        await client.call()
    assert client.emulator.calls == 2
    assert not caplog.records


async def test_reads_are_kept_small_where_the_loop_lets_us(client: Client) -> None:
    reads = {
        handler.transport.max_size
        for handler in client.emulator._listener._runner.server.connections  # type: ignore[union-attr]
        if handler.transport is not None and hasattr(handler.transport, "max_size")
    }
    assert all(size == 65536 for size in reads)


def test_it_serves_beside_a_program_of_threads() -> None:
    emulator = PropQEmulator()
    assert not emulator.is_started
    with run_in_thread(emulator) as entered:
        assert entered is emulator
        assert emulator.is_started
        names = [f"U-{number}" for number in range(300)]
        with ThreadPoolExecutor(4) as pool:
            # What it is told and what it answers, from several threads at once.
            added = [pool.submit(emulator.add_unit, "4711", name) for name in names]
            got = [pool.submit(fetch, emulator.url + "/x") for _ in names]
            seen = [pool.submit(lambda: (len(emulator.units), emulator.requests)) for _ in names]
        assert {future.result().name for future in added} == set(names)
        assert {future.result() for future in got} == {404}
        assert all(future.result()[0] <= 300 for future in seen)
        assert (emulator.calls, len(emulator.requests), len(emulator.units)) == (300, 300, 300)
    assert not emulator.is_started
    assert not [thread for thread in threading.enumerate() if thread.name == "propq-emulator"]


def fetch(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_it_is_closed_and_started_in_its_own_loop_from_any_other() -> None:
    with run_in_thread(PropQEmulator()) as emulator:
        url = emulator.url
        await emulator.close()
        assert not emulator.is_started
        await emulator.start()
        assert emulator.url == url
        # It answers while this loop does nothing.
        assert fetch(url + "/x") == 404
        with pytest.raises(RuntimeError, match="started already"):
            await emulator.start()
    await emulator.close()


def test_a_thread_that_cannot_listen_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        emulator = PropQEmulator(port=taken.getsockname()[1])
        with (
            pytest.raises(
                OSError,
                match=r"cannot listen at port \d+ of 127.0.0.1: Address .*; choose another port",
            ),
            run_in_thread(emulator),
        ):
            pytest.fail("it listens")
    assert not [thread for thread in threading.enumerate() if thread.name == "propq-emulator"]
    with run_in_thread(emulator):
        pass


def test_an_error_in_the_block_ends_the_thread() -> None:
    emulator = PropQEmulator()
    with pytest.raises(ZeroDivisionError), run_in_thread(emulator):
        _ = 1 // 0
    assert not emulator.is_started
