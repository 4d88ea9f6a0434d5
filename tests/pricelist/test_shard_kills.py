"""Processes that push the parts of a list together, and are killed and started again."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.jobs import Job
from tests.helpers.lists import text_list, unit
from tests.helpers.postgres import Server

# Runs of a short list, which meet more beginnings and ends, and of a long one. Both take as long:
# most of it is to start so many processes.
RUNS = [(0, 6_000), (1, 6_000), (2, 600), (3, 600)]
# As many more as one asks for.
RUNS += [(seed, 6_000) for seed in range(4, 4 + int(os.environ.get("PROPQ_CAMPAIGN_RUNS", "0")))]
SHARDS = 4
CONCURRENCY = 8


@pytest.mark.campaign
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("seed", "units"), RUNS)
async def test_killed_processes_lose_no_row(
    postgres: Server, tmp_path: Path, seed: int, units: int
) -> None:
    drawn = random.Random(seed)
    url = postgres.new_database()
    async with PropQEmulator(latency_seconds=0.002) as emulator:
        for number in range(units):
            emulator.add_unit("4711", f"A-{number}")
        # One list after the other, so that something late of the first would be seen.
        for price, rows in ((100_000, units // 20), (110_000, units)):
            path = text_list(
                tmp_path / "list.csv", *(unit(f"A-{number}", price) for number in range(rows))
            )
            kills = sorted(drawn.sample(range(emulator.applied + 1, emulator.applied + rows), 5))
            job = Job(emulator, url, SHARDS, kills, drawn)
            before = emulator.applied
            push = ["propq", "push", str(path), "--yes", "--json", "--quiet", "--wait", "60"]
            await job.run([*push, "--concurrency", str(CONCURRENCY)])
            assert job.killed >= 1
            doubled = emulator.applied - before - rows
            assert 0 <= doubled <= job.killed * (CONCURRENCY - 1)
            assert all(emulator.unit("4711", f"A-{n}").price == price for n in range(rows))
            # Nothing of an earlier list comes after a later one.
            assert all(set(prices) == {price} for prices in job.prices.values())
            found = job.results.values()
            assert [one["exit_status"] for one in found] == [0] * SHARDS
            assert sum(one["rows"] for one in found) == rows
            for one in found:
                assert one["applied"] + one["unchanged"] == one["rows"]
        async with Ledger(url) as ledger:
            known = await ledger.everything() or {}
            (entries,) = known.values()
            assert len(entries) == units
            assert not any(entry.is_in_doubt for entry in entries.values())
