"""A ledger in an SQLite file, which the processes of one computer share."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from propq_async._messages import tr

from ._advice import advice
from ._backend import Session
from ._backup import copy
from ._entries import Account, Claim, LedgerBusyError, LedgerError
from ._files import read
from ._health import file_problems, network_file_system, on_network
from ._sqlite_session import SqliteSession, check_version, open_for_writing

__all__ = ["SqliteBackend"]

_LOGGER: Final = logging.getLogger("propq_async.ledger")
_T = TypeVar("_T")

# A check of the ledger looks whether somebody holds it, and holds it itself for less than that.
PROBE_SECONDS: Final = 0.05
_MOST_DAMAGES: Final = 20


class SqliteBackend:
    """The file. It is made when something is first written to it. One lock is for all accounts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)
        self._db: SqliteSession | None = None
        self._identity: tuple[int, int] | None = None
        self._is_warned = False
        self._lock: FileLock | None = None
        # Who holds the lock, if it is a task of this process.
        self._owner: object = None

    def close(self) -> None:
        """Close the file, if it is open, and release the lock."""
        self.release(None, self._owner)
        self._close()

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    # --- the file ---------------------------------------------------------------------------------

    def read(self, question: Callable[[Session], _T], nothing: _T) -> _T:
        """Answer a question without writing anything: a reader may have no right to write."""
        if (opened := self._opened()) is not None:
            return question(opened)

        def checked(db: sqlite3.Connection) -> _T:
            session = SqliteSession(db, self.location)
            check_version(self.path, session)
            return question(session)

        return read(self.path, checked, nothing)

    @contextmanager
    def change(self, *, durably: bool) -> Iterator[SqliteSession]:
        """Return a transaction."""
        db = self._open()
        db.be_durable(durably=durably)
        with db.transaction():
            yield db
        if durably and self._lock is not None:
            # A push marks many at once. A copy of the file without its log then has the marks of
            # all that is sent, too.
            db.checkpoint()

    def _open(self) -> SqliteSession:
        if (opened := self._opened()) is not None:
            return opened
        self._db = open_for_writing(self.path)
        self._warn()
        self._identity = _identity(self.path)
        return self._db

    def _opened(self) -> SqliteSession | None:
        """Return the open file, unless another one has its name now."""
        if self._db is None or _identity(self.path) == self._identity:
            return self._db
        if self._lock is not None:
            # The next push would not see what was marked here.
            raise LedgerError(
                tr(
                    "the ledger {path} was deleted or replaced while it was in use: what is "
                    "there now does not know what was sent; push once more with --all"
                ).format(path=self.path)
            )
        self._close()
        return None

    def _warn(self) -> None:
        """Say once that the file is where two computers could damage it."""
        kind = None if self._is_warned else self.file_system()
        self._is_warned = True
        if kind is not None:
            _LOGGER.warning("%s", on_network(self.location, kind))

    # --- the lock ---------------------------------------------------------------------------------

    def holds(self, claim: Claim, owner: object) -> bool:
        """Return whether `owner` has the lock, which is for everything."""
        del claim
        return self._owner is owner

    def in_shard(self, account: Account) -> bool:
        """Return that nobody else pushes."""
        del account
        return False

    def acquire(self, claim: Claim, owner: object, wall: Callable[[], float]) -> None:
        """Take the lock for `owner`, or raise an error that names its holder."""
        del claim
        db = self._open()
        # FileLock itself is reentrant: it would let a second task of this process in.
        if self._lock is not None or not self._try_lock(PROBE_SECONDS):
            holder, who = _holder(db)
            raise LedgerBusyError(
                tr("another push is at work with the ledger {path}{who}: wait for its end").format(
                    path=self.path, who=who
                ),
                process_id=holder,
            )
        self._owner = owner
        # If this fails, `Ledger.exclusive` releases the lock for `owner`.
        with db.transaction():
            db.execute(
                "UPDATE state SET holder = :holder, held_since = :now",
                {"holder": os.getpid(), "now": wall()},
            )

    def _try_lock(self, timeout_seconds: float) -> bool:
        lock = FileLock(_lock_file(self.path), timeout=timeout_seconds, poll_interval=0.01)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._lock = lock
        return True

    def release(self, claim: Claim | None, owner: object) -> None:
        """Release the lock, if `owner` holds it."""
        del claim
        if self._lock is not None and self._owner is owner:
            assert self._db is not None  # noqa: S101 - it stays open while the lock is held
            self._db.checkpoint()
            self._unlock()

    def _unlock(self) -> None:
        lock, self._lock, self._owner = self._lock, None, None
        assert lock is not None  # noqa: S101 - for the type checker
        lock.release()

    # --- care -------------------------------------------------------------------------------------

    def holder(self) -> str | None:
        """Return who holds the lock, in words."""
        if self._lock is None:
            lock = _lock_file(self.path)
            if not lock.exists() or not os.access(lock, os.W_OK):
                return None
            if self._try_lock(timeout_seconds=0):
                self._unlock()
                return None
        unknown: tuple[int | None, str] = (None, "")
        _, who = self.read(_holder, unknown)
        return tr("another push{who}").format(who=who)

    def problems(self) -> Iterator[str]:
        """Return who may not use the files and should, and who may and should not."""
        return file_problems(self.path)

    def damages(self, db: Session) -> list[str]:
        """Return what is wrong with the file."""
        texts = [text for (text,) in db.execute(f"PRAGMA integrity_check({_MOST_DAMAGES})")]
        if texts == ["ok"]:
            return []
        return [
            tr("the ledger {path} is damaged: {text}").format(path=self.path, text=text)
            for text in texts
        ]

    def size_bytes(self) -> int:
        """Return the size of the file."""
        return self.path.stat().st_size

    def file_system(self) -> str | None:
        """Return the network file system that it is on, `None` if none is known of."""
        return network_file_system(self.path)

    def backup(self, target: Path) -> bool:
        """Copy the ledger to a new file. Return whether there is a ledger."""

        def copied(db: Session) -> bool:
            assert isinstance(db, SqliteSession)  # noqa: S101 - for the type checker
            copy(self.location, target, db)
            return True

        return self.read(copied, nothing=False)

    def explained(self, error: Exception) -> LedgerError | None:
        """Return an error of SQLite or of the file as one of ours."""
        if not isinstance(error, sqlite3.Error | OSError):
            return None
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            what = tr(
                "is locked by another program, such as a database viewer: close it there, "
                "and try again"
            )
        else:
            what = tr("cannot be used: {advice}").format(advice=advice(self.path, error))
        explained = LedgerError(tr("the ledger {path} {what}").format(path=self.path, what=what))
        explained.__cause__ = error
        return explained


def _holder(db: Session) -> tuple[int | None, str]:
    """Return the process that holds the lock, and the same in words, as far as they are known."""
    holder, since = db.execute("SELECT holder, held_since FROM state").fetchone() or (None, 0)
    if not isinstance(holder, int):
        return None, ""
    try:
        began: str = tr(", since {time:%H:%M:%S}").format(
            time=datetime.fromtimestamp(since).astimezone()
        )
    except (TypeError, ValueError, OverflowError, OSError):
        began = ""
    return holder, tr(" (process {holder}{began})").format(holder=holder, began=began)


def _lock_file(path: Path) -> Path:
    # Beside the real file, so that two links to one ledger share one lock.
    return Path(f"{os.path.realpath(path)}.lock")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino
