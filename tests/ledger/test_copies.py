"""A copy of the ledger's file alone, as people make it, and the log that it lacks."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from propq_async.ledger import Ledger
from tests.helpers.ledgers import ME
from tests.helpers.processes import Process, write_ledger
from tests.helpers.support import an_update


def has_log(path: Path) -> bool:
    return Path(f"{path}-wal").stat().st_size > 0


async def doubts(path: Path) -> dict[str, bool]:
    async with Ledger(path) as ledger:
        found = await ledger.entries(ME, ["4711"])
    return {name: one.is_in_doubt for (_, name), one in found.items()}


@pytest.mark.parametrize("is_killed", [True, False])
async def test_a_copy_amid_a_push_knows_what_is_sent(tmp_path: Path, *, is_killed: bool) -> None:
    path, copy = tmp_path / "ledger.sqlite3", tmp_path / "copy.sqlite3"
    pushing = await Process.start(write_ledger, path)
    if is_killed:
        await pushing.kill()
    assert has_log(path)
    shutil.copyfile(path, copy)
    if not is_killed:
        await pushing.kill()
    assert await doubts(copy) == await doubts(path) == {"A-101": False, "A-102": True}


async def test_a_push_ends_with_everything_in_the_file(tmp_path: Path) -> None:
    """Even while somebody else has the ledger open, which keeps SQLite from cleaning up."""
    path, copy = tmp_path / "x", tmp_path / "copy"
    async with Ledger(path) as ledger:
        async with ledger.exclusive():
            await ledger.mark(ME, [an_update()])
            await ledger.acknowledge(ME, [an_update()])
        with closing(sqlite3.connect(path)) as viewer:
            viewer.execute("SELECT count(*) FROM unit").fetchall()
            shutil.copyfile(path, copy)
            assert await doubts(copy) == {"A-101": False}
            await ledger.acknowledge(ME, [an_update(name="B")])
            await ledger.__aexit__()
            shutil.copyfile(path, copy)
            assert await doubts(copy) == {"A-101": False, "B": False}
