"""Warnings: what is likely a mistake in a price list, so that a person should confirm it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from propq_async._comparison import alike, exact
from propq_async._messages import tr, trn
from propq_async.ledger import Entry, Unit
from propq_async.models import Direction, UnitStatus, UnitUpdate
from propq_async.pricelist._reading.numbers import ARITHMETIC
from propq_async.pricelist._reading.rows import Row

from ._changes import relative_change
from ._kinds import WarningKind
from ._low_prices import low_prices
from ._plan_warning import Limits, PlanWarning

if TYPE_CHECKING:
    from ._changes import Change

__all__ = ["warnings_of", "warnings_of_update"]

_SHOWN_DIGIT: Final = Decimal("0.1")
_NAMED: Final = 5


def warnings_of(
    changes: Sequence[Change],
    rows: Sequence[Row],
    others: Mapping[Unit, Entry],
    missing: Sequence[Unit],
    limits: Limits,
    source: str,
    *,
    is_known_part: bool,
) -> list[PlanWarning]:
    """Return the warnings of a list: about its changes, and about units that it no longer has.

    `others` are the units that the ledger knows and the list does not have.
    """
    unknown = sum(change.before is None for change in changes)
    is_first = unknown * 2 > len(rows) and not is_known_part
    found = []
    if unknown == len(rows) and is_first and not others:
        found.append(_first_push(unknown))
    elif is_first:
        found.append(_unknown(unknown, len(rows)))
    found += _most(changes, len(rows))
    for change in changes:
        found += _of_one(change.update, change.before, limits)
    found += low_prices(changes, rows, limits, is_first=is_first)
    found += _alike(changes, rows, others)
    found += (
        PlanWarning(remark.kind, str(remark))
        for change in changes
        for remark in change.row.remarks
        if remark.kind not in (None, WarningKind.ALIKE)
    )
    found += _missing(missing, others, source)
    return found


def warnings_of_update(
    update: UnitUpdate, before: Entry | None, limits: Limits
) -> list[PlanWarning]:
    """Return the warnings of a single update, without a list to compare it with."""
    found = list(_of_one(update, before, limits))
    price = exact(update.price)
    price_before = None if before is None else before.price
    if price < limits.min_price and (price_before is None or price_before >= limits.min_price):
        name = f"{update.development_id} {update.name}"
        text = tr("{name} costs {price}: less than {least}").format(
            name=name, price=limits.money(price), least=limits.money(limits.min_price)
        )
        found.append(PlanWarning(WarningKind.BELOW_FLOOR, text))
    unknown = [one for one in update.directions if one not in frozenset(Direction)]
    if unknown:
        text = tr("{names}: no direction that is known, and sent as it is written").format(
            names=", ".join(unknown)
        )
        found.append(PlanWarning(WarningKind.DIRECTIONS, text))
    return found


def _of_one(update: UnitUpdate, before: Entry | None, limits: Limits) -> Iterator[PlanWarning]:
    """Warn of what a change does to its unit."""
    if before is None or before.status is None or before.price is None:
        return
    price_change = relative_change(before.price, update.price)
    name = f"{update.development_id} {update.name}"
    if (before.status, update.status) == (UnitStatus.SOLD, UnitStatus.AVAILABLE):
        text = tr("{name} was SOLD and is AVAILABLE now").format(name=name)
        yield PlanWarning(WarningKind.SOLD_TO_AVAILABLE, text)
    if price_change.copy_abs() > limits.max_change:
        percent = ARITHMETIC.multiply(price_change, 100)
        shown = percent.quantize(_SHOWN_DIGIT, context=ARITHMETIC)
        yield PlanWarning(
            WarningKind.PRICE,
            tr("{name} changes its price by {shown:+,f}%: {before} -> {price}").format(
                name=name,
                shown=shown,
                before=limits.money(before.price),
                price=limits.money(exact(update.price)),
            ),
        )


def _first_push(units: int) -> PlanWarning:
    text = trn(
        "{count:,} unit was never pushed from here, so check the list (if it was pushed before, "
        "this is another ledger or another client: `propq ledger import --from-client ID` takes "
        "over what is known of it)",
        "none of these {count:,} units was ever pushed from here, so check the list (if they were "
        "pushed before, this is another ledger or another client: `propq ledger import "
        "--from-client ID` takes over what is known of them)",
        units,
    )
    return PlanWarning(WarningKind.UNKNOWN_TO_LEDGER, text, is_first_push=True)


def _unknown(unknown: int, rows: int) -> PlanWarning:
    """Warn of a ledger that knows nothing of most of the list."""
    these = (
        _units(rows)
        if unknown == rows
        else tr("{unknown:,} of {rows:,} units").format(unknown=unknown, rows=rows)
    )
    return PlanWarning(
        WarningKind.UNKNOWN_TO_LEDGER,
        tr(
            "the ledger knows nothing of {these} of the list, so nothing can be "
            "compared (if they were pushed before, this is another ledger or another "
            "client: `propq ledger import --from-client ID` takes over what is known "
            "of them)"
        ).format(these=these),
    )


def _most(changes: Sequence[Change], rows: int) -> Iterator[PlanWarning]:
    """Warn of what more than half of the list does."""
    restated = redirected = 0
    for change in changes:
        before = change.before
        if before is not None and before.status is not None:
            restated += before.status is not change.update.status
            redirected += set(before.directions) != set(change.update.directions)
    for kind, what, moved in (
        (WarningKind.MOST_CHANGE_STATUS, tr("status"), restated),
        (WarningKind.DIRECTIONS, tr("directions"), redirected),
    ):
        if moved > max(1, rows / 2):
            count = tr("{moved:,} of {units}").format(moved=moved, units=_units(rows))
            yield PlanWarning(
                kind,
                tr("{count} change their {what}: more than half of the list").format(
                    count=count, what=what
                ),
            )


def _missing(
    missing: Sequence[Unit], others: Mapping[Unit, Entry], source: str
) -> Iterator[PlanWarning]:
    """Warn of units that are not in the list, and were in this or another one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for development_id, name in missing:
        before = others[development_id, name].source
        elsewhere = (
            ""
            if before is None or before == source
            else tr(" from {name}").format(name=Path(before).name)
        )
        groups.setdefault((development_id, elsewhere), []).append(name)
    for (development_id, elsewhere), names in groups.items():
        more = (
            tr(" and {count:,} more").format(count=len(names) - _NAMED)
            if len(names) > _NAMED
            else ""
        )
        yield PlanWarning(
            WarningKind.MISSING,
            tr(
                "{units} of {development_id} pushed before{elsewhere} and not in the list: "
                "{names}{more} (nothing is sent for what is not listed)"
            ).format(
                units=_units(len(names)),
                development_id=development_id,
                elsewhere=elsewhere,
                names=", ".join(names[:_NAMED]),
                more=more,
            ),
        )


def _alike(
    changes: Sequence[Change], rows: Sequence[Row], others: Mapping[Unit, Entry]
) -> list[PlanWarning]:
    """Warn of names that the server may take for one, if one of them is to be sent.

    It need not be the later one, nor a new one. The other one may be in another list: what is left
    of it in the ledger is what somebody may be about to overwrite.
    """
    twins: dict[Unit, list[str]] = {}
    for row in rows:
        for remark in row.remarks:
            if remark.kind is WarningKind.ALIKE:
                key = row.update.development_id, alike(row.update.name)
                twins.setdefault(key, []).append(str(remark))
    elsewhere: dict[Unit, list[str]] = {}
    for (development_id, name), entry in others.items():
        is_gone = entry.is_missed and entry.source is None
        if entry.acknowledged_at is not None and not is_gone:
            elsewhere.setdefault((development_id, alike(name)), []).append(name)
    found: list[str] = []
    for change in changes if twins or elsewhere else ():
        update = change.update
        key = update.development_id, alike(update.name)
        found += twins.pop(key, ())
        found += (
            tr(
                "{place}: {name!r} differs from {other!r}, which was pushed before, only "
                "by case or spaces"
            ).format(place=change.row.place, name=update.name, other=name)
            for name in elsewhere.get(key, ())
        )
    return [PlanWarning(WarningKind.ALIKE, text) for text in found]


def _units(count: int) -> str:
    return trn("{count:,} unit", "{count:,} units", count)
