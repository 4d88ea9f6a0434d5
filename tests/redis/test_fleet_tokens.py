"""One token for a fleet, whatever happens to Redis."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest

from propq_async import TokenManager
from propq_async._auth.refusals import REFUSED_AT_ONCE
from propq_async.redis import RedisTokenStore
from propq_async.testing import PropQEmulator
from tests.helpers import processes
from tests.helpers.fleets import Fleet, ShiftedClock, local_fleet, process_fleet
from tests.helpers.processes import Process
from tests.helpers.redis_servers import RedisServer
from tests.helpers.support import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture(params=["local", pytest.param("processes", marks=pytest.mark.campaign)])
async def fleet(
    request: pytest.FixtureRequest, emulator: PropQEmulator, redis_server: RedisServer
) -> AsyncIterator[Fleet]:
    """Four clients in this process, or eight processes."""
    if request.param == "local":
        async with local_fleet(emulator, redis_server.url, size=4, calls=5) as local:
            yield local
    else:
        async with process_fleet(emulator, redis_server.url, size=8, calls=200) as remote:
            yield remote


async def well(fleet: Fleet) -> None:
    """Make a round in which no call fails, and nothing is wrong with Redis."""
    done = await fleet.round()
    assert (done.failed, done.warnings) == (0, [])


def empty(server: RedisServer) -> None:
    with server.client() as client:
        client.flushall()


async def test_a_cold_fleet_makes_one_token_request(emulator: PropQEmulator, fleet: Fleet) -> None:
    await well(fleet)
    assert emulator.token_requests == 1


async def test_a_revocation_costs_a_fleet_one_token_request(
    emulator: PropQEmulator, fleet: Fleet
) -> None:
    await well(fleet)
    emulator.revoke_tokens()
    await well(fleet)
    assert emulator.token_requests == 2


@pytest.mark.campaign
async def test_one_renews_the_token_ahead_for_all(emulator: PropQEmulator, fleet: Fleet) -> None:
    emulator.token_lifetime_seconds = 6
    ends = asyncio.get_running_loop().time() + 7
    while asyncio.get_running_loop().time() < ends:
        await well(fleet)
        await asyncio.sleep(0.2)
    # The first one was good for six seconds, and the second one is for two more at the least.
    assert emulator.token_requests == 2


async def test_a_flushed_redis_costs_nothing_until_a_token_is_needed(
    emulator: PropQEmulator, fleet: Fleet, redis_server: RedisServer
) -> None:
    await well(fleet)
    empty(redis_server)
    await well(fleet)
    assert emulator.token_requests == 1
    emulator.revoke_tokens()
    empty(redis_server)
    await well(fleet)
    assert emulator.token_requests == 2


async def test_without_redis_each_has_a_token_until_it_is_back(
    emulator: PropQEmulator, fleet: Fleet, redis_server: RedisServer
) -> None:
    await well(fleet)
    redis_server.kill()
    await well(fleet)
    assert emulator.token_requests == 1
    emulator.revoke_tokens()
    alone = await fleet.round()
    assert alone.failed == 0
    assert emulator.token_requests == 1 + fleet.size
    assert len(alone.warnings) == fleet.size
    assert all("failed to load (Redis did not load the token" in said for said in alone.warnings)
    redis_server.start()
    await fleet.leave_redis_alone()
    emulator.revoke_tokens()
    await well(fleet)
    assert emulator.token_requests == 2 + fleet.size


async def test_a_fleet_has_one_allowance_for_refused_tokens(
    emulator: PropQEmulator, fleet: Fleet
) -> None:
    emulator.fail_next(401, times=10**6)
    for _ in range(3):
        done = await fleet.round()
        assert done.failed > 0
    assert emulator.token_requests == 1 + REFUSED_AT_ONCE


@pytest.mark.parametrize("lock_seconds", [0.5, pytest.param(5.0, marks=pytest.mark.campaign)])
async def test_the_lock_of_a_holder_that_was_killed_runs_out(
    emulator: PropQEmulator, redis_server: RedisServer, lock_seconds: float
) -> None:
    about = emulator.url, redis_server.url, emulator.credentials.client_secret
    doomed = await Process.start(
        processes.cold_with_lock, *about, emulator.credentials.client_id, lock_seconds
    )
    emulator.token_latency_seconds = 30
    doomed.go()
    await until(lambda: emulator.token_requests)
    await doomed.kill()
    emulator.token_latency_seconds = 0
    async with (
        asyncio.timeout(lock_seconds + 1 if lock_seconds > 1 else None),
        local_fleet(emulator, redis_server.url, size=4, calls=1) as fleet,
    ):
        await well(fleet)
    assert emulator.token_requests == 2


async def test_a_holder_that_lives_keeps_the_lock_for_longer(
    emulator: PropQEmulator, redis_server: RedisServer
) -> None:
    emulator.token_latency_seconds = 0.6
    tokens = await asyncio.gather(
        *(
            TokenManager(
                emulator.credentials,
                token_url=emulator.url + "/oauth/token",
                store=RedisTokenStore(redis_server.url, timeout_seconds=20, lock_seconds=0.3),
            ).get_token()
            for _ in range(3)
        )
    )
    assert len({token.access_token for token in tokens}) == 1
    assert emulator.token_requests == 1


@pytest.mark.parametrize("timeout_seconds", [0.1, pytest.param(1.0, marks=pytest.mark.campaign)])
async def test_a_frozen_redis_costs_its_time_once(
    emulator: PropQEmulator,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    timeout_seconds: float,
) -> None:
    manager = TokenManager(
        emulator.credentials,
        token_url=emulator.url + "/oauth/token",
        store=RedisTokenStore(redis_server.url, timeout_seconds=timeout_seconds),
    )
    with redis_server.client() as client:
        before = client.info("stats")["total_connections_received"]
        redis_server.freeze()
        async with asyncio.timeout(2 if timeout_seconds == 1 else None):
            await manager.get_token()
        redis_server.thaw()
        assert client.info("stats")["total_connections_received"] == before + 1
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert f"no answer in {timeout_seconds:g} s" in warning.getMessage()
    assert emulator.token_requests == 1


@pytest.mark.campaign
async def test_hosts_with_different_clocks_share_a_token_for_its_whole_life(
    emulator: PropQEmulator, redis_server: RedisServer
) -> None:
    emulator.token_lifetime_seconds = 6
    clocks = [ShiftedClock(offset).clock for offset in (-40, 0, 40)]
    managers = [
        TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=RedisTokenStore(redis_server.url, clock=clock),
            clock=clock,
        )
        for clock in clocks
    ]
    ends = asyncio.get_running_loop().time() + 9
    while asyncio.get_running_loop().time() < ends:
        tokens = await asyncio.gather(*(manager.get_token() for manager in managers))
        assert len({token.access_token for token in tokens}) <= 2
        await asyncio.sleep(0.1)
    assert emulator.token_requests == 2
