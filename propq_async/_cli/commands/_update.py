"""`propq update`: its options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from propq_async._cli.account import choose
from propq_async._cli.guard_options import GuardOptions
from propq_async._cli.list_options import Decimals

from ._types import AS_USUAL, Account, Command, Flag, Place

__all__ = ["update"]


def update(
    development: str,
    name: str,
    /,
    *,
    status: str,
    price: str,
    directions: str,
    decimal: Decimals | None = None,
    guards: GuardOptions = AS_USUAL,
    ledger: Place | None = None,
    yes: Annotated[Flag, Parameter(name=["--yes", "-y"])] = False,
    account: Account = None,
    no_proxy: Flag = False,
) -> Command:
    """Set status, price and directions of one unit. The API takes all three each time.

    For example: propq update 4711 A-101 --status SOLD --price 250000 --directions "N S"

    Interrupted, it says whether the update may have been applied.

    Args:
        development: The id of the development.
        name: The name of the unit, exactly as the server has it.
        status: AVAILABLE, HOLD, SOLD or RESERVED, or what they are called in Spanish.
        price: The price in euro.
        directions: The orientation, such as N, "N S" or SO.
        decimal: What stands before the decimals of the price, if that is in doubt: . or ,
        guards: What needs a yes.
        ledger: The ledger. [default: PROPQ_LEDGER, or ledger.sqlite3 in the user's data directory]
        yes: Ask nothing, and send also what is likely a mistake.
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        no_proxy: Use no proxy, whatever HTTPS_PROXY says.
    """
    from propq_async._cli.update import UpdateCommand

    choose(account)
    return UpdateCommand(
        development=development,
        name=name,
        status=status,
        price=price,
        directions=directions,
        decimal=decimal,
        guards=guards,
        yes=yes,
        ledger=ledger,
        no_proxy=no_proxy,
    ).run()
