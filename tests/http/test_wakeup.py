"""What a task waits for, in place of a future."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from propq_async._http.wakeup import Wakeup

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
