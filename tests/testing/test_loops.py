"""Work that one event loop asks of another, which may end at any moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from propq_async.testing._loops import run_in_loop


@contextmanager
def loop_in_a_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def test_the_work_is_done_in_the_other_loop() -> None:
    done_in = []

    async def work() -> None:
        done_in.append(asyncio.get_running_loop())

    with loop_in_a_thread() as loop:
        assert await run_in_loop(loop, work)
        assert done_in == [loop]


async def test_an_error_of_the_work_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with loop_in_a_thread() as loop, pytest.raises(ZeroDivisionError):
        await run_in_loop(loop, fail)


@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_loop_that_does_not_run_does_no_work(*, is_closed: bool) -> None:
    loop = asyncio.new_event_loop()
    if is_closed:
        loop.close()
    assert not await run_in_loop(loop, pytest.fail)
    loop.close()


async def test_a_loop_that_is_closed_at_that_moment_does_no_work() -> None:
    class Closed(asyncio.SelectorEventLoop):
        """It was running when it was looked at."""

        def is_running(self) -> bool:
            return self.is_closed()

    loop = Closed()
    loop.close()
    assert not await run_in_loop(loop, pytest.fail)


async def test_a_cancelled_caller_cancels_the_work() -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with loop_in_a_thread() as loop:
        caller = asyncio.create_task(run_in_loop(loop, work))
        await asyncio.to_thread(begun.wait)
        assert caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.to_thread(cancelled.wait)


@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_loop_that_stops_half_way_is_noticed(*, is_closed: bool) -> None:
    loop = asyncio.new_event_loop()
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    def serve() -> None:
        loop.run_forever()
        if is_closed:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    while not loop.is_running():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)
    caller = asyncio.create_task(run_in_loop(loop, work))
    await asyncio.to_thread(begun.wait)
    loop.call_soon_threadsafe(loop.stop)
    assert not await caller
    thread.join()
    if not is_closed:
        # The work is cancelled, should the loop run again.
        await asyncio.to_thread(loop.run_until_complete, asyncio.sleep(0))
        assert not asyncio.all_tasks(loop)
        loop.close()


async def test_work_that_has_not_begun_is_given_up() -> None:
    """Otherwise both loops would do it, if the other one runs again."""
    loop, blocked, free = asyncio.new_event_loop(), threading.Event(), threading.Event()

    def block() -> None:
        loop.stop()
        blocked.set()
        free.wait()

    loop.call_soon(block)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    await asyncio.to_thread(blocked.wait)
    caller = asyncio.create_task(run_in_loop(loop, pytest.fail))
    await asyncio.sleep(0)
    free.set()
    assert not await caller
    thread.join()
    await asyncio.to_thread(loop.run_until_complete, asyncio.sleep(0))
    loop.close()
