"""Prices that are too low for a unit, or far below the rest of the list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from propq_async._comparison import exact
from propq_async._messages import tr
from propq_async.pricelist._reading.rows import Row

from ._kinds import WarningKind
from ._plan_warning import Limits, PlanWarning
from ._price_per_area import price_of_square_metre

if TYPE_CHECKING:
    from ._changes import Change

__all__ = ["low_prices"]

# Half of a list of flats costs more, and so does half of a list of parking spaces.
LOW_MEDIAN: Final = 10_000
# In euro for a square metre: nothing that is new costs less.
LOW_FOR_SQUARE_METRE: Final = 400
# More than lies between a parking space and a flat, and less than decimals or "in thousands" make.
FAR_BELOW_THE_REST: Final = 100


def low_prices(
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
