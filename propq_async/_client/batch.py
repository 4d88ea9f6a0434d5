"""Many updates, each with exactly one outcome: the consumer's side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Self

from propq_async._process_bound import another_loop
from propq_async._waiting import finish
from propq_async.models import UnitOutcome

from .workers import Workers

_ELSEWHERE: Final = "iterate and close it where its session was entered"


class UnitBatch(Workers):
    """The outcomes of many updates, as they finish; made by `session.units.update_many`.

    An async iterator, and an async context manager that closes itself. The constructor is not
    public. Errors of single updates are outcomes. What makes every further update pointless is
    raised, after all that was in flight has been yielded: refused credentials, a 401 after the
    replay, an outage of the API or of the token endpoint longer than `max_outage_seconds`, or an
    exception of the input, of a clock or of a trace hook.

    Cancelling `anext(batch)`, a timeout included, loses nothing and does not close the batch: the
    next `anext(batch)` returns the next outcome.

    Attributes:
        unfinished: after `aclose`, an outcome for each update that was pulled and not yielded.
        cut_off: the indexes of the outcomes that say nothing about their updates: what ended the
            batch ended these as well.
    """

    def __aiter__(self) -> AsyncIterator[UnitOutcome]:
        return self

    async def __anext__(self) -> UnitOutcome:
        if asyncio.get_running_loop() is not self._loop:
            raise another_loop("batch", _ELSEWHERE)
        if not self._workers and not self._closed:
            self._start_worker()
        while not self._ready and self._working:
            consumer = self._create_future()
            self._consumers[consumer] = None
            try:
                await consumer
            finally:
                # A consumer that gives up again and again must not leave a future each time.
                del self._consumers[consumer]
        # From here on nothing is awaited, so a cancellation cannot lose the outcome.
        if self._ready:
            self._occupied -= 1
            if self._room:
                self._wake_worker()
            return self._ready.popleft()
        self._on_close(self)
        if self._fatal is not None and not self._closed:
            error, self._fatal = self._fatal, None
            raise error
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel and await everything. `unfinished` has what was pulled and not yielded.

        Raises:
            RuntimeError: the batch belongs to another event loop.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise another_loop("batch", _ELSEWHERE)
        here = asyncio.current_task()
        if self._closed:
            # Another task closes it. If the input itself calls this, it runs in a worker, which
            # would wait for its own end.
            if here not in self._workers:
                await self._ended.wait()
            return
        self._closed = True
        self.stop()
        workers = [worker for worker in self._workers if worker is not here]
        for worker in workers:
            worker.cancel()
        try:
            if workers:
                await finish(asyncio.wait(workers))
        finally:
            self.unfinished.extend([*self._ready, *map(self._cut_off, self._open.drain())])
            self.unfinished.sort(key=lambda outcome: outcome.index)
            self._ready.clear()
            self._on_close(self)
            self._wake_consumers()
            self._ended.set()
