"""What a list adds up to, by status."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import attrs

from propq_async._comparison import exact
from propq_async.models import UnitStatus, UnitUpdate

from ._reading.numbers import ARITHMETIC

__all__ = ["Total", "totals_of"]


@attrs.frozen
class Total:
    """The units of a status.

    Args:
        units: how many there are.
        value: the sum of their prices, in euro.
    """

    units: int = 0
    value: Decimal = Decimal(0)


def totals_of(updates: Iterable[UnitUpdate]) -> dict[UnitStatus, Total]:
    """Return the units of each status, and what they are worth."""
    prices: dict[UnitStatus, list[float | Decimal]] = {status: [] for status in UnitStatus}
    for update in updates:
        prices[update.status].append(update.price)
    return {status: Total(len(found), _sum(found)) for status, found in prices.items()}


def _sum(prices: Iterable[float | Decimal]) -> Decimal:
    # Most are whole, and these are quick to add.
    whole, value = 0, Decimal(0)
    for price in prices:
        if type(price) is int:
            whole += price
        else:
            value = ARITHMETIC.add(value, exact(price))
    return ARITHMETIC.add(value, whole)
