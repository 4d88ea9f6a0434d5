"""What is likely a mistake in a price list, so that a person should say yes to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import attrs

from propq_async.ledger import Entry, Unit, alike, exact
from propq_async.models import UnitStatus

from .rows import Row

if TYPE_CHECKING:
    from .planning import Change

__all__ = ["Suspicion", "Warn", "suspicions"]

LARGE_PRICE_CHANGE: Final = Decimal("0.2")
# More than lies between a parking space and a flat, and less than decimals or "in thousands" make.
FAR_BELOW_THE_REST: Final = 100
_NAMED: Final = 5


class Warn(StrEnum):
    """What is likely a mistake."""

    PRICE = "price"
    FAR_BELOW = "far below the rest"
    SOLD_TO_AVAILABLE = "sold to available"
    MOST_CHANGE_STATUS = "most change status"
    MISSING = "missing"
    ALIKE = "alike"


@attrs.frozen
class Suspicion:
    """Something that is likely a mistake, so that a person should say yes to it.

    Args:
        kind: what it is.
        text: the same in words.
    """

    kind: Warn
    text: str

    def __str__(self) -> str:
        return self.text


def suspicions(
    changes: Sequence[Change],
    rows: Mapping[Unit, Row],
    entries: Mapping[Unit, Entry],
    missing: Sequence[Unit],
) -> list[Suspicion]:
    """Return what is likely a mistake in the changes of a list, and in what it has no more."""
    found: list[Suspicion] = []
    moved = 0
    for change in changes:
        before, update = change.before, change.update
        if before is None or before.status is None or change.price_change is None:
            continue
        moved += before.status is not update.status
        name = f"{update.development_id} {update.name}"
        if (before.status, update.status) == (UnitStatus.SOLD, UnitStatus.AVAILABLE):
            found.append(Suspicion(Warn.SOLD_TO_AVAILABLE, f"{name} was SOLD and is AVAILABLE now"))
        if abs(change.price_change) > LARGE_PRICE_CHANGE:
            found.append(
                Suspicion(
                    Warn.PRICE,
                    f"{name} changes its price by {change.price_change * 100:+,.1f}%: "
                    f"{before.price:,f} -> {exact(update.price):,f}",
                )
            )
    found += _far_below(changes, rows)
    found += _alike(changes, rows, entries)
    if moved > max(1, len(rows) / 2):
        text = f"{moved:,} of {len(rows):,} units change their status: more than half of the list"
        found.append(Suspicion(Warn.MOST_CHANGE_STATUS, text))
    by_development: dict[str, list[str]] = {}
    for development_id, name in missing:
        by_development.setdefault(development_id, []).append(name)
    for development_id, names in by_development.items():
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        found.append(
            Suspicion(
                Warn.MISSING,
                f"{_units(len(names))} of {development_id} pushed before and not in the list: "
                f"{', '.join(names[:_NAMED])}{more} (nothing is sent for what is not listed)",
            )
        )
    return found


def _far_below(changes: Sequence[Change], rows: Mapping[Unit, Row]) -> list[Suspicion]:
    """Point out prices that can be compared with none before, and are far below the others'."""
    unknown = [one.update for one in changes if one.before is None or one.before.price is None]
    if not unknown:
        return []
    # Nothing depends on the last digit, and floats are the fastest to sort.
    prices = sorted(float(row.update.price) for row in rows.values())
    median = prices[len(prices) // 2]
    return [
        Suspicion(
            Warn.FAR_BELOW,
            f"{update.development_id} {update.name} costs {exact(update.price):,f}: less than a "
            f"hundredth of the list's median, {median:,.0f}",
        )
        for update in unknown
        if update.price * FAR_BELOW_THE_REST < median
    ]


def _alike(
    changes: Sequence[Change], rows: Mapping[Unit, Row], entries: Mapping[Unit, Entry]
) -> list[Suspicion]:
    """Point out names that may be one to the server, if one of them is to be sent.

    It need not be the later one, nor a new one. The other one may be in another list: what is left
    of it in the ledger is what somebody may be about to overwrite.
    """
    twins: dict[Unit, list[str]] = {}
    for (development_id, name), row in rows.items():
        for remark in row.remarks:
            if remark.is_suspicious:
                twins.setdefault((development_id, alike(name)), []).append(str(remark))
    elsewhere: dict[Unit, list[str]] = {}
    for (development_id, name), entry in entries.items():
        is_listed = (development_id, name) in rows
        if not is_listed and entry.acknowledged_at is not None and not entry.is_missed:
            elsewhere.setdefault((development_id, alike(name)), []).append(name)
    found: list[str] = []
    for change in changes if twins or elsewhere else ():
        update = change.update
        key = update.development_id, alike(update.name)
        found += twins.pop(key, ())
        found += (
            f"{change.row.place}: {update.name!r} differs from {name!r}, which was pushed before, "
            "only by case or spaces"
            for name in elsewhere.get(key, ())
        )
    return [Suspicion(Warn.ALIKE, text) for text in found]


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count:,} units"
