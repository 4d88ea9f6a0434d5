"""A change that a price list asks for, and why."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import attrs

from propq_async._comparison import alike, exact
from propq_async.ledger import Entry, Unit
from propq_async.models import UnitUpdate
from propq_async.pricelist._reading.numbers import ARITHMETIC
from propq_async.pricelist._reading.rows import Row

__all__ = ["Change", "Reason", "untried_first"]


class Reason(StrEnum):
    """Why a row is sent."""

    NEW = "new"
    CHANGED = "changed"
    IN_DOUBT = "in doubt"
    """It was sent before, and nobody knows whether it was applied."""
    OLD = "old"
    """The server acknowledged it so long ago that somebody may have edited it since."""
    ASKED = "asked"
    """`everything` was asked for."""


@attrs.frozen(eq=False)
class Change:
    """A row that is to be sent.

    Args:
        row: the row.
        reason: why it is sent.
        before: what the ledger knows of the unit, `None` if it knows nothing.
    """

    row: Row
    reason: Reason
    before: Entry | None

    @property
    def update(self) -> UnitUpdate:
        """Return the update that is sent."""
        return self.row.update

    @property
    def unit(self) -> Unit:
        """Return the unit that it is about."""
        return self.row.unit

    @property
    def price_change(self) -> Decimal | None:
        """Return the relative change of the price, 0.1 for 10%; `None` if no old price is known."""
        before = None if self.before is None else self.before.price
        if before is None:
            return None
        return relative_change(before, self.update.price)


def relative_change(before: Decimal, price: float | Decimal) -> Decimal:
    """Return the relative change of a price, 0.1 for 10%."""
    return ARITHMETIC.subtract(ARITHMETIC.divide(exact(price), before), 1)


def untried_first(changes: list[Change]) -> list[Change]:
    """Return the changes with those last that were sent before and never acknowledged.

    Otherwise rows that fail each time, or keep the server busy, would keep all those behind them
    from being sent. Rows whose names may be one to the server stay in their order.
    """
    tried = {_unit(one) for one in changes if one.before is not None and one.before.is_in_doubt}
    return sorted(changes, key=lambda one: _unit(one) in tried) if tried else changes


def _unit(change: Change) -> Unit:
    return change.update.development_id, alike(change.update.name)
