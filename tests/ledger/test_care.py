"""Looking after a ledger: copies, checks, and where it is kept."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest
from filelock import FileLock

from propq_async.ledger import Health, Ledger, LedgerError
from propq_async.ledger import _sqlite as sqlite
from propq_async.ledger._health import network_file_system
from tests.helpers.ledgers import ME, Place, entry, freed, spoil
from tests.helpers.processes import Process, write_ledger
from tests.helpers.support import an_update


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def check(path: str | Path) -> Health:
    async with Ledger(path) as ledger:
        return await ledger.check()


# --- backup ---------------------------------------------------------------------------------------


async def test_a_backup_amid_a_push_is_whole_and_one_file(place: Place, tmp_path: Path) -> None:
    path, copies = place("x"), tmp_path / "copies"
    copies.mkdir()
    pushing = await Process.start(write_ledger, path)
    async with Ledger(path) as ledger:
        await ledger.backup(copies / "one")
        assert names_in(copies) == {"one"}
        await pushing.kill()
        await ledger.backup(copies / "two")
        known = await ledger.everything()
    for name in ("one", "two"):
        async with Ledger(copies / name) as copy:
            assert await copy.everything() == known
            assert len((known or {})[ME]) == 2
    if sys.platform != "win32":
        assert stat.S_IMODE((copies / "one").stat().st_mode) == 0o600


async def test_a_backup_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, taken, free = tmp_path / "x", tmp_path / "taken", tmp_path / "free"
    taken.write_text("precious", encoding="utf-8")
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        for has_links in (True, False):
            if not has_links:

                def no_links(*_: object) -> None:
                    raise PermissionError

                monkeypatch.setattr(os, "link", no_links)
            with pytest.raises(LedgerError) as caught:
                await ledger.backup(taken)
            assert str(caught.value) == f"{taken} exists already: name a file that does not"
        await ledger.backup(free)
        generation = await ledger.generation()
    assert taken.read_text(encoding="utf-8") == "precious"
    assert names_in(tmp_path) == {"x", "taken", "free"}
    async with Ledger(free) as copy:
        assert await copy.generation() == generation


async def test_a_backup_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    path, target = tmp_path / "x", tmp_path / "no such" / "copy"
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match=r"there is no ledger .*, and so nothing to "):
            await ledger.backup(tmp_path / "copy")
        await ledger.mark(ME, [an_update()])
        with pytest.raises(LedgerError) as caught:
            await ledger.backup(target)
        assert str(caught.value) == (
            f"the ledger {path} cannot be copied to {target}: No such file or directory"
        )
    damage(path)
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match="malformed; put back a copy that `propq le"):
            await ledger.backup(tmp_path / "copy")
    assert names_in(tmp_path) == {"x"}


# --- check ----------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 300)


async def test_a_whole_ledger_has_no_problems(place: Place) -> None:
    path = place("x")
    async with Ledger(path) as ledger:
        await ledger.acknowledge(ME, [an_update(), an_update(name="B")])
        await ledger.mark(ME, [an_update()])
        here = await ledger.check()
    there = await check(path)
    for health in (here, there):
        assert (health.problems, health.holder, health.warning) == ((), None, None)
        assert (health.units, health.in_doubt) == ({ME: 2}, 1)
    assert there.size_bytes


async def test_a_ledger_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    """Its path may be mistyped, or its volume lost."""
    health = await check(tmp_path / "x")
    assert health.problems == (
        f"there is no ledger {tmp_path / 'x'}: it is elsewhere, or nothing was pushed with it",
    )
    assert health.size_bytes is None
    assert names_in(tmp_path) == set()


async def test_a_spoiled_value_is_a_problem(place: Place) -> None:
    path = place("x")
    await spoil(path, "UPDATE unit SET price = 'x'")
    (problem,) = (await check(path)).problems
    assert problem.endswith("price is 'x'; put it right there, or make it a new unit with `propq "
                            "ledger forget`")  # fmt: skip
    assert (await check(path)).units == {}


async def test_damage_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.acknowledge(ME, [an_update(f"A-{number}") for number in range(500)])
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'unit_alike'")
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page[0] - 1) * size)
        file.write(b"\x0a" + b"\0" * 7)
    problems = (await check(path)).problems
    assert problems
    assert all(one.startswith(f"the ledger {path} is damaged: ") for one in problems)


async def test_whoever_holds_the_ledger_is_told(place: Place) -> None:
    path = place("x")
    pushing = await Process.start(write_ledger, path)
    health = await check(path)
    assert health.holder is not None
    assert re.match(
        rf"another push \(process {pushing.process.pid}( on host .*)?, since ", health.holder
    )
    assert health.problems == ()
    await pushing.kill()
    async with Ledger(path) as ledger:
        await freed(ledger)
    assert (await check(path)).holder is None
    async with Ledger(path) as ledger, ledger.exclusive():
        holder = (await ledger.check()).holder
        assert holder is not None
        assert f"process {os.getpid()}" in holder


async def test_a_check_does_not_keep_a_push_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lock for an instant, in which a push may begin."""
    monkeypatch.setattr(sqlite, "PROBE_SECONDS", 30.0)
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        with FileLock(f"{path}.lock"):
            entering = asyncio.create_task(ledger.exclusive().__aenter__())
            await asyncio.sleep(0)
        await entering


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
async def test_who_may_use_the_files_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        await ledger.exclusive().__aenter__()
    lock = Path(f"{path}.lock")
    path.chmod(0o666)
    monkeypatch.setattr(
        os, "access", lambda file, mode: Path(file) not in (lock, tmp_path) or mode == os.R_OK
    )
    others, unusable, directory = (await check(path)).problems
    assert others == f"others may write to {path}: chmod go-w {path}"
    assert unusable.startswith(f"{lock} belongs to user {os.geteuid()} and has mode ")
    assert directory.startswith(f"this user may not write to {tmp_path}, where a push makes more ")


# --- where it is ----------------------------------------------------------------------------------


def mounts(tmp_path: Path, kind: str) -> Path:
    device = tmp_path.stat().st_dev
    file = tmp_path / "mountinfo"
    file.write_text(
        "36 35 9998:9 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        f"37 36 {os.major(device)}:{os.minor(device)} / /mnt rw - {kind} server:/export rw\n"
    )
    return file


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells")
@pytest.mark.parametrize(
    ("kind", "is_network"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "afs")),
        *((kind, False) for kind in ("ext4", "xfs", "tmpfs", "overlay", "fuse.lxcfs", "fuseblk")),
    ],
)
def test_a_network_file_system_is_known(kind: str, tmp_path: Path, *, is_network: bool) -> None:
    found = network_file_system(tmp_path / "x", mounts(tmp_path, kind))
    assert found == (kind if is_network else None)


def test_where_nobody_tells_no_file_system_is_known(tmp_path: Path) -> None:
    assert network_file_system(tmp_path / "x") is None
    assert network_file_system(tmp_path / "no such" / "x") is None
    (tmp_path / "mounts").write_text("36 35 9998:9 / / rw - ext4 /dev/sda1 rw\n")
    assert network_file_system(tmp_path / "x", tmp_path / "mounts") is None


async def test_a_ledger_on_a_network_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite, "network_file_system", lambda _: "nfs4")
    path = tmp_path / "x"
    with caplog.at_level(logging.WARNING, "propq_async.ledger"):
        async with Ledger(path) as ledger:
            assert await entry(ledger) is None
            assert not caplog.messages
            await ledger.mark(ME, [an_update()])
            shutil.copyfile(path, tmp_path / "y")
            (tmp_path / "y").replace(path)
            await ledger.mark(ME, [an_update()])
            health = await ledger.check()
    assert caplog.messages == [health.warning]
    assert health.warning == (
        f"the ledger {path} is on a network file system (nfs4): use it from one computer only, or "
        "better move it to a disk of this one, since two at once can damage it unnoticed"
    )
    assert health.problems == ()
