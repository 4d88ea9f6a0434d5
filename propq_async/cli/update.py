"""`propq update`: one unit."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

import attrs

from propq_async import APIStatusError, AsyncPropQ, AuthenticationError, PropQError, UnitUpdate
from propq_async.errors import InvalidUpdateError, ServerError
from propq_async.ledger import Account, Ledger, exact
from propq_async.pricelist.numbers import IN_DOUBT, TOO_FINE, Decimals, PriceStyle
from propq_async.pricelist.words import UNKNOWN_DIRECTION, directions_in, status_of

from .ending import CommandError, Exit
from .output import Screen
from .plan import interruptible

__all__ = ["UpdateCommand"]

_EXPECTED: Final = (
    'directions such as N, "N S" or SO; others are sent as they are, with commas between them, '
    "such as NNE,N"
)
_IN_DOUBT: Final = "the update may have been applied; the same command sets the values again"


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
        directions = _directions(self.directions)
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
            raise CommandError(
                f"--directions: expected {directions}, not {self.directions!r}", Exit.USAGE
            )
        try:
            return UnitUpdate(self.development, self.name, status, price, directions)
        except InvalidUpdateError as error:
            raise CommandError(str(error), Exit.USAGE) from error

    async def _run(self, update: UnitUpdate) -> Exit:
        screen = Screen()
        # What is true if it is interrupted now.
        standing = "nothing was sent"
        try:
            async with AsyncPropQ.from_env() as propq, Ledger(self.ledger) as ledger:
                account = Account(propq.base_url, propq.client_id)
                # As a push does it: what the ledger says must stay true.
                async with ledger.exclusive(), propq.session() as session:
                    # First, since without a token nothing is sent, and nothing is in doubt.
                    await propq.tokens.get_token()
                    await ledger.mark(account, [update])
                    standing = _IN_DOUBT
                    await session.units.update(update)
                    standing = "the update is applied"
                    await ledger.acknowledge(account, [update])
        except PropQError as error:
            raise CommandError(str(error), _status(error)) from error
        except asyncio.CancelledError:
            raise CommandError(f"interrupted: {standing}", Exit.INTERRUPTED) from None
        screen.sentence(
            f"applied: {update.name} of {update.development_id} is {update.status.name}, "
            f"{exact(update.price):,f}, {' '.join(update.directions)}",
            "green",
        )
        return Exit.DONE


def _directions(text: str) -> tuple[str, ...] | str:
    """Return the directions, or what was expected instead.

    The vendor publishes no list, so what nobody knows here is sent as it is; but only single words
    with commas between them, of which it is certain how many directions they are.
    """
    found: list[str] = []
    for part in text.split(","):
        directions = directions_in(part, {})
        if isinstance(directions, str):
            word = part.strip()
            if not word.isalpha():
                return _EXPECTED if directions is UNKNOWN_DIRECTION else directions
            directions = (word,)
        found += directions
    return tuple(dict.fromkeys(found))


def _status(error: PropQError) -> Exit:
    """Return whether it is the unit that was refused, or nothing would get through."""
    is_row = isinstance(error, APIStatusError) and not isinstance(
        error, AuthenticationError | ServerError
    )
    return Exit.ROWS_FAILED if is_row else Exit.STOPPED
