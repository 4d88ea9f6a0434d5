from __future__ import annotations

import asyncio
import copy
import pickle
import sys
import threading
from typing import Any

import anyio
import pytest

from propq_async import AsyncPropQ, Credentials, MemoryTokenStore
from propq_async._process_bound import another_loop
from propq_async._waiting import finish, in_thread
from propq_async.ledger import Ledger


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


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
async def test_what_belongs_to_its_process_says_so_when_pickled(protocol: int) -> None:
    propq = AsyncPropQ(Credentials(1, "the-secret"), token_store=None)
    async with propq, propq.session() as session, session.units.update_many([]) as batch:
        ledger, store = Ledger("ledger.sqlite3"), MemoryTokenStore()
        for it in (propq, propq.tokens, session, session.units, batch, ledger, store):
            name = type(it).__name__
            with pytest.raises(TypeError, match=f"^a {name} cannot .* make another {name} there$"):
                pickle.dumps({"job": it}, protocol)
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                copy.deepcopy(it)


def test_what_belongs_to_another_loop_says_what_to_do() -> None:
    error = another_loop("batch", "make one in each loop")
    assert str(error) == "this batch belongs to another event loop: make one in each loop"


class Counting(asyncio.Task[Any]):
    """A task that counts how often it is cancelled."""

    cancellations = 0

    def cancel(self, msg: Any = None) -> bool:
        self.cancellations += 1
        return super().cancel(msg)


async def test_a_cancelled_scope_of_anyio_cancels_it_once() -> None:
    """anyio cancels again on each turn of the loop, so that the loop would never be idle."""
    work, scope = Work(), anyio.CancelScope()
    left = []

    async def caller() -> None:
        with scope:
            await finish(work.run())
            left.append("with a result")
        left.append("the scope")

    task = Counting(caller(), loop=asyncio.get_running_loop())
    await work.began.wait()
    scope.cancel()
    for _ in range(100):
        await asyncio.sleep(0)
    assert task.cancellations == 1
    work.go.set()
    await task
    assert work.ended
    assert scope.cancelled_caught
    assert left == ["the scope"]


async def test_a_task_cancelled_behind_the_shield_waits_all_the_same() -> None:
    work = Work()

    async def caller() -> None:
        async with anyio.create_task_group() as group:
            group.cancel_scope.cancel()
            await finish(work.run())

    task = asyncio.create_task(caller())
    await work.began.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended


async def test_without_anyio_there_is_no_shield(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "anyio")
    work = Work()
    caller = asyncio.create_task(finish(work.run()))
    await work.began.wait()
    caller.cancel()
    await asyncio.sleep(0)
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert work.ended
    assert "anyio" not in sys.modules


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_cancelled_caller_abandons_work_that_hangs(*, is_late: bool) -> None:
    """The time counts from the beginning, and the caller that was not cancelled waits on."""
    hang = threading.Event()
    patience_seconds = 0.0 if is_late else 0.05
    caller = asyncio.create_task(finish(in_thread(hang.wait), patience_seconds=patience_seconds))
    await asyncio.sleep(0)
    assert not caller.done()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert not hang.is_set()
    hang.set()


async def test_abandoned_work_is_cancelled() -> None:
    work = Work()
    task = asyncio.create_task(work.run())
    caller = asyncio.create_task(finish(task, patience_seconds=0.0))
    await work.began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_job_runs_though_its_future_is_cancelled() -> None:
    go, ended = threading.Event(), threading.Event()

    def job() -> None:
        go.wait()
        ended.set()

    future = in_thread(job)
    assert future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    go.set()
    assert await in_thread(lambda: ended.wait(10))


async def test_a_job_in_a_thread_returns_or_raises() -> None:
    """And its thread keeps no process alive."""
    thread = await in_thread(threading.current_thread)
    assert thread is not threading.current_thread()
    assert thread.daemon
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 / 0)


def test_a_job_that_outlives_its_loop_ends_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    go = threading.Event()
    threads: list[threading.Thread] = []

    def job() -> None:
        threads.append(threading.current_thread())
        began.set()
        go.wait()

    async def main() -> None:
        in_thread(job)

    began = threading.Event()
    asyncio.run(main())
    began.wait()
    go.set()
    threads[0].join()
    assert caplog.records == []
