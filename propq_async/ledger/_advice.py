"""What to do about a ledger that cannot be used."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from pathlib import Path
from typing import Final

from propq_async._messages import joined, os_reason, tr

__all__ = ["PUT_BACK", "access_problem", "advice"]

# Never "name another --ledger": a new one knows nothing, so that nothing could be compared.
PUT_BACK: Final = tr(
    "put back a copy that `propq ledger backup` has made (whatever is not in it is sent again)"
)


def advice(path: Path, error: Exception) -> str:
    """Return what is wrong with the file, and what to do."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
        example = shlex.quote(str(path / "ledger.sqlite3"))
        return tr("it is a directory; name a file in it, such as --ledger {example}").format(
            example=example
        )
    if "not a database" in str(error):
        return tr("{error}, so it is no ledger; name the file of your ledger with --ledger").format(
            error=error
        )
    why = os_reason(error) if isinstance(error, OSError) else str(error)
    if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT):
        return joined("; ", (str(why), PUT_BACK))
    for one in (path, *(Path(f"{path}{suffix}") for suffix in ("-wal", "-shm", ".lock"))):
        if os.path.exists(one) and not os.access(one, os.R_OK | os.W_OK):  # noqa: PTH110
            return joined("; ", (str(why), access_problem(one)))
    # Nothing is lost with a place where no ledger has been.
    if not os.path.lexists(path):
        return tr(
            "{why}; make room or give access to {parent}, or name another file in PROPQ_LEDGER"
        ).format(why=why, parent=path.parent)
    return tr("{why}; make room or give access to {parent}").format(why=why, parent=path.parent)


def access_problem(file: Path) -> str:
    """Return who owns a file that this process may not use, and how to give access to it."""
    status = file.stat()
    remedy = tr("give access to {file}").format(file=file)
    if hasattr(os, "geteuid"):
        us = os.geteuid()
        remedy = tr("this process is user {us}: chown {us} {path}").format(
            us=us, path=shlex.quote(str(file))
        )
    return (
        tr("{file} belongs to user {user} and has mode {mode:04o}; ").format(
            file=file, user=status.st_uid, mode=stat.S_IMODE(status.st_mode)
        )
        + remedy
    )
