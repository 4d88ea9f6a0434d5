"""The yes that a push needs before anything is sent."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from propq_async._messages import tr, trn
from propq_async.pricelist import Plan, PlanWarning, PriceList

from .exit_codes import CommandError, Exit
from .guard_options import accepting
from .plan_text import show_plan, show_warnings
from .push_options import PushOptions
from .question import ask
from .screen import Screen, report

__all__ = ["confirm", "question"]


def confirm(
    options: PushOptions, made: Plan, prices: PriceList, ledger: str, screen: Screen
) -> None:
    """Go on only if the user says yes, or nobody is there and no warning needs it.

    Raises:
        CommandError: nothing is to be sent.
    """
    if options.yes:
        return
    left = options.guards.unaccepted(made)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        if left:
            raise _unconfirmed(left, made, options.listed)
    # Even with nothing to send: a yes lets the ledger forget units that vanished.
    elif made.changes or left:
        show_plan(screen, made, prices, ledger, options.listed)
        screen.sentence("")
        if not ask(question(left, len(made.changes))):
            raise CommandError(tr("nothing was sent"), Exit.UNCONFIRMED)


def question(left: Sequence[PlanWarning], count: int) -> str:
    """Return the question, which need not warn of a first push."""
    if left and all(one.is_first_push for one in left):
        return trn("Send {count:,} unit? [y/N] ", "Send all {count:,} units? [y/N] ", count)
    go_on = tr("Push all the same") if left else tr("Push")
    return tr("{go_on} ({count:,} to be sent)? [y/N] ").format(go_on=go_on, count=count)


def _unconfirmed(left: Sequence[PlanWarning], made: Plan, listed: int) -> CommandError:
    """Tell what needs a yes, with nobody to ask, and return the error."""

    # This is the result of the push, and may be mailed.
    def show(screen: Screen) -> None:
        show_warnings(screen, left, listed)
        screen.sentence("")
        if made.broken:
            command = shlex.join(["propq", "plan", str(made.path)])
            screen.sentence(
                trn(
                    "{count:,} row is broken as well: {command} shows it",
                    "{count:,} rows are broken as well: {command} shows them",
                    len(made.broken),
                    command=command,
                )
            )

    report(show)
    return CommandError(
        tr(
            "nothing was sent, since the above needs a yes: if it is meant, push with "
            "{accept} (or with --yes, for whatever it may be)"
        ).format(accept=accepting(left)),
        Exit.UNCONFIRMED,
    )
