"""What every token store does."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import filelock
import pytest

from propq_async import (
    JsonFileTokenStore,
    MemoryTokenStore,
    TokenKey,
    TokenStore,
)
from propq_async._auth import json_file, token_file_access
from propq_async._auth.stores import POLL_SECONDS, default_token_file
from propq_async.redis import RedisTokenStore
from tests.helpers.processes import KEY, a_token
from tests.helpers.redis_servers import running_redis
from tests.helpers.stores import OTHER_KEYS, is_kept, mode, warnings_of


@pytest.fixture(params=["memory", "file", "redis"])
def store(request: pytest.FixtureRequest, token_file: Path, tmp_path: Path) -> Iterator[TokenStore]:
    match request.param:
        case "memory":
            yield MemoryTokenStore()
        case "file":
            yield JsonFileTokenStore(token_file)
        case "redis":
            with running_redis(tmp_path) as server:
                yield RedisTokenStore(server.url, timeout_seconds=20)


async def test_what_was_saved_is_loaded_replaced_and_cleared(store: TokenStore) -> None:
    assert await store.load(KEY) is None
    for token in (a_token("first"), a_token("second")):
        await store.save(KEY, token)
        assert is_kept(await store.load(KEY), token)
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
    assert is_kept(await store.load(KEY), token)
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


async def test_a_lock_abandoned_during_its_acquisition_is_released(
    token_file: Path, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, proceed = threading.Event(), threading.Event()
    make_directory = token_file_access.make_directory

    def slow(directory: Path) -> None:
        make_directory(directory)
        reached.set()
        proceed.wait(10)

    store = JsonFileTokenStore(token_file)
    monkeypatch.setattr(json_file, "make_directory", slow)
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

    made: list[filelock.FileLock] = attrs.field(factory=list)
    threads: list[int] = attrs.field(factory=list)


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> Locks:
    locks = Locks()

    class Watched(filelock.FileLock):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            locks.made.append(self)

        def acquire(self, *args: Any, **settings: Any) -> Any:
            locks.threads.append(threading.get_ident())
            return super().acquire(*args, **settings)

        def release(self, *args: Any, **settings: Any) -> None:
            locks.threads.append(threading.get_ident())
            super().release(*args, **settings)

    monkeypatch.setattr(filelock, "FileLock", Watched)
    return locks


async def test_the_lock_is_polled_and_released_in_threads(token_file: Path, locks: Locks) -> None:
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


# --- the default file ----------------------------------------------------------------------------


def test_each_token_url_and_client_has_a_default_file_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    files = {
        default_token_file(url, client) for url in ("https://a/", "https://b/") for client in (1, 2)
    }
    assert len(files) == 4
    assert all(file is not None and file.is_absolute() for file in files)
    assert default_token_file("https://a/", 1) in files
