from __future__ import annotations

import _thread
import asyncio
import gc
import logging
import socket
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ServerDisconnectedError

from propq_async.testing import PropQEmulator, RecordedRequest, run_in_thread
from tests.helpers.emulator_client import HANG_SECONDS, Client, connect, hang_up, port, until


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


async def test_a_port_in_use_is_an_error_and_can_be_retried() -> None:
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
            return await _status_of(session, emulator.url + "/x")

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


REQUEST = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


def knock(number: int) -> socket.socket:
    """Connect and ask, without waiting for anything."""
    connection = socket.create_connection(("127.0.0.1", number), timeout=HANG_SECONDS)
    try:
        connection.sendall(REQUEST)
    except ConnectionError:
        connection.close()
        raise
    return connection


def is_let_go(connection: socket.socket) -> bool:
    """Wait until the server closes the connection; if it never does, it is a `TimeoutError`."""
    with connection:
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
    return True


@pytest.mark.parametrize("latency_seconds", [0, 3600])
@pytest.mark.parametrize("turns", range(8))
async def test_close_drops_connections_that_are_just_made(
    turns: int, latency_seconds: float
) -> None:
    async with PropQEmulator(latency_seconds=latency_seconds) as emulator:
        connections = [knock(port(emulator)) for _ in range(20)]
        for _ in range(turns):
            await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    # No turn of the loop passes any more.
    assert all(map(is_let_go, connections))
    gc.collect()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop for Windows")
def test_close_drops_connections_that_are_just_made_on_uvloop() -> None:
    import uvloop  # noqa: PLC0415 - the same

    async def close_after(turns: int) -> list[socket.socket]:
        async with PropQEmulator(latency_seconds=3600) as emulator:
            connections = [knock(port(emulator)) for _ in range(20)]
            for _ in range(turns):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return connections

    async def close_in_each_turn() -> None:
        for turns in range(8):
            assert all(map(is_let_go, await close_after(turns)))

    uvloop.run(close_in_each_turn())
    gc.collect()


@pytest.mark.parametrize("turns", range(8))
async def test_close_that_is_cancelled_closes_everything_first(turns: int) -> None:
    emulator = PropQEmulator(latency_seconds=3600)
    await emulator.start()
    url = emulator.url
    connections = [knock(port(emulator)) for _ in range(20)]
    for _ in range(turns):
        await asyncio.sleep(0)
    closing = [asyncio.create_task(emulator.close()) for _ in range(2)]
    await asyncio.sleep(0)
    assert closing[0].cancel()
    outcomes = await asyncio.gather(*closing, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] is None
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert all(map(is_let_go, connections))
    async with emulator:
        assert emulator.url == url
    gc.collect()


async def test_of_two_starts_at_once_one_is_refused() -> None:
    emulator = PropQEmulator()
    outcomes = await asyncio.gather(emulator.start(), emulator.start(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), RuntimeError]
    await emulator.close()
    gc.collect()


async def test_a_close_that_was_pending_leaves_the_next_start_alone() -> None:
    emulator = PropQEmulator()
    async with emulator:
        number = port(emulator)
        await asyncio.gather(emulator.close(), emulator.start(), emulator.close())
        assert emulator.is_started
        knock(number).close()
    gc.collect()


async def test_start_that_is_cancelled_leaves_no_open_port() -> None:
    emulator = PropQEmulator()
    async with emulator:
        number = port(emulator)
    starting = asyncio.create_task(emulator.start())
    await asyncio.sleep(0)
    assert starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not emulator.is_started
    with pytest.raises(ConnectionRefusedError):
        knock(number)
    async with emulator:
        assert port(emulator) == number
    gc.collect()


def test_close_leaves_nobody_unanswered_in_a_storm() -> None:
    """Threads connect without a pause while it is closed and started again."""
    served = PropQEmulator()
    end = threading.Event()

    def storm(number: int) -> int:
        count = 0
        while not end.is_set():
            try:
                connection = knock(number)
            except ConnectionError:  # it is closed at this moment
                continue
            # A connection is kept alive, so that nothing but close() ends it.
            count += is_let_go(connection)
        return count

    async def close_and_start(pool: ThreadPoolExecutor) -> list[Future[int]]:
        loop, answered = asyncio.get_running_loop(), asyncio.Event()

        def on_request(_: RecordedRequest) -> None:
            loop.call_soon_threadsafe(answered.set)

        # Before the clients begin: each of them asks once for each start of the server.
        served.on_request = on_request
        clients = [pool.submit(storm, port(served)) for _ in range(4)]
        for _ in range(30):
            await answered.wait()
            await served.close()
            # Only now: all clients may have their answers before `start` returns.
            answered.clear()
            await served.start()
        served.on_request = None
        await served.close()
        return clients

    with run_in_thread(served), ThreadPoolExecutor(4) as pool:
        try:
            clients = asyncio.run(close_and_start(pool))
        finally:
            end.set()
        assert all(client.result() for client in clients)
    gc.collect()


def test_it_starts_again_after_its_loop_has_ended() -> None:
    emulator = PropQEmulator()
    asyncio.run(emulator.start())
    url = emulator.url

    async def close_and_start() -> None:
        await emulator.close()
        async with emulator:
            assert emulator.url == url

    asyncio.run(close_and_start())
    gc.collect()


async def test_requests_in_flight_are_counted(client: Client) -> None:
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


async def test_a_client_that_leaves_is_no_error_of_the_server(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await connect(client.emulator)
    writer.write(
        b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\na"
    )
    await writer.drain()
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await hang_up(writer)
    assert (await client.call()).status == 200
    client.emulator.drop_next(after_applying=False)
    with pytest.raises(ServerDisconnectedError):
        await client.call()
    assert client.emulator.calls == 2
    assert not caplog.records


async def test_reads_are_kept_small_where_the_loop_lets_us(client: Client) -> None:
    handlers = client.emulator._listener._server.connections
    assert handlers
    # uvloop has no such attribute.
    sizes = {getattr(handler.transport, "max_size", 65536) for handler in handlers}
    assert sizes == {65536}


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
        with urllib.request.urlopen(url, timeout=HANG_SECONDS) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def test_start_and_close_from_another_loop_run_in_its_own() -> None:
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


def close_while_its_loop_ends(emulator: PropQEmulator, *, by_asyncio_run: bool) -> None:
    """Let another loop ask for `close` when the emulator's loop has no turn left for it."""
    started, asked = threading.Event(), threading.Event()

    async def live() -> None:
        await emulator.start()
        started.set()
        asked.wait()  # which keeps the loop from its last turn

    async def close() -> None:
        closing = asyncio.create_task(emulator.close())
        await asyncio.sleep(0)
        asked.set()
        await closing

    def end() -> None:
        if by_asyncio_run:
            asyncio.run(live())
        else:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(live())
            loop.close()

    home = threading.Thread(target=end)
    home.start()
    started.wait()
    asyncio.run(close())
    home.join()


@pytest.mark.parametrize("by_asyncio_run", [True, False])
def test_close_returns_if_its_loop_ends_meanwhile(*, by_asyncio_run: bool) -> None:
    emulator = PropQEmulator()
    close_while_its_loop_ends(emulator, by_asyncio_run=by_asyncio_run)
    assert not emulator.is_started
    number = emulator._listener.port
    with pytest.raises(ConnectionRefusedError):
        knock(number)
    with run_in_thread(emulator):
        assert port(emulator) == number
    gc.collect()


async def test_close_closes_the_port_if_all_tasks_are_cancelled() -> None:
    """Also if the task that closes it is cancelled before it has begun."""
    emulator = PropQEmulator()
    await emulator.start()
    number = port(emulator)
    closing = asyncio.create_task(emulator.close())
    await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(ConnectionRefusedError):
        knock(number)
    async with emulator:
        assert port(emulator) == number


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


def test_ctrl_c_while_the_thread_begins_ends_the_thread() -> None:
    class Interrupting(PropQEmulator):
        async def start(self) -> None:
            _thread.interrupt_main()
            await super().start()

    emulator = Interrupting()
    with pytest.raises(KeyboardInterrupt), run_in_thread(emulator):
        pytest.fail("it was interrupted")
    assert not emulator.is_started
    assert not [thread for thread in threading.enumerate() if thread.name == "propq-emulator"]
