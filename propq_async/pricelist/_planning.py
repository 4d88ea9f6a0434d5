"""What pushing a price list would do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from propq_async._client.factory import AsyncPropQ
from propq_async._comparison import exact
from propq_async._messages import tr
from propq_async._settings import check_at_least
from propq_async.errors import ConfigurationError
from propq_async.ledger import Account, Entry, Ledger, LedgerError, Unit
from propq_async.models import UnitStatus, UnitUpdate
from propq_async.pricelist._reading.price_list import PriceList
from propq_async.pricelist._reading.rows import BrokenRow

from ._changes import Change, Reason
from ._garbage_collection import collector_paused
from ._plan_warning import MAX_CHANGE, MIN_PRICE, Limits, PlanWarning
from ._problem_kinds import ProblemKind, problem_kinds
from ._problems import Remark, Table
from ._shards import Shard, is_in
from ._totals import Total, totals_of
from ._warnings import warnings_of
from ._whole_list import Listed, developments_of

__all__ = ["TRUST_HOURS", "Plan", "Total", "check_current", "plan"]

TRUST_HOURS: Final = 24.0

_SECONDS_PER_HOUR: Final = 3600


@attrs.frozen(eq=False)
class Plan:
    """What pushing a price list would do, as the ledger stood when it was made.

    Args:
        path: the list.
        tables: its tables, each with the columns that are read.
        account: whose units they are.
        changes: the rows that are to be sent, in the order of the list.
        unchanged: how many rows say what the server has acknowledged.
        broken: the rows that cannot be sent.
        repeated: how many rows say the same as an earlier one.
        remarks: what a person may want to look at.
        warnings: what is likely a mistake.
        missing: units that this list had before and no longer has, or that another list of their
            development had. Nothing is sent for them.
        seen: units of the list that were last seen in another one, or whose absence was confirmed.
        totals: the good rows of the list, by status.
        generation: the generation of the ledger when the plan was made.
        list_digest: the SHA-256 of the list, in hexadecimal digits.
        decimal: what stands before the decimals of a price in the list, `None` where nothing tells.
        profile: the profile that says how the list is read, `None` if there is none.
        profile_digest: the SHA-256 of that.
        not_units: the rows that are no units: totals, notes, headings of groups.
        shard: which part of the list it is for, as `(2, 5)`; `None` for all of it. The warnings are
            always those of the whole list.
    """

    path: Path
    tables: list[Table]
    account: Account
    changes: list[Change]
    unchanged: int
    broken: list[BrokenRow]
    repeated: int
    remarks: list[Remark]
    warnings: list[PlanWarning]
    missing: list[Unit]
    seen: list[Unit]
    totals: Mapping[UnitStatus, Total]
    generation: int
    list_digest: str
    decimal: str | None = "."
    profile: Path | None = None
    profile_digest: str | None = None
    not_units: list[Remark] = attrs.field(factory=list)
    shard: Shard | None = None

    @property
    def rows(self) -> int:
        """Return how many rows the list has."""
        return len(self.changes) + self.unchanged + len(self.broken) + self.repeated

    @property
    def source(self) -> str:
        """Return the name of the list for the ledger."""
        return _source(self.path)

    @property
    def problems(self) -> list[ProblemKind]:
        """Return what is wrong with the broken rows by kind, the most frequent first."""
        return problem_kinds(self.broken)

    def count(self, reason: Reason) -> int:
        """Return how many rows are sent for this reason."""
        return sum(change.reason is reason for change in self.changes)


async def check_current(plan: Plan, propq: AsyncPropQ, ledger: Ledger) -> None:
    """Check that a plan is for this client, and that its units are in the ledger as they were.

    Raises:
        ConfigurationError: it is for another client or server.
        LedgerError: the ledger has changed, or cannot be read.
    """
    account = Account(propq.base_url, propq.client_id)
    if plan.account != account:
        raise ConfigurationError(
            tr(
                "the plan is for client {client_id} of {base_url}, and the credentials are "
                "those of client {other_id} of {other_url}: nothing was sent; make "
                "another plan"
            ).format(
                client_id=plan.account.client_id,
                base_url=plan.account.base_url,
                other_id=account.client_id,
                other_url=account.base_url,
            )
        )
    generation = await ledger.generation(account)
    if generation == plan.generation:
        return
    why = ""
    # One with a lower number is another ledger, which may not even exist.
    if generation > plan.generation:
        updates = [change.update for change in plan.changes]
        if touched := await ledger.touched(account, updates, plan.generation):
            (development_id, name), more = touched[0], len(touched) - 1
            others = tr(" and {more:,} more").format(more=more) if more else ""
            why = tr(" (somebody has updated {development_id} {name}{others})").format(
                development_id=development_id, name=name, others=others
            )
        elif not await ledger.is_outdated(account, plan.generation):
            # A service has updated other units, which is no concern of this plan.
            return
    raise LedgerError(
        tr(
            "the ledger {location} has changed since the plan was made, or is another "
            "one: nothing was sent; make another plan{why}"
        ).format(location=ledger.location, why=why)
    )


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
    max_change: float = MAX_CHANGE,
    min_price: float | None = None,
) -> Plan:
    """Compare a price list with what the server has acknowledged. Sends nothing.

    Args:
        prices: the list.
        propq: the client, which tells the server and the account.
        ledger: the ledger of what the server has acknowledged; it must be entered.
        trust_hours: for how many hours an acknowledgement counts. After that somebody may have
            edited the unit on the server's own pages.
        everything: whether unchanged rows are sent, too.
        max_change: by how much a price may move without a warning, 0.2 for 20%.
        min_price: the lowest price without a warning, in euro; by default what the profile of the
            list states, or 1,000.

    Returns:
        The plan, for `push`.

    Raises:
        PriceListError: the list cannot be read.
        LedgerError: the ledger cannot be read.
        ConfigurationError: one of the numbers is none, or below 0.
    """
    check_at_least("trust_hours", trust_hours, 0)
    check_at_least("max_change", max_change, 0)
    if min_price is None:
        stated = prices.stated.min_price
        min_price = MIN_PRICE if stated is None else float(stated)
    check_at_least("min_price", min_price, 0)
    limits = Limits(exact(max_change), exact(min_price), prices.known_decimal)
    account = Account(propq.base_url, propq.client_id)
    generation = await ledger.generation(account)
    source = _source(prices.path)
    with collector_paused():
        if prices.asks_ledger:
            filling = sorted(await asyncio.to_thread(developments_of, prices))
            prices = prices.with_entries(await ledger.entries(account, filling, source))
        listed = await asyncio.to_thread(Listed.of, prices)
        developments = sorted({row.update.development_id for row in listed.rows})
        entries = await ledger.entries(account, developments, source)
        now = ledger.now()
        trust = _Trust(now - trust_hours * _SECONDS_PER_HOUR, now, everything)
        return await asyncio.to_thread(
            _compare, prices, account, listed, entries, generation, trust, limits
        )


@attrs.frozen
class _Trust:
    """Between which times an acknowledgement counts, unless `nothing` is trusted at all."""

    since: float
    now: float
    nothing: bool


def _compare(
    prices: PriceList,
    account: Account,
    listed: Listed,
    entries: dict[Unit, Entry],
    generation: int,
    trust: _Trust,
    limits: Limits,
) -> Plan:
    known = listed.known(entries)
    changes = [
        Change(row, reason, before)
        for row, before in zip(listed.rows, known, strict=True)
        if (reason := _reason(row.update, before, trust)) is not None
    ]
    source = _source(prices.path)
    others = listed.others(known, entries)
    missing = listed.missing(others, source)
    # Of the whole list, so that no part looks harmless by itself.
    # What failed of a list that the ledger knows was asked about with that.
    is_known_part = listed.is_part and bool(entries)
    warnings = warnings_of(
        changes, listed.rows, others, missing, limits, source, is_known_part=is_known_part
    )
    shard = prices.shard
    part = listed.part(shard)
    changes = [one for one in changes if is_in(shard, one.unit)]
    return Plan(
        path=prices.path,
        tables=prices.tables,
        account=account,
        changes=changes,
        unchanged=len(part.rows) - len(changes),
        broken=part.broken,
        repeated=len(part.repeated),
        remarks=[remark for row in part.rows for remark in row.remarks],
        warnings=warnings,
        missing=[unit for unit in missing if is_in(shard, unit)],
        seen=[unit for unit in listed.seen(known, entries, source) if is_in(shard, unit)],
        totals=totals_of(row.update for row in part.rows),
        generation=generation,
        list_digest=listed.digest,
        decimal=prices.known_decimal,
        profile=None if prices.profile is None else prices.profile.path,
        profile_digest=None if prices.profile is None else prices.profile.digest,
        not_units=part.not_units,
        shard=shard,
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
