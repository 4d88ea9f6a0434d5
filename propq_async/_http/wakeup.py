"""What a task waits for that goes on inside the callback which has the news."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from functools import partial
from operator import attrgetter
from typing import Any


class Wakeup:
    """Futures, one after another, whose task runs within `set_result`.

    With a future alone it runs a turn of the event loop later, and a turn costs as much as all else
    that a call does below HTTP. One task may wait, and `set_result` must be called by the event
    loop and not by a task. It can do what its last future can.
    """

    get_loop = property(attrgetter("_future.get_loop"))
    done = property(attrgetter("_future.done"))
    result = property(attrgetter("_future.result"))
    cancel = property(attrgetter("_future.cancel"))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._create_future = partial(asyncio.Future, loop=loop)
        self._future: asyncio.Future[None] = self._create_future()

    def __await__(self) -> Generator[Any, None, None]:
        return self._future.__await__()

    def renewed(self) -> asyncio.Future[None]:
        """Return the next future, which is to be awaited instead of this object: that is faster."""
        future: asyncio.Future[None] = self._create_future()
        self._future = future
        return future

    def set_result(self, _: None) -> None:
        """Run the task until it waits again."""
        future = self._future
        if future.done():
            return
        # Its interface has no name for what it would call a turn later.
        callbacks = future._callbacks  # noqa: SLF001
        if not callbacks:
            future.set_result(None)
            return
        ((callback, context),) = callbacks
        future.remove_done_callback(callback)
        future.set_result(None)
        context.run(callback, future)
