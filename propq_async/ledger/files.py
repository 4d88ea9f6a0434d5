"""The file of a ledger, before anything is written to it: what it is, and how it is only read.

What is no ledger is somebody else's. It is told by the header of the file alone where that is
possible, since SQLite itself changes files by opening them: it takes up what a crash has left, and
makes two more files beside one that has a write-ahead log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from .entries import LedgerError

__all__ = ["APPLICATION_ID", "BUSY_SECONDS", "is_ledger", "read"]

# Tells the file from other SQLite files: "PrpQ".
APPLICATION_ID: Final = 0x50727051
BUSY_SECONDS: Final = 10.0

# https://www.sqlite.org/fileformat.html#the_database_header
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_SCHEMA_COOKIE: Final = slice(40, 44)
_APPLICATION_ID: Final = slice(68, 72)

_T = TypeVar("_T")


def is_ledger(path: Path) -> bool:
    """Return whether a ledger is there, and not nothing at all. Changes nothing.

    Raises:
        LedgerError: it is another database.
        sqlite3.Error: it is no database, or cannot be read.
        OSError: it cannot be read.
    """
    try:
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
    else:
        # The header that counts may be in the log.
        with closing(_connect(path, "mode=ro")) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application == APPLICATION_ID:
                return True
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            is_empty = not tables
    if is_empty:
        return False
    raise LedgerError(f"{path} is no ledger, but another database: name another file")


def read(path: Path, question: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
    """Return the answer to a question, or `nothing` if there is no ledger. Writes nothing.

    Raises:
        LedgerError: it is another database.
        sqlite3.Error: it cannot be read.
        OSError: the same.
    """
    while is_ledger(path):
        before = _at_rest(path)
        # At rest, SQLite need not make the files by which readers and writers know of each other:
        # it could not in a directory that is read-only, and elsewhere they would stay, perhaps in
        # the way of another user.
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
        # Somebody has begun to write meanwhile, or is done with it: once more.
    return nothing


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=BUSY_SECONDS)


def _at_rest(path: Path) -> tuple[int, int, int] | None:
    """Return what tells this state of the file, `None` if some of it is in the log."""
    real = path.resolve()
    try:
        if real.with_name(f"{real.name}-wal").stat().st_size:
            return None
    except FileNotFoundError:
        pass
    stat = real.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
