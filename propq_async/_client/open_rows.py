"""The rows of a batch: which are open, which waits for which, and whether one is to blame."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from propq_async._comparison import alike
from propq_async._wire.messages import Call
from propq_async._wire.statuses import Kind, rule_of
from propq_async.errors import APIConnectionError, APIStatusError, PropQError
from propq_async.models import Applied, Failed, UnitUpdate, applied

from .call import Run
from .call_spec import BatchRow
from .unit_order import Unit

LEAST_LIMIT_OF_CREDIT: Final = 16


class PulledRow(Run):
    """An update from the moment it is pulled until it has its outcome.

    Attributes:
        previous: the row of the same unit before this one, while that has no outcome.
        done: set when this row has its outcome, if the next row of the same unit waits for that.
    """

    previous: PulledRow | None = None
    done: asyncio.Future[None] | None = None

    is_batch_row = True
    # It always has one.
    update: UnitUpdate

    def __init__(
        self, index: int, update: UnitUpdate, unit: Unit, began: float, terms: BatchRow
    ) -> None:
        self.index = index
        self.terms = terms
        self.update = update  # pyright: ignore[reportIncompatibleVariableOverride]
        self.unit = self.key = unit
        self.began = began

    def success(self, response: dict[str, Any], now: float) -> Applied:
        """Return the outcome of a row that the server acknowledged."""
        return applied(self.index, self.update, response, self.attempts, now - self.began)

    def failure(self, error: PropQError, now: float) -> Failed:
        """Return the outcome of a row that failed."""
        return Failed(
            index=self.index,
            update=self.update,
            ok=False,
            response=None,
            error=error,
            attempts=self.counted,
            elapsed_seconds=now - self.began,
        )

    def cut_off(self, call: Call, now: float) -> Failed:
        """Return the outcome of a row that was ended by the end of its batch."""
        error = call.error(
            APIConnectionError,
            "the batch was closed before the update was done" + self.last_attempt,
            attempts=self.counted,
            may_have_been_applied=self.may_have_been_applied,
        )
        return self.failure(error, now)


class Credit:
    """Tells whether the row or the server is to blame for a failure, if no other call can tell.

    It is the row, as long as more rows got through than are still open. The credit that rows earn
    by getting through is bounded, and rows that are given up reduce it. So an outage soon uses it
    up.
    """

    def __init__(self, concurrency: int) -> None:
        # One to begin with, so that the first row, alone, can be to blame.
        self._rows = 1
        self._most = max(concurrency, LEAST_LIMIT_OF_CREDIT)

    def earn(self) -> None:
        """Note a row that got through."""
        if self._rows < self._most:
            self._rows += 1

    def note(self, error: PropQError) -> None:
        """Note a row that failed. A refusal of its values shows the server at work.

        A row that was made to wait again and again costs little: that takes so long that an outage
        ends the batch before many of them are given up.
        """
        kind = rule_of(error.status).kind if isinstance(error, APIStatusError) else Kind.OUTAGE
        match kind:
            case Kind.REFUSAL:
                self.earn()
            case Kind.BREAKDOWN:
                pass
            case Kind.LIMIT | Kind.UNAVAILABLE:
                self._rows = max(0, self._rows - 1)
            case _:
                self._rows //= 2

    def covers(self, open_rows: int) -> bool:
        """Return whether a row is more likely to blame than the server, with so many open."""
        return self._rows >= open_rows


class OpenRows:
    """The rows that are pulled and have no outcome yet, in the order of the input."""

    def __init__(self) -> None:
        self._count = 0
        self._rows: dict[int, PulledRow] = {}
        self._last_of_unit: dict[Unit, PulledRow] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def admit(self, update: UnitUpdate, began: float, terms: BatchRow) -> PulledRow:
        """Return the row of the next update of the input."""
        unit = update.development_id, alike(update.name)
        index = self._count
        row = self._rows[index] = PulledRow(index, update, unit, began, terms)
        last = self._last_of_unit.setdefault(unit, row)
        if last is not row:
            row.previous, self._last_of_unit[unit] = last, row
        self._count = index + 1
        return row

    def settle(self, row: PulledRow) -> bool:
        """Let the next row of the same unit go, since this one has its outcome.

        Returns:
            Whether no row is open any more.
        """
        if row.done is not None:
            row.done.set_result(None)
        # Taken out before it is compared: to look it up twice would hash the unit twice.
        last = self._last_of_unit.pop(row.key)
        if last is not row:
            self._last_of_unit[row.key] = last
        del self._rows[row.index]
        return not self._rows

    def drain(self) -> list[PulledRow]:
        """Return the rows that are left, and forget them."""
        rows = list(self._rows.values())
        self._rows.clear()
        return rows
