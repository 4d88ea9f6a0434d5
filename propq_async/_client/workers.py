"""The workers of a batch, which make its calls.

Up to `concurrency` workers share one input. A worker pulls an update, makes the call, puts the
outcome where the consumer finds it, and pulls the next update as soon as there is room: at most
`concurrency` updates are pulled and not yet yielded. So memory does not grow with the length of the
input, and an input without end works.

A worker that has pulled an update starts the next worker if no other one is free to pull. So there
is always a worker to pull, and a short input starts few of them.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias, cast

from propq_async._http.wakeup import Wakeup
from propq_async._process_bound import Unpicklable
from propq_async._wire.messages import Call
from propq_async.clock import Clock
from propq_async.errors import (
    AuthenticationError,
    ConfigurationError,
    LedgerError,
    PropQError,
    TokenError,
)
from propq_async.models import UnitOutcome, UnitUpdate

from .call_spec import BatchRow
from .open_rows import Credit, OpenRows, PulledRow
from .updates import END, Input, Updates

MakeUpdate: TypeAlias = Callable[[UnitUpdate, PulledRow], Coroutine[Any, Any, dict[str, Any]]]


class Workers(Unpicklable):
    """What pulls the updates of a batch, makes their calls, and has their outcomes ready."""

    def __init__(
        self,
        updates: Updates,
        *,
        make: MakeUpdate,
        call: Callable[[UnitUpdate], Call],
        concurrency: int,
        max_outage_seconds: float,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        on_close: Callable[[Any], None],
    ) -> None:
        self._make = make
        self._call = call
        self._concurrency = concurrency
        self._monotonic = clock.monotonic
        self._time = 0.0
        self._loop = loop
        self._create_future: Callable[[], asyncio.Future[None]] = partial(asyncio.Future, loop=loop)
        self._on_close = on_close
        self._input = Input(updates)

        self._workers: list[asyncio.Task[None]] = []
        self._working = 0
        self._stopped = False
        self._closed = False
        self._fatal: BaseException | None = None

        # Pulled and not yet yielded: the open rows, those that are being pulled, and `_ready`.
        self._occupied = 0
        self._open = OpenRows()
        self._credit = Credit(concurrency)
        self._terms = BatchRow(max_outage_seconds, self._is_suspect)
        self._ready: deque[UnitOutcome] = deque()
        self._consumers: dict[asyncio.Future[None], None] = {}
        self._room: deque[asyncio.Future[None]] = deque()
        # What has run the worker that had the last outcome.
        self._wakeup: Wakeup | None = None
        # It is closed, and nothing is left running.
        self._ended = asyncio.Event()
        self.unfinished: list[UnitOutcome] = []
        # They were under way at the end, so there are not many.
        self.cut_off: set[int] = set()

    def stop(self) -> None:
        """Pull no more. What is in flight is still finished and yielded."""
        self._stopped = True
        while self._room:
            self._wake_worker()
        self._input.interrupt()

    def _start_worker(self) -> None:
        name = f"propq_async batch worker {len(self._workers)}"
        worker = self._loop.create_task(self._work(), name=name)
        worker.add_done_callback(self._worker_ended)
        self._workers.append(worker)
        self._working += 1

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._working -= 1
        # Only a bug gets here, and it must not look like the end of the input.
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._end(error)
        if not self._working:
            self._wake_consumers()

    async def _work(self) -> None:  # noqa: C901 - as its docstring says
        """Pull updates and make their calls, in one piece since every row pays for it."""
        is_async, rows, credit, make = self._input.is_async, self._open, self._credit, self._make
        while True:
            while self._occupied >= self._concurrency and not self._stopped:
                room = self._create_future()
                self._room.append(room)
                await room
            self._occupied += 1
            row = None
            if not self._stopped:
                row = await self._pull() if is_async else self._take()
            if row is None:
                self._occupied -= 1
                return
            if len(self._workers) < self._concurrency and not (
                self._room or self._input.is_being_pulled
            ):
                self._start_worker()
            if row.previous is not None:
                await self._wait_for(row.previous)
                row.previous = None
            try:
                response = await make(row.update, row)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised at the end
                outcome = self._failed(row, error)
            else:
                credit.earn()
                outcome = row.success(response, self._now())
            is_alone = rows.settle(row)
            self._ready.append(outcome)
            if self._consumers:
                # With others under way, a consumer takes several outcomes in one turn.
                self._wakeup = row.wakeup if is_alone else None
                # One of them makes room before it is this worker's turn again.
                if not self._wake_consumers():
                    await asyncio.sleep(0)

    def _wake_worker(self) -> None:
        while self._room:
            room = self._room.popleft()
            if not room.done():
                if self._wakeup is None or not self._wakeup.follow(room):
                    room.set_result(None)
                return

    def _wake_consumers(self) -> bool:
        """Return whether the consumer runs in this very callback, when its worker waits.

        That saves a turn of the event loop.
        """
        follows = False
        for consumer in self._consumers:
            if not consumer.done():
                follows = self._wakeup is not None and self._wakeup.follow(consumer)
                if not follows:
                    consumer.set_result(None)
        return follows

    def _take(self) -> PulledRow | None:
        """Pull the next update from an iterator."""
        try:
            update = self._input.take()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised at the end
            self._end(error)
            return None
        return self._admit(update)

    async def _pull(self) -> PulledRow | None:
        """Pull the next update from an async iterator."""
        try:
            update = await self._input.pull()
        except asyncio.CancelledError as error:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            if not task.cancelling():
                # Not ours: the input itself awaited something that was cancelled.
                self._end(error)
                return None
            if self._closed or not self._stopped:
                raise
            # By stop(): an input that never goes on must not keep the batch from its end.
            task.uncancel()
            return None
        except Exception as error:  # noqa: BLE001 - of the caller's iterator: raised at the end
            self._end(error)
            return None
        return self._admit(update)

    def _admit(self, update: object) -> PulledRow | None:
        # What the input yields after it has itself closed the batch is not taken.
        if update is END or self._closed:
            self.stop()
            return None
        if not isinstance(update, UnitUpdate):
            self._end(TypeError(f"update_many takes UnitUpdate, not {type(update).__name__}"))
            return None
        return self._open.admit(update, self._now(), self._terms)

    async def _wait_for(self, row: PulledRow) -> None:
        # No other row waits for this one: a later row of the unit waits for ours.
        row.done = self._loop.create_future()
        # Not awaited itself, since that would cancel it with us.
        await asyncio.wait((row.done,))

    def _failed(self, row: PulledRow, error: BaseException) -> UnitOutcome:
        """Return the outcome of a row. Raises a cancellation of this worker."""
        if isinstance(error, PropQError):
            if row.is_final or isinstance(
                error, TokenError | AuthenticationError | ConfigurationError | LedgerError
            ):
                self.cut_off.add(row.index)
                # A copy: what is added to the error of the outcome must not show in what is raised.
                self._end(copy.deepcopy(error))
            self._credit.note(error)
            return row.failure(error, self._now())
        # Of a clock or a trace hook, or a bug: raised at the end.
        if isinstance(error, asyncio.CancelledError):
            if cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                raise error
            what = "a trace hook, or a token store, awaited something that was cancelled"
            error = RuntimeError(what)
        self._end(error)
        return self._cut_off(row)

    def _cut_off(self, row: PulledRow) -> UnitOutcome:
        """Return the outcome of a row that the end of the batch ended as well."""
        self.cut_off.add(row.index)
        return row.cut_off(self._call(row.update), self._now())

    def _end(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
        self.stop()

    def _now(self) -> float:
        """Return the time. A clock that raises ends the batch, but no row loses its outcome."""
        try:
            self._time = self._monotonic()
        except Exception as error:  # noqa: BLE001 - of the caller's clock: raised at the end
            self._end(error)
        return self._time

    def _is_suspect(self) -> bool:
        return self._credit.covers(len(self._open))
