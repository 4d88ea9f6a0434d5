# ruff: noqa: ASYNC240 - a look at a file blocks for nothing that matters here
from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from propq_async import JsonFileTokenStore, TokenKey, TokenManager
from propq_async.testing import PropQEmulator
from tests.helpers import processes
from tests.helpers.processes import Process
from tests.helpers.support import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and forks of POSIX")


def about(emulator: PropQEmulator, path: Path) -> tuple[Any, ...]:
    credentials = emulator.credentials
    return emulator.url, path, credentials.client_secret, credentials.client_id


async def start(
    count: int, job: Callable[..., Awaitable[Any]], emulator: PropQEmulator, path: Path
) -> list[Process]:
    return await asyncio.gather(*(Process.start(job, *about(emulator, path)) for _ in range(count)))


async def results(jobs: list[Process]) -> list[Any]:
    for job in jobs:
        job.go()
    return await asyncio.gather(*(job.result() for job in jobs))


async def test_eight_processes_that_start_cold_make_one_request(
    emulator: PropQEmulator, token_file: Path
) -> None:
    jobs = await start(8, processes.cold, emulator, token_file)
    assert len(set(await results(jobs))) == 1
    assert emulator.token_requests == 1
    assert emulator.credentials.client_secret not in token_file.read_text()


async def test_eight_processes_survive_a_revocation_with_one_request(
    emulator: PropQEmulator, token_file: Path
) -> None:
    """Each of them makes fifty calls."""
    jobs = await start(8, processes.calls, emulator, token_file)
    assert emulator.token_requests == 1
    emulator.revoke_tokens()
    assert await results(jobs) == [0] * 8
    assert emulator.token_requests == 2
    assert emulator.applied == 8 * 51


async def test_a_forked_process_shares_the_token_and_its_renewal(
    emulator: PropQEmulator, token_file: Path
) -> None:
    job = await Process.start(processes.fork, *about(emulator, token_file), ready=False)
    result = await job.result()
    assert result["status"] == 0
    assert result["mine"] == result["theirs"]
    assert result["mine"][0] == result["first"] != result["mine"][1]
    assert emulator.token_requests == 2


# A cold start: import, lock, request, answer, save. It is killed at points all along the way.
@pytest.mark.parametrize("point", ["locked", "asked", "answered", 0.0, 0.001, 0.003, 0.01, 0.03])
async def test_others_go_on_when_the_lock_holder_is_killed(
    emulator: PropQEmulator, token_file: Path, point: str | float
) -> None:
    credentials = emulator.credentials
    if point == "locked":
        doomed = await Process.start(processes.hold, token_file)
    else:
        emulator.token_latency_seconds = 30 if point == "asked" else 0.0
        doomed = await Process.start(processes.cold, *about(emulator, token_file))
        doomed.go()
    if isinstance(point, float):
        await asyncio.sleep(point)
    elif point == "asked":
        await until(lambda: emulator.token_requests)
    elif point == "answered":
        await until(lambda: emulator.requests)
    manager = TokenManager(
        credentials,
        token_url=emulator.url + "/oauth/token",
        store=JsonFileTokenStore(token_file),
    )
    # For those who come after it: not for the request that is being answered already.
    emulator.token_latency_seconds = 0.0
    waiting = asyncio.create_task(manager.get_token())
    await doomed.kill()
    async with asyncio.timeout(10):
        token = await waiting
    key = TokenKey(emulator.url + "/oauth/token", credentials.client_id)
    assert await JsonFileTokenStore(token_file).load(key) == token
    assert emulator.token_requests <= 2


async def test_a_lock_that_is_never_released_only_delays_a_call(
    emulator: PropQEmulator, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    holder = await Process.start(processes.hold, token_file)
    try:
        manager = TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=JsonFileTokenStore(token_file, lock_timeout_seconds=0.2),
        )
        await manager.get_token()
        manager.invalidate(await manager.get_token())
        await manager.get_token()
    finally:
        await holder.kill()
    assert emulator.token_requests == 2
    assert sum(record.levelname == "WARNING" for record in caplog.records) == 1


async def test_a_process_ends_though_the_disk_of_its_token_file_hangs(
    emulator: PropQEmulator, tmp_path: Path
) -> None:
    async def leave(hanging: str) -> None:
        path = tmp_path / hanging / "token.json"
        job = await Process.start(processes.leave, *about(emulator, path), hanging, ready=False)
        try:
            assert await job.result() == "left", hanging
        finally:
            if job.process.returncode is None:
                await job.kill()

    # Side by side, since each waits for a while.
    hanging = ("open_to_read", "read_if_token_file", "check_lock_file", "sync_directory")
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:  # they would never end
        for function in hanging:
            group.create_task(leave(function))
