"""`propq login`, `logout` and `accounts`: their options and help."""
# ruff: noqa: PLC0415 - what a command needs is imported when it runs

from __future__ import annotations

from propq_async._cli.account import choose

from ._types import Account, AtLeastOne, Command, Flag

__all__ = ["accounts", "login", "logout"]


def login(
    *,
    account: Account = None,
    client_id: AtLeastOne | None = None,
    secret_stdin: Flag = False,
    no_proxy: Flag = False,
) -> Command:
    """Ask for client id and secret, prove them, and keep them in the keyring of this machine.

    The secret is typed without being shown, and never on the command line, where others would see
    it. The keyring is the store of secrets of the operating system: Keychain, Credential Manager,
    Secret Service or KWallet. It needs the extra: pip install 'propq-async[keyring]'

    Args:
        account: What to call it. [default: PROPQ_ACCOUNT, or `default`]
        client_id: The id, to be asked for the secret only.
        secret_stdin: Read the secret from standard input, which a script can give.
        no_proxy: Use no proxy, whatever HTTPS_PROXY says.
    """
    from propq_async._cli.login import login

    choose(account)
    return login(client_id=client_id, secret_stdin=secret_stdin, no_proxy=no_proxy)


def logout(*, account: Account = None) -> Command:
    """Remove an account from the keyring, and the access token that is kept of it.

    Args:
        account: What it is called. [default: PROPQ_ACCOUNT, or `default`]
    """
    from propq_async._cli.login import logout

    choose(account)
    return logout()


def accounts(*, json: Flag = False) -> Command:
    """List the accounts that are kept in the keyring, without their secrets.

    Args:
        json: Print them as JSON.
    """
    from propq_async._cli.login import accounts

    return accounts(as_json=json)
