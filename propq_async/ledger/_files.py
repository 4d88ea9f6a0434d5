"""Whether a file is a ledger, and how one is read without changing anything.

Any other file belongs to somebody else. Where possible its header alone decides, since SQLite
changes files by opening them: it recovers what a crash has left, and makes two more files beside
one that has a write-ahead log.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from propq_async._messages import tr

from ._advice import PUT_BACK
from ._entries import LedgerError

__all__ = ["APPLICATION_ID", "BUSY_SECONDS", "empty", "is_ledger", "read"]

# "PrpQ", which marks the SQLite file as ours.
APPLICATION_ID: Final = 0x50727051
BUSY_SECONDS: Final = 10.0

# https://www.sqlite.org/fileformat.html#the_database_header
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_WRITE_VERSION: Final = 18
_WRITE_AHEAD: Final = 2
_SCHEMA_COOKIE: Final = slice(40, 44)
_APPLICATION_ID: Final = slice(68, 72)

_T = TypeVar("_T")


def is_ledger(path: Path) -> bool:
    """Return whether there is a ledger, rather than nothing. Changes nothing.

    Raises:
        LedgerError: it is another database, or not a regular file.
        sqlite3.Error: it is no database, or cannot be read.
        OSError: it cannot be read.
    """
    try:
        # Opening a pipe would wait for its writer.
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise LedgerError(
                tr("{path} is no file, but a pipe, a socket or a device: name a file").format(
                    path=path
                )
            )
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return False
    if not header:
        return False
    if not header.startswith(_MAGIC):
        raise sqlite3.DatabaseError("file is not a database")
    if int.from_bytes(header[_APPLICATION_ID]) == APPLICATION_ID:
        return True
    if _at_rest(path) is not None:
        is_empty = int.from_bytes(header[_SCHEMA_COOKIE]) == 0
        if is_empty and header[_WRITE_VERSION] == _WRITE_AHEAD:
            raise empty(path)
    else:
        # The log may hold a newer header.
        with closing(_connect(path, "mode=ro")) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application == APPLICATION_ID:
                return True
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            is_empty = not tables
    if is_empty:
        return False
    raise LedgerError(
        tr("{path} is no ledger, but another database: name another file").format(path=path)
    )


def empty(path: Path) -> LedgerError:
    """Return the error for a ledger without tables. A new one would let everything pass."""
    return LedgerError(
        tr(
            "the ledger {path} is empty: perhaps it was copied without its log, "
            "{name}-wal; {put_back}, or delete it if nothing was ever pushed with it"
        ).format(path=path, name=path.name, put_back=PUT_BACK)
    )


def read(path: Path, question: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
    """Return the answer to a question, or `nothing` if there is no ledger. Writes nothing.

    Raises:
        LedgerError: it is another database.
        sqlite3.Error: it cannot be read.
        OSError: the same.
    """
    while is_ledger(path):
        before = _at_rest(path)
        # At rest, SQLite need not make the files by which readers and writers coordinate. In a
        # read-only directory it could not, and elsewhere they would stay, perhaps owned by a user
        # who locks others out.
        mode = "mode=ro" if before is None else "mode=ro&immutable=1"
        try:
            with closing(_connect(path, mode)) as db:
                answer = question(db)
        except sqlite3.DatabaseError:
            if before == _at_rest(path):
                raise
        else:
            if before is None or before == _at_rest(path):
                return answer
        # Another process has started or finished writing meanwhile: read again.
    return nothing


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS)


def _at_rest(path: Path) -> tuple[int, int, int] | None:
    """Return what identifies this state of the file, `None` if part of it is in the log."""
    real = path.resolve()
    try:
        if real.with_name(f"{real.name}-wal").stat().st_size:
            return None
    except FileNotFoundError:
        pass
    status = real.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
