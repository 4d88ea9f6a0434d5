"""`propq update`: one unit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import attrs

from propq_async import APIStatusError, AsyncPropQ, AuthenticationError, PropQError, UnitUpdate
from propq_async.errors import InvalidUpdateError, ServerError
from propq_async.ledger import Account, Ledger, exact
from propq_async.pricelist.numbers import IN_DOUBT, TOO_FINE, Decimals, PriceStyle
from propq_async.pricelist.words import directions_in, status_of

from .ending import CommandError, Exit
from .output import Screen
from .plan import interruptible

__all__ = ["UpdateCommand"]


@attrs.frozen(kw_only=True)
class UpdateCommand:
    """The command with its options."""

    development: str
    name: str
    status: str
    price: str
    directions: str
    decimal: Decimals | None
    ledger: Path | None

    async def run(self) -> Exit:
        """Send the update, and say what became of it."""
        return await interruptible(self._run(self._update()))

    def _update(self) -> UnitUpdate:
        status = status_of(self.status, {})
        price = PriceStyle(self.decimal).read(self.price)
        directions = directions_in(self.directions, {})
        if status is None:
            raise CommandError(
                "--status: expected AVAILABLE, HOLD, SOLD or RESERVED, or their words or numbers, "
                f"not {self.status!r}",
                Exit.USAGE,
            )
        if price is IN_DOUBT:
            raise CommandError(
                f"--price: {self.price!r} can be read in two ways; state which with --decimal . or "
                "--decimal ,",
                Exit.USAGE,
            )
        if price is TOO_FINE:
            raise CommandError(
                f"--price: expected a price with at most two decimals, not {self.price!r}; write "
                "it without grouping, such as 250000",
                Exit.USAGE,
            )
        if price is None or not isinstance(price, int | Decimal):
            raise CommandError(
                f"--price: expected a price such as 199500.50, not {self.price!r}", Exit.USAGE
            )
        if isinstance(directions, str):
            # What nobody knows here is sent as it is: the vendor publishes no list.
            directions = tuple(self.directions.replace(",", " ").split())
        try:
            return UnitUpdate(self.development, self.name, status, price, directions)
        except InvalidUpdateError as error:
            raise CommandError(str(error), Exit.USAGE) from error

    async def _run(self, update: UnitUpdate) -> Exit:
        screen = Screen()
        async with AsyncPropQ.from_env() as propq, Ledger(self.ledger) as ledger:
            account = Account(propq.base_url, propq.client_id)
            # As a push does it: what the ledger says must stay true.
            async with ledger.exclusive(), propq.session() as session:
                await ledger.mark(account, [update])
                try:
                    await session.units.update(update)
                except PropQError as error:
                    raise CommandError(str(error), _status(error)) from error
                await ledger.acknowledge(account, [update])
        screen.sentence(
            f"applied: {update.name} of {update.development_id} is {update.status.name}, "
            f"{exact(update.price):,f}, {' '.join(update.directions)}",
            "green",
        )
        return Exit.DONE


def _status(error: PropQError) -> Exit:
    """Return whether it is the unit that was refused, or nothing would get through."""
    is_row = isinstance(error, APIStatusError) and not isinstance(
        error, AuthenticationError | ServerError
    )
    return Exit.ROWS_FAILED if is_row else Exit.STOPPED
