"""`propq plan`: what pushing a price list would change."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import attrs

from propq_async import AsyncPropQ
from propq_async._messages import tr
from propq_async.ledger import Ledger
from propq_async.pricelist import Plan, PriceList, plan

from .account import find_credentials
from .exit_codes import CommandError, Exit
from .guard_options import GuardOptions, accepting
from .list_options import ListOptions, open_list
from .plan_file import keep
from .plan_json import dump, plan_json
from .plan_text import show_plan
from .report_file import check_report, write_report
from .screen import Screen
from .shard_option import shard_named
from .signals import interruptible

__all__ = ["PlanCommand", "plan_status", "refuse_empty", "tell_plan"]


@attrs.frozen(kw_only=True)
class PlanCommand:
    """The command with its options."""

    path: Path
    reading: ListOptions
    guards: GuardOptions
    ledger: str | None
    trust_hours: float
    everything: bool
    listed: int
    as_json: bool
    out: Path | None
    report: Path | None
    shard: str | None = None

    async def run(self) -> Exit:
        """Make the plan and show it."""
        return await interruptible(self._run())

    async def _run(self) -> Exit:
        self.guards.check()
        check_report(self.report)
        shard = shard_named(self.shard)
        prices = await asyncio.to_thread(open_list, self.path, self.reading, shard)
        credentials = await find_credentials(
            prices.profile.account if prices.profile else None,
            needed_for=tr(
                " (a plan needs the client id, by which it finds what was pushed before)"
            ),
        )
        client = AsyncPropQ.from_env(credentials=credentials)
        async with client as propq, Ledger(self.ledger) as ledger:
            made = await plan(
                prices,
                propq,
                ledger,
                trust_hours=self.trust_hours,
                everything=self.everything,
                **self.guards.limits,
            )
        refuse_empty(made, prices)
        await write_report(made, self.report)
        tell_plan(made, prices, ledger.location, self.listed, as_json=self.as_json)
        if (left := self.guards.unaccepted(made)) and not self.as_json:
            yes = tr(
                "propq push asks for a yes; where nobody can be asked, {accept} is one"
            ).format(accept=accepting(left))
            Screen().lines(tr("If it is meant"), [yes])
        if self.out is not None:
            await asyncio.to_thread(keep, made, self.out, self.reading)
            if not self.as_json:
                Screen().lines(
                    tr("Kept"), [tr("propq push {out} sends exactly that").format(out=self.out)]
                )
        return plan_status(made, self.guards)


def tell_plan(made: Plan, prices: PriceList, ledger: str, listed: int, *, as_json: bool) -> None:
    """Write a plan to stdout."""
    if as_json:
        sys.stdout.write(dump(plan_json(made)) + "\n")
    else:
        show_plan(Screen(), made, prices, ledger, listed)


def refuse_empty(made: Plan, prices: PriceList) -> None:
    """Refuse a list without rows: most likely its export has failed."""
    if not made.rows and next(prices.whole(), None) is None:
        raise CommandError(
            tr(
                "{path}: the list has no rows: nothing was sent; see what went wrong when "
                "it was made"
            ).format(path=made.path),
            Exit.USAGE,
        )


def plan_status(made: Plan, guards: GuardOptions) -> Exit:
    """Return the exit status of a plan."""
    # Before the rest, as in a push, which asks even if units have vanished and nothing is sent.
    if guards.unaccepted(made):
        return Exit.UNCONFIRMED
    if made.broken:
        return Exit.ROWS_FAILED
    return Exit.CHANGES if made.changes else Exit.DONE
