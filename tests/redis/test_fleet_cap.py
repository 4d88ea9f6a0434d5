"""`max_calls_per_second` bounds all processes of a fleet together."""

from __future__ import annotations

import asyncio
import time

import pytest

from propq_async import AsyncPropQ
from propq_async.redis import RedisLimiter
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers import processes
from tests.helpers.processes import Process
from tests.helpers.redis_servers import RedisServer
from tests.helpers.simulation import OK
from tests.helpers.support import an_update
from tests.helpers.virtual_fleets import run_jobs

CAP, EACH = 40, 25


@pytest.mark.parametrize("cap", [30, 0.5, 7])
def test_no_sliding_second_has_more_calls_than_the_bound(
    redis_server: RedisServer, cap: float
) -> None:
    rows = int(10 * cap) or 5
    (ran,) = run_jobs(redis_server, lambda *_: OK, rows=rows, size=4, cap=cap)
    limit, window = int(max(1, cap)), 1 / min(1, cap)
    for first, after in zip(ran.arrived, ran.arrived[limit:], strict=False):
        assert after - first >= window - 1e-6
    # And not many less.
    assert ran.seconds <= 1.12 * (rows - 1) / cap


def a_factory(emulator: PropQEmulator, server: RedisServer) -> AsyncPropQ:
    return AsyncPropQ(
        emulator.credentials,
        base_url=emulator.url,
        token_store=None,
        shared_limiter=RedisLimiter(server.url, timeout_seconds=20),
        max_calls_per_second=CAP,
    )


async def send(propq: AsyncPropQ) -> None:
    updates = (an_update("A-101", 1000 + number) for number in range(EACH))
    async with propq.session() as session:
        calls = (session.request("GET", f"/v1/{update.price}") for update in updates)
        await asyncio.gather(*calls, return_exceptions=True)


async def test_two_factories_share_the_bound(
    emulator: PropQEmulator, redis_server: RedisServer
) -> None:
    began = time.monotonic()
    await asyncio.gather(*(send(a_factory(emulator, redis_server)) for _ in range(2)))
    # The last ten of fifty go when the first ones are a second old.
    assert time.monotonic() - began >= 1
    assert emulator.calls == 2 * EACH


async def test_two_event_loops_of_a_process_share_the_bound(redis_server: RedisServer) -> None:
    with run_in_thread(PropQEmulator()) as emulator:
        propq = a_factory(emulator, redis_server)
        began = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, send(propq)) for _ in range(2)))
        assert time.monotonic() - began >= 1
        assert emulator.calls == 2 * EACH


@pytest.mark.campaign
async def test_two_processes_share_the_bound(
    emulator: PropQEmulator, redis_server: RedisServer
) -> None:
    credentials = emulator.credentials
    about = emulator.url, redis_server.url, credentials.client_secret, credentials.client_id
    for row in range(2 * EACH):
        emulator.add_unit("4711", f"A-{row}")
    jobs = await asyncio.gather(
        *(
            Process.start(processes.share, *about, number, 2, 2 * EACH, 10, CAP)
            for number in range(2)
        )
    )
    began = time.monotonic()
    for job in jobs:
        job.go()
    assert await asyncio.gather(*(job.result() for job in jobs)) == [0, 0]
    assert time.monotonic() - began >= 1
