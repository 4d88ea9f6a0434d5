"""One manager in several event loops at once, each in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from propq_async import (
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    MemoryTokenStore,
    RetryPolicy,
    Token,
    TokenManager,
    TokenRefusedError,
    TokenStore,
    TokenUnavailableError,
)
from propq_async._auth.lifetime import SOFT_FRACTION
from propq_async._auth.refusals import REFUSED_AT_ONCE
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator
from tests.helpers.support import EmulatorInThread, FakeClock, an_update

T = TypeVar("T")

THREADS = 8
CREDENTIALS = Credentials(7, "secret")


def in_threads(count: int, main: Callable[[int], Coroutine[Any, Any, T]]) -> list[T]:
    """Run `main` in so many threads at once, each with a loop of its own."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda number: asyncio.run(main(number)), range(count)))


def elsewhere(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` in another thread to its end. The loop of this one is blocked meanwhile."""
    (result,) = in_threads(1, lambda _: main())
    return result


@pytest.fixture(params=["file", "memory", "none"])
def store(request: pytest.FixtureRequest, token_file: Path) -> TokenStore | None:
    stores: dict[str, TokenStore | None] = {
        "file": JsonFileTokenStore(token_file),
        "memory": MemoryTokenStore(),
        "none": None,
    }
    return stores[request.param]


def issued(value: str) -> Reply:
    return Reply(200, {}, b'{"access_token": "%s", "expires_in": 3600}' % value.encode())


class Endpoint:
    """A token endpoint without a wire that may be asked from any thread."""

    def __init__(self, *script: Callable[[], Awaitable[Reply | Lost]]) -> None:
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._script = list(script)

    async def ask(self, url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
        del url, credentials, timeout_seconds
        self.requests += 1
        number = self.requests
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._script.pop(0)() if self._script else issued(f"token-{number}")
        finally:
            self.in_flight -= 1


def a_manager(endpoint: Endpoint, clock: FakeClock | None = None) -> TokenManager:
    clock = clock or FakeClock()
    return TokenManager(
        CREDENTIALS,
        clock=clock.clock,
        retry=RetryPolicy(attempts=1),
        random=lambda: 0.999999,
        ask=endpoint.ask,
    )


class Hanging:
    """An answer that does not come before it is let go."""

    def __init__(self, outcome: Reply | Lost) -> None:
        self.reached = threading.Event()
        self._go = threading.Event()
        self._outcome = outcome

    async def __call__(self) -> Reply | Lost:
        self.reached.set()
        while not self._go.is_set():  # noqa: ASYNC110 - set in another thread
            await asyncio.sleep(0.001)
        return self._outcome

    def go(self) -> None:
        self._go.set()


def test_a_cold_start_in_eight_threads_makes_one_request(store: TokenStore | None) -> None:
    together = threading.Barrier(THREADS)
    with EmulatorInThread() as emulator:
        emulator.token_latency_seconds = 0.05
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=store)

        async def main(_: int) -> None:
            async with propq.session() as session:
                await asyncio.to_thread(together.wait)
                await asyncio.gather(*(session.units.update(an_update()) for _ in range(5)))

        in_threads(THREADS, main)
        assert emulator.token_requests == 1


async def revoke_again_and_again(
    propq: AsyncPropQ, emulator: PropQEmulator, together: threading.Barrier, *, revokes: bool
) -> None:
    async with propq.session() as session:
        for number in range(1 + REFUSED_AT_ONCE):
            if number and revokes:
                emulator.revoke_tokens()
            await asyncio.to_thread(together.wait)
            await asyncio.gather(*(session.units.update(an_update()) for _ in range(5)))
            await asyncio.to_thread(together.wait)


def test_revocations_in_eight_threads_cost_a_request_each(
    store: TokenStore | None,
) -> None:
    """As many as may be made good at once: each draws on the allowance once, and no call fails."""
    together = threading.Barrier(THREADS, timeout=60)
    with EmulatorInThread() as emulator:
        emulator.token_latency_seconds = 0.05
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=store)
        in_threads(
            THREADS,
            lambda number: revoke_again_and_again(propq, emulator, together, revokes=number == 0),
        )
        assert emulator.token_requests == 1 + REFUSED_AT_ONCE
    assert propq.stats().refreshes == 1 + REFUSED_AT_ONCE


def test_refused_credentials_are_one_request_for_all_threads() -> None:
    refusal = Hanging(Reply(401, {}, b'{"error": "invalid_client"}'))
    endpoint = Endpoint(refusal)
    manager = a_manager(endpoint)
    together = threading.Barrier(THREADS)

    async def main(number: int) -> type[Any]:
        flight = asyncio.create_task(manager.get_token())
        await asyncio.to_thread(together.wait)
        if number == 0:
            await asyncio.to_thread(refusal.reached.wait)
            refusal.go()
        await asyncio.wait((flight,))
        return type(flight.exception())

    assert set(in_threads(THREADS, main)) == {TokenRefusedError}
    assert endpoint.requests == 1


@pytest.mark.parametrize("cause", ["cold", "expired", "refused", "forced", "ahead of expiry"])
async def test_a_token_that_another_loop_brought_is_taken(cause: str) -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    mine: asyncio.Task[Any]
    token = None
    if cause != "cold":
        token = await manager.get_token()
        if cause == "expired":
            clock.advance(3600)
        elif cause == "refused":
            manager.invalidate(token)
        elif cause == "ahead of expiry":
            clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    before = endpoint.requests
    if cause == "ahead of expiry":
        assert await manager.get_token() is token  # it suspends nothing
        (mine,) = manager._flights.tasks.values()
    else:
        mine = asyncio.create_task(manager.refresh() if cause == "forced" else manager.get_token())
        await asyncio.sleep(0)
    # The flight has not had its turn yet.
    theirs = elsewhere(manager.refresh)
    assert await mine is theirs
    assert endpoint.requests == before + 1


@pytest.mark.parametrize("ahead", [False, True])
async def test_a_failure_of_another_loop_is_the_answer(*, ahead: bool) -> None:
    async def down() -> Lost:
        return Lost("there is no connection", sent=False)

    clock = FakeClock()
    endpoint = Endpoint(down)
    manager = a_manager(endpoint, clock)
    if ahead:
        endpoint._script.clear()
        await manager.get_token()
        endpoint._script.append(down)
        clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    requests = endpoint.requests
    if ahead:
        await manager.get_token()  # it suspends nothing
        waiter = None
    else:
        waiter = asyncio.create_task(manager.get_token())
        await asyncio.sleep(0)
    (flight,) = manager._flights.tasks.values()
    # The flight has not had its turn yet.
    with pytest.raises(TokenUnavailableError):
        elsewhere(manager.refresh)
    assert isinstance(await flight, TokenUnavailableError)
    if waiter is not None:
        with pytest.raises(TokenUnavailableError):
            await waiter
    assert endpoint.requests == requests + 1


async def test_when_the_loop_that_leads_is_left_another_one_takes_over() -> None:
    hanging = Hanging(issued("never"))
    endpoint = Endpoint(hanging)
    manager = a_manager(endpoint)

    async def leader() -> str:
        waiter = asyncio.create_task(manager.get_token())
        await asyncio.to_thread(hanging.reached.wait)
        await asyncio.to_thread(waiting.wait)
        await manager.aclose()
        with pytest.raises(TokenUnavailableError, match="closed"):
            await waiter
        return "left"

    waiting = threading.Event()
    leading = asyncio.create_task(asyncio.to_thread(asyncio.run, leader()))
    await asyncio.to_thread(hanging.reached.wait)
    mine = asyncio.create_task(manager.get_token())
    await asyncio.sleep(0)
    waiting.set()
    assert (await mine).access_token == "token-2"
    assert await leading == "left"
    assert endpoint.requests == 2


@pytest.mark.parametrize("closed", [False, True])
async def test_when_the_loop_that_leads_stops_another_one_takes_over(*, closed: bool) -> None:
    """As that of a program that runs its loop for one call after another."""
    hanging, clock = Hanging(issued("late")), FakeClock()
    endpoint = Endpoint(hanging)
    manager = a_manager(endpoint, clock)
    loop = asyncio.new_event_loop()
    waiters: list[asyncio.Task[Token]] = []

    async def begin() -> None:
        waiters.append(asyncio.create_task(manager.get_token()))
        await asyncio.to_thread(hanging.reached.wait)

    await asyncio.to_thread(loop.run_until_complete, begin())
    tasks = asyncio.all_tasks(loop)
    if closed:
        loop.close()
    clock.advance(1)
    assert (await manager.get_token()).access_token == "token-2"
    if closed:
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            task.get_coro().close()
    else:
        # Its own flight goes on where it stopped.
        hanging.go()
        late = await asyncio.to_thread(loop.run_until_complete, waiters[0])
        assert late.access_token == "late"
        loop.close()
    assert (await manager.get_token()).access_token == "token-2"
    assert endpoint.requests == 2


async def test_a_lock_and_a_lead_that_a_fork_copied_are_nobodys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging = Hanging(issued("of-the-parent"))
    endpoint = Endpoint(hanging)
    manager = a_manager(endpoint)
    leading = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(manager.get_token())))
    await asyncio.to_thread(hanging.reached.wait)
    # The child has all of its parent's memory, but none of its other threads.
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        locks = [manager._flights._lock._lock, manager._state._lock._lock]
        with locks[0], locks[1]:
            assert (await manager.get_token()).access_token == "token-2"
    hanging.go()
    assert (await leading).access_token == "of-the-parent"


async def test_leaving_while_another_loop_leads_cancels_nothing_there() -> None:
    hanging = Hanging(issued("token-1"))
    endpoint = Endpoint(hanging)
    manager = a_manager(endpoint)
    leading = asyncio.create_task(asyncio.to_thread(lambda: asyncio.run(manager.get_token())))
    await asyncio.to_thread(hanging.reached.wait)
    mine = asyncio.create_task(manager.get_token())
    await asyncio.sleep(0)
    await manager.aclose()
    with pytest.raises(TokenUnavailableError, match="closed"):
        await mine
    hanging.go()
    assert (await leading).access_token == "token-1"
    assert (await manager.get_token()).access_token == "token-1"
    assert endpoint.requests == 1
