from __future__ import annotations

import asyncio

import pytest

from propq_async.aio import finish


class Work:
    """Something that goes on until it is let go."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.ended = False
        self._error = error

    async def run(self) -> str:
        self.began.set()
        await self.go.wait()
        self.ended = True
        if self._error is not None:
            raise self._error
        return "done"


async def test_it_returns_what_the_work_returns() -> None:
    work = Work()
    work.go.set()
    assert await finish(work.run()) == "done"
    assert await finish(asyncio.ensure_future(work.run())) == "done"


async def test_it_raises_what_the_work_raises() -> None:
    work = Work(OSError("full"))
    work.go.set()
    with pytest.raises(OSError, match="full"):
        await finish(work.run())


@pytest.mark.parametrize("error", [None, OSError("full")])
@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_caller_leaves_only_when_the_work_has_ended(
    error: OSError | None, times: int
) -> None:
    work = Work(error)
    caller = asyncio.create_task(finish(work.run()))
    await work.began.wait()
    for _ in range(times):
        caller.cancel()
        # Two turns of the loop are enough for a cancellation to come through.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not caller.done()
    assert not work.ended
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.ended
    assert len(asyncio.all_tasks()) == 1


async def test_a_timeout_of_the_caller_remains_a_timeout() -> None:
    work = Work()

    async def caller() -> None:
        async with asyncio.timeout(0):
            await finish(work.run())

    task = asyncio.create_task(caller())
    await work.began.wait()
    work.go.set()
    with pytest.raises(TimeoutError):
        await task
    assert work.ended


@pytest.mark.parametrize("caller_too", [False, True])
async def test_work_that_was_cancelled_is_a_cancellation(*, caller_too: bool) -> None:
    work = Work()
    task = asyncio.create_task(work.run())
    caller = asyncio.create_task(finish(task))
    await work.began.wait()
    if caller_too:
        caller.cancel()
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not work.ended
