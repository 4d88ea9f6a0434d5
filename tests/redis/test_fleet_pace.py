"""A fleet before a server that counts its calls, whatever happens to Redis."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import attrs
import pytest

from propq_async import AsyncPropQ, UnitStatus, UnitUpdate
from propq_async.redis import RedisLimiter
from propq_async.testing import PropQEmulator, RecordedRequest
from tests.helpers import processes
from tests.helpers.processes import Process
from tests.helpers.redis_servers import RedisServer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROWS, LIMIT, SECONDS = 1_696, 400, 3
CONCURRENCY = 100  # of each process
LEAST_SECONDS = (ROWS - 1) // LIMIT * SECONDS
# How long a process leaves a Redis alone that has failed, so that a job sees it come back.
LEFT_ALONE_SECONDS = 2

Disaster = Callable[[RedisServer], Coroutine[Any, Any, None]]


@attrs.define
class Ran:
    """What the server saw of a job."""

    # Thousands: to show them takes minutes.
    seen: list[RecordedRequest] = attrs.field(factory=list, repr=False)
    failed: int = 0
    scripts: int = 0

    @property
    def calls(self) -> list[RecordedRequest]:
        return [one for one in self.seen if "oauth" not in one.path]

    @property
    def began(self) -> float:
        return self.calls[0].timestamp

    @property
    def seconds(self) -> float:
        return self.calls[-1].timestamp - self.began

    def refused(self) -> int:
        """Return how many were refused."""
        return sum(one.status == 429 for one in self.calls)

    def refused_late(self, in_flight: int) -> int:
        """Return how many were refused though they may not have been under way at the first."""
        statuses = [one.status for one in self.calls]
        return statuses[statuses.index(429) + in_flight :].count(429)


@pytest.fixture
async def ran() -> Ran:
    return Ran()


@pytest.fixture
async def limited(ran: Ran) -> AsyncIterator[PropQEmulator]:
    """Run an emulator that notes what it answers."""
    async with PropQEmulator(on_request=ran.seen.append) as emulator:
        for row in range(ROWS):
            emulator.add_unit("4711", f"A-{row}")
        yield emulator


def all_applied(emulator: PropQEmulator, rows: int) -> bool:
    prices = [emulator.unit("4711", f"A-{row}").price for row in range(rows)]
    return prices == [1000 + row for row in range(rows)]


async def in_this_process(emulator: PropQEmulator, server: RedisServer, *, rows: int) -> None:
    """Let three clients update these rows."""

    async def update(number: int) -> None:
        propq = AsyncPropQ(
            emulator.credentials,
            base_url=emulator.url,
            token_store=None,
            shared_limiter=RedisLimiter(server.url, timeout_seconds=20),
        )
        updates = (
            UnitUpdate("4711", f"A-{row}", UnitStatus.SOLD, 1000 + row, ["N"])
            for row in range(number, rows, 3)
        )
        async with (
            propq.session() as session,
            session.units.update_many(updates, concurrency=10) as batch,
        ):
            assert [outcome.error async for outcome in batch if not outcome.ok] == []

    await asyncio.gather(*(update(number) for number in range(3)))


async def test_a_fleet_learns_a_limit_and_the_next_one_knows_it(
    limited: PropQEmulator, redis_server: RedisServer, ran: Ran
) -> None:
    limited.throttle(20, 1)
    await in_this_process(limited, redis_server, rows=60)
    assert all_applied(limited, 60)
    # How many they are is held in virtual time: here it depends on how fast the machine is.
    assert ran.refused() >= 1
    ran.seen.clear()
    await asyncio.sleep(1)
    await in_this_process(limited, redis_server, rows=30)
    # Without a word of the others it would be as many as in the first burst.
    assert ran.refused() <= 3


async def test_a_server_without_a_limit_costs_no_round_trip(
    limited: PropQEmulator, redis_server: RedisServer
) -> None:
    await in_this_process(limited, redis_server, rows=90)
    with redis_server.client() as client:
        assert client.info("commandstats")["cmdstat_eval"]["calls"] == 3  # each joins


async def run_job(
    emulator: PropQEmulator,
    server: RedisServer,
    ran: Ran,
    size: int,
    disaster: Disaster | None = None,
) -> None:
    """Let so many processes update all rows."""
    credentials = emulator.credentials
    about = emulator.url, server.url, credentials.client_secret, credentials.client_id
    jobs = await asyncio.gather(
        *(
            Process.start(processes.share, *about, number, size, ROWS, LEFT_ALONE_SECONDS)
            for number in range(size)
        )
    )
    ran.seen.clear()
    with server.client() as client:
        client.config_resetstat()
    for job in jobs:
        job.go()
    strikes = asyncio.ensure_future(disaster(server) if disaster else asyncio.sleep(0))
    ran.failed = sum(await asyncio.gather(*(job.result() for job in jobs)))
    await strikes
    if disaster is None:
        with server.client() as client:
            ran.scripts = client.info("commandstats").get("cmdstat_eval", {}).get("calls", 0)
    assert ran.failed == 0
    assert all_applied(emulator, ROWS)


@pytest.mark.campaign
@pytest.mark.timeout(300)
async def test_eight_processes_keep_to_the_limit_of_their_client(
    limited: PropQEmulator, redis_server: RedisServer, ran: Ran
) -> None:
    limited.throttle(LIMIT, SECONDS)
    await run_job(limited, redis_server, ran, 8)
    assert ran.refused() <= 8 * CONCURRENCY
    assert ran.refused_late(8 * CONCURRENCY) <= ROWS / 100
    assert ran.scripts <= 0.15 * ROWS
    await run_job(limited, redis_server, ran, 8)
    assert ran.refused() == 0
    assert ran.scripts <= 0.15 * ROWS


async def flushed(server: RedisServer) -> None:
    await asyncio.sleep(5)
    with server.client() as client:
        client.flushall()


async def frozen(server: RedisServer) -> None:
    await asyncio.sleep(3)
    server.freeze()
    await asyncio.sleep(3.5)
    server.thaw()


async def away(server: RedisServer) -> None:
    await asyncio.sleep(4)
    server.kill()
    await asyncio.sleep(2)
    server.start()


async def gone(server: RedisServer) -> None:
    await asyncio.sleep(3)
    server.kill()


@pytest.mark.campaign
@pytest.mark.timeout(300)
@pytest.mark.parametrize("disaster", [flushed, frozen, away, gone])
async def test_no_row_is_lost_with_a_redis_that_fails(
    limited: PropQEmulator, redis_server: RedisServer, ran: Ran, disaster: Disaster
) -> None:
    limited.throttle(LIMIT, SECONDS)
    await run_job(limited, redis_server, ran, 4, disaster)
    # Twice what an undisturbed first burst is.
    assert ran.refused() <= 2 * 4 * CONCURRENCY
    assert ran.seconds <= 1.5 * LEAST_SECONDS
