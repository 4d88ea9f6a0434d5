"""Many updates, each with exactly one outcome.

A fixed number of workers share one iterator over the input. A worker pulls an update, makes the
call, puts the outcome where the consumer finds it, and pulls the next one as soon as there is room:
at most `concurrency` updates are pulled and not yet yielded. So memory does not grow with the
length of the input, and an input without end works.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any, Final, Protocol, Self, TypeAlias, cast

import attrs

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


@attrs.define(eq=False)
class _Pulled:
    """An update from the moment it is pulled until its outcome is yielded."""

    index: int
    update: UnitUpdate
    began: float
    previous: asyncio.Future[None] | None
    done: asyncio.Future[None]
    progress: Progress = attrs.field(factory=Progress)

    @property
    def key(self) -> _UnitKey:
        # Whether the server's names are case-sensitive is not known: to be on the safe side, two
        # that differ by case are one unit.
        return self.update.development_id, self.update.name.casefold()


class UnitBatch:
    """The outcomes of many updates, as they finish; made by `session.units.update_many`.

    An async iterator, and an async context manager that closes itself. Errors of single updates are
    outcomes. What makes every further update pointless is raised, after all that was in flight has
    been yielded: refused credentials, a 401 after the replay, an outage of the API or of the token
    endpoint longer than `max_outage_seconds`, or an exception of the input.

    Attributes:
        unfinished: after `aclose`, an outcome for each update that was pulled and not yielded.
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
        self._source = _Source(updates)

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
        self._last_of_unit: dict[_UnitKey, asyncio.Future[None]] = {}
        self._ready: deque[UnitOutcome] = deque()
        self._news = asyncio.Event()
        # That it is closed, and nothing of it is left.
        self._ended = asyncio.Event()
        self._room: deque[asyncio.Future[None]] = deque()
        # One to begin with, so that the first row, alone, can be at fault.
        self._credit = 1
        self.unfinished: list[UnitOutcome] = []

    # --- the consumer's side ------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[UnitOutcome]:
        return self

    async def __anext__(self) -> UnitOutcome:
        if not self._started and not self._closed:
            self._start()
        try:
            while not self._ready and self._working:
                self._news.clear()
                await self._news.wait()
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if self._ready:
            self._open -= 1
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
            self._news.set()
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
            self._news.set()

    async def _work(self) -> None:
        while True:
            await self._has_room()
            pulled = None if self._stopped else await self._pull()
            if pulled is None:
                self._open -= 1
                return
            if pulled.previous is not None:
                # Not awaited itself, since that would cancel it with us.
                await asyncio.wait((pulled.previous,))
            try:
                outcome = await self._process(pulled)
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
            self._settle(pulled, outcome)

    async def _has_room(self) -> None:
        while self._open >= self._concurrency and not self._stopped:
            room = asyncio.get_running_loop().create_future()
            self._room.append(room)
            await room
        self._open += 1

    def _wake_worker(self) -> None:
        while self._room:
            room = self._room.popleft()
            if not room.done():
                room.set_result(None)
                return

    async def _pull(self) -> _Pulled | None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self._pulling.add(task)
        try:
            update = await self._source.next()
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
        # What the input yields after it has itself closed the batch is not taken.
        if update is _END or self._closed:
            self.stop()
            return None
        if not isinstance(update, UnitUpdate):
            self._end(TypeError(f"update_many takes UnitUpdate, not {type(update).__name__}"))
            return None
        loop = asyncio.get_running_loop()
        pulled = _Pulled(
            self._count, update, self._monotonic(), previous=None, done=loop.create_future()
        )
        pulled.previous = self._last_of_unit.get(pulled.key)
        self._last_of_unit[pulled.key] = pulled.done
        self._pulled[pulled.index] = pulled
        self._count += 1
        return pulled

    async def _process(self, pulled: _Pulled) -> UnitOutcome:
        try:
            response = await self._make(pulled.update, pulled.progress, self._row)
        except PropQError as error:
            if pulled.progress.is_final or isinstance(error, TokenError | AuthenticationError):
                self._end(error.fresh())
            gave_up = not isinstance(error, APIStatusError) or isinstance(error, ServerError)
            self._credit = self._credit // 2 if gave_up else self._more_credit()
            return self._outcome(pulled, error=error)
        self._credit = self._more_credit()
        return self._outcome(pulled, response=response)

    def _more_credit(self) -> int:
        return min(max(self._concurrency, LEAST_LIMIT_OF_CREDIT), self._credit + 1)

    def _settle(self, pulled: _Pulled, outcome: UnitOutcome) -> None:
        pulled.done.set_result(None)
        if self._last_of_unit.get(pulled.key) is pulled.done:
            del self._last_of_unit[pulled.key]
        del self._pulled[pulled.index]
        self._ready.append(outcome)
        self._news.set()

    def _outcome(
        self,
        pulled: _Pulled,
        *,
        response: dict[str, Any] | None = None,
        error: PropQError | None = None,
    ) -> UnitOutcome:
        return UnitOutcome(
            index=pulled.index,
            update=pulled.update,
            ok=error is None,
            response=response,
            error=error,
            attempts=pulled.progress.counted,
            elapsed_seconds=self._monotonic() - pulled.began,
        )

    def _cut_off(self, pulled: _Pulled) -> UnitOutcome:
        """Return the outcome of an update whose worker was cancelled."""
        progress, call = pulled.progress, self._call(pulled.update)
        error = APIConnectionError(
            "the batch was closed before the update was done"
            + (f"; the last attempt ended in: {progress.error.said}" if progress.error else ""),
            method=call.method,
            url=call.url,
            attempts=progress.counted,
            may_have_been_applied=progress.may_have_been_applied,
        )
        return self._outcome(pulled, error=error)

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


class _Source:
    """One iterator over any iterable, for several workers."""

    def __init__(self, updates: Updates) -> None:
        self._iterator = iter(updates) if isinstance(updates, Iterable) else aiter(updates)
        # An async generator does not allow two calls of anext at once.
        self._turn = asyncio.Lock()

    async def next(self) -> object:
        if not isinstance(self._iterator, AsyncIterator):
            return next(self._iterator, _END)
        async with self._turn:
            return await anext(self._iterator, _END)
