"""`propq login`, `logout` and `accounts`: credentials in the keyring. No secret is ever shown."""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import attrs

from propq_async import ConfigurationError, Credentials, PropQError
from propq_async._environment import CLIENT_ID_VARIABLE, DEFAULT_ACCOUNT, variable
from propq_async._keyring import (
    Entry,
    account_names,
    delete_account,
    read_account,
    store_name,
    write_account,
)
from propq_async._messages import joined, tr
from propq_async._secret import NamedSource, SecretStr, UnusableSecretError
from propq_async._waiting import in_thread
from propq_async.credentials import secret_problem

from .account import chosen, variables_in_use
from .client import connect, explained
from .exit_codes import CommandError, Exit, exit_of
from .language import said
from .plan_json import dump
from .question import ended_by_signals
from .screen import Screen, report, store_warnings
from .signals import interruptible
from .streams import errors_out
from .token import forget_token

__all__ = ["accounts", "login", "logout"]
_T = TypeVar("_T")

_NOTHING_KEPT: Final = tr("nothing was kept")
_MAX_INPUT: Final = 64 * 1024


async def login(*, client_id: int | None, secret_stdin: bool, no_proxy: bool) -> Exit:
    """Ask for id and secret, prove them, and keep them."""
    account = chosen() or DEFAULT_ACCOUNT
    # First, so that nobody types a secret in vain.
    store = await _usable(store_name)
    before = await _usable(lambda: read_account(account))
    if client_id is None:
        client_id = _number(_asked_id(secret_stdin=secret_stdin))
    entry = Entry(client_id, _piped_secret() if secret_stdin else _typed_secret())
    problem = secret_problem(entry.client_secret, tr("the secret"))
    if problem is not None:
        raise CommandError(joined("; ", (problem, _NOTHING_KEPT)), Exit.USAGE)
    with store_warnings():
        await interruptible(_prove(entry, no_proxy=no_proxy))
    await _usable(lambda: write_account(account, entry))

    def show(screen: Screen) -> None:
        screen.sentence(
            tr(
                "the server takes these credentials; client {client_id} is kept as account "
                "{account!r} in {store}"
            ).format(client_id=client_id, account=account, store=store),
            "green",
        )
        if before is not None and before.client_id != client_id:
            screen.sentence(
                tr("it was client {client_id} before").format(client_id=before.client_id)
            )
        if account == DEFAULT_ACCOUNT and variables_in_use():
            screen.sentence(
                tr(
                    "the environment has credentials as well, and commands take those unless "
                    "--account is given"
                ),
                "yellow",
            )

    report(show)
    return Exit.DONE


@attrs.frozen
class _Typed(NamedSource):
    """A secret of which nobody knows yet whether it works."""

    _secret: SecretStr

    def __str__(self) -> str:
        return tr("the secret as you gave it")

    def __call__(self) -> SecretStr:
        return self._secret


async def _prove(entry: Entry, *, no_proxy: bool) -> Exit:
    """Fetch a token with these credentials."""
    try:
        credentials = Credentials(entry.client_id, _Typed(entry.client_secret))
        client = connect(credentials, no_proxy=no_proxy)
    except ConfigurationError as error:
        raise CommandError(joined("; ", (str(error), _NOTHING_KEPT)), Exit.UNUSABLE) from None
    try:
        async with client as propq:
            await propq.tokens.refresh()
    except PropQError as error:
        said = joined("; ", (explained(error, client), _NOTHING_KEPT))
        raise CommandError(said, exit_of(error)) from None
    return Exit.DONE


async def logout() -> Exit:
    """Remove an account, and the token that was issued to it."""
    account = chosen() or DEFAULT_ACCOUNT
    client_id = await _client_of(account)
    there_was = await _usable(lambda: delete_account(account))
    if not there_was:
        raise CommandError(
            tr("the keyring has no account {account!r}").format(account=account), Exit.ROWS_FAILED
        )
    if client_id is not None:
        await forget_token(client_id)
    report(
        lambda screen: screen.sentence(
            tr("removed the account {account!r} from the keyring").format(account=account)
        )
    )
    return Exit.DONE


async def accounts(*, as_json: bool) -> Exit:
    """List the accounts in the keyring."""
    found = [(name, await _client_of(name)) for name in await _usable(account_names)]
    if as_json:
        listed = [{"account": name, "client_id": client_id} for name, client_id in found]
        sys.stdout.write(dump({"accounts": listed}) + "\n")
    elif found:
        rows = [
            [
                name,
                tr("client {client_id}").format(client_id=client_id)
                if client_id
                else tr("removed or spoiled by others"),
            ]
            for name, client_id in found
        ]
        report(lambda screen: screen.section(tr("Accounts"), rows))
    else:
        report(lambda screen: screen.sentence(tr("no accounts: `propq login` makes one")))
    return Exit.DONE if found else Exit.ROWS_FAILED


async def _client_of(account: str) -> int | None:
    """Return whose account it is, `None` if its entry is gone or was not made by us."""
    entry = None
    with suppress(CommandError):
        entry = await _usable(lambda: read_account(account))
    return None if entry is None else entry.client_id


async def _usable(work: Callable[[], _T]) -> _T:
    """Do something with the keyring, in a thread, since it may ask whether it may be used."""
    try:
        return await in_thread(work)
    except UnusableSecretError as error:
        raise CommandError(str(error), Exit.UNUSABLE) from None


def _asked_id(*, secret_stdin: bool) -> str:
    if secret_stdin:
        text = variable(CLIENT_ID_VARIABLE)
        if not text.strip():
            raise CommandError(
                tr(
                    "--secret-stdin: say whose secret it is with --client-id or "
                    "{client_id_variable}"
                ).format(client_id_variable=CLIENT_ID_VARIABLE),
                Exit.USAGE,
            )
        return text
    _need_terminal()
    with ended_by_signals(_NOTHING_KEPT):
        stderr = errors_out()
        stderr.write(said(tr("Client id: ")))
        stderr.flush()
        return sys.stdin.readline()


def _number(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()):
        raise CommandError(
            tr("the client id is a number that Resales Online gave you; {nothing_kept}").format(
                nothing_kept=_NOTHING_KEPT
            ),
            Exit.USAGE,
        )
    return int(digits)


def _piped_secret() -> SecretStr:
    text = SecretStr(sys.stdin.read(_MAX_INPUT))
    return SecretStr(text.removesuffix("\n").removesuffix("\r"))


def _typed_secret() -> SecretStr:
    _need_terminal()
    try:
        with ended_by_signals(_NOTHING_KEPT), warnings.catch_warnings():
            # It would be shown.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return SecretStr(getpass.getpass(said(tr("Client secret (it is not shown): "))))
    except EOFError:
        problem = tr("no secret was given")
    except getpass.GetPassWarning:
        problem = tr("this terminal would show the secret: use --secret-stdin")
    raise CommandError(joined("; ", (problem, _NOTHING_KEPT)), Exit.USAGE)


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            tr(
                "there is no terminal to ask on: use --client-id and --secret-stdin, as in "
                "propq login --client-id 42 --secret-stdin < FILE"
            ),
            Exit.USAGE,
        )
