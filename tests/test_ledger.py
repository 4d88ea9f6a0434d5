from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import UnitStatus, UnitUpdate
from propq_async.ledger import Account, Entry, Ledger, LedgerBusyError, LedgerError, database
from propq_async.ledger.database import Database
from propq_async.ledger.files import APPLICATION_ID, read
from tests.processes import Process, hold_ledger, read_ledger
from tests.support import FakeClock, an_update

ME = Account("https://api.propq.com", 7)
UNIT = ("4711", "A-101")


async def entry(ledger: Ledger, account: Account = ME) -> Entry | None:
    return (await ledger.entries(account, ["4711"])).get(UNIT)


async def test_only_an_acknowledgement_clears_the_mark(tmp_path: Path) -> None:
    clock = FakeClock()
    path = tmp_path / "made" / "ledger.sqlite3"
    with blockbuster_ctx():
        async with Ledger(path, clock=clock.clock) as ledger:
            assert await entry(ledger) is None
            assert await ledger.generation() == 0
            assert not await asyncio.to_thread(path.exists)
            await ledger.mark(ME, [an_update()])
            found = await entry(ledger)
            assert found is not None
            assert (found.status, found.is_in_doubt, found.acknowledged_at) == (None, True, None)
            assert not found.holds(an_update())
            clock.advance(5)
            await ledger.acknowledge(ME, [an_update()], "list")
            assert await entry(ledger) == Entry(
                *UNIT,
                UnitStatus.SOLD,
                Decimal(250_000),
                ("N", "S"),
                acknowledged_at=clock.wall_now,
                is_in_doubt=False,
                source="list",
                is_missed=False,
            )
            await ledger.mark(ME, [an_update(price=1)])
        # Another process, later: A is what was acknowledged, and it is in doubt.
        async with Ledger(path) as ledger:
            found = await entry(ledger)
            assert found is not None
            assert found.holds(an_update())
            assert found.is_in_doubt
            assert await ledger.generation() == 2


async def test_accounts_and_developments_are_apart(tmp_path: Path) -> None:
    async with Ledger(tmp_path / "x") as ledger:
        await ledger.acknowledge(ME, [an_update(), an_update(development_id="2")], "a")
        assert await entry(ledger, Account(ME.base_url, 8)) is None
        assert await entry(ledger, Account("https://else.where", 7)) is None
        assert list(await ledger.entries(ME, ["4711"])) == [UNIT]
        assert len(await ledger.entries(ME, [], "a")) == 2
        await ledger.note_missing(ME, [UNIT])
        found = await entry(ledger)
        assert found is not None
        assert found.is_missed


async def test_names_that_may_be_one_to_the_server_share_their_doubts(tmp_path: Path) -> None:
    one, like = an_update("A-101"), an_update("a - 101", 1)
    async with Ledger(tmp_path / "x") as ledger:
        for update, other in ((one, like), (like, one)):
            await ledger.acknowledge(ME, [update])
            await ledger.mark(ME, [other])
            found = await ledger.entries(ME, ["4711"])
            assert all(known.is_in_doubt for known in found.values())
            await ledger.acknowledge(ME, [other])
            found = await ledger.entries(ME, ["4711"])
            assert not found["4711", other.name].is_in_doubt
            assert found["4711", update.name].is_in_doubt
        # The same if both are noted at once: the later one is what the server has, if it is one.
        await ledger.acknowledge(ME, [one, like])
        found = await ledger.entries(ME, ["4711"])
        assert not found["4711", like.name].is_in_doubt
        assert found["4711", one.name].is_in_doubt


@settings(deadline=None, max_examples=30)
@given(
    updates=st.lists(
        st.builds(
            UnitUpdate,
            development_id=st.just("4711"),
            name=st.from_regex(r"[a-zé'\";%_0-9]{1,9}", fullmatch=True),
            status=st.sampled_from(UnitStatus),
            price=st.one_of(
                st.integers(1, 10**14),
                st.decimals("0.01", "99999999", places=2),
                st.floats(0.125, 1e6, width=32).map(lambda price: round(price, 3)),
            ),
            directions=st.lists(
                st.text(
                    # Without the letters that nobody sees, which an update takes at neither end.
                    st.characters(
                        codec="utf-8",
                        categories=["L", "P"],
                        exclude_characters="\u115f\u1160\u3164\uffa0",
                    ),
                    min_size=1,
                ),
                min_size=1,
            ).filter(lambda found: all(one.strip() == one for one in found)),
        ),
        unique_by=lambda one: one.name,
        min_size=1,
    )
)
def test_what_is_acknowledged_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, updates: list[UnitUpdate]
) -> None:
    async def story() -> None:
        async with Ledger(tmp_path_factory.mktemp("ledger") / "x") as ledger:
            await ledger.mark(ME, updates)
            await ledger.acknowledge(ME, updates)
            found = await ledger.entries(ME, ["4711"])
            assert len(found) == len(updates)
            assert all(found["4711", one.name].holds(one) for one in updates)

    asyncio.run(story())


async def test_another_process_is_kept_out_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    async with Ledger(path) as ledger:
        other = await Process.start(hold_ledger, path)
        with pytest.raises(LedgerBusyError) as caught:
            async with ledger.exclusive():
                pass
        assert caught.value.process_id == other.process.pid
        assert re.search(
            rf"another push is at work with the ledger {path} \(process {other.process.pid}, since "
            r"\d\d:\d\d:\d\d\): wait for its end, or give this one another --ledger",
            str(caught.value),
        )
        # Whoever only looks is let in.
        assert await entry(ledger) is None
        await other.kill()
        async with ledger.exclusive(), ledger.exclusive():
            pass


async def test_another_task_and_another_object_are_kept_out(tmp_path: Path) -> None:
    path, link = tmp_path / "x", tmp_path / "link"
    link.symlink_to(path)
    async with Ledger(path) as ledger, Ledger(link) as same:

        async def ask(one: Ledger) -> None:
            async with one.exclusive():
                pass

        async with ledger.exclusive():
            for one in (ledger, same):
                with pytest.raises(LedgerBusyError) as caught:
                    await asyncio.create_task(ask(one))
                assert caught.value.process_id == os.getpid()
        await asyncio.create_task(ask(same))


async def test_a_transaction_is_finished_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    async with Ledger(tmp_path / "x") as ledger:
        marking = asyncio.create_task(ledger.mark(ME, [an_update()]))
        await asyncio.sleep(0)
        marking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await marking
        assert await entry(ledger) is not None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"no database at all, whatever",
            "cannot be used: file is not a database, and so no ledger; name with --ledger one that",
        ),
        ("CREATE TABLE x (y)", "is no ledger, but another database: name another file"),
        (
            "PRAGMA application_id = 1349677137; PRAGMA user_version = 9",
            "was made by another version of propq-async",
        ),
    ],
)
async def test_what_is_no_ledger(content: Any, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if isinstance(content, bytes):
        path.write_bytes(content * 100)
    else:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(content)
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match=problem):
            await ledger.mark(ME, [an_update()])
        # It is tried again, and not taken for good the second time.
        with pytest.raises(LedgerError, match=problem):
            await entry(ledger)


def state(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def as_a_crash_leaves_it(path: Path, *statements: str) -> None:
    """Make a database whose changes are in its log still."""
    made = path.with_name("made")
    with closing(sqlite3.connect(made, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)
        for suffix in ("", "-wal", "-shm"):
            shutil.copyfile(f"{made}{suffix}", f"{path}{suffix}")
    made.unlink()


WAL: Final = "PRAGMA journal_mode = WAL"


@pytest.mark.parametrize(
    ("statements", "crashed"),
    [
        (["CREATE TABLE x (y)"], False),
        (["PRAGMA user_version = 1", "CREATE TABLE x (y)"], False),
        ([WAL, "CREATE TABLE x (y)"], False),
        ([WAL, "CREATE TABLE x (y)"], True),
    ],
)
async def test_what_belongs_to_somebody_else_is_refused_and_left_as_it_is(
    statements: list[str],
    crashed: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger" / "x"
    path.parent.mkdir()
    if crashed:
        as_a_crash_leaves_it(path, *statements)
    else:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)
    before = state(path.parent)
    async with Ledger(path) as ledger:
        for use in (
            ledger.mark(ME, [an_update()]),
            ledger.acknowledge(ME, [an_update()]),
            ledger.generation(),
            entry(ledger),
            ledger.exclusive().__aenter__(),
        ):
            with pytest.raises(LedgerError, match="is no ledger, but another database: name anot"):
                await use
    # What readers of a log know of each other is in memory, and not what is in the database.
    after = state(path.parent)
    assert {n: v for n, v in after.items() if n[-4:] != "-shm"} == {
        n: v for n, v in before.items() if n[-4:] != "-shm"
    }
    assert after.keys() == before.keys()


@pytest.mark.parametrize("version", [0, 2])
async def test_a_ledger_of_another_version_is_left_as_it_is(version: int, tmp_path: Path) -> None:
    path = tmp_path / "ledger" / "x"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"
            "CREATE TABLE other (x)"
        )
    before = state(path.parent)
    async with Ledger(path) as ledger:
        for use in (ledger.mark(ME, [an_update()]), entry(ledger)):
            with pytest.raises(LedgerError, match="was made by another version"):
                await use
    assert state(path.parent) == before


@pytest.mark.parametrize("content", [None, "nothing", "no table", "no table, in the log"])
async def test_what_has_nothing_in_it_is_no_ledger_yet(content: str | None, tmp_path: Path) -> None:
    """Somebody made the file; or who made the ledger was killed at it."""
    path = tmp_path / "ledger" / "x"
    if content is not None:
        path.parent.mkdir()
    if content == "nothing":
        path.touch()
    elif content == "no table":
        with closing(sqlite3.connect(path)) as db:
            db.execute(WAL)
    elif content is not None:
        as_a_crash_leaves_it(path, WAL, "PRAGMA user_version = 0")
    before = state(tmp_path) if content is None else state(path.parent)
    async with Ledger(path) as ledger:
        assert await entry(ledger) is None
        assert await ledger.generation() == 0
        assert before.keys() == (state(tmp_path) if content is None else state(path.parent)).keys()
        await ledger.mark(ME, [an_update()])
        assert await ledger.generation() == 1


@pytest.mark.parametrize("crashed", [False, True])
async def test_whoever_only_looks_writes_nothing(
    crashed: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger" / "x"
    async with Ledger(path) as ledger:
        await ledger.acknowledge(ME, [an_update()])
        await ledger.mark(ME, [an_update()])
        if crashed:
            shutil.copytree(path.parent, tmp_path / "crashed")
    if crashed:
        path = tmp_path / "crashed" / "x"
        assert (path.parent / "x-wal").stat().st_size > 0
    before = state(path.parent)
    async with Ledger(path) as ledger:
        found = await entry(ledger)
        assert found is not None
        assert found.is_in_doubt
        assert await ledger.generation() == 1
    after = state(path.parent)
    assert after.keys() == before.keys()
    assert (after["x"], after.get("x-wal")) == (before["x"], before.get("x-wal"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
@pytest.mark.parametrize("crashed", [False, True])
async def test_a_ledger_that_is_read_only_can_be_looked_at(crashed: bool) -> None:  # noqa: FBT001
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # noqa: PTH101 - so that nobody, too, can reach it
        path = Path(directory) / "made" / "x"
        async with Ledger(path) as ledger:
            await ledger.mark(ME, [an_update()])
            if crashed:
                shutil.copytree(path.parent, Path(directory) / "crashed")
        if crashed:
            path = Path(directory) / "crashed" / "x"
        for one in path.parent.iterdir():
            one.chmod(0o444)
        path.parent.chmod(0o555)
        try:
            reader = await Process.start(read_ledger, path, ready=False)
            assert await reader.result() == [1, ["A-101"]]
        finally:
            path.parent.chmod(0o755)


async def test_what_is_written_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    asked = 0

    def question(db: sqlite3.Connection) -> int:
        nonlocal asked
        asked += 1
        (generation,) = db.execute("SELECT generation FROM state").fetchone()
        if asked == 1:
            other = Database(path, lambda: 0.0)
            other.mark(ME, [an_update()])
            other.close()
            assert generation == 1
        if asked == 2:
            other = Database(path, lambda: 0.0)
            other.mark(ME, [an_update()])
            other.close()
            raise sqlite3.DatabaseError("database disk image is malformed")
        return int(generation)

    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
    assert read(path, question, 0) == 3
    assert asked == 3


async def test_two_that_make_a_ledger_at_once_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Ledger(tmp_path / "x") as ledger, Ledger(tmp_path / "x") as other:
        await ledger.mark(ME, [an_update()])
        # As the other one saw it before.
        monkeypatch.setattr(database, "is_ledger", lambda _: False)
        await other.acknowledge(ME, [an_update()])
        found = await entry(ledger)
        assert found is not None
        assert not found.is_in_doubt


async def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)
    # As another program that reads it may leave it.
    path.with_name("x-wal").touch()
    async with Ledger(path) as ledger:
        for use in (entry(ledger), ledger.mark(ME, [an_update()])):
            with pytest.raises(LedgerError, match="cannot be used: database disk image is malfor"):
                await use


async def test_who_looks_is_let_in_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger, Ledger(path) as other:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE state SET generation = 99")
            assert await other.generation() == 1
            db.execute("COMMIT")
        assert await other.generation() == 99


async def test_a_program_that_keeps_it_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerError, match="is kept locked by another program, such as a v"):
                await ledger.acknowledge(ME, [an_update()])
        await ledger.acknowledge(ME, [an_update()])


async def test_a_change_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path)) as db:
            db.executescript(
                "CREATE TRIGGER no BEFORE INSERT ON unit WHEN new.name = 'B' "
                "BEGIN SELECT raise(FAIL, 'no'); END"
            )
        with pytest.raises(LedgerError, match=r"cannot be used: no; .*is sent again"):
            await ledger.acknowledge(ME, [an_update(), an_update("B")])
        found = await entry(ledger)
        assert found is not None
        assert found.is_in_doubt


async def test_it_must_be_entered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "x")
    assert repr(ledger) == f"Ledger('{tmp_path / 'x'}')"
    with pytest.raises(RuntimeError, match="is not open: use `async with Ledger"):
        await ledger.generation()
    async with ledger:
        with pytest.raises(RuntimeError, match="open already"):
            await ledger.__aenter__()
    await ledger.__aexit__()
    # By default it is where the system keeps data.
    assert Ledger().path == tmp_path / "data" / "propq-async" / "ledger.sqlite3"
    # Or where the commands look for it.
    monkeypatch.setenv("PROPQ_LEDGER", str(tmp_path / "y"))
    assert Ledger().path == tmp_path / "y"


async def test_prices_keep_their_value(tmp_path: Path) -> None:
    async with Ledger(tmp_path / "x") as ledger:
        for price in (250_000, 199_500.5, Decimal("199500.50"), Decimal("1E+5"), 1e-05):
            await ledger.acknowledge(ME, [an_update(price=float(price))])
            found = await entry(ledger)
            assert found is not None
            assert found.price == Decimal(str(float(price)))
