"""What the server has acknowledged: an SQLite file that a price list is compared with.

There is no way to read units back, so this is the only memory of what the server has. It must never
claim more than is certain, whatever is killed at whatever moment:

    unknown ──mark──▶ in doubt ──acknowledge──▶ acknowledged ──mark──▶ in doubt ...

A unit is marked in doubt, durably, before an update of it may be sent. Only an acknowledged update
clears the mark. So if A is acknowledged, B is sent and the process dies, the ledger says "A, in
doubt", and A is sent again although nobody ever saw B acknowledged.

Whether the server tells names apart that differ only by case or spaces is not known. A mark of one
is a mark of all of these, and an acknowledgement of one leaves the others in doubt.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

import attrs
from filelock import FileLock, Timeout
from platformdirs import user_data_path

from .aio import finish
from .config import Clock
from .errors import PropQError
from .models import UnitStatus, UnitUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Account", "Entry", "Ledger", "LedgerBusyError", "LedgerError", "Unit", "alike", "exact"]

_T = TypeVar("_T")

VERSION: Final = 1
# Tells the file from other SQLite files: "PrpQ".
APPLICATION_ID: Final = 0x50727051
_BUSY_SECONDS: Final = 10.0

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

Unit: TypeAlias = tuple[str, str]
"""A development id and the name of a unit."""


class LedgerError(PropQError):
    """The ledger cannot be used. The message says what to do."""


class LedgerBusyError(LedgerError):
    """Another push is at work with the ledger.

    `process_id` is the process, `None` if it is not known.
    """

    def __init__(self, message: str, *, process_id: int | None) -> None:
        super().__init__(message)
        self.process_id = process_id


@attrs.frozen
class Account:
    """Whose units they are: one client at one server."""

    base_url: str
    client_id: int


@attrs.frozen
class Entry:
    """What is known of a unit.

    Args:
        development_id: id of the development.
        name: name of the unit.
        status: the last acknowledged status; `None`, like price and directions, if none was.
        price: the last acknowledged price.
        directions: the last acknowledged directions.
        acknowledged_at: when, in seconds since the epoch.
        is_in_doubt: whether something else may have been applied since.
        source: the list that it was last pushed from.
        is_missed: whether somebody knows that it is in no list any more.
    """

    development_id: str
    name: str
    status: UnitStatus | None
    price: Decimal | None
    directions: tuple[str, ...]
    acknowledged_at: float | None
    is_in_doubt: bool
    source: str | None
    is_missed: bool

    def holds(self, update: UnitUpdate) -> bool:
        """Return whether the last acknowledged values are those of the update."""
        return (
            self.status is update.status
            and self.price == exact(update.price)
            and self.directions == update.directions
        )


def alike(name: str) -> str:
    """Return what names have in common that differ only by case or spaces."""
    return "".join(name.casefold().split())


@lru_cache(maxsize=1024)
def _dump_directions(directions: tuple[str, ...]) -> str:
    return json.dumps(directions, ensure_ascii=False)


@lru_cache(maxsize=1024)
def _load_directions(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(json.loads(text))


def exact(price: float | Decimal) -> Decimal:
    """Return a price so that it compares and prints by what is written, which a float does not."""
    return Decimal(str(price) if isinstance(price, float) else price)


def _dump_price(price: float | Decimal) -> str:
    return f"{exact(price):f}"


def _entry(row: Sequence[Any]) -> Entry:
    status = row[2]
    return Entry(
        row[0],
        row[1],
        None if status is None else UnitStatus(status),
        None if row[3] is None else Decimal(row[3]),
        _load_directions(row[4]),
        row[5],
        row[6] is not None,
        row[7],
        row[8] is not None,
    )


class Ledger:
    """The ledger in a file; `async with Ledger(path) as ledger:`.

    All of SQLite runs in one thread of its own, so that the event loop never waits for a disk. The
    file is made when something is first written.

    Args:
        path: the file; by default `ledger.sqlite3` in the user's data directory.
        clock: where the time comes from.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        self.path: Final = (default_path() if path is None else Path(path)).absolute()
        self._wall = clock.wall
        self._thread: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None
        self._is_durable = False
        self._owner: asyncio.Task[Any] | None = None
        self._lock: FileLock | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    async def __aenter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("this ledger is open already")
        self._thread = ThreadPoolExecutor(1, "propq_async ledger")
        return self

    async def __aexit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await finish(self._end(thread))

    async def _end(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(thread, self._close)
        await loop.run_in_executor(None, thread.shutdown)

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def now(self) -> float:
        """Return the time of day by the ledger's clock, in seconds since the epoch."""
        return self._wall()

    # --- what is asked of it ----------------------------------------------------------------------

    async def entries(
        self, account: Account, development_ids: Iterable[str], source: str | None = None
    ) -> dict[Unit, Entry]:
        """Return what is known of the units of these developments, or last pushed from `source`.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._entries, account, list(development_ids), source)

    async def generation(self) -> int:
        """Return a number that is another one after each mark.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._generation)

    async def mark(self, account: Account, updates: Iterable[UnitUpdate]) -> None:
        """Mark units in doubt, before their updates may be sent. It outlives a power cut.

        Raises:
            LedgerError: nothing was marked.
        """
        await self._run(self._mark, account, list(updates))

    async def acknowledge(
        self, account: Account, updates: Iterable[UnitUpdate], source: str | None = None
    ) -> None:
        """Note that the server has acknowledged these updates; it outlives the process.

        Raises:
            LedgerError: nothing was noted.
        """
        await self._run(self._acknowledge, account, list(updates), source)

    async def note_missing(self, account: Account, units: Iterable[Unit]) -> None:
        """Note that somebody knows that these units are in no list any more.

        Raises:
            LedgerError: nothing was noted.
        """
        await self._run(self._note_missing, account, list(units))

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep others from pushing with this ledger. The system lets go if this process dies.

        A task that has it may ask for it again; another one, in this process or not, may not.

        Raises:
            LedgerBusyError: another push is at work with it.
            LedgerError: the ledger cannot be locked.
        """
        here = asyncio.current_task()
        if self._owner is here:
            yield
            return
        await self._run(self._acquire)
        self._owner = here
        try:
            yield
        finally:
            self._owner = None
            await self._run(self._release)

    # --- in the thread ----------------------------------------------------------------------------

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        if self._thread is None:
            raise RuntimeError("this ledger is not open: use `async with Ledger(path) as ledger:`")
        call = partial(self._tell, function, *arguments)
        # To its end in any case: a transaction that runs on behind the caller's back would be
        # overtaken.
        return await finish(asyncio.get_running_loop().run_in_executor(self._thread, call))

    def _tell(self, function: Callable[..., _T], *arguments: object) -> _T:
        try:
            return function(*arguments)
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                f"the ledger {self.path} cannot be used: {error}; make room or give access, or "
                "name another --ledger (whatever is not in it is sent again)"
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self._db is not None:
            return self._db
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._db, self._is_durable = db, False
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with _transaction(db):
                # Another process may have been faster.
                (version,) = db.execute("PRAGMA user_version").fetchone()
                (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if version == 0 and not tables:
                    for statement in _SCHEMA.split(";"):
                        db.execute(statement)
                    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                    db.execute(f"PRAGMA user_version = {VERSION}")
                    return
        (application,) = db.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise LedgerError(f"{self.path} is no ledger, but another database: name another file")
        if version != VERSION:
            raise LedgerError(
                f"the ledger {self.path} was made by another version of propq-async: install that, "
                "or name another --ledger (whatever is not in it is sent again)"
            )

    def _existing(self) -> sqlite3.Connection | None:
        return self._open() if self._db is not None or self.path.exists() else None

    def _entries(
        self, account: Account, development_ids: list[str], source: str | None
    ) -> dict[Unit, Entry]:
        db = self._existing()
        number = None if db is None else _account(db, account)
        if db is None or number is None:
            return {}
        found: dict[Unit, Entry] = {}
        wanted = [("development_id = ?", one) for one in development_ids]
        wanted += [("source = ?", source)] if source is not None else []
        for condition, value in wanted:
            query = f"SELECT {_COLUMNS} FROM unit WHERE account = ? AND {condition}"  # noqa: S608 - both are constants
            for row in db.execute(query, (number, value)):
                found[row[0], row[1]] = _entry(row)
        return found

    def _generation(self) -> int:
        db = self._existing()
        if db is None:
            return 0
        (generation,) = db.execute("SELECT generation FROM state").fetchone()
        return int(generation)

    # A group in one statement, as JSON: SQLite gives the interpreter up and takes it back with each
    # one, which beside a busy event loop takes milliseconds.

    def _mark(self, account: Account, updates: list[UnitUpdate]) -> None:
        with self._change(durably=True) as db:
            number = _make_account(db, account)
            units = json.dumps([(one.development_id, one.name, alike(one.name)) for one in updates])
            db.execute(
                "INSERT OR IGNORE INTO unit (account, development_id, name, alike) "
                "SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
                "json_extract(value, '$[2]') FROM json_each(?)",
                (number, units),
            )
            self._doubt(db, number, units)
            db.execute("UPDATE state SET generation = generation + 1")

    def _doubt(self, db: sqlite3.Connection, number: int, units: str) -> None:
        db.execute(
            "UPDATE unit SET in_doubt_since = coalesce(in_doubt_since, ?) WHERE account = ? AND "
            "(development_id, alike) IN (SELECT json_extract(value, '$[0]'), "
            "json_extract(value, '$[2]') FROM json_each(?))",
            (self._wall(), number, units),
        )

    def _acknowledge(self, account: Account, updates: list[UnitUpdate], source: str | None) -> None:
        # Without a word to the disk: what a power cut takes away is sent again, and that is all.
        with self._change(durably=False) as db:
            number = _make_account(db, account)
            for group in _each_alike_once(updates):
                rows = [
                    (
                        one.development_id,
                        one.name,
                        alike(one.name),
                        one.status.value,
                        _dump_price(one.price),
                        _dump_directions(tuple(map(str, one.directions))),
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
                    "json_extract(value, '$[4]'), json_extract(value, '$[5]'), ?, ? "
                    "FROM json_each(?)",
                    (number, self._wall(), source, units),
                )

    def _note_missing(self, account: Account, units: list[Unit]) -> None:
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

    def _acquire(self) -> None:
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

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        assert lock is not None  # noqa: S101 - for the type checker
        lock.release()


def default_path() -> Path:
    """Return the default place of the ledger."""
    return user_data_path("propq-async", appauthor=False) / "ledger.sqlite3"


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def _each_alike_once(updates: list[UnitUpdate]) -> Iterator[list[UnitUpdate]]:
    """Split updates, so that no group has two whose names may be one to the server."""
    group: dict[Unit, UnitUpdate] = {}
    for one in updates:
        key = one.development_id, alike(one.name)
        if key in group:
            yield list(group.values())
            group = {}
        group[key] = one
    yield list(group.values())


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
