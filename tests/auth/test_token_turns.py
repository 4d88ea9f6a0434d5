"""Callers in the very turn of the loop, or of another thread, in which it matters."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from propq_async import (
    Clock,
    Credentials,
    MemoryTokenStore,
    RetryPolicy,
    Token,
    TokenError,
    TokenKey,
    TokenManager,
)
from propq_async._wire.messages import Lost, Reply
from tests.helpers.support import FakeClock

CREDENTIALS = Credentials(7, "secret")


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """End the run at a loop that takes no turn: no timeout inside of it would ever come."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def issued(value: str) -> Reply:
    return Reply(200, {}, b'{"access_token": "%s", "expires_in": 3600}' % value.encode())


class Endpoint:
    """Issues one value after another, or what a test has put in `next`."""

    def __init__(self) -> None:
        self.count = 0
        self.next: asyncio.Future[Reply] | None = None

    async def __call__(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        del url, credentials, timeout_seconds
        self.count += 1
        return issued(f"token-{self.count}") if self.next is None else await self.next


async def flight_of(manager: TokenManager) -> asyncio.Task[Any]:
    await asyncio.sleep(0)
    (flight,) = manager._flights.tasks.values()
    return flight


async def until_done(task: asyncio.Task[Any]) -> None:
    """Wait turn by turn, so as to be there in the one in which the task has just ended."""
    while not task.done():  # noqa: ASYNC110 - an event would come a turn too late
        await asyncio.sleep(0)


async def test_a_token_refused_in_the_turn_in_which_it_is_issued_again() -> None:
    endpoint = Endpoint()
    manager = TokenManager(CREDENTIALS, ask=endpoint)
    refused = await manager.get_token()
    endpoint.next = asyncio.get_running_loop().create_future()
    forced = asyncio.create_task(manager.refresh())
    flight = await flight_of(manager)
    endpoint.next.set_result(issued("token-1"))
    await until_done(flight)
    endpoint.next = None
    manager.invalidate(refused)
    assert (await manager.get_token()).access_token == "token-3"
    assert await forced != refused


async def test_a_token_refused_in_the_turn_in_which_its_save_ends() -> None:
    saved = asyncio.Event()

    class Slow(MemoryTokenStore):
        async def save(self, key: TokenKey, token: Token) -> None:
            await super().save(key, token)
            await saved.wait()

    manager = TokenManager(CREDENTIALS, ask=Endpoint(), store=Slow())
    first = asyncio.create_task(manager.get_token())
    flight = await flight_of(manager)
    while manager._state.current is None:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)
    refused = await manager.get_token()
    saved.set()
    await until_done(flight)
    manager.invalidate(refused)
    assert (await manager.get_token()).access_token == "token-2"
    assert (await first).access_token in ("token-1", "token-2")


async def test_a_refresh_forced_as_a_refused_token_is_kept() -> None:
    manager = TokenManager(
        CREDENTIALS, ask=Endpoint(), store=MemoryTokenStore(), clock=FakeClock().clock
    )
    refused = await manager.get_token()
    for _ in range(5):
        manager.invalidate(refused)
        refused = await manager.get_token()
    kept = asyncio.create_task(manager.get_token())
    await until_done(await flight_of(manager))
    renewed = await manager.refresh()
    assert renewed.access_token == "token-5"
    # It had no turn yet, and so it has the better one.
    assert await kept == renewed


async def test_a_flight_that_just_ended_does_not_hide_the_next_one() -> None:
    endpoint = Endpoint()
    manager = TokenManager(CREDENTIALS, ask=endpoint)
    first = asyncio.create_task(manager.refresh())
    await until_done(await flight_of(manager))
    endpoint.next = asyncio.get_running_loop().create_future()
    second = asyncio.create_task(manager.refresh())
    await first
    flight = await flight_of(manager)
    assert not flight.done()
    endpoint.next.set_result(issued("second"))
    assert (await second).access_token == "second"


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as can be."""
    seconds = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(seconds)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.parametrize("answers", ["failures in between", "always the same value"])
def test_two_threads_never_crash_whatever_the_endpoint_says(answers: str) -> None:
    count = iter(range(10**9))

    async def ask(url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
        del url, credentials, timeout_seconds
        number = next(count)
        if answers == "always the same value":
            return issued("same")
        return issued(f"token-{number}") if number % 2 else Reply(500, {}, b"")

    # Of big steps, so that what is remembered of a failure is over at once.
    ticks = iter(range(10**9))
    manager = TokenManager(
        CREDENTIALS,
        ask=ask,
        retry=RetryPolicy(attempts=1),
        clock=Clock(wall=lambda: 1.8e9, monotonic=lambda: float(next(ticks))),
    )
    ended: Counter[str] = Counter()

    async def work() -> None:
        for _ in range(1_500):
            try:
                manager.invalidate(await manager.refresh())
                ended["token"] += 1
            except TokenError:
                ended["refused"] += 1

    def run(main: Callable[[], Any]) -> None:
        try:
            asyncio.run(main())
        except Exception as error:  # noqa: BLE001 - of any kind
            ended[repr(error)] += 1

    threads = [threading.Thread(target=run, args=(work,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended["token"] > 100
    assert set(ended) <= {"token", "refused"}
