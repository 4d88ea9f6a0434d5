"""`propq ledger`: its commands with their options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from propq_async._cli.account import choose

from ._types import Account, AtLeastOne, Command, Count, Flag, Place

__all__ = ["ledger"]


ledger = App(
    name="ledger",
    help="""The ledger: the file that knows what the server has acknowledged. Look after it.

    Without it, nothing that a list says can be compared with what was before.
    """,
)


@ledger.command(name="show")
def ledger_show(
    unit: str | None = None,
    /,
    *,
    development: str | None = None,
    ledger: Place | None = None,
    list: Count = 20,  # noqa: A002 - what it is called
    json: Flag = False,
) -> Command:
    """Show what the ledger knows of a unit, or of all. It works during a push, too.

    Args:
        unit: The name of a unit, whatever its case and spaces. [default: all]
        development: Only units of this development.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        list: How many units of a client are shown.
        json: Print everything as JSON.
    """
    from propq_async._cli.ledger_show import show

    return show(ledger, unit, development, list, as_json=json)


@ledger.command(name="backup")
def ledger_backup(file: Path, /, *, ledger: Place | None = None) -> Command:
    """Copy the ledger to a new file, whole, also during a push.

    A plain copy of the file lacks what is in the log beside it.

    Args:
        file: The file to make. One that exists is not overwritten.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
    """
    from propq_async._cli.ledger import backup

    return backup(ledger, file)


@ledger.command(name="check")
def ledger_check(*, ledger: Place | None = None) -> Command:
    """Say whether the ledger is whole, who may use it, and who holds it.

    Args:
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
    """
    from propq_async._cli.ledger import check

    return check(ledger)


@ledger.command(name="forget")
def ledger_forget(
    unit: str,
    /,
    *more: str,
    development: str | None = None,
    account: Account = None,
    ledger: Place | None = None,
    yes: Annotated[Flag, Parameter(name=["--yes", "-y"])] = False,
) -> Command:
    """Forget units of the client. To the next push they are new.

    Args:
        unit: The name of a unit, whatever its case and spaces.
        more: More of them.
        development: The development that they are in, if others have units of the same name.
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        yes: Do not ask.
    """
    from propq_async._cli.ledger import forget

    choose(account)
    return forget(ledger, [unit, *more], development, yes=yes)


@ledger.command(name="import")
def ledger_import(
    file: Place | None = None,
    /,
    *,
    from_client: AtLeastOne | None = None,
    account: Account = None,
    ledger: Place | None = None,
) -> Command:
    """Add what another ledger knows. Of one unit the newer acknowledgement wins.

    If your client id has changed: propq ledger import --from-client 42 gives the memory of client
    42 to the new one.

    Args:
        file: The other ledger, which stays as it is. [default: this one]
        from_client: Import only the units of this client, for the one whose account it is.
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
    """
    from propq_async._cli.ledger import import_

    choose(account)
    return import_(ledger, file, from_client)


@ledger.command(name="copy")
def ledger_copy(source: Place, target: Place, /) -> Command:
    """Copy a ledger to an empty one: from a file to a server, or the other way.

    Args:
        source: The ledger that there is: a file, or postgresql://user@host/database.
        target: The ledger to make. Nothing may be in it.
    """
    from propq_async._cli.ledger_copy import copy

    return copy(source, target)
