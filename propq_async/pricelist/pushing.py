"""Pushing a plan, so that it can be killed at any moment and go on where it stood.

    changes ─▶ mark a group ─▶ wait for room ─▶ batch ─▶ outcome ─▶ acknowledge ─▶ room

A change is sent only after it is marked in doubt in the ledger, and its place is given to another
one only after its acknowledgement is in the ledger. So fewer than `concurrency` changes have been
sent and are not yet noted (one, if it is 1): that is how many are sent twice if the process is
killed.

When a push ends otherwise, the marks of what was not sent are taken back. A kill before that leaves
them, and they do no harm: what is in doubt is sent again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

import attrs

from propq_async.aio import finish
from propq_async.errors import PropQError
from propq_async.ledger import Ledger, LedgerError, Unit, alike
from propq_async.models import UnitOutcome, UnitUpdate

from .planning import Change, Plan

if TYPE_CHECKING:
    from propq_async.batch import UnitBatch
    from propq_async.client import AsyncPropQ

__all__ = ["Push", "PushOutcome", "Standing", "push"]

# Few enough to be marked in no time, and many enough to wait for the disk seldom.
MARKED_AT_ONCE: Final = 500
GATHER_SECONDS: Final = 0.01


@attrs.frozen(eq=False)
class PushOutcome:
    """What became of a change.

    Args:
        change: the change, with its row.
        outcome: what the batch says of it.
        is_cut_off: whether it says nothing of the row: credentials, an outage, or the end of the
            push cut it off. There is nothing to mend in it, and the next push sends it again.
    """

    change: Change
    outcome: UnitOutcome
    is_cut_off: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the server acknowledged it."""
        return self.outcome.ok

    @property
    def is_failure(self) -> bool:
        """Return whether it is the row that failed, and not what ended the push."""
        return not self.outcome.ok and not self.is_cut_off

    @property
    def error(self) -> PropQError | None:
        """Return why it failed, `None` if it did not."""
        return self.outcome.error


@attrs.define
class Standing:
    """Where a push stands.

    Args:
        total: how many changes there are.
        applied: how many the server acknowledged.
        failed: how many ended in an error.
        unsure: how many of those may have been applied.
        cut_off: how many were under way when the push was closed, or when credentials or an outage
            ended it. They are no failures.
        cut_off_unsure: how many of those may have been applied.
    """

    total: int
    applied: int = 0
    failed: int = 0
    unsure: int = 0
    cut_off: int = 0
    cut_off_unsure: int = 0

    @property
    def done(self) -> int:
        """Return how many have an outcome."""
        return self.applied + self.failed

    @property
    def not_sent(self) -> int:
        """Return how many have not been sent yet, or are under way."""
        return self.total - self.done - self.cut_off


def push(
    plan: Plan,
    propq: AsyncPropQ,
    ledger: Ledger,
    *,
    concurrency: int = 100,
    max_outage_seconds: float = 300.0,
) -> Push:
    """Send the changes of a plan, each with an outcome.

    Args:
        plan: the plan.
        propq: the client to send them with.
        ledger: the ledger that the plan was made with; it must be entered.
        concurrency: as for `update_many`. Fewer than that are sent twice if the process is killed.
        max_outage_seconds: as for `update_many`.

    Returns:
        An async context manager, and an async iterator of `PushOutcome` in the order in which they
        finish. What ends `update_many` ends it, and so does a `LedgerError`, each after what is in
        flight is finished. Entering it raises `LedgerBusyError` if another push is at work with
        the ledger, and `LedgerError` if the ledger is not as it was when the plan was made.
    """
    return Push(plan, propq, ledger, concurrency, max_outage_seconds)


class Push:
    """A push; made by `push`.

    Attributes:
        standing: where it stands.
    """

    def __init__(
        self,
        plan: Plan,
        propq: AsyncPropQ,
        ledger: Ledger,
        concurrency: int,
        max_outage_seconds: float,
    ) -> None:
        self._plan = plan
        self._propq = propq
        self._ledger = ledger
        self._concurrency = concurrency
        self._max_outage_seconds = max_outage_seconds
        self.standing = Standing(len(plan.changes))

        self._stack = AsyncExitStack()
        self._source = self._feed()
        self._batch: UnitBatch | None = None
        self._is_stopped = False
        # Handed to the batch and not settled: neither failed nor noted in the ledger.
        self._unsettled = 0
        self._most_unsettled = max(1, concurrency - 1)
        self._handed = 0
        # Up to which change they are marked, and which marks are our own and not an earlier push's.
        self._marked_to = 0
        self._marked: set[Unit] = set()
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
            await stack.enter_async_context(self._ledger.exclusive())
            if await self._ledger.generation() != self._plan.generation:
                raise LedgerError(
                    f"the ledger {self._ledger.path} has changed since the plan was made: make "
                    "another plan"
                )
            session = await stack.enter_async_context(self._propq.session())
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
        await finish(self._close())

    def __aiter__(self) -> AsyncIterator[PushOutcome]:
        return self

    async def __anext__(self) -> PushOutcome:
        if self._batch is None:
            raise RuntimeError("this push is not entered: use `async with push(...) as outcomes:`")
        try:
            outcome = await anext(self._batch)
        except StopAsyncIteration:
            await self._noted()
            if self._error is None:
                raise
            error, self._error = self._error, None
            raise error from None
        return self._take(outcome, is_cut_off=outcome.index in self._batch.cut_off)

    def stop(self) -> None:
        """Send no more. What is in flight is still finished and yielded.

        Called before the push is entered, it lets nothing be sent at all.
        """
        self._is_stopped = True
        if self._batch is not None:
            self._batch.stop()

    async def _feed(self) -> AsyncGenerator[UnitUpdate, None]:
        changes = self._plan.changes
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
        self._marked.update(await self._ledger.mark(self._plan.account, group))
        self._marked_to += len(group)

    def _take(self, outcome: UnitOutcome, *, is_cut_off: bool) -> PushOutcome:
        update = outcome.update
        if is_cut_off and not outcome.attempts:
            self._unsent.append(update)
        else:
            self._marked.discard((update.development_id, update.name))
        if outcome.ok:
            self.standing.applied += 1
            self._acknowledged.append(update)
            if self._noting is None:
                self._noting = asyncio.create_task(self._note(), name="propq_async push notes")
        else:
            self._settled(1)
            if is_cut_off:
                self.standing.cut_off += 1
                self.standing.cut_off_unsure += _is_unsure(outcome)
            else:
                self.standing.failed += 1
                self.standing.unsure += _is_unsure(outcome)
        return PushOutcome(self._plan.changes[outcome.index], outcome, is_cut_off)

    async def _note(self) -> None:
        """Write acknowledgements down, as many at once as have come meanwhile."""
        plan = self._plan
        try:
            while self._acknowledged:
                if len(self._acknowledged) < self._concurrency // 4:
                    # A transaction for a few of them costs as much as one for many.
                    await asyncio.sleep(GATHER_SECONDS)
                updates, self._acknowledged = self._acknowledged, []
                await self._ledger.acknowledge(plan.account, updates, plan.source)
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

    async def _close(self) -> None:
        batch = self._batch
        if batch is None:
            return
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
        if unsent:
            # If it fails they are sent again, and that is all.
            with suppress(LedgerError):
                await self._ledger.unmark(self._plan.account, unsent, self._marked)

    def _certainly_unsent(self) -> list[UnitUpdate]:
        if not self._unsent and self._handed == self._marked_to:
            return []
        updates = [change.update for change in self._plan.changes]
        unsent = self._unsent + updates[self._handed : self._marked_to]
        # Of two whose names may be one to the server, the other one may have been sent.
        count = Counter((one.development_id, alike(one.name)) for one in updates)
        return [one for one in unsent if count[one.development_id, alike(one.name)] == 1]


def _is_unsure(outcome: UnitOutcome) -> bool:
    return outcome.error is not None and outcome.error.may_have_been_applied
