"""A ledger, as several tests use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import psycopg

from propq_async.ledger import Account, Entry, Ledger
from tests.helpers.support import an_update

ME = Account("https://api.propq.com", 7)
UNIT = ("4711", "A-101")

Place: TypeAlias = Callable[[str], str]
"""Returns where a ledger of that name is: a file, or a database of its own on a server."""


async def entry(ledger: Ledger, account: Account = ME) -> Entry | None:
    return (await ledger.entries(account, ["4711"])).get(UNIT)


async def spoil(where: str | Path, statement: str, *values: object) -> None:
    """Make a ledger with one unit, and change it as a viewer may."""
    async with Ledger(where) as ledger:
        await ledger.acknowledge(ME, [an_update()], "list")
    change(where, statement, *values)


def change(where: str | Path, statement: str, *values: object) -> None:
    """Run a statement as another program does."""
    if "://" in str(where):
        with psycopg.connect(str(where)) as server:
            server.execute("SET search_path TO propq")
            server.execute(statement.replace("?", "%s").encode(), values)
        return
    with closing(sqlite3.connect(where)) as db:
        # As the tables are, a viewer may put anything anywhere.
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(statement, values)
        db.commit()


async def freed(ledger: Ledger) -> None:
    """Wait until a server has noticed that whoever held the ledger was killed."""
    async with ledger.exclusive(wait_seconds=60):
        pass


async def take_lock(ledger: Ledger, account: Account | None = None) -> None:
    async with ledger.exclusive(account):
        pass
