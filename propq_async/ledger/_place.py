"""Where a ledger is: in a file, or on a server."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from propq_async._environment import LEDGER_VARIABLE
from propq_async._messages import tr
from propq_async._paths import absolute_path, default_path, is_url
from propq_async._secret import SecretStr
from propq_async._settings import ledger_from_env
from propq_async.errors import ConfigurationError

from ._backend import Backend
from ._sqlite import SqliteBackend

__all__ = ["backend_of"]

_SCHEMES: Final = ("postgresql://", "postgres://")


def backend_of(given: str | os.PathLike[str] | None) -> tuple[Path | None, Backend]:
    """Return the file, `None` if it is on a server, and what keeps the ledger.

    Args:
        given: the file or the URL; by default what the environment names, or the default of this
            system.

    Raises:
        ConfigurationError: there is neither, or it can be no ledger.
    """
    if given is None:
        name, given = LEDGER_VARIABLE, ledger_from_env()
    else:
        name = tr("the ledger")
    if is_url(given):
        given = SecretStr(given)
        return None, _on_server(name, given)
    path = _default_file() if given is None else absolute_path(name, given)
    return path, SqliteBackend(path)


def _on_server(name: str, url: SecretStr) -> Backend:
    if not url.startswith(_SCHEMES):
        raise ConfigurationError(
            tr("{name} must be a file, or a database as postgresql://user@host/database").format(
                name=name
            )
        )
    try:
        # Only who uses it needs the extra.
        from ._postgres import PostgresBackend  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            tr(
                "a ledger on a server needs psycopg ({error}): pip install 'propq-async[postgres]'"
            ).format(error=error)
        ) from None

    return PostgresBackend(name, url)


def _default_file() -> Path:
    """Return the default of this system.

    Raises:
        ConfigurationError: this user has no home directory.
    """
    path = default_path(
        tr("the ledger"), partial(user_data_path, "propq-async", appauthor=False), "ledger.sqlite3"
    )
    if path is None:
        raise ConfigurationError(
            tr(
                "this user has no home directory to keep the ledger in: name its file with "
                "--ledger or {ledger_variable}"
            ).format(ledger_variable=LEDGER_VARIABLE)
        )
    return path
