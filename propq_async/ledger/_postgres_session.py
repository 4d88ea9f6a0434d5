"""An open connection to PostgreSQL, with the tables of the ledger in a schema of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from typing import Any, Final

import attrs
import psycopg

from propq_async._messages import tr
from propq_async._secret import SecretStr

from ._backend import NO_VALUES
from ._entries import Account, LedgerError
from ._queries import ADD_ACCOUNT, account_number

__all__ = ["PostgresSession", "connect", "is_there", "make"]

# Each is a version of the tables. What is released is never changed, but followed by another one.
_VERSIONS: Final = (
    """
    CREATE TABLE version (number INTEGER NOT NULL);
    INSERT INTO version VALUES (0);
    CREATE TABLE account (
        id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        base_url TEXT NOT NULL, client_id BIGINT NOT NULL,
        UNIQUE (base_url, client_id)
    );
    CREATE TABLE unit (
        account INTEGER NOT NULL REFERENCES account,
        development_id TEXT COLLATE "C" NOT NULL, name TEXT COLLATE "C" NOT NULL,
        alike TEXT COLLATE "C" NOT NULL,
        status INTEGER, price TEXT, directions TEXT, acknowledged_at DOUBLE PRECISION,
        in_doubt_since DOUBLE PRECISION, source TEXT COLLATE "C", missed_at DOUBLE PRECISION,
        marked BIGINT,
        PRIMARY KEY (account, development_id, name)
    );
    CREATE INDEX unit_alike ON unit (account, development_id, alike);
    CREATE INDEX unit_source ON unit (account, source);
    CREATE TABLE state (
        account INTEGER PRIMARY KEY REFERENCES account,
        generation BIGINT NOT NULL DEFAULT 0, first BIGINT, outdated BIGINT
    );
    CREATE TABLE holder (
        id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account INTEGER REFERENCES account, shard INTEGER, shards INTEGER,
        host TEXT NOT NULL, process INTEGER NOT NULL, since DOUBLE PRECISION NOT NULL
    );
    """,
    # A row is changed soon after it is new: room in its page spares the indexes. Its account is
    # looked up beforehand anyway.
    """
    ALTER TABLE unit SET (fillfactor = 50);
    ALTER TABLE unit DROP CONSTRAINT unit_account_fkey;
    DROP INDEX unit_alike;
    CREATE INDEX unit_alike ON unit (account, alike);
    """,
)
_SCHEMA: Final = "propq"
# Whoever makes the tables, or brings them up to date, does so alone: "PrpQ".
_MAKING: Final = 0x50727051
_NUMBERS: Final = {"status": "INTEGER", "generation": "BIGINT"}
# Of the server: a machine that is gone gives its lock back. A transaction that a person has left
# open in another program ends in an error.
_SETTINGS: Final = {
    "search_path": _SCHEMA,
    "default_transaction_isolation": "read committed",
    "lock_timeout": "10s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class PostgresSession:
    """The session of a server. Each account has a row of its own in the table `state`."""

    state = "account = :account"
    # Of a new table the server knows nothing. `OFFSET 0` keeps it from another order, and the empty
    # text from an index in which a development has all of its units.
    alike = (
        "CROSS JOIN LATERAL (SELECT * FROM unit WHERE account = :account AND alike = given.alike "
        "AND development_id || '' = given.development_id OFFSET 0) AS unit"
    )

    def __init__(self, db: psycopg.Connection[Any], location: str, process: int) -> None:
        self.db = db
        self.location = location
        # The process of the server that this connection is for.
        self.process = process
        # Whether the tables are known to be there.
        self.is_ready = False

    def given(self, *columns: str) -> str:
        """Return a subquery for the rows that are given."""
        cells = (
            f"CAST(value ->> {n} AS {_NUMBERS.get(name, 'TEXT')}) AS {name}"
            for n, name in enumerate(columns)
        )
        rows = "jsonb_array_elements(CAST(:given AS JSONB)) AS value"
        return f"(SELECT {', '.join(cells)} FROM {rows})"  # noqa: S608 - constants

    def execute(
        self, statement: str, values: Mapping[str, object] = NO_VALUES
    ) -> psycopg.Cursor[Any]:
        """Run a statement."""
        return self.db.execute(_translated(statement), values)

    def execute_many(self, statement: str, values: Iterable[Mapping[str, object]]) -> None:
        """Run a statement for each of these values."""
        self.db.cursor().executemany(_translated(statement), values)

    def enter(self, account: Account) -> int | None:
        """Keep others from changing this account until the end of the transaction.

        Returns:
            Its number, `None` if it has none yet.
        """
        found = self.execute(
            "SELECT id, pg_backend_pid() FROM account JOIN state ON state.account = id "
            "WHERE base_url = :base_url AND client_id = :client_id FOR UPDATE OF state",
            attrs.asdict(account),
        ).fetchone()
        if found is None:
            return None
        number, process = found
        if process != self.process:
            raise pooled(self.location)
        return int(number)

    def add_account(self, account: Account) -> None:
        """Give an account a number, unless somebody else has done so."""
        self.execute(ADD_ACCOUNT, attrs.asdict(account))
        number = {"account": account_number(self, account)}
        self.execute("INSERT INTO state (account) VALUES (:account) ON CONFLICT DO NOTHING", number)

    def rows(
        self, columns: Sequence[str], source: str, values: Mapping[str, object]
    ) -> list[Sequence[Any]]:
        """Return these columns of what a `FROM` clause finds."""
        statement = _translated(f"SELECT {', '.join(columns)} FROM {source}")  # noqa: S608
        # Not prepared: what is best for a new table is not for one of many units.
        return self.db.execute(statement, values, prepare=False).fetchall()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Do all or nothing, in the transaction that has begun."""
        try:
            # What needs no answer is sent together with what does: the server may be far away.
            with self.db.pipeline() if psycopg.Pipeline.is_supported() else nullcontext():
                yield
                self.execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):
                self.execute("ROLLBACK")
            raise


@lru_cache(maxsize=256)
def _translated(statement: str) -> bytes:
    return re.sub(":([a-z_]+)", r"%(\1)s", statement).encode()


def connect(conninfo: SecretStr, location: str) -> PostgresSession:
    """Connect to the server.

    Raises:
        LedgerError: there is a pooler in between that changes connections.
        psycopg.Error: it cannot be reached.
    """
    db = psycopg.connect(conninfo, autocommit=True)
    try:
        process = _own_process(db, conninfo, location)
        settings = ", ".join(f"set_config('{one}', '{v}', false)" for one, v in _SETTINGS.items())
        # A mark that is lost would claim more than is certain.
        durable = (
            "set_config('synchronous_commit', "
            "replace(current_setting('synchronous_commit'), 'off', 'on'), false)"
        )
        # A push waits for calls, and for the yes of a person. Older servers do not have it.
        patient = (
            "(SELECT set_config(name, '0', false) FROM pg_settings "
            "WHERE name = 'idle_session_timeout')"
        )
        db.execute(f"SELECT {settings}, {durable}, {patient}".encode())
    except BaseException:
        db.close()
        raise
    return PostgresSession(db, location, process)


def _process(db: psycopg.Connection[Any]) -> int:
    found = db.execute("SELECT pg_backend_pid()").fetchone()
    assert found is not None  # noqa: S101 - for the type checker
    return int(found[0])


def _own_process(db: psycopg.Connection[Any], conninfo: SecretStr, location: str) -> int:
    """Return the process of the server, if it is for this connection alone."""
    process = _process(db)
    # A pooler makes up a process.
    if process != db.info.backend_pid and _is_shared(db, conninfo, process):
        raise pooled(location)
    return process


def _is_shared(db: psycopg.Connection[Any], conninfo: SecretStr, process: int) -> bool:
    """Return whether another client gets the connection while this one makes no transaction."""
    with psycopg.connect(conninfo) as other:
        # It is in a transaction from here on, so it keeps what it has got.
        return _process(other) == process or _process(db) != process


def pooled(location: str) -> LedgerError:
    """Return the error for a pooler in transaction mode."""
    return LedgerError(
        tr(
            "the ledger {location} is behind a pooler that gives each transaction "
            "another connection, on which a lock is worth nothing: name the server "
            "itself, or a pool in session mode"
        ).format(location=location)
    )


def is_there(db: PostgresSession) -> bool:
    """Return whether there is a ledger. Bring one up to date that an earlier version has made.

    Raises:
        LedgerError: a later version has made it.
    """
    if not db.is_ready:
        version = _version(db)
        if version:
            make(db)
        db.is_ready = bool(version)
    return db.is_ready


def make(db: PostgresSession) -> None:
    """Make the tables, or bring them up to date, in one transaction."""
    db.execute("BEGIN")
    with db.begun():
        db.execute("SELECT pg_advisory_xact_lock(:key)", {"key": _MAKING})
        version = _version(db)
        if version == len(_VERSIONS):
            # Another process was faster.
            return
        schemas = db.execute(
            "SELECT FROM pg_namespace WHERE nspname = :schema", {"schema": _SCHEMA}
        )
        if schemas.fetchone() is None:
            db.execute(f"CREATE SCHEMA {_SCHEMA}")
        for statements in _VERSIONS[version:]:
            for statement in filter(str.strip, statements.split(";")):
                db.db.execute(statement.encode())
        db.execute("UPDATE version SET number = :number", {"number": len(_VERSIONS)})
    db.is_ready = True


def _version(db: PostgresSession) -> int:
    """Return the version of the tables, 0 if there are none."""
    # By a query, and not by name: what is known of names may be older than the transaction.
    tables = db.execute(
        "SELECT FROM pg_tables WHERE schemaname = :schema AND tablename = 'version'",
        {"schema": _SCHEMA},
    )
    if tables.fetchone() is None:
        return 0
    found = db.execute(f"SELECT number FROM {_SCHEMA}.version").fetchone()  # noqa: S608 - ours
    version = 0 if found is None else int(found[0])
    if version > len(_VERSIONS):
        raise LedgerError(
            tr(
                "the ledger {location} was made by a later version of propq-async: install that"
            ).format(location=db.location)
        )
    return version
