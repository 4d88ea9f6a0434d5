"""Flights of several event loops and threads, and their end."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from propq_async import (
    AsyncPropQ,
    JsonFileTokenStore,
    MemoryTokenStore,
    Token,
    TokenKey,
    TokenStore,
    TokenUnavailableError,
)
from propq_async._wire.messages import Reply
from propq_async.testing import PropQEmulator
from tests.helpers.support import (
    ScriptedServer,
    token_answer,
    until,
)
from tests.helpers.tokens import (
    CALL,
    CREDENTIALS,
    KEY,
    PATH,
    SECRET,
    Endpoint,
    a_manager,
    gather,
    issued,
    over_the_wire,
)


@pytest.mark.parametrize("kind", ["memory", "shared memory", "file"])
def test_three_event_loops_one_after_another_with_contention(kind: str, token_file: Path) -> None:
    store: TokenStore | None = {
        "memory": None,
        "shared memory": MemoryTokenStore(),
        "file": JsonFileTokenStore(token_file),
    }[kind]
    propq: AsyncPropQ | None = None
    requests = []

    async def main(port: int) -> int:
        nonlocal propq
        async with PropQEmulator(port=port, credentials=CREDENTIALS) as emulator:
            emulator.add_unit("4711", "A-101")
            if propq is None:
                propq = AsyncPropQ(CREDENTIALS, base_url=emulator.url, token_store=store)
            async with propq, propq.session() as session:
                await asyncio.gather(*(session.request("POST", PATH, json=CALL) for _ in range(50)))
            requests.append(emulator.token_requests)
            return int(emulator.url.rpartition(":")[2])

    port = 0
    for _ in range(3):
        port = asyncio.run(main(port))
    # Each emulator begins with no token known, so the old one is refused.
    assert requests == [1, 1, 1]


def test_a_loop_left_with_a_flight_does_not_harm_the_next() -> None:
    hanging = True

    async def hang() -> Reply:
        if hanging:
            await asyncio.Event().wait()
        return issued()

    endpoint = Endpoint(hang)
    manager = a_manager(endpoint)

    async def leave() -> None:
        task = asyncio.create_task(manager.get_token())
        await until(lambda: endpoint.requests)
        assert not task.done()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    tasks = asyncio.all_tasks(loop)
    loop.close()
    hanging = False
    assert asyncio.run(manager.get_token()).access_token == "token-1"
    assert not manager._flights.tasks
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        task.get_coro().close()


def test_two_threads_with_a_loop_each_are_safe() -> None:
    async def server() -> None:
        async with ScriptedServer(token_answer()) as scripted:
            manager = over_the_wire(scripted.url)
            results: list[list[Token | BaseException]] = []
            barrier = threading.Barrier(2)

            def thread() -> None:
                async def main() -> None:
                    barrier.wait()
                    for _ in range(20):
                        results.append(await gather(50, manager.get_token))
                        current = manager._state.current
                        if current is not None and len(results) == 20:
                            manager.invalidate(current.token)

                asyncio.run(main())

            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(None, thread) for _ in range(2)))
            assert all(isinstance(token, Token) for tokens in results for token in tokens)
            assert len(results) == 40
            assert 1 <= len(scripted.seen) <= 4

    asyncio.run(server())


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_closing_with_a_flight_under_way_leaves_nothing_behind(
    kind: str, token_file: Path
) -> None:
    async def hang() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    store: TokenStore = MemoryTokenStore() if kind == "memory" else JsonFileTokenStore(token_file)
    endpoint = Endpoint(hang)
    manager = a_manager(endpoint, store=store)
    waiters = [asyncio.create_task(manager.get_token()) for _ in range(3)]
    await until(lambda: endpoint.requests)
    before = asyncio.all_tasks()
    await manager.aclose()
    async with asyncio.timeout(5), store.lock(KEY) as locked:
        assert locked
    for error in await asyncio.gather(*waiters, return_exceptions=True):
        assert isinstance(error, TokenUnavailableError)
        assert "closed" in str(error)
    assert asyncio.all_tasks() <= before - set(waiters)
    assert not manager._flights.tasks
    await manager.aclose()
    endpoint.script = [issued()]
    assert (await manager.get_token()).access_token == "token-1"


async def test_closing_a_moment_after_the_answer_saves_the_token_first(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file)
    saving, proceed = asyncio.Event(), asyncio.Event()

    class Slow(JsonFileTokenStore):
        async def save(self, key: TokenKey, token: Token) -> None:
            saving.set()
            await proceed.wait()
            await super().save(key, token)

    manager = a_manager(Endpoint(), store=Slow(token_file))
    waiter = asyncio.create_task(manager.get_token())
    await saving.wait()
    closing = asyncio.create_task(manager.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await store.load(KEY) is not None or waiter.done()
    await asyncio.gather(waiter, return_exceptions=True)
    assert (await manager.get_token()).access_token == "token-1"


async def test_a_waiter_cancelled_during_closing_is_cancelled() -> None:
    async def hang() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    endpoint = Endpoint(hang)
    manager = a_manager(endpoint)
    waiter = asyncio.create_task(manager.get_token())
    await until(lambda: endpoint.requests)
    waiter.cancel()
    await manager.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_bug_in_ask_reaches_the_waiters_and_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> Reply:
        raise ZeroDivisionError(SECRET)

    endpoint = Endpoint(broken)
    manager = a_manager(endpoint)
    with pytest.raises(ZeroDivisionError):
        await manager.get_token()
    assert "the token flight broke off: ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text
    endpoint.script = [issued()]
    await manager.get_token()
