"""`propq plan`: its options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from pathlib import Path

from propq_async._cli.account import choose
from propq_async._cli.guard_options import GuardOptions
from propq_async._cli.list_options import ListOptions

from ._types import AS_USUAL, READ_AS_FOUND, Account, Command, Count, Flag, NotNegative, Place

__all__ = ["plan"]


def plan(
    path: Path,
    /,
    *,
    reading: ListOptions = READ_AS_FOUND,
    guards: GuardOptions = AS_USUAL,
    ledger: Place | None = None,
    trust_hours: NotNegative = 24,
    all: Flag = False,  # noqa: A002 - what it is called
    list: Count = 20,  # noqa: A002 - the same
    account: Account = None,
    json: Flag = False,
    out: Path | None = None,
    report: Path | None = None,
    shard: str | None = None,
) -> Command:
    """Show what pushing a price list would change. Nothing is sent.

    The list is compared with the ledger, a file that holds what the server has last acknowledged
    for each unit, since the API cannot be asked. The account says whose units they are;
    PROPQ_BASE_URL may name another server.

    Args:
        path: The price list: a workbook, CSV, TSV or JSON lines.
        reading: How it is read.
        guards: What needs a yes.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        trust_hours: How long an acknowledgement counts. People edit on the server's pages, too.
        all: Treat unchanged rows as changes, too.
        list: How many rows of a kind are shown.
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        json: Print everything as JSON.
        out: Keep the plan in this file. `propq push FILE` then sends exactly that, or nothing if
            the list or the ledger has changed since.
        report: Write the plan to this file, as a page (.html) that can be mailed.
        shard: Only a part of the list, such as 2/5. What is likely a mistake is that of all of it.
            [default: JOB_COMPLETION_INDEX and JOB_COMPLETIONS, or all of it]
    """
    from propq_async._cli.plan import PlanCommand

    choose(account)
    return PlanCommand(
        path=path,
        reading=reading,
        guards=guards,
        ledger=ledger,
        trust_hours=trust_hours,
        everything=all,
        listed=list,
        as_json=json,
        out=out,
        report=report,
        shard=shard,
    ).run()
