"""Pushing a plan. The process may be killed at any moment, and another push continues.

    changes ─▶ mark a group ─▶ wait for room ─▶ batch ─▶ outcome ─▶ acknowledge ─▶ room

A change is sent only after the ledger marks it as in doubt. The next one is let in only after the
ledger has the acknowledgement of an earlier one. So at any moment fewer than `concurrency` changes
(one, if it is 1) are sent and not yet noted, and no more are sent twice if the process is killed.

A push that ends otherwise removes the marks of what it has not sent. Marks that a killed process
leaves do no harm: what is in doubt is sent again. It goes last, so that rows over which the server
breaks down keep no other row from being sent, push after push.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Final, Self

from propq_async._client.batch import UnitBatch
from propq_async._client.factory import AsyncPropQ
from propq_async._comparison import alike
from propq_async._process_bound import Unpicklable, another_loop
from propq_async._waiting import finish
from propq_async.config import CONCURRENCY, MAX_OUTAGE_SECONDS
from propq_async.ledger import Ledger, LedgerError, Unit
from propq_async.models import UnitOutcome, UnitUpdate

from ._changes import Change, untried_first
from ._outcomes import PushOutcome, Result, Standing
from ._plan_warning import check_accepted
from ._planning import Plan, check_current

__all__ = ["Push", "push"]

# Few enough for a quick transaction, and many enough to wait for the disk rarely.
MARKED_AT_ONCE: Final = 500
GATHER_SECONDS: Final = 0.01
_ELSEWHERE: Final = "iterate and leave it where it was entered"


def push(
    plan: Plan,
    propq: AsyncPropQ,
    ledger: Ledger,
    *,
    accept: Iterable[str] = (),
    concurrency: int = CONCURRENCY,
    max_outage_seconds: float = MAX_OUTAGE_SECONDS,
) -> Push:
    """Send the changes of a plan, each with an outcome.

    Args:
        plan: the plan.
        propq: the client to send them with.
        ledger: the ledger that the plan was made with; it must be entered.
        accept: the kinds of warnings that somebody has looked at and said yes to, such as
            `{WarningKind.PRICE}` or `"price,missing"`; `"all"` for every kind.
        concurrency: as for `update_many`. Fewer than that are sent twice if the process is killed.
        max_outage_seconds: as for `update_many`.

    Returns:
        An async context manager, and an async iterator of `PushOutcome` in the order in which the
        calls finish. A cancelled `anext`, also by a timeout, loses nothing: call it again.

    Raises:
        UnconfirmedError: the plan has warnings of other kinds. Nothing is sent.
        ConfigurationError: `accept` names a kind that does not exist.
        LedgerBusyError: on entering, if another push uses the ledger.
        ConfigurationError: on entering, if the plan is for another client.
        LedgerError: on entering, if the ledger has changed since the plan was made; on iterating,
            if the ledger can no longer be written. Calls in flight are finished first.
        PropQError: on iterating, whatever ends `update_many`.
    """
    check_accepted(plan.path, plan.warnings, accept)
    return Push(plan, propq, ledger, concurrency, max_outage_seconds)


class Push(Unpicklable):
    """A push, made by `push`.

    Attributes:
        plan: what is pushed.
        standing: how many changes are applied, failed and so on. It is up to date at any moment.
        failures: the outcomes of the changes that are not applied, in the order in which they came.
    """

    def __init__(
        self,
        plan: Plan,
        propq: AsyncPropQ,
        ledger: Ledger,
        concurrency: int,
        max_outage_seconds: float,
    ) -> None:
        self.plan: Plan = plan
        # In the order in which they are sent.
        self._changes = plan.changes
        self._propq = propq
        self._ledger = ledger
        self._concurrency = concurrency
        self._max_outage_seconds = max_outage_seconds
        self.standing: Standing = Standing(len(plan.changes))
        self.failures: list[PushOutcome] = []
        # By the order in which they are sent. One object for each value, however many changes.
        self._results = [Result.NOT_SENT] * len(plan.changes)

        self._stack = AsyncExitStack()
        self._source = self._feed()
        # Set when it is entered.
        self._batch: UnitBatch | None = None
        self._loop: asyncio.AbstractEventLoop
        self._is_stopped = False
        # Handed to the batch and not settled: neither failed nor noted in the ledger.
        self._unsettled = 0
        self._most_unsettled = max(1, concurrency - 1)
        self._handed = 0
        # Up to which change they are marked, and which marks are our own and not an earlier push's.
        self._marked_to = 0
        self._marked: set[Unit] = set()
        self._generations: dict[Unit, int] = {}
        # Handed to the batch, and cut off before a request was made.
        self._unsent: list[UnitUpdate] = []
        self._room = asyncio.Event()
        self._acknowledged: list[UnitUpdate] = []
        self._noting: asyncio.Task[None] | None = None
        self._error: LedgerError | None = None

    async def __aenter__(self) -> Self:
        if self._batch is not None:
            raise RuntimeError("this push was entered before: make another plan and push that")
        async with AsyncExitStack() as stack:
            account, shard = self.plan.account, self.plan.shard
            await stack.enter_async_context(self._ledger.exclusive(account, shard=shard))
            await check_current(self.plan, self._propq, self._ledger)
            self._loop = asyncio.get_running_loop()
            session = await stack.enter_async_context(self._propq.session(ledger=None))
            self._batch = session.units.update_many(
                self._source,
                concurrency=self._concurrency,
                max_outage_seconds=self._max_outage_seconds,
            )
            self._stack = stack.pop_all()
        if self._is_stopped:
            self._batch.stop()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._batch is not None:
            if asyncio.get_running_loop() is not self._loop:
                raise another_loop("push", _ELSEWHERE)
            await finish(self._close(self._batch))

    def __aiter__(self) -> AsyncIterator[PushOutcome]:
        return self

    async def __anext__(self) -> PushOutcome:
        if self._batch is None:
            raise RuntimeError("this push is not entered: use `async with push(...) as outcomes:`")
        if asyncio.get_running_loop() is not self._loop:
            raise another_loop("push", _ELSEWHERE)
        try:
            # Nothing is awaited between this and `_take`, so a cancellation cannot lose an outcome.
            outcome = await anext(self._batch)
        except StopAsyncIteration:
            await self._noted()
            if self._error is None:
                raise
            error, self._error = self._error, None
            raise error from None
        return self._take(outcome, is_cut_off=outcome.index in self._batch.cut_off)

    def stop(self) -> None:
        """Send no further change. Calls in flight are still finished and their outcomes yielded.

        If it is called before the push is entered, nothing is sent at all.
        """
        self._is_stopped = True
        if self._batch is not None:
            self._batch.stop()

    def results(self) -> Iterator[tuple[Change, Result]]:
        """Yield each change with what has become of it so far."""
        return zip(self._changes, self._results, strict=True)

    async def _feed(self) -> AsyncGenerator[UnitUpdate, None]:
        self._changes = await asyncio.to_thread(untried_first, self.plan.changes)
        changes = self._changes
        for start in range(0, len(changes), MARKED_AT_ONCE):
            group = [change.update for change in changes[start : start + MARKED_AT_ONCE]]
            # To its end, also when it is stopped meanwhile: what is marked must be known.
            await finish(self._mark(group))
            for update in group:
                while self._unsettled >= self._most_unsettled:
                    self._room.clear()
                    await self._room.wait()
                self._unsettled += 1
                self._handed += 1
                yield update

    async def _mark(self, group: list[UnitUpdate]) -> None:
        marks = await self._ledger.mark(self.plan.account, group)
        self._marked.update(marks.new)
        units = [(one.development_id, one.name) for one in group]
        self._generations.update(dict.fromkeys(units, marks.generation))
        self._marked_to += len(group)

    def _take(self, outcome: UnitOutcome, *, is_cut_off: bool) -> PushOutcome:
        update = outcome.update
        if is_cut_off and not outcome.attempts:
            self._unsent.append(update)
        else:
            self._marked.discard((update.development_id, update.name))
        taken = PushOutcome(self._changes[outcome.index], outcome, is_cut_off)
        self.standing.count(taken)
        self._results[outcome.index] = taken.result
        if not taken.ok:
            self.failures.append(taken)
        if outcome.ok:
            self._acknowledged.append(update)
            if self._noting is None:
                self._noting = asyncio.create_task(self._note(), name="propq_async push notes")
        else:
            self._settled(1)
        return taken

    async def _note(self) -> None:
        """Write acknowledgements down, as many at once as have come meanwhile."""
        plan = self.plan
        try:
            while self._acknowledged:
                if len(self._acknowledged) < self._concurrency // 4:
                    # A transaction for a few of them costs as much as one for many.
                    await asyncio.sleep(GATHER_SECONDS)
                updates, self._acknowledged = self._acknowledged, []
                generations = {}
                for one in updates:
                    unit = one.development_id, one.name
                    generations[unit] = self._generations.pop(unit)
                await self._ledger.acknowledge(plan.account, updates, plan.source, generations)
                self._settled(len(updates))
        except LedgerError as error:
            # They stay in doubt. Nothing more is sent, since nothing more could be marked.
            self._error = error
            self.stop()
        finally:
            self._noting = None

    def _settled(self, count: int) -> None:
        self._unsettled -= count
        self._room.set()

    async def _noted(self) -> None:
        if self._noting is not None:
            await asyncio.wait((self._noting,))

    async def _close(self, batch: UnitBatch) -> None:
        try:
            await batch.aclose()
            for outcome in batch.unfinished:
                # Nobody sees these: a failure is told by the next push, which sends it again.
                self._take(outcome, is_cut_off=not outcome.ok)
            batch.unfinished.clear()
            await self._source.aclose()
            await self._noted()
            await self._unmark()
        finally:
            await self._stack.aclose()

    async def _unmark(self) -> None:
        """Take back the marks of what was not sent: nothing of it is in doubt."""
        unsent = await asyncio.to_thread(self._certainly_unsent)
        # Only once: later on another push may have set the same marks.
        self._unsent, self._handed = [], self._marked_to
        if unsent:
            # If it fails they are sent again, and that is all.
            with suppress(LedgerError):
                await self._ledger.unmark(self.plan.account, unsent, self._marked)

    def _certainly_unsent(self) -> list[UnitUpdate]:
        if not self._unsent and self._handed == self._marked_to:
            return []
        left = self._changes[self._handed : self._marked_to]
        unsent = self._unsent + [change.update for change in left]
        # Of two whose names may be one to the server, the other one may have been sent.
        count = dict.fromkeys(map(_key, unsent), 0)
        for change in self._changes:
            key = _key(change.update)
            if key in count:
                count[key] += 1
        return [one for one in unsent if count[_key(one)] == 1]


def _key(update: UnitUpdate) -> Unit:
    return update.development_id, alike(update.name)
