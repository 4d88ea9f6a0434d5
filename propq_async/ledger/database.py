"""The SQLite of the ledger. All of it runs in one thread, and none of it in the event loop's."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import attrs
from filelock import FileLock, Timeout

from propq_async.models import UnitUpdate

from .entries import (
    Account,
    Entry,
    LedgerBusyError,
    LedgerError,
    Unit,
    alike,
    dump_directions,
    dump_price,
    each_alike_once,
    entry_of,
)
from .files import APPLICATION_ID, BUSY_SECONDS, is_ledger, read

__all__ = ["Database"]

_T = TypeVar("_T")

VERSION: Final = 1

_SCHEMA: Final = """
    CREATE TABLE account (
        id INTEGER PRIMARY KEY, base_url TEXT NOT NULL, client_id INTEGER NOT NULL,
        UNIQUE (base_url, client_id)
    );
    CREATE TABLE unit (
        account INTEGER NOT NULL REFERENCES account,
        development_id TEXT NOT NULL, name TEXT NOT NULL, alike TEXT NOT NULL,
        status INTEGER, price TEXT, directions TEXT,
        acknowledged_at REAL, in_doubt_since REAL, source TEXT, missed_at REAL,
        PRIMARY KEY (account, development_id, name)
    ) WITHOUT ROWID;
    CREATE INDEX unit_alike ON unit (account, development_id, alike);
    CREATE INDEX unit_source ON unit (account, source);
    CREATE TABLE state (generation INTEGER NOT NULL, holder INTEGER, held_since REAL);
    INSERT INTO state (generation) VALUES (0);
"""

_COLUMNS: Final = (
    "development_id, name, status, price, directions, acknowledged_at, in_doubt_since, source, "
    "missed_at"
)
# Conditions on what is given as JSON: all units that are alike to these, and these alone.
_ALIKE: Final = (
    "(development_id, alike) IN "
    "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[2]') FROM json_each(?))"
)
_NAMED: Final = (
    "(development_id, name) IN "
    "(SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
)


class Database:
    """The file, which is made when something is first written to it."""

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        self.path = path
        self._wall = wall
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._is_durable = False
        self._lock: FileLock | None = None

    def close(self) -> None:
        """Close the file, if it is open."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _open(self) -> sqlite3.Connection:
        """Open the file to write to it. Make it if there is none."""
        if (opened := self._opened()) is not None:
            return opened
        is_there = is_ledger(self.path)
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            if is_there:
                self._check_version(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            if not is_there:
                self._make(db)
        except BaseException:
            db.close()
            raise
        self._db, self._is_durable = db, False
        self._identity = _identity(self.path)
        return db

    def _opened(self) -> sqlite3.Connection | None:
        """Return the file that is open, if it is still the one that has this name."""
        if self._db is None or _identity(self.path) == self._identity:
            return self._db
        if self._lock is not None:
            # What was marked is not there for the next push, which may find an older state instead.
            raise LedgerError(
                f"the ledger {self.path} was deleted or replaced while it was in use: what is "
                "there now does not know what was sent; push once more with --all"
            )
        self.close()
        return None

    def _make(self, db: sqlite3.Connection) -> None:
        with _transaction(db):
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {VERSION}")
        # Another process may have been faster.
        self._check_version(db)

    def _check_version(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise LedgerError(
                f"the ledger {self.path} was made by another version of propq-async: install that, "
                "or name another --ledger (whatever is not in it is sent again)"
            )

    def _ask(self, question: Callable[[sqlite3.Connection], _T], nothing: _T) -> _T:
        """Answer a question without writing anything: whoever only looks may not be able to."""
        if (opened := self._opened()) is not None:
            return question(opened)

        def checked(db: sqlite3.Connection) -> _T:
            self._check_version(db)
            return question(db)

        return read(self.path, checked, nothing)

    def entries(
        self, account: Account, development_ids: list[str], source: str | None
    ) -> dict[Unit, Entry]:
        """Return what is known of the units of these developments, or of a list."""
        return self._ask(partial(_entries, account, development_ids, source), {})

    def generation(self) -> int:
        """Return the number of marks."""
        return self._ask(_generation, 0)

    # A group in one statement, as JSON: SQLite gives the interpreter up and takes it back with each
    # one, which beside a busy event loop takes milliseconds.

    def mark(self, account: Account, updates: list[UnitUpdate]) -> list[Unit]:
        """Mark units in doubt, durably. Return those that were not in doubt before."""
        with self._change(durably=True) as db:
            number = _make_account(db, account)
            units = json.dumps([(one.development_id, one.name, alike(one.name)) for one in updates])
            db.execute(
                "INSERT OR IGNORE INTO unit (account, development_id, name, alike) "
                "SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
                "json_extract(value, '$[2]') FROM json_each(?)",
                (number, units),
            )
            (marked,) = db.execute(
                "SELECT json_group_array(json_array(development_id, name)) FROM unit "  # noqa: S608
                f"WHERE account = ? AND in_doubt_since IS NULL AND {_ALIKE}",
                (number, units),
            ).fetchone()
            self._doubt(db, number, units)
            db.execute("UPDATE state SET generation = generation + 1")
        return [(development_id, name) for development_id, name in json.loads(marked)]

    def unmark(self, account: Account, updates: list[UnitUpdate], marked: list[Unit]) -> None:
        """Take marks back, and with them the units of which nothing else is known."""
        # Not durably: a mark that a power cut brings back does no harm.
        with self._change(durably=False) as db:
            number = _make_account(db, account)
            units = json.dumps([(one.development_id, one.name, alike(one.name)) for one in updates])
            these = f"account = ? AND {_ALIKE} AND {_NAMED}"
            values = number, units, json.dumps(marked)
            db.execute(f"UPDATE unit SET in_doubt_since = NULL WHERE {these}", values)  # noqa: S608
            forget = "DELETE FROM unit WHERE acknowledged_at IS NULL AND "
            db.execute(forget + these, values)

    def _doubt(self, db: sqlite3.Connection, number: int, units: str) -> None:
        db.execute(
            "UPDATE unit SET in_doubt_since = coalesce(in_doubt_since, ?) "  # noqa: S608
            f"WHERE account = ? AND {_ALIKE}",
            (self._wall(), number, units),
        )

    def acknowledge(self, account: Account, updates: list[UnitUpdate], source: str | None) -> None:
        """Note what the server has acknowledged."""
        # Without a word to the disk: what a power cut takes away is sent again, and that is all.
        with self._change(durably=False) as db:
            number = _make_account(db, account)
            for group in each_alike_once(updates):
                rows = [
                    (
                        one.development_id,
                        one.name,
                        alike(one.name),
                        one.status.value,
                        dump_price(one.price),
                        dump_directions(tuple(map(str, one.directions))),
                    )
                    for one in group
                ]
                units = json.dumps(rows)
                self._doubt(db, number, units)
                db.execute(
                    "INSERT OR REPLACE INTO unit (account, development_id, name, alike, status, "
                    "price, directions, acknowledged_at, source) "
                    "SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
                    "json_extract(value, '$[2]'), json_extract(value, '$[3]'), "
                    "json_extract(value, '$[4]'), json_extract(value, '$[5]'), ?, coalesce(?, "
                    # A unit that is updated by itself is of the list still.
                    "(SELECT source FROM unit WHERE account = ? AND "
                    "development_id = json_extract(value, '$[0]') AND "
                    "name = json_extract(value, '$[1]'))) FROM json_each(?)",
                    (number, self._wall(), source, number, units),
                )

    def note_missing(self, account: Account, units: list[Unit]) -> None:
        """Note that these are known to be in no list."""
        now = self._wall()
        with self._change(durably=False) as db:
            number = _make_account(db, account)
            db.executemany(
                "UPDATE unit SET missed_at = ? "
                "WHERE account = ? AND development_id = ? AND name = ?",
                [(now, number, *unit) for unit in units],
            )

    @contextmanager
    def _change(self, *, durably: bool) -> Iterator[sqlite3.Connection]:
        db = self._open()
        if durably is not self._is_durable:
            db.execute(f"PRAGMA synchronous = {'FULL' if durably else 'NORMAL'}")
            self._is_durable = durably
        with _transaction(db):
            yield db

    def acquire(self) -> None:
        """Take the lock, or raise who has it."""
        db = self._open()
        # The lock itself would let in whoever has it already.
        if self._lock is not None or not self._try_lock():
            holder, since = db.execute("SELECT holder, held_since FROM state").fetchone()
            began = datetime.fromtimestamp(since or 0).astimezone()
            who = f" (process {holder}, since {began:%H:%M:%S})" if holder else ""
            raise LedgerBusyError(
                f"another push is at work with the ledger {self.path}{who}: wait for its end, or "
                "give this one another --ledger",
                process_id=holder,
            )
        with _transaction(db):
            db.execute("UPDATE state SET holder = ?, held_since = ?", (os.getpid(), self._wall()))

    def _try_lock(self) -> bool:
        # Of the real file: two links must not make two ledgers.
        lock = FileLock(f"{os.path.realpath(self.path)}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        """Give the lock back."""
        lock, self._lock = self._lock, None
        assert lock is not None  # noqa: S101 - for the type checker
        lock.release()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _entries(
    account: Account, development_ids: list[str], source: str | None, db: sqlite3.Connection
) -> dict[Unit, Entry]:
    number = _account(db, account)
    if number is None:
        return {}
    found: dict[Unit, Entry] = {}
    query = f"SELECT {_COLUMNS} FROM unit WHERE account = ? AND "  # noqa: S608 - a constant
    for development_id in development_ids:
        for row in db.execute(query + "development_id = ?", (number, development_id)):
            found[row[0], row[1]] = entry_of(row)
    if source is not None:
        others = "source = ? AND development_id NOT IN (SELECT value FROM json_each(?))"
        known = json.dumps(development_ids)
        for row in db.execute(query + others, (number, source, known)):
            found[row[0], row[1]] = entry_of(row)
    return found


def _generation(db: sqlite3.Connection) -> int:
    (generation,) = db.execute("SELECT generation FROM state").fetchone()
    return int(generation)


def _account(db: sqlite3.Connection, account: Account) -> int | None:
    found = db.execute(
        "SELECT id FROM account WHERE base_url = ? AND client_id = ?", attrs.astuple(account)
    ).fetchone()
    return None if found is None else int(found[0])


def _make_account(db: sqlite3.Connection, account: Account) -> int:
    number = _account(db, account)
    if number is None:
        made = db.execute(
            "INSERT INTO account (base_url, client_id) VALUES (?, ?)", attrs.astuple(account)
        )
        number = int(made.lastrowid or 0)
    return number
