"""What asyncio itself has no word for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["finish"]

_T = TypeVar("_T")


async def finish(work: Awaitable[_T]) -> _T:
    """Await `work` to its end even if the caller is cancelled meanwhile, then let the caller be.

    `asyncio.shield` alone keeps the work alive, but leaves it running behind the caller's back.

    Returns what `work` returns, or raises what it raises; a cancellation of the caller is raised
    after `work` has ended.
    """
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait((future,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # seen: the cancellation goes first
        raise cancelled
    return future.result()
