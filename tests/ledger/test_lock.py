"""The lock that keeps two pushes apart."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from propq_async import Clock
from propq_async.ledger import Ledger, LedgerBusyError, LedgerError
from propq_async.ledger import _sqlite_session as sqlite_session
from tests.helpers.ledgers import ME, Place, entry, freed, take_lock
from tests.helpers.processes import Process, hold_ledger
from tests.helpers.support import an_update


async def test_another_process_is_kept_out_until_it_dies(place: Place) -> None:
    path = place("ledger.sqlite3")
    async with Ledger(path) as ledger:
        other = await Process.start(hold_ledger, path)
        with pytest.raises(LedgerBusyError) as caught:
            async with ledger.exclusive():
                pass
        assert caught.value.process_id == other.process.pid
        assert re.fullmatch(
            rf"another push is at work with the ledger {ledger.location} "
            rf"\(process {other.process.pid}( on host {socket.gethostname()})?, since "
            r"\d\d:\d\d:\d\d\): wait for its end",
            str(caught.value),
        )
        # Whoever only looks is let in.
        assert await entry(ledger) is None
        await other.kill()
        await freed(ledger)
        async with ledger.exclusive(), ledger.exclusive():
            pass


async def test_another_task_and_another_object_are_kept_out(place: Place) -> None:
    async with Ledger(place("x")) as ledger, Ledger(place("x")) as same:
        await _keeps_out(ledger, same)


async def test_a_link_to_a_file_shares_its_lock(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "x")
    async with Ledger(tmp_path / "x") as ledger, Ledger(link) as same:
        await _keeps_out(ledger, same)


async def _keeps_out(ledger: Ledger, same: Ledger) -> None:
    async with ledger.exclusive():
        for one in (ledger, same):
            with pytest.raises(LedgerBusyError) as caught:
                await asyncio.create_task(take_lock(one))
            assert caught.value.process_id == os.getpid()
    await asyncio.create_task(take_lock(same))


async def test_the_lock_asked_for_cancelled_once_and_tried_again(place: Place) -> None:
    async with Ledger(place("x")) as ledger:

        async def hold() -> None:
            async with ledger.exclusive():
                await asyncio.sleep(0)

        for turns in range(1, 6):
            holding = asyncio.create_task(hold())
            for _ in range(turns):
                await asyncio.sleep(0)
            holding.cancel()
            await asyncio.wait([holding])
            await hold()
        async with ledger.exclusive():
            for _ in range(3):
                refused = asyncio.create_task(hold())
                await asyncio.sleep(0)
                refused.cancel()
                await asyncio.wait([refused])
            # Who is refused, and cancelled as well, takes it from nobody.
            with pytest.raises(LedgerBusyError):
                await asyncio.create_task(hold())


async def test_the_lock_is_free_after_a_failure_to_note_who_has_it(place: Place) -> None:
    broken = [True]

    def wall() -> float:
        if broken:
            raise LookupError("no time server")
        return 1.8e9

    async with Ledger(place("x"), clock=Clock(wall=wall)) as ledger:
        with pytest.raises(LookupError):
            async with ledger.exclusive():
                pass
        broken.clear()
        async with ledger.exclusive():
            pass


async def test_a_program_that_keeps_it_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_session, "BUSY_SECONDS", 0.1)
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="is locked by another program, such as a d"):
                await ledger.acknowledge(ME, [an_update()])
        await ledger.acknowledge(ME, [an_update()])


async def test_a_lock_whose_holder_cannot_be_noted_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_session, "BUSY_SECONDS", 0.1)
    path = tmp_path / "x"
    async with Ledger(path) as ledger, Ledger(path) as other:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="is locked by another program"):
                await take_lock(ledger)
        await take_lock(other)
        async with ledger.exclusive():
            with pytest.raises(LedgerBusyError):
                await take_lock(other)


async def test_a_cancelled_caller_gives_its_lock_back(place: Place) -> None:
    path = place("x")
    async with Ledger(path) as ledger, Ledger(path) as other:
        await ledger.mark(ME, [an_update()])
        asking = asyncio.create_task(take_lock(ledger))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await take_lock(other)


async def test_a_refusal_does_not_release_the_lock_of_another(place: Place) -> None:
    path = place("x")
    async with Ledger(path) as ledger, Ledger(path) as other, ledger.exclusive():
        for _ in range(2):
            with pytest.raises(LedgerBusyError):
                await asyncio.create_task(take_lock(ledger))
            with pytest.raises(LedgerBusyError):
                await asyncio.create_task(take_lock(other))


async def test_a_ledger_that_is_left_gives_its_lock_back(place: Place) -> None:
    path = place("x")
    async with Ledger(path) as ledger:
        await ledger.exclusive().__aenter__()
    async with Ledger(path) as other:
        await asyncio.create_task(take_lock(other))
