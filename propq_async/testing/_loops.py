"""Work for the event loop of another thread, which may end at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final

import attrs

__all__ = ["run_in_loop"]

_LOOK_SECONDS: Final = 0.05
# `asyncio.run` stops its loop for a moment between the steps of its end, so one look is not enough.
_STOPS: Final = 2


async def run_in_loop(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, None]]
) -> bool:
    """Do the work in another loop; return `False` if that loop ends before the work is done.

    A loop that ends does not announce it: what was scheduled there is cancelled or stays pending.
    So the caller checks from time to time whether the loop still runs.
    """
    if not loop.is_running():
        return False
    job = _Job(loop, work)
    try:
        loop.call_soon_threadsafe(job.begin)
    except RuntimeError:  # it was closed in this very moment
        return False
    done, stops = asyncio.wrap_future(job.outcome), 0
    try:
        while stops < _STOPS:
            await asyncio.wait([done], timeout=_LOOK_SECONDS)
            if done.done():
                done.result()
                return True
            stops = 0 if loop.is_running() else stops + 1
    finally:
        done.cancel()
        job.cancel()
    return False


@attrs.define(eq=False)
class _Job:
    _loop: asyncio.AbstractEventLoop
    _work: Callable[[], Coroutine[Any, Any, None]]
    outcome: Future[None] = attrs.field(factory=Future, init=False)
    _coroutine: Coroutine[Any, Any, None] = attrs.field(init=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def begin(self) -> None:
        # A caller that no longer waits has cancelled the outcome.
        if self.outcome.set_running_or_notify_cancel():
            self._coroutine = self._work()
            self._task = self._loop.create_task(self._coroutine)
            self._task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return  # by the end of the loop, which the caller will notice
        error = task.exception()
        if error is None:
            self.outcome.set_result(None)
        else:
            self.outcome.set_exception(error)

    def cancel(self) -> None:
        if self._task is not None and not self._task.done():
            try:
                self._loop.call_soon_threadsafe(self._task.cancel)
            except RuntimeError:  # the loop is closed, with the task still pending
                self._coroutine.close()
