"""A push that is killed at any moment, and what the next one makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from propq_async.testing import PropQEmulator
from tests.lists import text_list, unit
from tests.pushing import CONCURRENCY
from tests.support import until

ROWS = 120


def _acknowledged_since(ledger: Path, moment: float) -> int:
    if not ledger.exists():
        return 0
    with closing(sqlite3.connect(ledger)) as db:
        query = "SELECT count(*) FROM unit WHERE acknowledged_at >= ?"
        try:
            (count,) = db.execute(query, (moment,)).fetchone()
        except sqlite3.OperationalError:  # it was killed before it had made the table
            return 0
    return int(count)


async def _campaign(tmp_path: Path, kills: int) -> None:
    lists = [
        text_list(tmp_path / f"{price}.csv", *(unit(f"A-{n}", price) for n in range(ROWS)))
        for price in (100_000, 110_000)
    ]
    ledger = tmp_path / "ledger.sqlite3"
    drawn = random.Random(kills)
    async with PropQEmulator(latency_seconds=0.004) as emulator:
        for number in range(ROWS):
            emulator.add_unit("4711", f"A-{number}")
        credentials = emulator.credentials
        arguments = [emulator.url, credentials.client_id, credentials.client_secret, str(ledger)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.pushing", json.dumps(arguments),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            env={name: v for name, v in os.environ.items() if not name.startswith("COV")},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        killed, was_killed = 0, True
        while killed < kills or was_killed:
            # After a kill the list may go back to what it was; every other push may end.
            wanted = drawn.choice(lists)
            seconds = 60 if killed == kills or drawn.random() < 0.5 else drawn.uniform(0.02, 0.2)
            began, applied = time.time(), emulator.applied
            process.stdin.write(json.dumps([str(wanted), seconds]).encode() + b"\n")
            was_killed = json.loads(await process.stdout.readline())
            killed += was_killed
            await until(lambda: not emulator.in_flight)
            # What was applied and not noted is sent again. Nothing else is.
            twice = emulator.applied - applied - _acknowledged_since(ledger, began)
            assert 0 <= twice <= CONCURRENCY * was_killed
            if not was_killed:
                assert {one.price for one in emulator.units.values()} == {float(wanted.stem)}
        process.stdin.close()
        assert await process.wait() == 0


async def test_a_few_kills(tmp_path: Path) -> None:
    await _campaign(tmp_path, 8)


@pytest.mark.campaign
async def test_a_hundred_kills(tmp_path: Path) -> None:
    await _campaign(tmp_path, 100)
