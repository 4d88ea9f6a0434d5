"""`propq ledger copy`: moving a ledger, from a file to a server or the other way."""

from __future__ import annotations

from propq_async._messages import tr
from propq_async.ledger import Ledger

from .exit_codes import CommandError, Exit
from .phrases import counted
from .screen import ledger_warnings, report
from .signals import interruptible

__all__ = ["copy"]


async def copy(source: str, target: str) -> Exit:
    """Copy all that a ledger knows to an empty one."""
    with ledger_warnings():
        return await interruptible(_copy(source, target))


async def _copy(source: str, target: str) -> Exit:
    async with Ledger(source) as old, Ledger(target) as new:
        if not await old.everything():
            raise CommandError(
                tr("there is nothing in the ledger {location}").format(location=old.location),
                Exit.UNUSABLE,
            )
        # What a push notes meanwhile would be missing in the copy.
        async with old.exclusive(), new.exclusive():
            if known := await new.everything():
                units = counted(sum(map(len, known.values())), "unit")
                raise CommandError(
                    tr(
                        "the ledger {location} knows {units} already, and nothing was copied: "
                        "`propq ledger import` brings two ledgers together"
                    ).format(location=new.location, units=units),
                    Exit.UNUSABLE,
                )
            copied = counted(await new.merge(old), "unit")
    said = tr(
        "copied {copied} to {location}: name it with PROPQ_LEDGER or --ledger from now on"
    ).format(copied=copied, location=new.location)
    report(lambda screen: screen.sentence(said))
    return Exit.DONE
