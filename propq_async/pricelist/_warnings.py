"""Warnings: what is likely a mistake in a price list, so that a person should confirm it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from propq_async._comparison import alike, exact
from propq_async._messages import joined, tr, trn
from propq_async.errors import UnconfirmedError
from propq_async.ledger import Entry, Unit
from propq_async.models import Direction, UnitStatus, UnitUpdate
from propq_async.pricelist._reading.numbers import ARITHMETIC
from propq_async.pricelist._reading.rows import Row

from ._changes import relative_change
from ._kinds import WarningKind, kinds_named
from ._money import money
from ._surfaces import price_of_square_metre

if TYPE_CHECKING:
    from ._changes import Change

__all__ = [
    "MAX_CHANGE",
    "MIN_PRICE",
    "Limits",
    "PlanWarning",
    "WarningKind",
    "check_accepted",
    "unaccepted",
    "warnings_of",
    "warnings_of_update",
]

MAX_CHANGE: Final = 0.2
MIN_PRICE: Final = 1_000
# Half of a list of flats costs more, and so does half of a list of parking spaces.
LOW_MEDIAN: Final = 10_000
# In euro for a square metre: nothing that is new costs less.
LOW_FOR_SQUARE_METRE: Final = 400
# More than lies between a parking space and a flat, and less than decimals or "in thousands" make.
FAR_BELOW_THE_REST: Final = 100
_SHOWN_DIGIT: Final = Decimal("0.1")
_NAMED: Final = 5
# How many warnings an error quotes. It has all of them as values.
_QUOTED: Final = 3


@attrs.frozen
class Limits:
    """What a price may do without a question.

    Args:
        max_change: by how much it may move, 0.2 for 20%.
        min_price: the lowest price of a unit, in euro.
        decimal: what stands before decimals in texts.
    """

    max_change: Decimal
    min_price: Decimal
    decimal: str = "."

    def money(self, value: float | Decimal) -> str:
        """Return an amount as the list writes it."""
        return money(value, self.decimal)


@attrs.frozen
class PlanWarning:
    """Something that is likely a mistake, so that a person should confirm it before a push.

    Args:
        kind: what it is about.
        text: what it says, for people.
    """

    kind: WarningKind
    text: str

    def __str__(self) -> str:
        return self.text


def unaccepted(warnings: Iterable[PlanWarning], accept: Iterable[str]) -> list[PlanWarning]:
    """Return the warnings that still need a yes.

    Args:
        warnings: the warnings.
        accept: the kinds that somebody has said yes to, as `kinds_named` takes them.

    Raises:
        ConfigurationError: `accept` names a kind that does not exist.
    """
    accepted = kinds_named(accept)
    return [one for one in warnings if one.kind not in accepted]


def check_accepted(path: Path, warnings: Sequence[PlanWarning], accept: Iterable[str]) -> None:
    """Check that somebody has said yes to each warning of a plan.

    Raises:
        UnconfirmedError: nobody has.
        ConfigurationError: `accept` names a kind that does not exist.
    """
    if not (left := unaccepted(warnings, accept)):
        return
    kinds: dict[str, list[str]] = {}
    for one in left:
        kinds.setdefault(str(one.kind), []).append(one.text)
    more = len(left) - _QUOTED
    quoted = joined("; ", (one.text for one in left[:_QUOTED]))
    if more > 0:
        quoted += tr("; and {more:,} more").format(more=more)
    raise UnconfirmedError(
        tr(
            "{path}: nothing was sent, since this needs a yes: {quoted}; if it is "
            "meant, push with accept={names!r}"
        ).format(path=path, quoted=quoted, names=",".join(kinds)),
        warnings=kinds,
    )


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
    found = [_unknown(unknown, len(rows))] if is_first else []
    found += _most(changes, len(rows))
    for change in changes:
        found += _of_one(change.update, change.before, limits)
    found += _low(changes, rows, limits, is_first=is_first)
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


def _low(
    changes: Sequence[Change], rows: Sequence[Row], limits: Limits, *, is_first: bool
) -> Iterator[PlanWarning]:
    """Warn of prices that are too low, where no earlier price tells that they are meant."""
    unknown = [one for one in changes if one.before is None or one.before.price is None]
    median = 0.0
    if unknown:
        # Nothing depends on the last digit, and floats are the fastest to sort.
        prices = sorted(float(row.update.price) for row in rows)
        median = prices[len(prices) // 2]
        if is_first:
            yield from _low_as_a_whole(median, rows, limits)
    # Most are higher, and floats are the fastest to compare.
    surely_high = max(float(limits.min_price), median / FAR_BELOW_THE_REST) + 1
    for change in changes:
        if float(change.update.price) > surely_high:
            continue
        update, price = change.update, exact(change.update.price)
        before = None if change.before is None else change.before.price
        if before is not None and before < limits.min_price:
            # That it is low was confirmed, and how it changes is a matter of `price`.
            continue
        why = ""
        if price < limits.min_price:
            why = tr("less than {money}").format(money=limits.money(limits.min_price))
        elif before is None and float(price) * FAR_BELOW_THE_REST < median:
            why = tr("less than a hundredth of the list's median, {money}").format(
                money=limits.money(median)
            )
        if why:
            text = tr("{development_id} {name} costs {price}: {why}").format(
                development_id=update.development_id,
                name=update.name,
                price=limits.money(price),
                why=why,
            )
            yield PlanWarning(WarningKind.BELOW_FLOOR, text)


def _low_as_a_whole(median: float, rows: Sequence[Row], limits: Limits) -> Iterator[PlanWarning]:
    """Warn of prices that are all too low alike, so that none stands out."""
    text = ""
    if median < LOW_MEDIAN:
        text = tr("the median price of this list is {money}").format(money=limits.money(median))
    else:
        for_square_metre = price_of_square_metre(rows)
        if for_square_metre is not None and for_square_metre < LOW_FOR_SQUARE_METRE:
            low = limits.money(float(for_square_metre))
            text = tr("half of this list costs less than {low} a square metre").format(low=low)
    if text:
        yield PlanWarning(
            WarningKind.BELOW_FLOOR,
            tr("{text}: prices are sent in euro, and not in thousands").format(text=text),
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
