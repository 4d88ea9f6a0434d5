"""A push that is killed at any moment, and what the next one makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator, RecordedRequest
from tests.helpers.ledgers import Place, freed
from tests.helpers.lists import text_list, unit
from tests.helpers.pushing import CONCURRENCY, MARKED_AT_ONCE
from tests.helpers.support import until

# More than two groups of those that are marked at once.
ROWS = 2 * MARKED_AT_ONCE + 50
PRICES = (100_000, 110_000)


@attrs.define
class Known:
    """What the ledger says of one unit."""

    price: float | None
    acknowledged_at: float
    is_in_doubt: bool


def ledger_of(where: str) -> dict[str, Known]:
    query = "SELECT name, price, acknowledged_at, in_doubt_since FROM {}unit"
    try:
        if "://" in where:
            with psycopg.connect(where) as server:
                rows = server.execute(query.format("propq.").encode()).fetchall()
        elif not Path(where).exists():
            return {}
        else:
            with closing(sqlite3.connect(where)) as db:
                rows = db.execute(query.format("")).fetchall()
    # It was killed before it had made the table.
    except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):
        return {}
    return {
        name: Known(None if price is None else float(price), at or 0.0, since is not None)
        for name, price, at, since in rows
    }


@attrs.define
class Campaign:
    """Pushes of two lists in turn, some of which are killed."""

    emulator: PropQEmulator
    ledger: str
    driver: asyncio.subprocess.Process
    updates: int = 0
    victim: int = 0
    kill_at: int = 0
    killed: int = 0
    killed_between_groups: int = 0
    went_back: int = 0
    stopped: int = 0
    copied: int = 0

    def on_request(self, request: RecordedRequest) -> None:
        if request.path.endswith("/update-by-name"):
            self.updates += 1
            if self.updates == self.kill_at:
                self.kill()

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it may have come to its end
            os.kill(self.victim, signal.SIGKILL)

    async def told(self) -> Any:
        assert self.driver.stdout is not None
        return json.loads(await self.driver.stdout.readline())

    async def push(
        self, prices: Path, *, kill_at: int = 0, within: float | None = None, stop_after: int = 0
    ) -> bool:
        """Push a list, and check what is known then. Return whether it was killed.

        It may be killed at an update that the server has taken, or after so many seconds; or
        stopped after so many outcomes.
        """
        emulator = self.emulator
        before, applied, began = ledger_of(self.ledger), emulator.applied, time.time()
        self.updates, self.kill_at = 0, kill_at
        assert self.driver.stdin is not None
        self.driver.stdin.write(json.dumps([str(prices), stop_after]).encode() + b"\n")
        self.victim = await self.told()
        ending = asyncio.create_task(self.told())
        await asyncio.wait((ending,), timeout=within)
        if not ending.done():
            self.kill()
        was_killed: bool = await ending
        await until(lambda: not emulator.in_flight)
        if "://" in self.ledger:
            # The server has noticed that nobody is there any more.
            async with Ledger(self.ledger) as ledger:
                await freed(ledger)
        else:
            # Before the ledger is opened, which cleans up.
            self.check_copy(Path(self.ledger))
        known = ledger_of(self.ledger)
        # What was applied and not noted is sent again. Nothing else is.
        noted = sum(one.acknowledged_at >= began for one in known.values())
        twice = emulator.applied - applied - noted
        assert 0 <= twice < (CONCURRENCY if was_killed else 1)
        # The ledger never claims more than is true: else a row would be skipped.
        certain = {name for name, one in known.items() if not one.is_in_doubt}
        for name in certain:
            assert emulator.unit("4711", name).price == known[name].price
        if was_killed:
            self.killed += 1
            self.killed_between_groups += any(
                abs(self.updates - boundary) <= CONCURRENCY
                for boundary in range(MARKED_AT_ONCE, ROWS, MARKED_AT_ONCE)
            )
        else:
            # Nothing is in doubt but what was before: all that was sent is acknowledged.
            doubtful = known.keys() - certain
            assert doubtful <= {name for name, one in before.items() if one.is_in_doubt}
            if not stop_after:
                assert {one.price for one in emulator.units.values()} == {float(prices.stem)}
                assert len(certain) == ROWS
        return was_killed

    def check_copy(self, ledger: Path) -> None:
        """Check that a copy of the file alone, without its log, claims no more than is true."""
        if not ledger.exists():
            return
        copy = shutil.copyfile(ledger, ledger.with_name("copy.sqlite3"))
        # Killed while it was written, it may be damaged, which the ledger tells.
        with suppress(sqlite3.DatabaseError):
            for name, one in ledger_of(str(copy)).items():
                assert one.is_in_doubt or self.emulator.unit("4711", name).price == one.price
                self.copied += 1

    async def run(self, lists: list[Path], kills: int) -> None:
        drawn = random.Random(kills)
        last, was_killed = lists[0], False
        while self.killed < kills or was_killed:
            # After a kill the list may go back to what it was; every other push may end.
            wanted = drawn.choice(lists)
            self.went_back += was_killed and wanted != last
            last = wanted
            if self.killed == kills:
                was_killed = await self.push(wanted)
                continue
            boundary = MARKED_AT_ONCE * drawn.randint(1, 2)
            near = boundary + drawn.randint(-CONCURRENCY, CONCURRENCY)
            match drawn.randrange(5):
                case 0 | 1:
                    was_killed = await self.push(wanted, kill_at=near)
                case 2:
                    was_killed = await self.push(wanted, kill_at=drawn.randrange(1, ROWS))
                case 3:
                    was_killed = await self.push(wanted, within=drawn.uniform(0.0, 0.3))
                case _:
                    # Stopped, perhaps, before it is killed.
                    self.stopped += 1
                    was_killed = await self.push(
                        wanted, stop_after=near, kill_at=near + drawn.randint(-9, 9)
                    )


async def _campaign(tmp_path: Path, kills: int, ledger: str | None = None) -> Campaign:
    lists = [
        text_list(tmp_path / f"{price}.csv", *(unit(f"A-{n}", price) for n in range(ROWS)))
        for price in PRICES
    ]
    ledger = ledger or str(tmp_path / "ledger.sqlite3")
    async with PropQEmulator(latency_seconds=0.002) as emulator:
        for number in range(ROWS):
            emulator.add_unit("4711", f"A-{number}")
        credentials = emulator.credentials
        arguments = [emulator.url, credentials.client_id, credentials.client_secret, ledger]
        driver = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.helpers.pushing", json.dumps(arguments),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={name: v for name, v in os.environ.items() if not name.startswith("COV")},
        )  # fmt: skip
        campaign = Campaign(emulator, ledger, driver)
        emulator.on_request = campaign.on_request
        await campaign.run(lists, kills)
        assert driver.stdin is not None
        driver.stdin.close()
        assert await driver.wait() == 0
    assert campaign.killed == kills
    assert campaign.copied >= ROWS or "://" in ledger
    return campaign


async def test_a_few_kills(tmp_path: Path) -> None:
    await _campaign(tmp_path, 8)


@pytest.mark.campaign
@pytest.mark.timeout(900)
async def test_many_kills(place: Place, tmp_path: Path) -> None:
    ledger = place("ledger")
    # A server's ledger takes three times as long to open.
    kills = 20 if "://" in ledger else 40
    campaign = await _campaign(tmp_path, kills, ledger)
    # It was what it is for.
    assert campaign.killed_between_groups >= kills // 5
    assert campaign.went_back >= kills // 5
    assert campaign.stopped >= kills // 10
