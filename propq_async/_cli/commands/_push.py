"""`propq push`: its options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from propq_async._cli.account import choose
from propq_async._cli.guard_options import GuardOptions
from propq_async._cli.list_options import ListOptions
from propq_async.config import CONCURRENCY, MAX_OUTAGE_SECONDS

from ._types import (
    AS_USUAL,
    READ_AS_FOUND,
    Account,
    AtLeastOne,
    Command,
    Count,
    Flag,
    NotNegative,
    Place,
)

__all__ = ["push"]


def push(
    path: Path,
    /,
    *,
    reading: ListOptions = READ_AS_FOUND,
    guards: GuardOptions = AS_USUAL,
    ledger: Place | None = None,
    trust_hours: NotNegative = 24,
    all: Flag = False,  # noqa: A002 - what it is called
    dry_run: Flag = False,
    yes: Annotated[Flag, Parameter(name=["--yes", "-y"])] = False,
    concurrency: AtLeastOne = CONCURRENCY,
    max_calls_per_second: Annotated[
        float | None, Parameter(validator=Number(gt=0, lt=math.inf))
    ] = None,
    max_outage_seconds: NotNegative = MAX_OUTAGE_SECONDS,
    list: Count = 20,  # noqa: A002 - what it is called
    account: Account = None,
    no_proxy: Flag = False,
    json: Flag = False,
    quiet: Flag = False,
    report: Path | None = None,
    shard: str | None = None,
    wait: NotNegative = 0,
) -> Command:
    """Send what changed in a price list, and say what became of it.

    On a terminal the plan is shown first, and nothing is sent without a yes. Elsewhere what is
    likely a mistake needs one (a price that moves by more than 20% or is far too low, SOLD to
    AVAILABLE, more than half of the list changing its status or its directions, units that vanished
    from it, a ledger that knows nothing of most of them): --accept names its kind. Ctrl-C finishes
    what is in flight; the same command then resumes, also after a crash. Rows that are broken or
    fail are written to FILE.failed.csv beside the list, to be corrected and pushed. Progress goes
    to stderr and the summary to stdout: propq push FILE | mail -s PropQ you@example.com

    Args:
        path: The price list: a workbook, CSV, TSV or JSON lines; or a plan that was kept.
        reading: How it is read.
        guards: What needs a yes.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        trust_hours: How long an acknowledgement counts. People edit on the server's pages, too.
        all: Send unchanged rows as well.
        dry_run: Send nothing, and do what `propq plan` does.
        yes: Ask nothing, and send also what is likely a mistake, of whatever kind.
        concurrency: How many rows are in flight at most.
        max_calls_per_second: An upper bound. [default: what the server bears]
        max_outage_seconds: How long rows are held while the server does not answer.
        list: How many rows of a kind are shown.
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        no_proxy: Use no proxy, whatever HTTPS_PROXY says.
        json: Print the summary and each failure as one JSON document instead.
        quiet: Write nothing to stderr unless something is wrong, so that cron mails nothing else.
        report: Write what became of it to this file, as a page (.html) that can be mailed.
        shard: Only a part of the list, such as 2/5, beside those who push the others with one
            ledger in PostgreSQL. [default: JOB_COMPLETION_INDEX and JOB_COMPLETIONS, or all of it]
        wait: For how many seconds to wait for another push that is at work with the ledger.
    """
    from propq_async._cli.push import PushCommand

    choose(account)
    return PushCommand(
        path=path,
        reading=reading,
        guards=guards,
        ledger=ledger,
        trust_hours=trust_hours,
        everything=all,
        dry_run=dry_run,
        yes=yes,
        concurrency=concurrency,
        max_calls_per_second=max_calls_per_second,
        max_outage_seconds=max_outage_seconds,
        listed=list,
        no_proxy=no_proxy,
        as_json=json,
        quiet=quiet,
        report=report,
        shard=shard,
        wait_seconds=wait,
    ).run()
