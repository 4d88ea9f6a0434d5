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
    "NoCredentialsError",
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
_OTHER_WAYS: Final = (
    tr("name an account with --account or {variable}").format(variable=ACCOUNT_VARIABLE),
    tr("set {client_id} and {client_secret}").format(
        client_id=CLIENT_ID_VARIABLE, client_secret=CLIENT_SECRET_VARIABLE
    ),
    tr("name files with them in {client_id} and {client_secret}").format(
        client_id=f"{CLIENT_ID_VARIABLE}{FILE_SUFFIX}",
        client_secret=f"{CLIENT_SECRET_VARIABLE}{FILE_SUFFIX}",
    ),
)

# What --account says. Like a variable of the environment, it is set once for the whole command.
_option: ContextVar[str | None] = ContextVar("account", default=None)


class NoCredentialsError(CommandError):
    """There are no credentials.

    Attributes:
        what: that there are none, and what they are needed for.
        ways: what somebody can do about it: one of these.
    """

    def __init__(self, needed_for: str, no_keyring: str) -> None:
        self.what = joined("", (tr("there are no credentials"), needed_for))
        login = tr("log in with `propq login`, which keeps them in the keyring{why}").format(
            why=joined("", (" (", no_keyring, ")")) if no_keyring else ""
        )
        self.ways = (login, *_OTHER_WAYS)
        head = tr("{what}; do one of these:").format(what=self.what)
        super().__init__(joined("\n- ", (head, *self.ways)), Exit.UNUSABLE)


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


async def find_credentials(usual: str | None = None, *, needed_for: str = "") -> Credentials:
    """Return the credentials for this command.

    Args:
        usual: the account that takes the place of `default`, such as that of a profile.
        needed_for: what is said of their use if there are none.

    Raises:
        ConfigurationError: they cannot be used.
        NoCredentialsError: there are none.
    """
    account = chosen()
    if account is None and variables_in_use():
        # In a thread, like the other one: a file may be on a slow disk.
        return await in_thread(Credentials.from_env)
    return await in_thread(lambda: _from_keyring(account or usual, needed_for))


async def find_client_id() -> int:
    """Return the id of the client, for what needs no secret.

    Raises:
        ConfigurationError, CommandError: as `find_credentials`.
    """
    account = chosen()
    if account is None and variables_in_use():
        return await in_thread(client_id_from_env)
    return (await in_thread(lambda: _from_keyring(account))).client_id


def _from_keyring(account: str | None, needed_for: str = "") -> Credentials:
    if account is not None:
        return Credentials.from_keyring(account)
    try:
        is_there = read_account(DEFAULT_ACCOUNT) is not None
        no_keyring = ""
    except UnusableKeyringError as error:
        is_there, no_keyring = False, error.reason
    if is_there:
        return Credentials.from_keyring()
    raise NoCredentialsError(needed_for, no_keyring)
