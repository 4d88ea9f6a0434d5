"""Many updates, each with exactly one outcome.

A fixed number of workers share one iterator over the input. A worker pulls an update, makes the
call, puts the outcome where the consumer finds it, and pulls the next one as soon as there is room:
at most `concurrency` updates are pulled and not yet yielded. So memory does not grow with the
length of the input, and an input without end works.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final, Protocol, Self, TypeAlias, cast

from .aio import finish
from .calls import Progress, Row
from .config import Clock
from .errors import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    PropQError,
    ServerError,
    TokenError,
)
from .models import UnitOutcome, UnitUpdate
from .wire import Call

__all__ = ["MakeUpdate", "UnitBatch", "Updates"]

Updates: TypeAlias = Iterable[UnitUpdate] | AsyncIterable[UnitUpdate]


class MakeUpdate(Protocol):
    """How a batch makes one update."""

    async def __call__(self, update: UnitUpdate, progress: Progress, row: Row) -> dict[str, Any]:
        """Return what the server sent."""
        ...


_UnitKey: TypeAlias = tuple[str, str]
_END: Final = object()
LEAST_LIMIT_OF_CREDIT: Final = 16


class _Pulled(Progress):
    """An update from the moment it is pulled until its outcome is yielded.

    `previous`: the one of the same unit before it, as long as that has no outcome. `done`: for
    the next one of the same unit, if it waits already.
    """

    previous: _Pulled | None = None
    done: asyncio.Future[None] | None = None

    def __init__(self, index: int, update: UnitUpdate, key: _UnitKey, began: float) -> None:
        self.index = index
        self.update = update
        self.key = key
        self.began = began


class UnitBatch:
    """The outcomes of many updates, as they finish; made by `session.units.update_many`.

    An async iterator, and an async context manager that closes itself. Errors of single updates are
    outcomes. What makes every further update pointless is raised, after all that was in flight has
    been yielded: refused credentials, a 401 after the replay, an outage of the API or of the token
    endpoint longer than `max_outage_seconds`, or an exception of the input.

    Attributes:
        unfinished: after `aclose`, an outcome for each update that was pulled and not yielded.
        cut_off: the indexes of the outcomes that say nothing of their updates: what ended the batch
            ended these as well.
    """

    def __init__(
        self,
        updates: Updates,
        *,
        make: MakeUpdate,
        call: Callable[[UnitUpdate], Call],
        concurrency: int,
        max_outage_seconds: float,
        clock: Clock,
        on_close: Callable[[UnitBatch], None],
    ) -> None:
        self._make = make
        self._call = call
        self._concurrency = concurrency
        self._monotonic = clock.monotonic
        self._row = Row(max_outage_seconds, self._is_suspect)
        self._on_close = on_close
        self._iterator = iter(updates) if isinstance(updates, Iterable) else aiter(updates)
        # An async generator does not allow two calls of anext at once.
        self._turn = asyncio.Lock()

        self._workers: list[asyncio.Task[None]] = []
        self._pulling: set[asyncio.Task[Any]] = set()
        self._working = 0
        self._started = False
        self._stopped = False
        self._closed = False
        self._fatal: BaseException | None = None

        self._count = 0
        self._open = 0
        self._pulled: dict[int, _Pulled] = {}
        self._last_of_unit: dict[_UnitKey, _Pulled] = {}
        self._ready: deque[UnitOutcome] = deque()
        self._consumers: list[asyncio.Future[None]] = []
        # That it is closed, and nothing of it is left.
        self._ended = asyncio.Event()
        self._room: deque[asyncio.Future[None]] = deque()
        # One to begin with, so that the first row, alone, can be at fault.
        self._credit = 1
        self._most_credit = max(concurrency, LEAST_LIMIT_OF_CREDIT)
        self.unfinished: list[UnitOutcome] = []
        # They are those that were under way at the end, so there are not many.
        self.cut_off: set[int] = set()

    # --- the consumer's side ------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[UnitOutcome]:
        return self

    async def __anext__(self) -> UnitOutcome:
        if not self._started and not self._closed:
            self._start()
        try:
            while not self._ready and self._working:
                consumer = asyncio.get_running_loop().create_future()
                self._consumers.append(consumer)
                await consumer
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if self._ready:
            self._open -= 1
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

    def stop(self) -> None:
        """Pull no more. What is in flight is still finished and yielded."""
        self._stopped = True
        while self._room:
            self._wake_worker()
        here = asyncio.current_task()
        for worker in self._pulling:
            # Not if the input itself calls this: what it yields next would be lost.
            if worker is not here:
                worker.cancel()

    async def aclose(self) -> None:
        """Cancel and await everything. `unfinished` has what was pulled and not yielded."""
        here = asyncio.current_task()
        if self._closed:
            # Somebody else is at it. The input itself may call this, from a worker that would wait
            # for its own end.
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
            self.unfinished = [*self._ready, *map(self._cut_off, self._pulled.values())]
            self.unfinished.sort(key=lambda outcome: outcome.index)
            self._ready.clear()
            self._pulled.clear()
            self._on_close(self)
            self._wake_consumers()
            self._ended.set()

    # --- the workers' side --------------------------------------------------------------------

    def _start(self) -> None:
        self._started = True
        self._working = self._concurrency
        loop = asyncio.get_running_loop()
        for number in range(self._concurrency):
            worker = loop.create_task(self._work(), name=f"propq_async batch worker {number}")
            worker.add_done_callback(self._worker_ended)
            self._workers.append(worker)

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._working -= 1
        # Only a bug gets here, and it must not look like the end of the input.
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._fatal = self._fatal or error
            self.stop()
        if not self._working:
            self._wake_consumers()

    # Much is written out here that could be a coroutine or an object of its own: they are paid for
    # by each row.
    async def _work(self) -> None:  # noqa: C901
        is_async = isinstance(self._iterator, AsyncIterator)
        while True:
            while self._open >= self._concurrency and not self._stopped:
                room = asyncio.get_running_loop().create_future()
                self._room.append(room)
                await room
            self._open += 1
            pulled = None
            if not self._stopped:
                pulled = await self._pull() if is_async else self._take()
            if pulled is None:
                self._open -= 1
                return
            if pulled.previous is not None:
                await self._wait_for(pulled.previous)
                pulled.previous = None
            try:
                response = await self._make(pulled.update, pulled, self._row)
            except PropQError as error:
                outcome = self._failed(pulled, error)
            except (Exception, asyncio.CancelledError) as error:
                # Of a trace hook, or a bug: raised at the end.
                if isinstance(error, asyncio.CancelledError):
                    if cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                        raise
                    what = "a trace hook, or a token store, awaited something that was cancelled"
                    self._end(RuntimeError(what))
                else:
                    self._end(error)
                outcome = self._cut_off(pulled)
            else:
                if self._credit < self._most_credit:
                    self._credit += 1
                took = self._monotonic() - pulled.began
                attempts = pulled.attempts or pulled.counted
                outcome = UnitOutcome(
                    *(pulled.index, pulled.update, True, response, None, attempts, took)
                )
            self._settle(pulled, outcome)

    def _wake_worker(self) -> None:
        while self._room:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)
                return

    def _wake_consumers(self) -> None:
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            if not consumer.done():
                consumer.set_result(None)

    def _take(self) -> _Pulled | None:
        """Pull the next update from an iterator."""
        try:
            update = next(cast("Iterator[UnitUpdate]", self._iterator), _END)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised at the end
            self._end(error)
            return None
        return self._admit(update)

    async def _pull(self) -> _Pulled | None:
        """Pull the next update from an async iterator."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self._pulling.add(task)
        try:
            async with self._turn:
                update = await anext(cast("AsyncIterator[UnitUpdate]", self._iterator), _END)
        except asyncio.CancelledError as error:
            if not task.cancelling():
                # Not ours: the input itself awaited something that was cancelled.
                self._end(error)
                return None
            if self._closed or not self._stopped:
                raise
            # By stop(): an input that never goes on must not keep the batch from its end.
            task.uncancel()
            return None
        except Exception as error:  # noqa: BLE001 - of the user's iterator: raised at the end
            self._end(error)
            return None
        finally:
            self._pulling.discard(task)
        return self._admit(update)

    def _admit(self, update: object) -> _Pulled | None:
        # What the input yields after it has itself closed the batch is not taken.
        if update is _END or self._closed:
            self.stop()
            return None
        if not isinstance(update, UnitUpdate):
            self._end(TypeError(f"update_many takes UnitUpdate, not {type(update).__name__}"))
            return None
        # Whether the server's names are case-sensitive is not known: to be on the safe side, two
        # that differ by case are one unit.
        key = update.development_id, update.name.casefold()
        index = self._count
        pulled = self._pulled[index] = _Pulled(index, update, key, self._monotonic())
        if key in self._last_of_unit:
            pulled.previous = self._last_of_unit[key]
        self._last_of_unit[key] = pulled
        self._count = index + 1
        return pulled

    @staticmethod
    async def _wait_for(pulled: _Pulled) -> None:
        # Nobody else waits for this one: whoever came later waits for us.
        pulled.done = asyncio.get_running_loop().create_future()
        # Not awaited itself, since that would cancel it with us.
        await asyncio.wait((pulled.done,))

    def _failed(self, pulled: _Pulled, error: PropQError) -> UnitOutcome:
        if pulled.is_final or isinstance(error, TokenError | AuthenticationError):
            self.cut_off.add(pulled.index)
            self._end(error.fresh())
        if not isinstance(error, APIStatusError) or isinstance(error, ServerError):
            self._credit //= 2
        else:
            self._credit = min(self._most_credit, self._credit + 1)
        return self._failure(pulled, error)

    def _settle(self, pulled: _Pulled, outcome: UnitOutcome) -> None:
        if pulled.done is not None:
            pulled.done.set_result(None)
        if self._last_of_unit[pulled.key] is pulled:
            del self._last_of_unit[pulled.key]
        del self._pulled[pulled.index]
        self._ready.append(outcome)
        if self._consumers:
            self._wake_consumers()

    def _failure(self, pulled: _Pulled, error: PropQError) -> UnitOutcome:
        return UnitOutcome(
            index=pulled.index,
            update=pulled.update,
            ok=False,
            response=None,
            error=error,
            attempts=pulled.counted,
            elapsed_seconds=self._monotonic() - pulled.began,
        )

    def _cut_off(self, pulled: _Pulled) -> UnitOutcome:
        """Return the outcome of an update whose worker was cancelled."""
        self.cut_off.add(pulled.index)
        call = self._call(pulled.update)
        error = APIConnectionError(
            "the batch was closed before the update was done"
            + (f"; the last attempt ended in: {pulled.error.said}" if pulled.error else ""),
            method=call.method,
            url=call.url,
            attempts=pulled.counted,
            may_have_been_applied=pulled.may_have_been_applied,
        )
        return self._failure(pulled, error)

    def _end(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
        self.stop()

    def _is_suspect(self) -> bool:
        """Return whether a lone row that fails is more likely to blame than the server.

        It is, as long as more rows got through than are still to be finished. That credit is
        bounded, and each row that is given up halves it, so that an outage uses it up soon.
        """
        return self._credit >= len(self._pulled)
