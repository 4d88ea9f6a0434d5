"""What a task waits for, in place of a future."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from propq_async._http.wakeup import MOST_FOLLOWERS, Wakeup

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


async def wait_for(wakeup: Wakeup, said: list[object]) -> str:
    name.set("the task")
    try:
        await wakeup
    except asyncio.CancelledError as error:
        said.append(error.args)
        raise
    said.append((name.get(), asyncio.current_task()))
    return "done"


async def test_the_task_goes_on_at_once_and_as_itself() -> None:
    loop = asyncio.get_running_loop()
    said: list[object] = []
    wakeup = Wakeup(loop)
    task = asyncio.create_task(wait_for(wakeup, said))
    await asyncio.sleep(0)
    seen = loop.create_future()

    def arrive() -> None:
        wakeup.set_result(None)
        # Nothing else has run in between.
        seen.set_result((list(said), name.get(), wakeup.done()))

    loop.call_soon(arrive)
    assert await seen == ([("the task", task)], "nobody", True)
    assert await task == "done"
    # It is too late for either.
    wakeup.set_result(None)
    assert not wakeup.cancel()


async def test_what_is_there_already_is_not_waited_for() -> None:
    wakeup = Wakeup(asyncio.get_running_loop())
    wakeup.set_result(None)
    await wakeup
    wakeup.result()


@pytest.mark.parametrize("reason", [None, "why"])
async def test_a_task_that_is_cancelled_is_told_a_turn_later(reason: str | None) -> None:
    said: list[object] = []
    wakeup = Wakeup(asyncio.get_running_loop())
    task = asyncio.create_task(wait_for(wakeup, said))
    await asyncio.sleep(0)
    assert task.cancel(*(() if reason is None else (reason,)))
    assert said == []
    # The news comes too late.
    wakeup.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said == [() if reason is None else (reason,)]


async def test_a_task_that_is_to_be_cancelled_before_it_waits_is_cancelled() -> None:
    said: list[object] = []
    wakeup = Wakeup(asyncio.get_running_loop())

    async def cancelled_early() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel("early")
        await wait_for(wakeup, said)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(cancelled_early())
    assert said == [("early",)]


def test_nobody_need_wait() -> None:
    loop = asyncio.new_event_loop()
    wakeup = Wakeup(loop)
    assert wakeup.get_loop() is loop
    assert wakeup.cancel()
    with pytest.raises(asyncio.CancelledError):
        wakeup.result()
    loop.close()


async def test_so_many_may_follow_in_the_same_callback() -> None:
    loop = asyncio.get_running_loop()
    wakeup, order = Wakeup(loop), list[object]()
    waiters = [loop.create_future() for _ in range(MOST_FOLLOWERS + 1)]
    # Outside, none can.
    assert not wakeup.follow(waiters[0])

    async def go_on_and_let_follow(number: int, waiter: Any) -> None:
        await waiter
        order.append(number)
        if number < len(waiters):
            order.append(wakeup.follow(waiters[number]))
            # There is one place.
            assert not wakeup.follow(loop.create_future())
            await asyncio.sleep(0)
            # It is over.
            assert not wakeup.follow(loop.create_future())

    tasks = [
        asyncio.create_task(go_on_and_let_follow(number, waiter))
        for number, waiter in enumerate([wakeup, *waiters])
    ]
    await asyncio.sleep(0)
    seen = loop.create_future()

    def arrive() -> None:
        wakeup.set_result(None)
        seen.set_result(list(order))

    loop.call_soon(arrive)
    # The last one has to be woken by the event loop.
    assert await seen == [0, True, 1, True, 2, False]
    waiters[-1].set_result(None)
    await asyncio.gather(*tasks)
    assert order[-1] == 3


async def test_who_is_cancelled_before_he_follows_is_cancelled() -> None:
    loop = asyncio.get_running_loop()
    wakeup, waiter = Wakeup(loop), loop.create_future()
    said: list[object] = []

    async def follows() -> None:
        await waiter
        said.append("woken")

    follower = asyncio.create_task(follows())

    async def lets_follow() -> None:
        await wakeup
        assert wakeup.follow(waiter)
        follower.cancel()

    first = asyncio.create_task(lets_follow())
    await asyncio.sleep(0)
    loop.call_soon(wakeup.set_result, None)
    await first
    with pytest.raises(asyncio.CancelledError):
        await follower
    assert said == []
