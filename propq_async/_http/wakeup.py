"""What a task waits for that goes on inside the callback which has the news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from functools import partial
from operator import attrgetter
from typing import Any, Final

# The consumer of a batch, and the worker whose next row it has made room for.
MOST_FOLLOWERS: Final = 2


class Wakeup:
    """Futures, one after another, whose task runs within `set_result`.

    With a future alone it runs a turn of the event loop later, and a turn costs as much as all else
    that a call does below HTTP. One task may wait, and `set_result` must be called by the event
    loop and not by a task. It can do what its last future can.

    So few tasks may follow it in one callback, since others wait for the event loop.
    """

    get_loop: Any = property(attrgetter("_future.get_loop"))
    done: Any = property(attrgetter("_future.done"))
    result: Any = property(attrgetter("_future.result"))
    cancel: Any = property(attrgetter("_future.cancel"))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._create_future: Callable[[], asyncio.Future[None]] = partial(asyncio.Future, loop=loop)
        self._future: asyncio.Future[None] = self._create_future()
        self._may_follow = False
        self._follower: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[Any, None, None]:
        return self._future.__await__()

    def renewed(self) -> asyncio.Future[None]:
        """Return the next future, which is to be awaited instead of this object: that is faster."""
        create_future = self._create_future  # a variable, since to call an attribute takes longer
        self._future = future = create_future()
        return future

    def set_result(self, _: None) -> None:
        """Run the task until it waits again, and then what is to follow."""
        future, left = self._future, MOST_FOLLOWERS
        while not future.done():
            # Its interface has no name for what it would call a turn later.
            callbacks = future._callbacks  # noqa: SLF001
            if not callbacks:
                future.set_result(None)
                return
            ((callback, context),) = callbacks
            future.remove_done_callback(callback)
            future.set_result(None)
            self._may_follow = left > 0
            try:
                context.run(callback, future)
            finally:
                self._may_follow = False
            if self._follower is None:
                return
            future, self._follower = self._follower, None
            left -= 1

    def follow(self, waiter: asyncio.Future[None]) -> bool:
        """Run the task that waits for this as soon as the one that runs now waits.

        Returns:
            `False` if it cannot be, since no `set_result` is under way, or enough have followed it.
        """
        if self._may_follow and self._follower is None:
            self._follower = waiter
            return True
        return False
