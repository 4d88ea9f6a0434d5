"""The input of a batch: updates, pulled one at a time from an iterable or async iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias, cast

from propq_async.models import UnitUpdate

Updates: TypeAlias = Iterable[UnitUpdate] | AsyncIterable[UnitUpdate]

END: Final = object()


class Input:
    """What the workers of a batch pull from. What the caller's iterator raises is raised here."""

    def __init__(self, updates: Updates) -> None:
        self.is_async = not isinstance(updates, Iterable)
        self._iterator = iter(updates) if isinstance(updates, Iterable) else aiter(updates)
        # Returns the next update of an iterator, or `END`.
        self.take = partial(next, cast("Iterator[object]", self._iterator), END)
        # An async generator does not allow two calls of anext at once.
        self._turn = asyncio.Lock()
        self._pulling: set[asyncio.Task[Any] | None] = set()

    @property
    def is_being_pulled(self) -> bool:
        """Return whether a worker waits for the next update."""
        return bool(self._pulling)

    async def pull(self) -> object:
        """Return the next update of an async iterator, or `END`."""
        task = asyncio.current_task()
        self._pulling.add(task)
        try:
            async with self._turn:
                return await anext(cast("AsyncIterator[UnitUpdate]", self._iterator), END)
        finally:
            self._pulling.discard(task)

    def interrupt(self) -> None:
        """Cancel the workers that wait for the next update."""
        here = asyncio.current_task()
        for worker in self._pulling:
            # If the input itself asks for this, what it yields next must not be lost.
            if worker is not None and worker is not here:
                worker.cancel()
