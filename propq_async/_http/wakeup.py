"""What a task waits for that goes on inside the callback which has the news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any


class Wakeup:
    """Like a future, but its task runs within `set_result`, and not a turn of the event loop later.

    A turn costs as much as all else that a call does below HTTP. One task may wait, and
    `set_result` must be called by the event loop and not by a task. The interface is the one that
    asyncio asks of whatever a task may wait for (see `asyncio.isfuture`).
    """

    _asyncio_future_blocking: bool | None = False
    _callback: Callable[[Any], object] | None = None
    _context: Context
    _is_done = False
    _cancelled: asyncio.CancelledError | None = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __await__(self) -> Any:
        # An iterator of its own, since a generator would cost twice as much.
        if self._is_done:
            return iter(())
        self._asyncio_future_blocking = True
        return iter((self,))

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the task."""
        return self._loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context) -> None:
        """Take what runs the task."""
        self._callback, self._context = callback, context

    def done(self) -> bool:
        """Return whether there is nothing more to wait for."""
        return self._is_done

    def result(self) -> None:
        """Raise what the task is to be told."""
        if self._cancelled is not None:
            raise self._cancelled

    def cancel(self, msg: object = None) -> bool:
        """Cancel the task in the next turn of the event loop. Returns `False` if it is too late."""
        if self._is_done:
            return False
        self._is_done = True
        self._cancelled = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        if self._callback is not None:
            self._loop.call_soon(self._callback, self, context=self._context)
        return True

    def set_result(self, _: None) -> None:
        """Run the task until it waits again."""
        if not self._is_done:
            self._is_done = True
            if self._callback is not None:
                self._context.run(self._callback, self)
