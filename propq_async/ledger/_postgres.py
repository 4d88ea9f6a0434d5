"""A ledger in PostgreSQL, which people and machines share.

A claim is a row of the table `holder`, and an advisory lock of the session with the number of that
row. The server releases the lock when the connection ends, however that happens, and then the row
counts no longer.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import psycopg

from propq_async._messages import joined, tr
from propq_async._secret import SecretStr

from ._backend import NO_VALUES, Session
from ._backup import write
from ._changes import number_of
from ._entries import Account, Claim, LedgerBusyError, LedgerError
from ._postgres_advice import parsed, server_advice
from ._postgres_session import PostgresSession, connect, is_there, make
from ._queries import stored_units

__all__ = ["PostgresBackend"]

_T = TypeVar("_T")
# Its host, its process, since when, and its shard of how many.
_Holder: TypeAlias = tuple[str, int, float, int | None, int | None]

# The number of the table tells this ledger from others in the same database.
_LOCK: Final = "CAST(CAST(CAST('holder' AS REGCLASS) AS OID) AS INTEGER), :number"
_LIVE: Final = (
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND classid = CAST('holder' AS REGCLASS) "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_CONFLICTS: Final = (
    "account IS NULL OR CAST(:account AS INTEGER) IS NULL OR account = :account AND ("
    "shards IS NULL OR CAST(:shards AS INTEGER) IS NULL OR shards <> :shards OR shard = :shard)"
)


class PostgresBackend:
    """The server. Its tables are made when something is first written to them."""

    def __init__(self, name: str, url: SecretStr) -> None:
        self._conninfo, self.location = parsed(name, url)
        self._db: PostgresSession | None = None
        # Which tasks of this process have which claims, with the number of each.
        self._claims: dict[Claim, tuple[object, int]] = {}
        self._is_cut_off = False

    def close(self) -> None:
        """Close the connection. The server releases its locks."""
        self._claims.clear()
        self._drop()

    def _drop(self) -> None:
        self._is_cut_off = bool(self._claims)
        db, self._db = self._db, None
        if db is not None:
            db.db.close()

    # --- the connection ---------------------------------------------------------------------------

    def read(self, question: Callable[[Session], _T], nothing: _T) -> _T:
        """Answer a question. A reader may have no right to write."""

        def ask(db: PostgresSession) -> _T:
            return question(db) if is_there(db) else nothing

        return self._with_connection(ask)

    @contextmanager
    def change(self, *, durably: bool) -> Iterator[PostgresSession]:
        """Return a transaction, always durable."""
        del durably

        def begin(db: PostgresSession) -> PostgresSession:
            if not is_there(db):
                make(db)
            db.execute("BEGIN")
            return db

        db = self._with_connection(begin)
        with db.begun():
            yield db

    def _with_connection(self, work: Callable[[PostgresSession], _T]) -> _T:
        """Do what may be done twice: a connection that was idle may have been cut off meanwhile."""
        if self._db is not None:
            try:
                return work(self._db)
            except psycopg.OperationalError:
                if not self._db.db.closed:
                    raise
            self._drop()
        if self._is_cut_off:
            raise LedgerError(
                tr(
                    "the connection to the ledger {location} was lost during a push, and with "
                    "it the lock: push once more; what was sent and is not noted is sent again"
                ).format(location=self.location)
            )
        self._db = connect(self._conninfo, self.location)
        return work(self._db)

    # --- the locks --------------------------------------------------------------------------------

    def holds(self, claim: Claim, owner: object) -> bool:
        """Return whether `owner` has this claim."""
        return any(one.covers(claim) and whose is owner for one, (whose, _) in self._claims.items())

    def in_shard(self, account: Account) -> bool:
        """Return whether a shard of this account is claimed here, so that others have others."""
        return any(one.account == account and one.shard is not None for one in self._claims)

    def acquire(self, claim: Claim, owner: object, wall: Callable[[], float]) -> None:
        """Claim for `owner`, and note since when."""
        with self.change(durably=False) as db:
            # One after the other. Who only looks is let in.
            db.execute("LOCK TABLE holder IN EXCLUSIVE MODE")
            db.execute(f"DELETE FROM holder WHERE id NOT IN (SELECT objid FROM ({_LIVE}) AS live)")  # noqa: S608
            number = None if claim.account is None else number_of(db, claim.account)
            shard, shards = claim.shard or (None, None)
            values: dict[str, object] = {"account": number, "shard": shard, "shards": shards}
            if others := _holders(db, f"WHERE {_CONFLICTS}", values):
                raise self._busy(others)
            values |= {"host": socket.gethostname(), "process": os.getpid(), "since": wall()}
            found = db.execute(
                "INSERT INTO holder (account, shard, shards, host, process, since) "
                "VALUES (:account, :shard, :shards, :host, :process, :since) "
                "RETURNING id, pg_advisory_lock(CAST(tableoid AS INTEGER), id)",
                values,
            )
            ((taken, _),) = found.fetchall()
        self._claims[claim] = owner, taken

    def _busy(self, others: list[_Holder]) -> LedgerBusyError:
        host, process, *_ = others[0]
        return LedgerBusyError(
            tr(
                "another push is at work with the ledger {location} ({names}): wait for its end"
            ).format(location=self.location, names=joined("; ", map(_in_words, others))),
            process_id=process,
            host=host,
        )

    def release(self, claim: Claim, owner: object) -> None:
        """Give a claim back, if `owner` has it."""
        whose, number = self._claims.get(claim, (None, 0))
        if whose is not owner:
            return
        del self._claims[claim]
        # A connection that is lost has released it.
        self._is_cut_off = self._is_cut_off and bool(self._claims)
        if self._db is not None:
            try:
                self._db.execute(f"SELECT pg_advisory_unlock({_LOCK})", {"number": number})
            except psycopg.Error:
                self._drop()

    # --- care -------------------------------------------------------------------------------------

    def holder(self) -> str | None:
        """Return who holds a lock, in words."""
        nobody: list[_Holder] = []
        found = self.read(_holders, nobody)
        return (
            joined("; ", (tr("another push ({who})").format(who=_in_words(one)) for one in found))
            or None
        )

    def problems(self) -> Iterator[str]:
        """Return nothing: a server is looked after by others."""
        return iter(())

    def damages(self, db: Session) -> list[str]:
        """Return nothing: the server tells by itself."""
        del db
        return []

    def size_bytes(self) -> int:
        """Return the size of all tables."""
        question = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relnamespace = CAST('propq' AS REGNAMESPACE) AND relkind = 'r'"
        )
        return int(self.read(lambda db: db.execute(question).fetchone()[0], 0))

    def file_system(self) -> str | None:
        """Return nothing: it is in no file."""
        return None

    def backup(self, target: Path) -> bool:
        """Write all that is known to a new file. Return whether there is a ledger."""
        known = self.read(stored_units, None)
        if known is not None:
            write(self.location, target, known)
        return known is not None

    def explained(self, error: Exception) -> LedgerError | None:
        """Return an error of the server as one of ours, without the password."""
        if not isinstance(error, psycopg.Error):
            return None
        return LedgerError(
            tr("the ledger {location} cannot be used: {what}").format(
                location=self.location, what=server_advice(error)
            )
        )


def _holders(
    db: Session, where: str = "", values: Mapping[str, object] = NO_VALUES
) -> list[_Holder]:
    """Return who has which claims."""
    return db.execute(
        f"SELECT host, process, since, shard, shards FROM holder JOIN ({_LIVE}) AS live "  # noqa: S608
        f"ON objid = CAST(id AS OID) {where} ORDER BY since",
        values,
    ).fetchall()


def _in_words(holder: _Holder) -> str:
    host, process, since, shard, shards = holder
    began = datetime.fromtimestamp(since).astimezone()
    part = (
        ""
        if shard is None
        else tr(", shard {shard} of {shards}").format(shard=shard, shards=shards)
    )
    return tr("process {process} on host {host}, since {began:%H:%M:%S}{part}").format(
        process=process, host=host, began=began, part=part
    )
