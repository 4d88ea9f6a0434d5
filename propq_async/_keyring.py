"""Accounts in the operating system's store of secrets: one entry for each, and one with all names.

All functions raise `UnusableSecretError` if there is no keyring, or it fails, or an entry is none
of ours.

The store belongs to others, and their errors may show the secret. So an error of theirs is never
chained to ours: only its type is named.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, Final

import attrs

from propq_async._messages import tr

from ._secret import Hidden, NamedSource, SecretDict, SecretStr, UnusableSecretError

SERVICE: Final = "propq-async"

# A keyring cannot list its entries, so this one has the names of all accounts. Its service is
# another one, so that an account may have any name.
_INDEX: Final = ("propq-async accounts", "all")
_INSTEAD: Final = tr(
    "; without a keyring, keep the secret in a file that only you can read and "
    "name it in PROPQ_CLIENT_SECRET_FILE, with the id in PROPQ_CLIENT_ID"
)


class UnusableKeyringError(UnusableSecretError):
    """There is no keyring that works: `reason` says why, and the message what to use instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason + _INSTEAD)
        self.reason = reason


@attrs.frozen
class Entry:
    client_id: int
    client_secret: SecretStr = attrs.field(repr=False)


@attrs.frozen
class KeyringSource(NamedSource):
    """The secret of an account, read on each call: a `SecretSource`."""

    account: str
    client_id: int

    def __str__(self) -> str:
        return tr(
            "the secret in the account {account!r} of the keyring, which `propq login` replaces"
        ).format(account=self.account)

    def __call__(self) -> SecretStr:
        """Return the secret.

        Raises:
            UnusableSecretError: there is none any more, or it is that of another client.
        """
        entry = read_account(self.account)
        if entry is None:
            raise UnusableSecretError(
                tr("the keyring has no account {account!r} any more").format(account=self.account)
            )
        if entry.client_id != self.client_id:
            raise UnusableSecretError(
                tr(
                    "the account {account!r} of the keyring is that of client {client_id} now: "
                    "start again to use it"
                ).format(account=self.account, client_id=entry.client_id)
            )
        return entry.client_secret


def read_account(account: str) -> Entry | None:
    """Return what the keyring has of an account, `None` if it has nothing."""
    text = _call("get_password", SERVICE, _checked(account))
    if text is None:
        return None
    data = _loaded(text)
    if (
        not isinstance(data, dict)
        or type(data.get("client_id")) is not int
        or not isinstance(data.get("client_secret"), str)
    ):
        raise UnusableSecretError(
            tr(
                "the entry {account!r} of {service} in the keyring was not made by `propq "
                "login`: remove it, and log in"
            ).format(account=account, service=SERVICE)
        )
    return Entry(data["client_id"], SecretStr(data["client_secret"]))


def write_account(account: str, entry: Entry) -> None:
    """Keep an account in place of what the keyring has of it."""
    text = SecretStr(
        json.dumps({"client_id": entry.client_id, "client_secret": entry.client_secret})
    )
    _call("set_password", SERVICE, _checked(account), text)
    # Some backends do nothing and say nothing.
    if read_account(account) != entry:
        raise UnusableKeyringError(tr("the keyring did not keep the account"))
    _write_names({*account_names(), account})


def delete_account(account: str) -> bool:
    """Remove an account, and return whether there was one."""
    there_was = _call("get_password", SERVICE, _checked(account)) is not None
    if there_was:
        _call("delete_password", SERVICE, account)
    names = account_names()
    if account in names:
        _write_names({*names} - {account})
    return there_was


def account_names() -> list[str]:
    """Return the names of all accounts, in order."""
    text = _call("get_password", *_INDEX)
    names = [] if text is None else _loaded(text)
    return sorted(filter(_is_name, names)) if isinstance(names, list) else []


def store_name() -> str:
    """Return what the keyring of this machine is called."""
    # A missing keyring is noticed only when it is asked for something.
    account_names()
    backend = import_module("keyring").get_keyring()
    # Where there are several, the first of them keeps what is new.
    return str([*getattr(backend, "backends", []), backend][0].name)


def _write_names(names: set[str]) -> None:
    _call("set_password", *_INDEX, json.dumps(sorted(names)))


def _is_name(account: object) -> bool:
    return (
        isinstance(account, str)
        and account.isprintable()
        and account == account.strip()
        and 0 < len(account) <= 64  # noqa: PLR2004 - as long as a name may be
    )


def _checked(account: str) -> str:
    if not _is_name(account):
        raise UnusableSecretError(
            tr("an account needs a name of at most 64 visible characters, not {account!r}").format(
                account=account
            )
        )
    return account


def _loaded(text: SecretStr) -> Any:
    """Return the JSON in a text, `None` if it is none."""
    try:
        data = Hidden(json.loads(text))
    except ValueError:  # it holds the text
        return None
    return SecretDict(data.value) if isinstance(data.value, dict) else data.value


def _call(operation: str, *arguments: str) -> SecretStr | None:
    """Call a function of the keyring. Secrets among the arguments must be `SecretStr`."""
    problem, answer = _attempt(operation, arguments)
    if problem is not None:
        raise UnusableKeyringError(problem)
    return answer


def _attempt(operation: str, arguments: tuple[str, ...]) -> tuple[str | None, SecretStr | None]:
    try:
        keyring = import_module("keyring")
    except ImportError:
        return tr("the keyring needs a package: pip install 'propq-async[keyring]'"), None
    try:
        # In one expression, since our frame would show what a variable holds.
        answer = Hidden(getattr(keyring, operation)(*map(str, arguments)))
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        name = type(error).__name__
        if name == "NoKeyringError":
            return tr("this machine has no keyring that can be used"), None
        return tr("the keyring failed ({name}): it may be locked").format(name=name), None
    return None, SecretStr(answer.value) if isinstance(answer.value, str) else None
