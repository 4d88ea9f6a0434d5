"""An open SQLite file, with its tables."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async._messages import tr

from ._backend import NO_VALUES
from ._entries import Account, LedgerError
from ._files import APPLICATION_ID, BUSY_SECONDS, empty, is_ledger
from ._queries import ADD_ACCOUNT, account_number

__all__ = ["SqliteSession", "check_version", "open_for_writing"]

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
        acknowledged_at REAL, in_doubt_since REAL, source TEXT, missed_at REAL, marked INTEGER,
        PRIMARY KEY (account, development_id, name)
    ) WITHOUT ROWID;
    CREATE INDEX unit_alike ON unit (account, development_id, alike);
    CREATE INDEX unit_source ON unit (account, source);
    CREATE TABLE state (
        generation INTEGER NOT NULL, holder INTEGER, held_since REAL,
        first INTEGER, outdated INTEGER
    );
    INSERT INTO state (generation) VALUES (0);
"""
# What ledgers of earlier versions lack.
_ADDED: Final = (("unit", "marked"), ("state", "first"), ("state", "outdated"))


class SqliteSession:
    """The session of a file. All accounts in it share a row of the table `state`."""

    state = "TRUE"
    alike = (
        "CROSS JOIN unit INDEXED BY unit_alike ON unit.account = :account "
        "AND unit.development_id = given.development_id AND unit.alike = given.alike"
    )

    def __init__(self, db: sqlite3.Connection, location: str) -> None:
        self.db = db
        self.location = location
        db.text_factory = _raw_text
        self._is_durable = False

    def given(self, *columns: str) -> str:
        """Return a subquery for the rows that are given."""
        cells = (f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns))
        return f"(SELECT {', '.join(cells)} FROM json_each(:given))"  # noqa: S608 - constants

    def execute(self, statement: str, values: Mapping[str, object] = NO_VALUES) -> sqlite3.Cursor:
        """Run a statement."""
        return self.db.execute(statement, values)

    def execute_many(self, statement: str, values: Iterable[Mapping[str, object]]) -> None:
        """Run a statement for each of these values."""
        self.db.executemany(statement, values)

    def enter(self, account: Account) -> int | None:
        """Return the number of an account. A transaction has the whole file for itself."""
        return account_number(self, account)

    def add_account(self, account: Account) -> None:
        """Give an account a number, unless somebody else has done so."""
        self.execute(ADD_ACCOUNT, attrs.asdict(account))

    def rows(
        self, columns: Sequence[str], source: str, values: Mapping[str, object]
    ) -> list[Sequence[Any]]:
        """Return these columns of what a `FROM` clause finds."""
        # As one value: each row would cost a wait for the GIL.
        (found,) = self.db.execute(
            f"SELECT json_group_array(json_array({', '.join(columns)})) FROM {source}",  # noqa: S608
            values,
        ).fetchone()
        rows: list[Sequence[Any]] = json.loads(found)
        return rows

    def be_durable(self, *, durably: bool) -> None:
        """Choose whether a transaction survives a power cut."""
        if durably is not self._is_durable:
            self.db.execute(f"PRAGMA synchronous = {'FULL' if durably else 'NORMAL'}")
            self._is_durable = durably

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self.db.rollback()
            raise

    def checkpoint(self) -> None:
        """Copy the log into the file, so that a copy of the file alone knows the same.

        It never waits for readers and never fails: the log has everything anyway.
        """
        with suppress(sqlite3.Error):
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the file."""
        # SQLite does so only if nobody else has it open.
        self.checkpoint()
        self.db.close()


def _raw_text(raw: bytes) -> str | bytes:
    """Return text, or the raw bytes if they are not text, so that the error can show them."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def open_for_writing(path: Path) -> SqliteSession:
    """Open the file for writing. Make it if there is none."""
    is_there = is_ledger(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    db = SqliteSession(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None), str(path))
    try:
        if is_there:
            check_version(path, db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if not is_there:
            _make(path, db)
        _add_missing_columns(db)
    except BaseException:
        db.db.close()
        raise
    return db


def _make(path: Path, db: SqliteSession) -> None:
    with db.transaction():
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
    # Another process may have been faster.
    check_version(path, db)
    db.checkpoint()


def check_version(path: Path, db: SqliteSession) -> None:
    """Raise `LedgerError` for the ledger of another version, or one without tables."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise LedgerError(
            tr("the ledger {path} was made by another version of propq-async: install that").format(
                path=path
            )
        )
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables:
        raise empty(path)


def _add_missing_columns(db: SqliteSession) -> None:
    """Bring a ledger up to date that an earlier version of the package has made."""
    with db.transaction():
        for table, column in _ADDED:
            if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER")
