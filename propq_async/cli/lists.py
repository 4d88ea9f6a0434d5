"""The commands around price lists and their options. What they need is imported when they run."""
# ruff: noqa: PLC0415

from __future__ import annotations

import math
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from cyclopts import App, Parameter
from cyclopts.validators import Number

from .ending import Exit
from .reading import Decimals, Reading

__all__ = ["CONCURRENCY", "MAX_OUTAGE_SECONDS", "register"]

CONCURRENCY: Final = 100
MAX_OUTAGE_SECONDS: Final = 300

Command: TypeAlias = Coroutine[Any, Any, Exit]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
AtLeastOne = Annotated[int, Parameter(validator=Number(gte=1))]
NotNegative = Annotated[float, Parameter(validator=Number(gte=0, lt=math.inf))]
_READ_AS_FOUND = Reading()


def plan(
    path: Path,
    /,
    *,
    reading: Reading = _READ_AS_FOUND,
    ledger: Path | None = None,
    trust_hours: NotNegative = 24,
    all: Flag = False,  # noqa: A002 - what it is called
    list: Annotated[int, Parameter(validator=Number(gte=0))] = 20,  # noqa: A002 - the same
    json: Flag = False,
) -> Command:
    """Show what pushing a price list would change. Nothing is sent.

    The list is compared with the ledger: a file that holds, for each unit, what the server has
    acknowledged last, since the API has no way to ask. PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET say
    whose units they are; PROPQ_BASE_URL may name another server.

    The exit status is 0 if there is nothing to do; 1 if some rows are broken; 2 if there are
    changes; 3 if credentials or ledger do not serve; 4 if there is nothing to send, and a push
    would need a yes all the same, since units vanished.

    Args:
        path: The price list: CSV, TSV, XLSX or JSON lines.
        reading: How it is read.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        trust_hours: How long an acknowledgement counts. People edit on the server's pages, too.
        all: Take unchanged rows for changes, too.
        list: How many rows of a kind are shown.
        json: Print everything as JSON.
    """
    from .plan import PlanCommand

    return PlanCommand(
        path=path,
        reading=reading,
        ledger=ledger,
        trust_hours=trust_hours,
        everything=all,
        listed=list,
        as_json=json,
    ).run()


def push(
    path: Path,
    /,
    *,
    reading: Reading = _READ_AS_FOUND,
    ledger: Path | None = None,
    trust_hours: NotNegative = 24,
    all: Flag = False,  # noqa: A002 - what it is called
    dry_run: Flag = False,
    yes: Annotated[Flag, Parameter(name=["--yes", "-y"])] = False,
    concurrency: AtLeastOne = CONCURRENCY,
    max_calls_per_second: Annotated[
        float | None, Parameter(validator=Number(gt=0, lt=math.inf))
    ] = None,
    max_outage_seconds: NotNegative = MAX_OUTAGE_SECONDS,
    list: Annotated[int, Parameter(validator=Number(gte=0))] = 20,  # noqa: A002 - what it is called
) -> Command:
    """Send what changed in a price list, and say what became of it.

    What is likely a mistake (a price that moves by more than 20%, one of a new unit far below the
    others, SOLD to AVAILABLE, more than half of the list changing its status, units that vanished
    from it) needs a yes. Ctrl-C finishes what is in flight; the same command goes on where it
    stood, also after a crash. Rows that are broken or fail are written to FILE.failed.csv beside
    the list, to be mended and pushed. Progress goes to stderr and the summary to stdout:
    propq push FILE --yes | mail -s PropQ you@example.com

    The exit status is 0 if everything is applied; 1 if some rows are broken or failed; 3 if
    credentials, server or ledger stopped it; 4 if a yes is needed; 130 after Ctrl-C.

    Args:
        path: The price list: CSV, TSV, XLSX or JSON lines.
        reading: How it is read.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        trust_hours: How long an acknowledgement counts. People edit on the server's pages, too.
        all: Send unchanged rows as well.
        dry_run: Send nothing, and do what `propq plan` does.
        yes: Send also what is likely a mistake.
        concurrency: How many rows are under way at the most.
        max_calls_per_second: An upper bound. [default: what the server bears]
        max_outage_seconds: How long rows are held while the server does not answer.
        list: How many rows of a kind are shown.
    """
    from .push import PushCommand

    return PushCommand(
        path=path,
        reading=reading,
        ledger=ledger,
        trust_hours=trust_hours,
        everything=all,
        dry_run=dry_run,
        yes=yes,
        concurrency=concurrency,
        max_calls_per_second=max_calls_per_second,
        max_outage_seconds=max_outage_seconds,
        listed=list,
    ).run()


def update(
    development: str,
    name: str,
    /,
    *,
    status: str,
    price: str,
    directions: str,
    decimal: Decimals | None = None,
    ledger: Path | None = None,
) -> Command:
    """Set status, price and directions of one unit. The API takes all three each time.

    For example: propq update 4711 A-101 --status SOLD --price 250000 --directions "N S"

    The exit status is 0 if it was applied; 1 if the server refused it; 3 if credentials, server or
    ledger do not serve; 130 after Ctrl-C, which says whether it may have been applied.

    Args:
        development: The id of the development.
        name: The name of the unit, exactly as the server has it.
        status: AVAILABLE, HOLD, SOLD or RESERVED, or what they are called in Spanish.
        price: The price in euro.
        directions: The orientation, such as N, "N S" or SO.
        decimal: What stands before the decimals of the price, if that is in doubt: . or ,
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
    """
    from .update import UpdateCommand

    return UpdateCommand(
        development=development,
        name=name,
        status=status,
        price=price,
        directions=directions,
        decimal=decimal,
        ledger=ledger,
    ).run()


token = App(
    name="token",
    help="The access token that is kept in a file for all processes. Its value is never shown.",
)


@token.command(name="show")
def token_show() -> Command:
    """Show where the access token is kept and how long it lives, but not its value."""
    from .token import show

    return show()


@token.command(name="refresh")
def token_refresh() -> Command:
    """Fetch a new access token in place of the one that is kept."""
    from .token import refresh

    return refresh()


@token.command(name="clear")
def token_clear() -> Command:
    """Forget the access token that is kept. The next call fetches another."""
    from .token import clear

    return clear()


def register(app: App) -> None:
    """Add the commands."""
    for command in (plan, push, update, token):
        app.command(command)
