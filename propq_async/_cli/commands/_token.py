"""`propq token`: its commands with their options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from cyclopts import App

from propq_async._cli.account import choose

from ._types import Account, Command, Flag

__all__ = ["token"]


token = App(
    name="token",
    help="The access token that is kept in a file for all processes. Its value is never shown.",
)


@token.command(name="show")
def token_show(*, account: Account = None, json: Flag = False) -> Command:
    """Show where the access token is kept and how long it lives, but not its value.

    It needs the id of the client and no secret.

    Args:
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        json: Print it as JSON.
    """
    from propq_async._cli.token import show

    choose(account)
    return show(as_json=json)


@token.command(name="refresh")
def token_refresh(*, account: Account = None, no_proxy: Flag = False) -> Command:
    """Fetch a new access token in place of the one that is kept.

    Args:
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
        no_proxy: Use no proxy, whatever HTTPS_PROXY says.
    """
    from propq_async._cli.token import refresh

    choose(account)
    return refresh(no_proxy=no_proxy)


@token.command(name="clear")
def token_clear(*, account: Account = None) -> Command:
    """Forget the access token that is kept. The next call fetches another.

    Args:
        account: The account to use, as named in `propq login`. [default: PROPQ_ACCOUNT, the
            environment, or `default`]
    """
    from propq_async._cli.token import clear

    choose(account)
    return clear()
