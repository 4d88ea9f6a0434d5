"""Work that a cancelled caller does not cut in half, and threads for what may hang."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, TypeVar

_T = TypeVar("_T")


async def finish(work: Awaitable[_T], *, patience_seconds: float | None = None) -> _T:
    """Await `work` to its end even if the caller is cancelled, and only then raise that.

    `asyncio.shield` alone keeps the work alive, but leaves it running behind the caller's back.

    Args:
        work: what must run to its end.
        patience_seconds: how long after the beginning a cancelled caller still waits before it
            abandons `work`; `None` for as long as it takes.
    """
    loop = asyncio.get_running_loop()
    future = asyncio.ensure_future(work)
    end = None if patience_seconds is None else loop.time() + patience_seconds
    try:
        await asyncio.wait((future,))
    except asyncio.CancelledError as error:
        cancelled = error
    else:
        return future.result()
    with _shielded_from_anyio():
        while not future.done():
            remaining = None if end is None else end - loop.time()
            if remaining is not None and remaining <= 0:
                break
            try:
                await asyncio.wait((future,), timeout=remaining)
            except asyncio.CancelledError as error:
                cancelled = error
    future.cancel()  # does nothing if it has ended
    future.add_done_callback(seen)  # what the caller gets is the cancellation
    raise cancelled


def _shielded_from_anyio() -> AbstractContextManager[object]:
    """Return a shield from anyio's cancel scopes, which does nothing where there is no anyio.

    A cancelled scope cancels its task again on each turn of the loop, and so keeps the loop busy
    for as long as the task runs outside of a shield.
    """
    # A program that has such a scope has imported anyio.
    anyio = sys.modules.get("anyio")
    scope: AbstractContextManager[object] = (
        nullcontext() if anyio is None else anyio.CancelScope(shield=True)
    )
    return scope


class _DaemonThreads(concurrent.futures.Executor):
    """Runs each job in a thread of its own that does not keep the process alive.

    The loop's own executor is no place for a job that may hang: both `asyncio.run` and the
    interpreter wait for its threads before they end.
    """

    def submit(
        self, job: Callable[..., _T], /, *args: Any, **settings: Any
    ) -> concurrent.futures.Future[_T]:
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()
        # From here on the job runs, even if the future is cancelled.
        future.set_running_or_notify_cancel()
        threading.Thread(
            target=_run,
            args=(partial(job, *args, **settings), future),
            name="propq_async file I/O",
            daemon=True,
        ).start()
        return future


DAEMON_THREADS: Final = _DaemonThreads()


def in_thread(job: Callable[[], _T]) -> asyncio.Future[_T]:
    """Run a job in one of the `DAEMON_THREADS`.

    The result is a future and not a task: the end of the loop cannot cut the job in half.
    """
    return asyncio.get_running_loop().run_in_executor(DAEMON_THREADS, job)


def _run(job: Callable[[], _T], future: concurrent.futures.Future[_T]) -> None:
    try:
        try:
            # In one expression: the result may be a secret, which our frame would show.
            future.set_result(job())
        except BaseException as error:  # noqa: BLE001 - raised where the future is awaited
            future.set_exception(error)
    finally:
        del job, future  # an exception holds this frame, which must not hold the exception


def seen(future: asyncio.Future[Any]) -> None:
    """Mark the exception of a future as retrieved. A callback."""
    if not future.cancelled():
        future.exception()
