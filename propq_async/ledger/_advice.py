"""What to do about a ledger that cannot be used."""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from pathlib import Path
from typing import Final

__all__ = ["PUT_BACK", "access_problem", "advice"]

# Never "name another --ledger": a new one knows nothing, so that nothing could be compared.
PUT_BACK: Final = (
    "put back a copy that `propq ledger backup` has made (whatever is not in it is sent again)"
)


def advice(path: Path, error: Exception) -> str:
    """Return what is wrong with the file, and what to do."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where it may not look
        example = shlex.quote(str(path / "ledger.sqlite3"))
        return f"it is a directory; name a file in it, such as --ledger {example}"
    if "not a database" in str(error):
        return f"{error}, so it is no ledger; name the file of your ledger with --ledger"
    why = (error.strerror if isinstance(error, OSError) else None) or error
    if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT):
        return f"{why}; {PUT_BACK}"
    for one in (path, *(Path(f"{path}{suffix}") for suffix in ("-wal", "-shm", ".lock"))):
        if os.path.exists(one) and not os.access(one, os.R_OK | os.W_OK):  # noqa: PTH110
            return f"{why}; {access_problem(one)}"
    # Nothing is lost with a place where no ledger has been.
    other = "" if os.path.lexists(path) else ", or name another file in PROPQ_LEDGER"
    return f"{why}; make room or give access to {path.parent}{other}"


def access_problem(file: Path) -> str:
    """Return who owns a file that this process may not use, and how to give access to it."""
    status = file.stat()
    remedy = f"give access to {file}"
    if hasattr(os, "geteuid"):
        us = os.geteuid()
        remedy = f"this process is user {us}: chown {us} {shlex.quote(str(file))}"
    return (
        f"{file} belongs to user {status.st_uid} and has mode {stat.S_IMODE(status.st_mode):04o}; "
        + remedy
    )
