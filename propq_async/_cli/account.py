"""Whose credentials a command uses: a named account, the environment, or the default account."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from propq_async import Credentials
from propq_async._environment import (
    ACCOUNT_VARIABLE,
    CLIENT_ID_VARIABLE,
    CLIENT_SECRET_VARIABLE,
    DEFAULT_ACCOUNT,
    FILE_SUFFIX,
    variable,
)
from propq_async._keyring import UnusableKeyringError, read_account
from propq_async._messages import joined, tr
from propq_async._waiting import in_thread
from propq_async.credentials import client_id_from_env

from .exit_codes import CommandError, Exit

__all__ = [
    "THREE_WAYS",
    "choose",
    "chosen",
    "find_client_id",
    "find_credentials",
    "named_on_command_line",
    "variables_in_use",
]

_VARIABLES: Final = tuple(
    name + suffix
    for name in (CLIENT_ID_VARIABLE, CLIENT_SECRET_VARIABLE)
    for suffix in ("", FILE_SUFFIX)
)
THREE_WAYS: Final = tr(
    "log in with `propq login`, which keeps them in the keyring; or name an "
    "account with --account or {account_variable}; or set {client_id_variable} "
    "and {client_secret_variable}, or name files with them in "
    "{client_id_variable}{file_suffix} and "
    "{client_secret_variable}{file_suffix}"
).format(
    account_variable=ACCOUNT_VARIABLE,
    client_id_variable=CLIENT_ID_VARIABLE,
    client_secret_variable=CLIENT_SECRET_VARIABLE,
    file_suffix=FILE_SUFFIX,
)

# What --account says. Like a variable of the environment, it is set once for the whole command.
_option: ContextVar[str | None] = ContextVar("account", default=None)


def choose(account: str | None) -> None:
    """Set what --account says, for the command that is about to run."""
    _option.set(account)


def named_on_command_line() -> str | None:
    """Return the account in --account, `None` if it is not used."""
    return _option.get()


def chosen() -> str | None:
    """Return the account that is named, `None` if none is."""
    return _option.get() or variable(ACCOUNT_VARIABLE).strip() or None


def variables_in_use() -> list[str]:
    """Return which of the variables with credentials are set."""
    return [name for name in _VARIABLES if variable(name).strip()]


async def find_credentials(usual: str | None = None) -> Credentials:
    """Return the credentials for this command.

    Args:
        usual: the account that takes the place of `default`, such as that of a profile.

    Raises:
        ConfigurationError: they cannot be used.
        CommandError: there are none.
    """
    account = chosen()
    if account is None and variables_in_use():
        # In a thread, like the other one: a file may be on a slow disk.
        return await in_thread(Credentials.from_env)
    return await in_thread(lambda: _from_keyring(account or usual))


async def find_client_id() -> int:
    """Return the id of the client, for what needs no secret.

    Raises:
        ConfigurationError, CommandError: as `find_credentials`.
    """
    account = chosen()
    if account is None and variables_in_use():
        return await in_thread(client_id_from_env)
    return (await in_thread(lambda: _from_keyring(account))).client_id


def _from_keyring(account: str | None) -> Credentials:
    if account is not None:
        return Credentials.from_keyring(account)
    try:
        is_there = read_account(DEFAULT_ACCOUNT) is not None
        why = ""
    except UnusableKeyringError as error:
        is_there, why = False, joined("", (" (", error.reason, ")"))
    if is_there:
        return Credentials.from_keyring()
    raise CommandError(
        tr("there are no credentials{why}: {three_ways}").format(why=why, three_ways=THREE_WAYS),
        Exit.UNUSABLE,
    )
