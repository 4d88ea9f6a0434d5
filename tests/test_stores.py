# ruff: noqa: ASYNC240 - a look at a file blocks for nothing that matters here
from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from blockbuster import blockbuster_ctx
from filelock import FileLock

from propq_async import (
    ConfigurationError,
    JsonFileTokenStore,
    MemoryTokenStore,
    Token,
    TokenKey,
    TokenStore,
    stores,
)
from propq_async.stores import (
    HANGING_SECONDS,
    MAX_FILE_BYTES,
    POLL_SECONDS,
    STALE_SECONDS,
    SafeStore,
)

from . import processes
from .processes import KEY, Process, a_token
from .support import FakeClock

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
OTHER_KEYS = [TokenKey(KEY.token_url, 8), TokenKey("https://elsewhere.example/oauth/token", 7)]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("propq_async")
    ]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, token_file: Path) -> TokenStore:
    return MemoryTokenStore() if request.param == "memory" else JsonFileTokenStore(token_file)


@pytest.fixture
def written(token_file: Path) -> dict[str, Any]:
    asyncio.run(JsonFileTokenStore(token_file).save(KEY, a_token()))
    content: dict[str, Any] = json.loads(token_file.read_bytes())
    return content


# --- both stores ---------------------------------------------------------------------------------


async def test_what_was_saved_is_loaded_replaced_and_cleared(store: TokenStore) -> None:
    assert await store.load(KEY) is None
    for token in (a_token("first"), a_token("second")):
        await store.save(KEY, token)
        assert await store.load(KEY) == token
    await store.clear(KEY)
    assert await store.load(KEY) is None
    await store.clear(KEY)


@pytest.mark.parametrize("other", OTHER_KEYS)
async def test_a_token_of_another_key_is_a_miss_and_stays(
    store: TokenStore, other: TokenKey, caplog: pytest.LogCaptureFixture
) -> None:
    token = a_token()
    await store.save(KEY, token)
    assert await store.load(other) is None
    await store.clear(other)
    assert await store.load(KEY) == token
    assert warnings_of(caplog) == []


async def test_the_lock_excludes_others_until_it_is_given_back(store: TokenStore) -> None:
    inside = 0
    order = []

    async def enter(number: int) -> None:
        nonlocal inside
        async with store.lock(KEY) as locked:
            assert locked
            inside += 1
            assert inside == 1
            order.append(number)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(enter(number) for number in range(5)))
    assert sorted(order) == list(range(5))


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_lock_that_is_not_to_be_had_in_time_yields_false(
    kind: str, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store: TokenStore = (
        MemoryTokenStore(lock_timeout_seconds=0.05)
        if kind == "memory"
        else JsonFileTokenStore(token_file, lock_timeout_seconds=0.05)
    )
    async with store.lock(KEY):
        for _ in range(2):
            async with store.lock(KEY) as locked:
                assert not locked
    async with store.lock(KEY) as locked:
        assert locked
    assert len(warnings_of(caplog)) == (kind == "file")


@pytest.mark.parametrize("after", [0, 1, 2, 3, 10])
async def test_a_cancelled_lock_leaves_nothing_locked(store: TokenStore, after: int) -> None:
    async def enter() -> None:
        async with store.lock(KEY):
            await asyncio.Event().wait()

    task = asyncio.create_task(enter())
    for _ in range(after):
        await asyncio.sleep(0.0005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.lock(KEY) as locked:
        assert locked


async def test_a_lock_abandoned_while_its_thread_is_at_it_is_given_back(
    token_file: Path, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, proceed = threading.Event(), threading.Event()
    make_directory = stores._make_directory

    def slow(directory: Path) -> None:
        make_directory(directory)
        reached.set()
        proceed.wait(10)

    store = JsonFileTokenStore(token_file)
    monkeypatch.setattr(stores, "_make_directory", slow)
    task = asyncio.create_task(store.lock(KEY).__aenter__())
    await asyncio.get_running_loop().run_in_executor(None, reached.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    proceed.set()
    async with store.lock(KEY) as locked:
        assert locked
    # Given back, and not just let go by the garbage collector.
    assert [lock.is_locked for lock in locks.made] == [False, False]


@attrs.define
class Locks:
    """The locks that a store has made, and the threads in which it used them."""

    made: list[FileLock] = attrs.field(factory=list)
    threads: list[int] = attrs.field(factory=list)


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> Locks:
    locks = Locks()

    class Watched(FileLock):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            locks.made.append(self)

        def acquire(self, *args: Any, **settings: Any) -> Any:
            locks.threads.append(threading.get_ident())
            return super().acquire(*args, **settings)

        def release(self, *args: Any, **settings: Any) -> None:
            locks.threads.append(threading.get_ident())
            super().release(*args, **settings)

    monkeypatch.setattr(stores, "FileLock", Watched)
    return locks


async def test_the_lock_is_tried_and_given_back_in_a_thread_and_now_and_then(
    token_file: Path, locks: Locks
) -> None:
    seconds = 0.2
    store = JsonFileTokenStore(token_file, lock_timeout_seconds=seconds)
    async with store.lock(KEY) as locked:
        assert locked
        tried = len(locks.threads)
        async with store.lock(KEY) as second:
            assert not second
        # A slow machine tries less often, and none more often than this.
        assert 1 < len(locks.threads) - tried <= 2 + 2 * seconds / POLL_SECONDS
    assert threading.get_ident() not in locks.threads


async def test_the_lock_file_is_never_deleted(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file)
    lock_file = token_file.with_name(token_file.name + ".lock")
    inodes = set()
    for _ in range(3):
        async with store.lock(KEY):
            inodes.add(lock_file.stat().st_ino)
        inodes.add(lock_file.stat().st_ino)
        assert mode(lock_file) == 0o600
    assert len(inodes) == 1


async def test_a_lock_that_a_fork_copied_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryTokenStore(lock_timeout_seconds=0.05)
    async with store.lock(KEY) as locked:
        assert locked
        # The child has all of its parent's memory, but not the thread that would give it back.
        monkeypatch.setattr(os, "getpid", lambda: -1)
        async with store.lock(KEY) as locked_in_child:
            assert locked_in_child


def test_managers_in_two_threads_share_the_lock(store: TokenStore) -> None:
    inside: list[int] = []
    overlaps: list[int] = []

    async def enter() -> None:
        async with store.lock(KEY) as locked:
            assert locked
            overlaps.extend(inside)
            inside.append(threading.get_ident())
            await asyncio.sleep(0.01)
            inside.clear()

    threads = [threading.Thread(target=lambda: asyncio.run(enter())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []


# --- the file ------------------------------------------------------------------------------------


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
async def test_files_are_private_from_the_first_byte_whatever_the_umask(tmp_path: Path) -> None:
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
async def test_a_token_is_on_the_disk_before_its_name_is_and_the_name_before_save_returns(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    "binary": lambda _: bytes(range(256)) * 10,
    "wrong shape: list": lambda good: json.dumps([good]).encode(),
    "wrong shape: null": lambda _: b"null",
    "wrong shape: string": lambda _: b'"token"',
    "wrong shape: empty": lambda _: b"{}",
    "deep": lambda _: b"[" * 100_000,
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
    ("stand", "heals"),
    [
        (_fifo, True),
        (_device, True),
        (_socket, True),
        (_symlink, True),
        (_dangling, True),
        (_directory, False),
        (_of_another, True),
    ],
)
def test_what_is_no_file_of_ours_is_a_miss_with_one_warning(
    token_file: Path,
    stand: Callable[[Path], AbstractAsyncContextManager[None]],
    heals: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path.cwd())
    token_file.parent.mkdir()
    store = JsonFileTokenStore(token_file)

    async def use() -> None:
        async with asyncio.timeout(10):
            assert await store.load(KEY) is None
            assert await store.load(KEY) is None
            token = a_token()
            async with store.lock(KEY) as locked:
                assert locked
                await store.save(KEY, token)
            assert await store.load(KEY) == (token if heals else None)

    with stand(token_file):  # type: ignore[attr-defined]
        asyncio.run(use())
        assert len(warnings_of(caplog)) == (1 if heals else 2)  # 2: unfit, and not replaced
        assert not list(token_file.parent.glob(".*"))


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
async def test_a_file_that_may_not_grow_keeps_its_old_content_and_leaves_nothing(
    open_directory: Path,
) -> None:
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
async def test_a_file_system_without_locks_is_one_warning_and_saves_all_the_same(
    token_file: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
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


# --- processes -----------------------------------------------------------------------------------


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
async def test_no_kill_while_writing_tears_the_file_or_leaves_a_growing_mess(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
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


# --- stores of others, made safe -----------------------------------------------------------------


class Custom:
    """A store whose four methods a test replaces one by one."""

    def __init__(self, **methods: Any) -> None:
        self.inner = MemoryTokenStore()
        for name in ("load", "save", "clear", "lock"):
            setattr(self, name, methods.get(name, getattr(self.inner, name)))


def safe(**methods: Any) -> SafeStore:
    custom: Any = Custom(**methods)
    return SafeStore(custom, KEY, 0.05, io_seconds=0.05)


async def _hang(*_: object) -> None:
    await asyncio.Event().wait()


async def _raise(*_: object) -> None:
    raise RuntimeError("the token is worth-hiding")


async def _cancel(*_: object) -> None:
    raise asyncio.CancelledError


def _raise_at_once(*_: object) -> None:
    raise RuntimeError("the token is worth-hiding")


def _no_coroutine(*_: object) -> str:
    return "rubbish"


@asynccontextmanager
async def _hang_inside(_: object) -> AsyncIterator[bool]:
    await asyncio.Event().wait()
    yield True


@asynccontextmanager
async def _hang_after(_: object) -> AsyncIterator[bool]:
    yield True
    await asyncio.Event().wait()


@asynccontextmanager
async def _raise_after(_: object) -> AsyncIterator[bool]:
    yield True
    raise RuntimeError("the token is worth-hiding")


@asynccontextmanager
async def _cancel_inside(_: object) -> AsyncIterator[bool]:
    raise asyncio.CancelledError
    yield True


BAD = [_hang, _raise, _cancel, _raise_at_once, _no_coroutine]


@pytest.mark.parametrize("bad", BAD)
async def test_a_store_that_fails_to_load_or_save_is_one_warning(
    bad: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = safe(load=bad, save=bad)
    for _ in range(2):
        assert await store.load() is None
        await store.save(a_token())
    (warning,) = warnings_of(caplog)
    assert "the token store failed to load" in warning
    assert "worth-hiding" not in caplog.text


@pytest.mark.parametrize(
    "bad",
    [_raise_at_once, _no_coroutine, _hang_inside, _cancel_inside, _hang_after, _raise_after],
)
async def test_a_lock_that_fails_is_one_warning_and_what_it_guards_runs(
    bad: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = safe(lock=bad)
    for _ in range(2):
        async with asyncio.timeout(5), store.lock() as locked:
            assert locked == (bad in (_hang_after, _raise_after))
    assert len(warnings_of(caplog)) == 1
    with pytest.raises(ZeroDivisionError):
        async with store.lock():
            _ = 1 / 0


async def test_a_store_that_hangs_costs_its_time_once_and_is_then_left_alone_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time, asked = FakeClock(), []

    def hang(what: str) -> Callable[..., Any]:
        async def method(*_: object) -> None:
            asked.append(what)
            await asyncio.Event().wait()

        return method

    custom: Any = Custom(load=hang("load"), save=hang("save"), lock=hang("lock"))
    store = SafeStore(custom, KEY, 10, io_seconds=0.05, monotonic=lambda: time.monotonic_now)
    for _ in range(3):
        assert await store.load() is None
        async with store.lock() as locked:
            assert not locked
            await store.save(a_token())
    assert asked == ["load"]
    time.advance(HANGING_SECONDS)
    await store.save(a_token())
    assert await store.load() is None
    assert asked == ["load", "save"]
    assert len(warnings_of(caplog)) == 1


NAIVE = datetime(2099, 1, 1)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=UTC)
RUBBISH: list[Any] = [
    "token",
    {},
    Token("", "Bearer", AWARE, AWARE.replace(year=2026)),
    Token("a b", "Bearer", AWARE, AWARE.replace(year=2026)),
    Token(None, "Bearer", AWARE, AWARE.replace(year=2026)),  # type: ignore[arg-type]
    Token("token", "Bearer", NAIVE, NAIVE.replace(year=2026)),
    Token("token", "Bearer", AWARE, AWARE),
    Token("token", "Bearer", 4e9, 3e9),  # type: ignore[arg-type]
    Token("token", None, AWARE, AWARE.replace(year=2026)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_rubbish_from_a_store_is_a_miss(
    rubbish: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def load(_: TokenKey) -> Any:
        return rubbish

    assert await safe(load=load).load() is None
    assert len(warnings_of(caplog)) == 1


async def test_a_good_token_from_a_store_passes_and_cancellation_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = a_token()
    store = safe()
    await store.save(token)
    assert await store.load() == token
    saved = []

    async def slow_save(_: TokenKey, token: Token) -> None:
        await asyncio.sleep(0.01)
        saved.append(token)

    begun = asyncio.create_task(safe(save=slow_save).save(token))
    waiting = asyncio.create_task(safe(lock=_hang_inside).lock().__aenter__())
    await asyncio.sleep(0)
    for task in (begun, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert saved == [token]
    assert warnings_of(caplog) == []


def test_a_path_in_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without ~"):
        JsonFileTokenStore("~no-such-user-here/token.json")


def test_a_store_whose_path_was_refused_can_be_shown() -> None:
    store = JsonFileTokenStore.__new__(JsonFileTokenStore)
    with pytest.raises(ConfigurationError):
        store.__init__("~no-such-user-here/token.json")  # type: ignore[misc]
    assert repr(store) == "JsonFileTokenStore('None')"
