"""What `propq doctor` finds out about the place where the access token is kept."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from propq_async import ConfigurationError, PropQError
from propq_async._auth.token_file_access import (
    UnfitFileError,
    make_directory,
    open_to_write,
    read_if_token_file,
)
from propq_async._environment import IN_MEMORY
from propq_async._messages import joined, tr
from propq_async._settings import token_file_from_env
from propq_async._waiting import in_thread

from .doctor_findings import Finding, ok, wrong
from .exit_codes import CommandError
from .token import store_of

__all__ = ["token_file_finding"]

_INSTEAD: Final = tr("each process fetches its own token; name another file in PROPQ_TOKEN_FILE")


async def token_file_finding(client_id: int) -> Finding:
    """Return whether the token can be kept where it is to be kept."""
    check = "token"
    if token_file_from_env() == IN_MEMORY:
        return ok(check, tr("in memory, since PROPQ_TOKEN_FILE=memory:"))
    try:
        store, key, path = store_of(client_id)
        if path is None:
            await store.load(key)
            return ok(check, tr("kept in Redis, since PROPQ_REDIS_URL is set"))
    except (ConfigurationError, CommandError, PropQError) as error:
        return wrong(check, str(error))
    problem = await in_thread(lambda: _problem(path))
    if problem is not None:
        return wrong(check, joined("", (str(path), ": ", problem, "; ", _INSTEAD)))
    return ok(check, tr("kept in {path}").format(path=path))


def _problem(path: Path) -> str | None:
    """Return why a token file cannot be used. It writes and removes a file beside it."""
    try:
        read_if_token_file(path)
        make_directory(path.parent)
        trial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            with open(trial, "xb", opener=open_to_write):
                pass
        finally:
            trial.unlink(missing_ok=True)
        return _owner_problem(path)
    except UnfitFileError as unfit:
        return str(unfit)
    except OSError as error:
        return error.strerror or type(error).__name__


def _owner_problem(path: Path) -> str | None:
    if not (hasattr(os, "geteuid") and path.exists()):
        return None
    status = path.stat()
    if status.st_uid != os.geteuid():
        return tr("it belongs to another user: give it to this one with chown, or delete it")
    if stat.S_IMODE(status.st_mode) & 0o077:
        return tr("it is open to other users: chmod 600 {path}").format(path=path)
    return None
