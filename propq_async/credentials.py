"""The credentials of a client, and the access tokens issued to it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Self, TypeAlias

import attrs

from propq_async._messages import tr

from ._environment import (
    CLIENT_ID_VARIABLE,
    CLIENT_SECRET_VARIABLE,
    DEFAULT_ACCOUNT,
    FILE_SUFFIX,
)
from ._paths import absolute_path
from ._secret import SecretStr, UnusableSecretError
from ._secret_file import SecretFile
from .errors import ConfigurationError

__all__ = [
    "Credentials",
    "SecretSource",
    "Token",
    "TokenKey",
    "client_id_from_env",
    "secret_problem",
]

# The largest id that a database hands out.
_MAX_CLIENT_ID: Final = 2**63 - 1

SecretSource: TypeAlias = Callable[[], str | Awaitable[str]]
"""Where the secret is kept: it is called for each token request, and its answer is kept no longer.

A coroutine function is awaited; anything else is called in a thread, so that it may block.
"""


@attrs.frozen(init=False)
class Credentials:
    """What Resales Online gave you. The secret never shows in `repr`, logs, errors or files.

    Args:
        client_id: the integer id of the client.
        client_secret: the secret, as it was given, or a `SecretSource` that returns it.

    Raises:
        ConfigurationError: one of them is missing, blank, of the wrong type, or was pasted with
            something around it.
    """

    client_id: int
    # A string or a source. `Any`, since only its maker knows which of the two it is.
    client_secret: Any = attrs.field(repr=False)

    # Written by hand, so that when the check fails, no frame of the traceback holds the secret or
    # an unfinished object without a repr.
    def __init__(self, client_id: int, client_secret: str | SecretSource) -> None:
        # Callers without a type checker may pass anything.
        is_text = isinstance(client_secret, str)
        problem = _id_problem(client_id, "client_id")
        if problem is None and (is_text or not callable(client_secret)):
            problem = secret_problem(SecretStr(client_secret) if is_text else None)
        if problem is not None:
            del self, client_secret
            raise ConfigurationError(problem)
        # pyright does not know what attrs generates.
        self.__attrs_init__(client_id, str(client_secret) if is_text else client_secret)  # pyright: ignore[reportAttributeAccessIssue]

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the credentials in `PROPQ_CLIENT_ID` and `PROPQ_CLIENT_SECRET`.

        Or those in the files that `PROPQ_CLIENT_ID_FILE` and `PROPQ_CLIENT_SECRET_FILE` name. The
        file of the secret is read again for each token request.

        Raises:
            ConfigurationError: one is missing, blank or malformed; the message names it.
        """
        if environ is None:
            environ = os.environ
        # Wrapped, since the environment holds the secret, and the frame of an error is shown.
        variables = _Variables(environ)
        del environ
        return cls(variables.client_id(), variables.secret())

    @classmethod
    def from_keyring(cls, account: str = DEFAULT_ACCOUNT) -> Self:
        """Return the credentials that `propq login` has kept in the keyring of this machine.

        The secret is read again for each token request. It needs the extra `keyring`, and may
        block, since some keyrings ask whether they may be read.

        Raises:
            ConfigurationError: there is no such account, or no keyring; the message says what to
                use instead.
        """
        from ._keyring import KeyringSource, read_account  # noqa: PLC0415 - seldom needed

        try:
            entry = read_account(account)
        except UnusableSecretError as error:
            raise ConfigurationError(str(error)) from None
        if entry is None:
            option = "" if account == DEFAULT_ACCOUNT else f" --account {shlex.quote(account)}"
            raise ConfigurationError(
                tr(
                    "the keyring has no account {account!r}: `propq login{option}` keeps one there"
                ).format(account=account, option=option)
            )
        return cls(entry.client_id, KeyringSource(account, entry.client_id))


def client_id_from_env() -> int:
    """Return the client id in `PROPQ_CLIENT_ID`, for what needs no secret.

    Raises:
        ConfigurationError: it is missing, blank or malformed.
    """
    return _Variables(os.environ).client_id()


@attrs.frozen(eq=False, repr=False)
class _Variables:
    """The variables with the credentials."""

    _environ: Mapping[str, str] = attrs.field(repr=False)

    def client_id(self) -> int:
        """Return the client id, or raise `ConfigurationError`."""
        found = self._find(CLIENT_ID_VARIABLE)
        if isinstance(found, SecretFile):
            where = tr("the file in {variable}, {path},").format(
                variable=found.variable, path=found.path
            )
        else:
            where = tr("the environment variable {name}").format(name=CLIENT_ID_VARIABLE)
        # It may be the secret, by mistake.
        digits = SecretStr(_text(found).strip())
        is_sane = digits.isascii() and digits.isdigit() and len(digits) <= len(str(_MAX_CLIENT_ID))
        client_id = int(digits) if is_sane else 0
        _refuse(_id_problem(client_id, where))
        return client_id

    def secret(self) -> SecretStr | SecretFile:
        """Return the secret or the file that has it, or raise `ConfigurationError`."""
        found = self._find(CLIENT_SECRET_VARIABLE)
        if isinstance(found, SecretFile):
            where = str(found)
        else:
            where = tr("the environment variable {name}").format(name=CLIENT_SECRET_VARIABLE)
        _refuse(secret_problem(_text(found), where))
        return found

    def _find(self, name: str) -> SecretStr | SecretFile:
        """Return the value of a variable, or the file in the other one."""
        value = SecretStr(self._environ.get(name, "").strip())
        file_variable = name + FILE_SUFFIX
        file = self._environ.get(file_variable, "").strip()
        if value and file:
            raise ConfigurationError(
                tr(
                    "the environment variables {name} and {file_variable} are both set: unset one"
                ).format(name=name, file_variable=file_variable)
            )
        if file:
            return SecretFile(file_variable, absolute_path(file_variable, file))
        if value:
            return value
        state = tr("blank") if name in self._environ else tr("not set")
        raise ConfigurationError(
            tr(
                "the environment variable {name} is {state}: set it to the value that "
                "Resales Online gave you, or set {file_variable} to a file with it"
            ).format(name=name, state=state, file_variable=file_variable)
        )


def _text(found: SecretStr | SecretFile) -> SecretStr:
    """Return the text of a variable, or of the file that it names."""
    if not isinstance(found, SecretFile):
        return found
    try:
        return found()
    except UnusableSecretError as error:
        problem = str(error)
    raise ConfigurationError(problem)


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise ConfigurationError(problem)


def _id_problem(client_id: object, name: str) -> str | None:
    if (
        isinstance(client_id, bool)
        or not isinstance(client_id, int)
        or not 0 < client_id <= _MAX_CLIENT_ID
    ):
        return tr("{name} must be a positive integer").format(name=name)
    return None


# Beside the ASCII ones, those that word processors and mail programs make of them.
_QUOTES: Final = frozenset(['""', "''", "``", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb"])


def secret_problem(
    secret: object,
    name: str = "client_secret",
) -> str | None:
    """Return what is wrong with a secret, `None` if it can be one.

    Args:
        secret: what is taken for one; a `SecretStr` if it is a string, since our frame shows it.
        name: what it is called.
    """
    if not isinstance(secret, str) or not secret.strip():
        return tr("{name} must be a string that is not blank").format(name=name)
    try:
        secret.encode()
    except UnicodeEncodeError:
        return tr("{name} must be valid Unicode: it has a lone surrogate").format(name=name)
    # No secret of the vendor's has any of these, so it is a paste gone wrong.
    signs = {
        tr("has a line break in it or around it: paste the secret alone"): (
            len(secret.splitlines()) > 1 or secret[-1] in "\r\n"
        ),
        tr("has a blank before or behind it: remove it"): secret != secret.strip(),
        tr("has quotes around it: they are no part of the secret, remove them"): (
            len(secret) > 1 and secret[0] + secret[-1] in _QUOTES
        ),
        tr("begins or ends with an invisible character: paste the secret alone"): (
            not (secret[0] + secret[-1]).isprintable()
        ),
    }
    return next((f"{name} {sign}" for sign, is_there in signs.items() if is_there), None)


@attrs.frozen
class TokenKey:
    """What a stored token belongs to: one client at one token endpoint."""

    token_url: str
    client_id: int


@attrs.frozen
class Token:
    """An access token. `access_token` never shows in `repr`.

    `issued_at` and `expires_at` are aware `datetime`s of the wall clock; `issued_at` is the moment
    before the token was asked for, so that the token lives at least until `expires_at`.
    """

    access_token: str = attrs.field(repr=False)
    token_type: str
    expires_at: datetime
    issued_at: datetime

    @property
    def lifetime_seconds(self) -> float:
        """Return how long the token was issued for, in seconds."""
        return (self.expires_at - self.issued_at).total_seconds()
