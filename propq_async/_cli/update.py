"""`propq update`: one unit."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from typing import Final

import attrs

from propq_async import APIStatusError, AuthenticationError, PropQError, UnitUpdate
from propq_async._comparison import exact
from propq_async._messages import tr
from propq_async.errors import InvalidUpdateError, RateLimitError, ServerError
from propq_async.ledger import Account, Ledger
from propq_async.pricelist._money import money
from propq_async.pricelist._plan_warning import MIN_PRICE, Limits
from propq_async.pricelist._reading.numbers import IN_DOUBT, TOO_FINE, Decimals, PriceStyle
from propq_async.pricelist._reading.word_lookup import (
    O_IS_WEST,
    UNKNOWN_DIRECTION,
    direction_key,
    directions_in,
    status_of,
)
from propq_async.pricelist._warnings import warnings_of_update

from .account import find_credentials
from .client import connect, explained
from .exit_codes import CommandError, Exit, exit_of
from .guard_options import GuardOptions, accepting
from .question import ask
from .screen import Screen, ledger_warnings, report, store_warnings
from .signals import interruptible

__all__ = ["UpdateCommand"]

_EXPECTED: Final = tr(
    'directions such as N, "N S" or SO; others are sent as they are, with '
    "commas between them, such as NNE,N"
)
_IN_DOUBT: Final = tr("the update may have been applied; the same command sets the values again")


@attrs.frozen(kw_only=True)
class UpdateCommand:
    """The command with its options."""

    development: str
    name: str
    status: str
    price: str
    directions: str
    decimal: Decimals | None
    guards: GuardOptions
    yes: bool
    ledger: str | None
    no_proxy: bool

    async def run(self) -> Exit:
        """Send the update, and say what became of it."""
        self.guards.check()
        with store_warnings(), ledger_warnings():
            return await interruptible(self._run(self._update()))

    def _update(self) -> UnitUpdate:
        status = status_of(self.status, {})
        price = PriceStyle(self.decimal).read(self.price)
        directions = _directions(self.directions)
        if status is None:
            raise CommandError(
                tr(
                    "--status: expected AVAILABLE, HOLD, SOLD or RESERVED, or their words or "
                    "numbers, not {status!r}"
                ).format(status=self.status),
                Exit.USAGE,
            )
        if price is IN_DOUBT:
            raise CommandError(
                tr(
                    "--price: {price!r} can be read in two ways; state which with --decimal . "
                    "or --decimal ,"
                ).format(price=self.price),
                Exit.USAGE,
            )
        if price is TOO_FINE:
            raise CommandError(
                tr(
                    "--price: expected a price with at most two decimals, not {price!r}; write "
                    "it without grouping, such as 250000"
                ).format(price=self.price),
                Exit.USAGE,
            )
        if price is None or not isinstance(price, int | Decimal):
            raise CommandError(
                tr("--price: expected a price such as 199500.50, not {price!r}").format(
                    price=self.price
                ),
                Exit.USAGE,
            )
        if isinstance(directions, str):
            raise CommandError(
                tr("--directions: found {text!r}; expected {directions}").format(
                    directions=directions, text=self.directions
                ),
                Exit.USAGE,
            )
        try:
            return UnitUpdate(self.development, self.name, status, price, directions)
        except InvalidUpdateError as error:
            raise CommandError(str(error), Exit.USAGE) from error

    async def _confirm(self, update: UnitUpdate, account: Account, ledger: Ledger) -> None:
        """Go on only if nothing is likely a mistake, or somebody says yes to it."""
        if self.yes:
            return
        entries = await ledger.entries(account, [update.development_id])
        before = entries.get((update.development_id, update.name))
        max_change, min_price = self.guards.limits.values()
        least = MIN_PRICE if min_price is None else min_price
        limits = Limits(exact(max_change), exact(least))
        left = self.guards.unaccepted_of(warnings_of_update(update, before, limits))
        if not left:
            return

        def show(screen: Screen) -> None:
            for one in left:
                screen.sentence(str(one), "yellow")

        report(show)
        if sys.stdin.isatty() and sys.stderr.isatty():
            if not ask(tr("Send it all the same? [y/N] ")):
                raise CommandError(tr("nothing was sent"), Exit.UNCONFIRMED)
            return
        raise CommandError(
            tr(
                "nothing was sent, since the above needs a yes: if it is meant, add {accept}"
            ).format(accept=accepting(left)),
            Exit.UNCONFIRMED,
        )

    async def _run(self, update: UnitUpdate) -> Exit:
        # What to report if it is interrupted at this point.
        standing = tr("nothing was sent")
        client = connect(await find_credentials(), no_proxy=self.no_proxy)
        try:
            async with client as propq, Ledger(self.ledger) as ledger:
                account = Account(propq.base_url, propq.client_id)
                # Like a push, so that the ledger stays correct.
                async with ledger.exclusive(account), propq.session() as session:
                    # Before the mark: without a token nothing is sent, so nothing is in doubt.
                    await propq.tokens.get_token()
                    await self._confirm(update, account, ledger)
                    marks = await ledger.mark(account, [update])
                    standing = _IN_DOUBT
                    await session.units.update(update)
                    standing = tr("the update is applied")
                    until = {(update.development_id, update.name): marks.generation}
                    await ledger.acknowledge(account, [update], None, until)
        except PropQError as error:
            raise CommandError(explained(error, client), _status(error)) from error
        except asyncio.CancelledError:
            raise CommandError(
                tr("interrupted: {standing}").format(standing=standing), Exit.INTERRUPTED
            ) from None
        said = tr("applied: {name} of {development_id} is {status}, {price}, {directions}").format(
            name=update.name,
            development_id=update.development_id,
            status=update.status.name,
            price=money(exact(update.price), None),
            directions=" ".join(update.directions),
        )
        report(lambda screen: screen.sentence(said, "green"))
        return Exit.DONE


def _directions(text: str) -> tuple[str, ...] | str:
    """Return the directions, or what was expected instead.

    The vendor publishes no list, so unknown words are sent as they are. They must be single words
    with commas between them, so that it is clear how many directions they are.
    """
    found: list[str] = []
    for part in text.split(","):
        if direction_key(part) in O_IS_WEST:
            return tr("W where an O is west, and E where it is east")
        directions = directions_in(part, {})
        if isinstance(directions, str):
            word = part.strip()
            if not word.isalpha():
                return _EXPECTED if directions is UNKNOWN_DIRECTION else directions
            directions = (word,)
        found += directions
    return tuple(dict.fromkeys(found))


def _status(error: PropQError) -> Exit:
    """Return the status: was only this unit refused, or would every update fail?"""
    is_row = isinstance(error, APIStatusError) and not isinstance(
        error, AuthenticationError | RateLimitError | ServerError
    )
    return Exit.ROWS_FAILED if is_row else exit_of(error)
