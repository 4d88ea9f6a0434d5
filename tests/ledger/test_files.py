"""What is a ledger and what is not, and how its file is used."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from propq_async.ledger import Ledger, LedgerError
from propq_async.ledger import _sqlite_session as sqlite_session
from propq_async.ledger._advice import advice
from propq_async.ledger._files import APPLICATION_ID, read
from propq_async.ledger._records import Records
from propq_async.ledger._sqlite import SqliteBackend
from tests.helpers.ledgers import ME, entry
from tests.helpers.processes import Process, read_ledger
from tests.helpers.support import an_update


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"no database at all, whatever",
            "cannot be used: file is not a database, so it is no ledger; name the file of your",
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
async def test_the_file_of_somebody_else_is_refused_and_untouched(
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


@pytest.mark.parametrize(
    ("statements", "state_of"),
    [
        ([f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 1"], "at rest"),
        ([WAL, f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 1"], "crashed"),
        # As a copy without its log.
        ([WAL], "at rest"),
    ],
)
async def test_a_ledger_without_tables_is_not_taken_for_a_new_one(
    statements: list[str], state_of: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger" / "x"
    path.parent.mkdir()
    if state_of == "crashed":
        as_a_crash_leaves_it(path, *statements)
    else:
        with closing(sqlite3.connect(path)) as db:
            for statement in statements:
                db.execute(statement)
    async with Ledger(path) as ledger:
        for use in (
            ledger.mark(ME, [an_update()]),
            entry(ledger),
            ledger.generation(),
            ledger.exclusive().__aenter__(),
        ):
            with pytest.raises(LedgerError) as caught:
                await use
            assert str(caught.value) == (
                f"the ledger {path} is empty: perhaps it was copied without its log, x-wal; put "
                "back a copy that `propq ledger backup` has made (whatever is not in it is sent "
                "again), or delete it if nothing was ever pushed with it"
            )


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
            db.execute("PRAGMA user_version = 1")
    elif content is not None:
        as_a_crash_leaves_it(path, WAL, "PRAGMA user_version = 0")
    before = state(tmp_path) if content is None else state(path.parent)
    async with Ledger(path) as ledger:
        assert await entry(ledger) is None
        assert await ledger.generation() == 0
        assert before.keys() == (state(tmp_path) if content is None else state(path.parent)).keys()
        await ledger.mark(ME, [an_update()])
        assert await ledger.generation() > 0


@pytest.mark.parametrize("crashed", [False, True])
async def test_reading_writes_nothing(
    crashed: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger" / "x"
    async with Ledger(path) as ledger:
        await ledger.acknowledge(ME, [an_update()])
        await ledger.mark(ME, [an_update()])
        generation = await ledger.generation()
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
        assert await ledger.generation() == generation
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
            generation = await ledger.generation()
            if crashed:
                shutil.copytree(path.parent, Path(directory) / "crashed")
        if crashed:
            path = Path(directory) / "crashed" / "x"
        for one in path.parent.iterdir():
            one.chmod(0o444)
        path.parent.chmod(0o555)
        try:
            reader = await Process.start(read_ledger, path, ready=False)
            assert await reader.result() == [generation, ["A-101"]]
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
            other = SqliteBackend(path)
            Records(other, lambda: 0.0).mark(ME, [an_update()])
            other.close()
            assert generation == made
        if asked == 2:
            other = SqliteBackend(path)
            Records(other, lambda: 0.0).mark(ME, [an_update()])
            other.close()
            raise sqlite3.DatabaseError("database disk image is malformed")
        return int(generation)

    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        made = await ledger.generation()
    assert read(path, question, 0) == made + 2
    assert asked == 3


async def test_two_that_make_a_ledger_at_the_same_time_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Ledger(tmp_path / "x") as ledger, Ledger(tmp_path / "x") as other:
        await ledger.mark(ME, [an_update()])
        # As the other one saw it before.
        monkeypatch.setattr(sqlite_session, "is_ledger", lambda _: False)
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


async def test_a_reader_is_let_in_while_another_writes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger, Ledger(path) as other:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("UPDATE state SET generation = 99")
            assert await other.generation() == await ledger.generation() > 99
            db.execute("COMMIT")
        assert await other.generation() == 99


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
async def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            server.bind(os.fspath(path))
        else:
            path.symlink_to("/dev/zero")
        async with Ledger(path) as ledger:
            for use in (ledger.mark(ME, [an_update()]), entry(ledger), ledger.generation()):
                with pytest.raises(LedgerError, match=f"{path} is no file, but a pipe, a socket o"):
                    await use


@pytest.mark.parametrize("has_users", [True, False])
@pytest.mark.parametrize("suffix", ["", "-wal", ".lock"])
def test_a_file_that_may_not_be_used_is_named(
    suffix: str,
    has_users: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "x"
    other = Path(f"{path}{suffix}")
    for one in (path, other):
        one.touch()
        one.chmod(0o640)
    monkeypatch.setattr(os, "access", lambda file, _: Path(file) != other)
    if has_users:
        monkeypatch.setattr(os, "geteuid", lambda: 12345, raising=False)
        remedy = f"this process is user 12345: chown 12345 {other}"
    else:
        monkeypatch.delattr(os, "geteuid", raising=False)
        remedy = f"give access to {other}"
    assert advice(path, PermissionError(errno.EACCES, "Permission denied")) == (
        f"Permission denied; {other} belongs to user {other.stat().st_uid} and has mode 0640; "
        f"{remedy}"
    )


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_is_taken_away(tmp_path: Path, *, is_replaced: bool) -> None:
    """During a push it stops that. Otherwise the ledger goes on with the file that is there."""
    path = tmp_path / "x"
    async with Ledger(tmp_path / "other") as other:
        await other.mark(ME, [an_update(name="B-1")])

    def take_away() -> None:
        for one in tmp_path.glob("x*"):
            if not one.name.endswith(".lock"):
                one.unlink()
        if is_replaced:
            shutil.copy(tmp_path / "other", path)

    async with Ledger(path) as ledger:
        async with ledger.exclusive():
            await ledger.mark(ME, [an_update()])
            take_away()
            for attempt in (ledger.generation, partial(ledger.acknowledge, ME, [an_update()])):
                with pytest.raises(LedgerError, match="was deleted or replaced while it was in"):
                    await attempt()
        found = await ledger.entries(ME, ["4711"])
        assert [name for _, name in found] == ["B-1"] * is_replaced
        await ledger.mark(ME, [an_update()])
        assert len(await ledger.entries(ME, ["4711"])) == 1 + is_replaced


async def test_a_directory_is_no_ledger(tmp_path: Path) -> None:
    async with Ledger(tmp_path) as ledger:
        with pytest.raises(LedgerError, match="it is a directory; name a file in it, such as --le"):
            await ledger.generation()
