"""What it costs to note 500 rows: in a file, in PostgreSQL, and in two statements of one's own.

It runs from a checkout, since the server is that of the tests. Each round does all of them, so that
the speed of the machine is the same for all.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import psycopg

from propq_async import UnitStatus, UnitUpdate
from propq_async.ledger import Account, Ledger
from tests.helpers.postgres import a_server

ROWS: Final = 500
ROUNDS: Final = 40
ACCOUNT: Final = Account("https://api.propq.com", 7)

# The least that a ledger has to do: a row for each unit, and who has changed it last.
_MARK: Final = """
    INSERT INTO sketch (development_id, name, in_doubt_since)
    SELECT development_id, name, %s FROM unnest(%s::text[], %s::text[]) AS g (development_id, name)
    ON CONFLICT (development_id, name) DO UPDATE SET in_doubt_since = excluded.in_doubt_since
"""
_ACKNOWLEDGE: Final = """
    UPDATE sketch SET status = g.status, price = g.price, in_doubt_since = NULL
    FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[])
        AS g (development_id, name, status, price)
    WHERE sketch.development_id = g.development_id AND sketch.name = g.name
"""


class Sketch:
    """Two statements, each a transaction of its own."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        self._db.execute(
            "CREATE TABLE sketch (development_id TEXT, name TEXT, status INTEGER, price TEXT,"
            " in_doubt_since DOUBLE PRECISION, PRIMARY KEY (development_id, name))"
        )

    async def mark(self, updates: list[UnitUpdate]) -> None:
        """Note that these may have been changed."""
        self._db.execute(_MARK, (time.time(), *self._names(updates)))

    async def acknowledge(self, updates: list[UnitUpdate]) -> None:
        """Note what the server has acknowledged."""
        states, prices = [one.status.value for one in updates], [str(one.price) for one in updates]
        self._db.execute(_ACKNOWLEDGE, (*self._names(updates), states, prices))

    @staticmethod
    def _names(updates: list[UnitUpdate]) -> tuple[list[str], list[str]]:
        return [one.development_id for one in updates], [one.name for one in updates]

    def close(self) -> None:
        """Close the connection."""
        self._db.close()


async def _seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _updates(group: int) -> list[UnitUpdate]:
    return [
        UnitUpdate("4711", f"A-{group}-{row}", UnitStatus.SOLD, 250_000 + row, ["N", "S"])
        for row in range(ROWS)
    ]


async def _measure(url: str, folder: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    sketch = Sketch(url)
    async with Ledger(folder / "ledger") as file, Ledger(url) as server:
        await file.mark(ACCOUNT, _updates(-1))
        await server.mark(ACCOUNT, _updates(-1))
        works: list[tuple[str, Callable[[list[UnitUpdate]], Awaitable[object]]]] = []
        for name, ledger in (("file", file), ("PostgreSQL", server)):
            works += [
                (f"{name}: mark", lambda rows, ledger=ledger: ledger.mark(ACCOUNT, rows)),
                (
                    f"{name}: acknowledge",
                    lambda rows, ledger=ledger: ledger.acknowledge(ACCOUNT, rows),
                ),
            ]
        works += [("sketch: mark", sketch.mark), ("sketch: acknowledge", sketch.acknowledge)]
        for group in range(ROUNDS):
            updates = _updates(group)
            for name, work in works:
                found.setdefault(name, []).append(1000 * await _seconds(work(updates)))
    sketch.close()
    return found


def main() -> None:
    """Print one row for each."""
    print(f"| {ROWS} rows | fastest, ms | median, ms |")
    print("| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, a_server() as server:
        found = asyncio.run(_measure(server.new_database(), Path(folder)))
    for name, times in found.items():
        print(f"| {name} | {min(times):.1f} | {statistics.median(times):.1f} |")


if __name__ == "__main__":
    main()
