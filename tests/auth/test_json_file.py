# ruff: noqa: ASYNC240 - a look at a file blocks for nothing that matters here
"""The token store in a file."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    closing,
    contextmanager,
    suppress,
)
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from propq_async import (
    ConfigurationError,
    JsonFileTokenStore,
    Token,
)
from propq_async._auth import json_file, token_file_access
from propq_async._auth.token_file_access import MAX_FILE_BYTES, STALE_SECONDS
from tests.helpers import processes
from tests.helpers.processes import KEY, Process, a_token
from tests.helpers.stores import mode, names, posix, warnings_of
from tests.helpers.support import FakeClock


@pytest.fixture
def written(token_file: Path) -> dict[str, Any]:
    asyncio.run(JsonFileTokenStore(token_file).save(KEY, a_token()))
    content: dict[str, Any] = json.loads(token_file.read_bytes())
    return content


async def test_the_file_holds_the_token_and_what_it_is_for(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file)
    issued_at = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    token = Token("value", "Bearer", issued_at.replace(year=2099), issued_at)
    async with store.lock(KEY):
        await store.save(KEY, token)
    assert json.loads(token_file.read_bytes()) == {
        "version": 1,
        "token_url": KEY.token_url,
        "client_id": 7,
        "access_token": "value",
        "token_type": "Bearer",
        "expires_at": "2099-11-24T12:00:00+00:00",
        "issued_at": "2026-11-24T12:00:00+00:00",
    }
    assert names(token_file.parent) == ["token.json", "token.json.lock"]
    assert repr(store) == f"JsonFileTokenStore({str(token_file)!r})"


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert JsonFileTokenStore("~/token.json").path == tmp_path / "token.json"


@posix
async def test_files_are_private_from_the_first_byte(tmp_path: Path) -> None:
    """Whatever the umask."""
    path = tmp_path / "a" / "b" / "token.json"
    seen = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for entry in tmp_path.glob("a/b/*") if path.parent.exists() else ():
                try:
                    seen.add((entry.suffix, mode(entry)))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=watch)
    previous = os.umask(0)
    watcher.start()
    try:
        store = JsonFileTokenStore(path)
        for _ in range(30):
            async with store.lock(KEY):
                await store.save(KEY, a_token())
    finally:
        done.set()
        watcher.join()
        os.umask(previous)
    assert mode(path.parent) == mode(path.parent.parent) == 0o700
    assert {bits for _, bits in seen} == {0o600}
    assert {".json", ".lock"} <= {suffix for suffix, _ in seen}
    assert mode(path.with_name("token.json.lock")) == 0o600


@posix
async def test_a_token_is_on_the_disk_before_its_name_is(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the name is before `save` returns."""
    done: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        at = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append(("fsync", at.name))
        fsync(descriptor)

    def watched_replace(path: Path, target: Path) -> Path:
        done.append(("replace", path.name))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    await JsonFileTokenStore(token_file).save(KEY, a_token())
    temporary = done[0][1]
    assert temporary.endswith(".tmp")
    assert done == [
        ("fsync", temporary),
        ("replace", temporary),
        ("fsync", token_file.parent.name),
    ]


async def test_an_expired_token_is_a_miss_and_can_be_cleared(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = a_token(lifetime=3600)
    clock = FakeClock(wall=token.expires_at.timestamp() - 1)
    store = JsonFileTokenStore(token_file, clock=clock.clock)
    await store.save(KEY, token)
    assert await store.load(KEY) == token
    clock.advance(1)
    assert await store.load(KEY) is None
    assert token_file.exists()
    await store.clear(KEY)
    assert not token_file.exists()
    assert warnings_of(caplog) == []


BROKEN: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "empty": lambda _: b"",
    "torn": lambda good: json.dumps(good).encode()[:-20],
    "torn at once": lambda _: b"{",
    "keys in another order": lambda good: json.dumps(
        dict(sorted(good.items())) | {"version": 2}
    ).encode(),
    "another version": lambda good: json.dumps(good | {"version": 2}).encode(),
    "no version": lambda good: json.dumps(good | {"version": None}).encode(),
    "token is null": lambda good: json.dumps(good | {"access_token": None}).encode(),
    "token is empty": lambda good: json.dumps(good | {"access_token": ""}).encode(),
    "token is a number": lambda good: json.dumps(good | {"access_token": 1}).encode(),
    "token for no header": lambda good: json.dumps(good | {"access_token": "a\nb"}).encode(),
    "client is a string": lambda good: json.dumps(good | {"client_id": "7"}).encode(),
    "date is a number": lambda good: json.dumps(good | {"expires_at": 4e9}).encode(),
    "date without zone": lambda good: json.dumps(
        good | {"expires_at": "2099-01-01T00:00:00"}
    ).encode(),
    "date is none": lambda good: json.dumps(good | {"expires_at": "soon"}).encode(),
    "begins in year 1": lambda good: json.dumps(
        good | {"issued_at": "0001-01-01T00:00:00+14:00"}
    ).encode(),
    "ends in year 9999": lambda good: json.dumps(
        good | {"expires_at": "9999-12-31T23:59:59-14:00"}
    ).encode(),
    "ends before it begins": lambda good: json.dumps(
        good | {"expires_at": "2000-01-01T00:00:00+00:00"}
    ).encode(),
    "too large": lambda good: json.dumps(good).encode() + b" " * MAX_FILE_BYTES,
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
async def test_a_broken_file_is_a_miss_with_one_warning_and_heals(
    token_file: Path,
    make: Callable[[dict[str, Any]], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = JsonFileTokenStore(token_file)
    await store.save(KEY, a_token("worth-hiding"))
    content = make(json.loads(token_file.read_bytes()))
    for _ in range(2):
        token_file.write_bytes(content)
        caplog.clear()
        for _ in range(3):
            assert await store.load(KEY) is None
        await store.clear(KEY)
        assert token_file.read_bytes() == content
        token = a_token("healed")
        await store.save(KEY, token)
        assert await store.load(KEY) == token
        # Healed by a save, so another break is another warning.
        (warning,) = warnings_of(caplog)
        assert str(token_file) in warning
    assert "worth-hiding" not in caplog.text


FOREIGN: dict[str, bytes] = {
    "price list": b"name;status;price\nA-101;4;250000\n",
    "binary": bytes(range(256)) * 10,
    "zeros": bytes(512),
    "text": b"version 1",
    "deep": b"[" * 100_000,
    "null": b"null",
    "string": b'"token"',
    "empty object": b"{}",
    "list of token files": b'[{"version": 1, "token_url": "https://a", "client_id": 7}]',
    "state of another program": b'{"version": 4, "terraform_version": "1.9.0", "serial": 7}',
    "another program's token": b'{"access_token": "t", "token_url": "https://a"}',
}


async def use_in_vain(store: JsonFileTokenStore) -> None:
    """Use a store all round whose path holds what is no token file."""
    async with asyncio.timeout(10):
        for _ in range(2):
            assert await store.load(KEY) is None
            async with store.lock(KEY) as locked:
                assert not locked
                await store.save(KEY, a_token())
            await store.clear(KEY)
        assert await store.load(KEY) is None


@pytest.mark.parametrize("first", ["load", "lock", "save"])
@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
async def test_a_file_of_something_else_is_left_as_it_is(
    tmp_path: Path, content: bytes, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "precious"
    path.write_bytes(content)
    path.chmod(0o644)
    before = path.stat()
    store = JsonFileTokenStore(path)
    if first == "save":
        await store.save(KEY, a_token())
    elif first == "lock":
        async with store.lock(KEY) as locked:
            assert not locked
    await use_in_vain(store)
    after = path.stat()
    assert path.read_bytes() == content
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (
        before.st_ino,
        before.st_mode,
        before.st_mtime_ns,
    )
    assert names(tmp_path) == ["precious"]
    (warning,) = warnings_of(caplog)
    assert f"the token file {path} is not used: it is no token file" in warning
    assert "the token stays in memory" in warning


async def test_a_database_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE entry (name TEXT)")
    before = path.read_bytes()
    await use_in_vain(JsonFileTokenStore(path))
    assert path.read_bytes() == before
    (warning,) = warnings_of(caplog)
    assert f"the token file {path} is not used: it is a database" in warning


@pytest.mark.parametrize("content", [b"", b"{", b'{\n "version": 1,\n "tok'])
async def test_an_empty_or_torn_file_is_replaced_by_a_private_one(
    token_file: Path, content: bytes
) -> None:
    token_file.parent.mkdir()
    token_file.write_bytes(content)
    token_file.chmod(0o644)
    store = JsonFileTokenStore(token_file)
    token = a_token()
    async with store.lock(KEY) as locked:
        assert locked
        await store.save(KEY, token)
    assert await store.load(KEY) == token
    assert mode(token_file) == 0o600


@posix
@pytest.mark.parametrize("kind", ["pid file", "link"])
async def test_what_lies_in_the_place_of_the_lock_is_left_as_it_is(
    token_file: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    token_file.parent.mkdir()
    pid_file = token_file.with_name("token.json.lock" if kind == "pid file" else "pid")
    pid_file.write_bytes(b"4711\n")
    if kind == "link":
        token_file.with_name("token.json.lock").symlink_to(pid_file)
    store = JsonFileTokenStore(token_file)
    token = a_token()
    for _ in range(2):
        async with store.lock(KEY) as locked:
            assert not locked
            await store.save(KEY, token)
    assert await store.load(KEY) == token
    assert pid_file.read_bytes() == b"4711\n"
    (warning,) = warnings_of(caplog)
    assert f"{token_file}.lock is no lock file: move it away" in warning


@contextmanager
def _fifo(path: Path) -> Iterator[None]:
    os.mkfifo(path, 0o600)
    yield


@contextmanager
def _device(path: Path) -> Iterator[None]:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root makes devices")
    yield


@contextmanager
def _socket(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # since the path of a socket must be short
        listener.bind(path.name)
        yield


@contextmanager
def _symlink(path: Path) -> Iterator[None]:
    target = path.with_name("target")
    asyncio.run(JsonFileTokenStore(target).save(KEY, a_token("elsewhere")))
    path.symlink_to(target)
    yield
    assert b"elsewhere" in target.read_bytes()


@contextmanager
def _symlink_to_a_device(path: Path) -> Iterator[None]:
    path.symlink_to("/dev/null")
    yield
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@contextmanager
def _dangling(path: Path) -> Iterator[None]:
    path.symlink_to(path.with_name("nowhere"))
    yield
    assert not path.with_name("nowhere").exists()


@contextmanager
def _directory(path: Path) -> Iterator[None]:
    path.mkdir()
    yield


@contextmanager
def _of_another(path: Path) -> Iterator[None]:
    asyncio.run(JsonFileTokenStore(path).save(KEY, a_token("planted")))
    try:
        os.chown(path, 12345, 12345)
    except PermissionError:
        pytest.skip("only root gives files away")
    yield


@posix
@pytest.mark.parametrize(
    ("stand", "what"),
    [
        (_fifo, "it is a named pipe"),
        (_device, "it is a device"),
        (_socket, "it is a socket"),
        (_symlink, "it is a symbolic link"),
        (_symlink_to_a_device, "it is a symbolic link"),
        (_dangling, "it is a symbolic link"),
        (_directory, "it is a directory"),
    ],
)
def test_what_is_no_file_is_left_as_it_is_with_one_warning(
    token_file: Path,
    stand: Callable[[Path], AbstractContextManager[None]],
    what: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path.cwd())
    token_file.parent.mkdir()
    with stand(token_file):
        before, there = token_file.lstat(), names(token_file.parent)
        asyncio.run(use_in_vain(JsonFileTokenStore(token_file)))
        after = token_file.lstat()
        assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
        # Neither a lock nor a temporary file.
        assert names(token_file.parent) == there
    (warning,) = warnings_of(caplog)
    assert f"the token file {token_file} is not used: {what}" in warning


@posix
def test_a_token_file_of_another_user_is_a_miss_and_is_replaced(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token_file.parent.mkdir()
    store = JsonFileTokenStore(token_file)

    async def use() -> None:
        assert await store.load(KEY) is None
        token = a_token()
        async with store.lock(KEY) as locked:
            assert locked
            await store.save(KEY, token)
        assert await store.load(KEY) == token

    with _of_another(token_file):
        asyncio.run(use())
    (warning,) = warnings_of(caplog)
    assert "it belongs to another user" in warning


async def test_a_lock_and_a_file_without_permission_are_both_told(
    token_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning about the file does not hide the one about the lock."""

    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    store = JsonFileTokenStore(token_file)
    async with store.lock(KEY):
        await store.save(KEY, a_token())
    monkeypatch.setattr(json_file, "open_to_read", refuse)
    for module in (json_file, token_file_access):
        monkeypatch.setattr(module, "read_if_token_file", refuse)
    monkeypatch.setattr(json_file, "check_lock_file", refuse)
    for _ in range(2):
        assert await store.load(KEY) is None
        async with store.lock(KEY) as locked:
            assert not locked
            await store.save(KEY, a_token())
    of_file, of_lock = warnings_of(caplog)
    assert f"cannot be read: Permission denied ({token_file} was made by another user" in of_file
    assert f"Permission denied ({token_file}.lock was made by another user" in of_lock


@posix
async def test_what_root_left_behind_is_told_of_file_and_lock(open_directory: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root leaves files that others may not read")
    path = open_directory / "token.json"
    store = JsonFileTokenStore(path)
    async with store.lock(KEY):
        await store.save(KEY, a_token("of-root"))
    process = await Process.start(processes.unprivileged, path, ready=False)
    result = await process.result()
    assert (result["before"], result["locked"], result["after"]) == (None, False, None)
    of_file, of_lock = result["warnings"]
    assert f"cannot be read: Permission denied ({path} was made by another user" in of_file
    assert f"cannot be locked: Permission denied ({path}.lock was made by another user" in of_lock
    assert all("chown, or delete it" in warning for warning in (of_file, of_lock))
    # And with the file out of the way, the lock's is still told.
    path.unlink()
    process = await Process.start(processes.unprivileged, path, ready=False)
    result = await process.result()
    assert (result["locked"], result["after"]) == (False, "new")
    (warning,) = result["warnings"]
    assert f"{path}.lock was made by another user" in warning


@posix
@pytest.mark.parametrize("bits", [0o640, 0o604, 0o666])
@pytest.mark.usefixtures("written")
async def test_a_file_open_to_others_is_tightened_with_a_warning(
    token_file: Path, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    token_file.chmod(bits)
    store = JsonFileTokenStore(token_file)
    for _ in range(2):
        assert await store.load(KEY) is not None
    assert mode(token_file) == 0o600
    (warning,) = warnings_of(caplog)
    assert "open to other users" in warning


@pytest.mark.usefixtures("written")
async def test_where_there_are_no_users_nobody_asks_for_them(
    token_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(os, "geteuid", raising=False)
    token_file.chmod(0o644)
    assert await JsonFileTokenStore(token_file).load(KEY) is not None
    assert warnings_of(caplog) == []


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o777)
        yield path


async def _use(store: JsonFileTokenStore) -> bool:
    assert await store.load(KEY) is None
    async with store.lock(KEY) as locked:
        assert await store.load(KEY) is None
        await store.save(KEY, a_token())
    assert await store.load(KEY) is None
    return locked


@posix
@pytest.mark.parametrize(
    "place", ["file/token.json", "file/deeper/token.json", "x" * 300, "/proc/propq/token.json"]
)
async def test_a_place_that_cannot_be_is_one_warning(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert not await _use(JsonFileTokenStore(tmp_path / place))
    assert len(warnings_of(caplog)) == 1


@posix
@pytest.mark.parametrize("readable", [True, False])
async def test_a_read_only_directory_is_one_warning(
    open_directory: Path,
    readable: bool,  # noqa: FBT001
) -> None:
    # In a process of its own, since root may write anywhere.
    directory = open_directory / "tokens"
    store = JsonFileTokenStore(directory / "token.json")
    await store.save(KEY, a_token("old"))
    if os.geteuid() == 0:
        for path in (directory, store.path):
            os.chown(path, processes.NOBODY, processes.NOBODY)
    directory.chmod(0o500 if readable else 0o000)
    try:
        process = await Process.start(processes.unprivileged, store.path, ready=False)
        result = await process.result()
    finally:
        directory.chmod(0o700)
    old = "old" if readable else None
    assert (result["before"], result["locked"], result["after"]) == (old, False, old)
    assert len(result["warnings"]) == 1
    assert names(directory) == ["token.json"]


@posix
async def test_a_file_that_may_not_grow_keeps_its_old_content(
    open_directory: Path,
) -> None:
    """No temporary file is left."""
    path = open_directory / "token.json"
    await JsonFileTokenStore(path).save(KEY, a_token("old"))
    if os.geteuid() == 0:
        os.chown(path, processes.NOBODY, processes.NOBODY)
    process = await Process.start(processes.unprivileged, path, 100, ready=False)
    result = await process.result()
    assert (result["before"], result["locked"], result["after"]) == ("old", True, "old")
    assert len(result["warnings"]) == 1
    assert os.strerror(errno.EFBIG) in result["warnings"][0]
    assert names(open_directory) == ["token.json", "token.json.lock"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@posix
async def test_a_full_disk_keeps_the_old_content_and_leaves_nothing(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = JsonFileTokenStore(small_disk / "token.json")
    old = a_token("old")
    async with store.lock(KEY):
        await store.save(KEY, old)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    for _ in range(3):
        await store.save(KEY, a_token("new"))
        assert await store.load(KEY) == old
    (warning,) = warnings_of(caplog)
    assert os.strerror(errno.ENOSPC) in warning
    assert names(small_disk) == ["ballast", "token.json", "token.json.lock"]
    ballast.unlink()
    await store.save(KEY, a_token("new"))
    assert await store.load(KEY) != old


@posix
async def test_a_read_only_file_system_is_one_warning(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)  # noqa: ASYNC221
    assert not await _use(JsonFileTokenStore(small_disk / "token.json"))
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)), NotImplementedError()]
)
async def test_a_file_system_without_locks_is_one_warning(
    token_file: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Tokens are saved all the same."""
    fcntl = pytest.importorskip("fcntl")

    def flock(*_: object) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", flock)
    store = JsonFileTokenStore(token_file)
    for _ in range(3):
        token = a_token()
        async with store.lock(KEY) as locked:
            assert not locked
            await store.save(KEY, token)
        assert await store.load(KEY) == token
    (warning,) = warnings_of(caplog)
    assert "cannot be locked" in warning
    # Nor is there a lock of another kind, which would outlive its process.
    assert set(names(token_file.parent)) <= {token_file.name, token_file.name + ".lock"}


async def test_a_save_once_begun_runs_to_its_end(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file)
    await store.save(KEY, a_token("old"))
    for number in range(20):
        task = asyncio.create_task(store.save(KEY, a_token(f"new-{number}")))
        await asyncio.sleep(0)  # it has begun
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        token = await store.load(KEY)
        assert token is not None
        assert token.access_token == f"new-{number}"
        assert names(token_file.parent) == ["token.json"]


@pytest.mark.usefixtures("written")
async def test_a_cancelled_load_leaves_no_file_open(token_file: Path) -> None:
    # An open file left behind is a ResourceWarning, and with it an error.
    for turns in range(4):
        task = asyncio.create_task(JsonFileTokenStore(token_file).load(KEY))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gc.collect()


@pytest.mark.parametrize("name", ["token.json", "to[k]en*.json"])
async def test_leftovers_are_swept_when_they_are_stale_and_only_ours(
    tmp_path: Path, name: str
) -> None:
    store = JsonFileTokenStore(tmp_path / name)
    stale, fresh, foreign = (
        tmp_path / left
        for left in (f".{name}.0011.tmp", f".{name}.0022.tmp", ".token.other.json.33.tmp")
    )
    long_ago = time.time() - STALE_SECONDS - 1
    for path in (stale, fresh, foreign):
        path.touch()
    for path in (stale, foreign):
        os.utime(path, (long_ago, long_ago))
    directory = tmp_path / f".{name}.dir.tmp"
    directory.mkdir()
    os.utime(directory, (long_ago, long_ago))
    await store.save(KEY, a_token())
    assert not stale.exists()
    assert fresh.exists()
    assert foreign.exists()
    assert await store.load(KEY) is not None


async def test_neither_disk_nor_lock_blocks_the_event_loop(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file, lock_timeout_seconds=0.05)
    with blockbuster_ctx():
        with pytest.raises(Exception, match="Blocking call"):
            time.sleep(0.001)  # noqa: ASYNC251 - the trap is set
        async with store.lock(KEY):
            await store.save(KEY, a_token())
            assert await store.load(KEY) is not None
            async with store.lock(KEY) as locked:
                assert not locked
        await store.clear(KEY)


# --- processes ---


@posix
async def test_the_lock_of_a_killed_process_is_free_at_once(token_file: Path) -> None:
    holder = await Process.start(processes.hold, token_file)
    store = JsonFileTokenStore(token_file, lock_timeout_seconds=0.05)
    async with store.lock(KEY) as locked:
        assert not locked
    await holder.kill()
    async with store.lock(KEY) as locked:
        assert locked


async def _kill_writers(path: Path, kills: int) -> None:
    torn = []
    done = threading.Event()

    def read() -> None:
        reader = JsonFileTokenStore(path)

        async def load() -> None:
            while not done.is_set():
                token = await reader.load(KEY)
                value = token.access_token if token else ""
                if value not in ("a" * 2000, "b" * 2000):
                    torn.append(value)

        asyncio.run(load())

    await JsonFileTokenStore(path).save(KEY, a_token("a" * 2000))
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    try:
        for writer in [
            await Process.start(processes.rewrite, path, kills // 2, ready=False) for _ in range(2)
        ]:
            assert await writer.result() == kills // 2
    finally:
        done.set()
        for thread in readers:
            await asyncio.get_running_loop().run_in_executor(None, thread.join)
    assert torn == []
    left = list(path.parent.glob(".*.tmp"))
    assert len(left) <= kills
    long_ago = time.time() - STALE_SECONDS - 1
    for temporary in left:
        os.utime(temporary, (long_ago, long_ago))
    await JsonFileTokenStore(path).save(KEY, a_token())
    assert names(path.parent) == ["token.json"]


@posix
async def test_no_kill_while_writing_tears_the_file(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor do leftovers pile up."""
    await _kill_writers(token_file, 40)
    assert warnings_of(caplog) == []


@posix
@pytest.mark.campaign
@pytest.mark.timeout(900)
async def test_two_hundred_kills_while_writing(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await _kill_writers(token_file, 200)
    assert warnings_of(caplog) == []


@posix
@pytest.mark.usefixtures("written")
async def test_a_fifo_put_there_at_the_last_moment_is_not_read(
    token_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After the look at what is there, and before it is opened."""
    lstat, closed = os.lstat, []

    def exchange(path: str) -> os.stat_result:
        status = lstat(path)
        token_file.unlink()
        os.mkfifo(token_file)
        return status

    def close(descriptor: int) -> None:
        closed.append(os.fstat(descriptor))
        real_close(descriptor)

    real_close = os.close
    monkeypatch.setattr(os, "lstat", exchange)
    monkeypatch.setattr(os, "close", close)
    assert await JsonFileTokenStore(token_file).load(KEY) is None
    monkeypatch.undo()
    (warning,) = warnings_of(caplog)
    assert "a named pipe" in warning
    assert [stat.S_ISFIFO(status.st_mode) for status in closed] == [True]


def test_a_path_in_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without ~"):
        JsonFileTokenStore("~no-such-user-here/token.json")


def test_a_store_whose_path_was_refused_can_be_shown() -> None:
    store = JsonFileTokenStore.__new__(JsonFileTokenStore)
    with pytest.raises(ConfigurationError):
        store.__init__("~no-such-user-here/token.json")  # type: ignore[misc]
    assert repr(store) == "JsonFileTokenStore('None')"
