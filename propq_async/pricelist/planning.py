"""What pushing a price list would change."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from propq_async.config import check_at_least
from propq_async.ledger import Account, Entry, Ledger, Unit, exact
from propq_async.models import UnitStatus, UnitUpdate

from .problems import Remark
from .reader import PriceList
from .rows import BrokenRow, Row, contradicted
from .suspicions import Suspicion, suspicions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from propq_async.client import AsyncPropQ

__all__ = ["Change", "Plan", "Reason", "Total", "plan"]

TRUST_HOURS: Final = 24.0
_SECONDS_PER_HOUR: Final = 3600


class Reason(StrEnum):
    """Why a row is sent."""

    NEW = "new"
    CHANGED = "changed"
    IN_DOUBT = "in doubt"
    """It was sent before, and what became of it is not certain."""
    OLD = "old"
    """It was acknowledged so long ago that somebody may have edited it meanwhile."""
    ASKED = "asked"
    """Everything was asked for."""


@attrs.frozen(eq=False)
class Change:
    """A row that is to be sent.

    Args:
        row: the row.
        reason: why.
        before: what is known of the unit, `None` if nothing is.
    """

    row: Row
    reason: Reason
    before: Entry | None

    @property
    def update(self) -> UnitUpdate:
        """Return what is sent."""
        return self.row.update

    @property
    def price_change(self) -> Decimal | None:
        """Return by which part of itself the price moves, `None` if the old one is not known."""
        before = None if self.before is None else self.before.price
        return None if before is None else exact(self.update.price) / before - 1


@attrs.frozen
class Total:
    """Units and the sum of their prices."""

    units: int = 0
    value: Decimal = Decimal(0)


@attrs.frozen(eq=False)
class Plan:
    """What pushing a price list would do, as the ledger stood when it was made.

    Args:
        path: the list.
        account: whose units they are.
        changes: the rows that are to be sent, in the order of the list.
        unchanged: how many are as the server has them.
        broken: the rows that cannot be sent.
        repeated: how many say the same as an earlier row.
        remarks: what is worth a look.
        warnings: what is likely a mistake.
        missing: units that the ledger knows and the list has no more. Nothing is sent for them.
        totals: the good rows of the list, by status.
        generation: the ledger's when the plan was made.
    """

    path: Path
    account: Account
    changes: list[Change]
    unchanged: int
    broken: list[BrokenRow]
    repeated: int
    remarks: list[Remark]
    warnings: list[Suspicion]
    missing: list[Unit]
    totals: Mapping[UnitStatus, Total]
    generation: int

    @property
    def rows(self) -> int:
        """Return how many rows the list has."""
        return len(self.changes) + self.unchanged + len(self.broken) + self.repeated

    @property
    def source(self) -> str:
        """Return the name of the list for the ledger."""
        return _source(self.path)

    def count(self, reason: Reason) -> int:
        """Return how many rows are sent for this reason."""
        return sum(change.reason is reason for change in self.changes)


def _source(path: Path) -> str:
    # A name of a file may be no text, which the ledger could not hold.
    return str(path.absolute()).encode("utf-8", "backslashreplace").decode()


async def plan(
    prices: PriceList,
    propq: AsyncPropQ,
    ledger: Ledger,
    *,
    trust_hours: float = TRUST_HOURS,
    everything: bool = False,
) -> Plan:
    """Compare a price list with what the server has acknowledged. Sends nothing.

    Args:
        prices: the list.
        propq: whose units they are.
        ledger: what is known; it must be entered.
        trust_hours: how long an acknowledgement counts. People edit on the server's own pages as
            well.
        everything: whether unchanged rows are sent, too.

    Returns:
        The plan, for `push`.

    Raises:
        PriceListError: the list cannot be read.
        LedgerError: the ledger cannot be read.
        ConfigurationError: `trust_hours` is no number of hours.
    """
    check_at_least("trust_hours", trust_hours, 0)
    account = Account(propq.base_url, propq.client_id)
    listed = await asyncio.to_thread(_Listed.of, prices)
    generation = await ledger.generation()
    developments = sorted({development_id for development_id, _ in listed.rows})
    entries = await ledger.entries(account, developments, _source(prices.path))
    listed.is_part = prices.is_part
    now = ledger.now()
    trust = _Trust(now - trust_hours * _SECONDS_PER_HOUR, now, everything)
    return await asyncio.to_thread(
        _compare, prices.path, account, listed, entries, generation, trust
    )


@attrs.frozen
class _Trust:
    """From when to when an acknowledgement counts; or `nothing` is trusted at all."""

    since: float
    now: float
    nothing: bool


@attrs.define
class _Listed:
    """A list as a whole."""

    rows: dict[Unit, Row] = attrs.field(factory=dict)
    broken: list[BrokenRow] = attrs.field(factory=list)
    repeated: int = 0
    is_part: bool = False

    @classmethod
    def of(cls, prices: PriceList) -> _Listed:
        listed = cls()
        contradictory: set[Unit] = set()
        for row in prices:
            if isinstance(row, Row):
                unit = row.update.development_id, row.update.name
                if unit in listed.rows or unit in contradictory:
                    listed.repeated += 1
                else:
                    listed.rows[unit] = row
                continue
            if row.rival is not None and row.unit is not None:
                # Which of the two is meant only a person can tell.
                contradictory.add(row.unit)
                first = listed.rows.pop(row.unit, None)
                if first is not None:
                    later = Row(first.update, row.table, row.line, row.cells)
                    listed.broken.append(contradicted(first, later))
            listed.broken.append(row)
        return listed


def _compare(
    path: Path,
    account: Account,
    listed: _Listed,
    entries: dict[Unit, Entry],
    generation: int,
    trust: _Trust,
) -> Plan:
    changes: list[Change] = []
    counts: dict[UnitStatus, int] = Counter()
    values: dict[UnitStatus, Decimal] = dict.fromkeys(UnitStatus, Decimal(0))
    for unit, row in listed.rows.items():
        update, before = row.update, entries.get(unit)
        counts[update.status] += 1
        values[update.status] += exact(update.price)
        reason = _reason(update, before, trust)
        if reason is not None:
            changes.append(Change(row, reason, before))
    missing = _missing(listed, entries)
    return Plan(
        path=path,
        account=account,
        changes=changes,
        unchanged=len(listed.rows) - len(changes),
        broken=listed.broken,
        repeated=listed.repeated,
        remarks=[remark for row in listed.rows.values() for remark in row.remarks],
        warnings=suspicions(changes, listed.rows, entries, missing),
        missing=missing,
        totals={status: Total(counts[status], values[status]) for status in UnitStatus},
        generation=generation,
    )


def _reason(update: UnitUpdate, before: Entry | None, trust: _Trust) -> Reason | None:
    if before is None:
        return Reason.NEW
    if before.acknowledged_at is None:
        return Reason.IN_DOUBT
    if not before.holds(update):
        return Reason.CHANGED
    if before.is_in_doubt:
        return Reason.IN_DOUBT
    # A clock that was wrong may have put it into the future.
    if not trust.since <= before.acknowledged_at <= trust.now:
        return Reason.OLD
    return Reason.ASKED if trust.nothing else None


def _missing(listed: _Listed, entries: dict[Unit, Entry]) -> list[Unit]:
    if listed.is_part:
        return []
    broken = {row.unit for row in listed.broken}
    missing = [
        unit
        for unit, entry in entries.items()
        if unit not in listed.rows
        and unit not in broken
        # What never got through may not be there at all.
        and entry.acknowledged_at is not None
        and not entry.is_missed
    ]
    # A line that cannot be read at all may be any of them.
    unreadable = sum(row.unit is None for row in listed.broken)
    return missing if len(missing) > unreadable else []
