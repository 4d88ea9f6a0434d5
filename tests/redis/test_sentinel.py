"""Redis with a replica that Sentinel puts in the place of a master that died."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Sentinel

from propq_async import Closing, Pace
from propq_async.redis import RedisLimiter, RedisTokenStore, RedisUnavailableError
from propq_async.redis import _connection as connection
from tests.helpers.frontends import free_port
from tests.helpers.processes import KEY, a_token
from tests.helpers.redis_servers import RedisServer, program, running_redis
from tests.helpers.support import until

pytestmark = pytest.mark.campaign


@pytest.fixture
def replica(tmp_path: Path, redis_server: RedisServer) -> Iterator[RedisServer]:
    master = "127.0.0.1", str(redis_server.port)
    with running_redis(tmp_path, "--replicaof", *master, "--repl-diskless-sync-delay", "0") as one:
        yield one


@pytest.fixture
def sentinel_port(tmp_path: Path, redis_server: RedisServer) -> Iterator[int]:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(
        f"port {port}\n"
        "bind 127.0.0.1\n"
        f"sentinel monitor propq 127.0.0.1 {redis_server.port} 1\n"
        "sentinel down-after-milliseconds propq 300\n"
        "sentinel failover-timeout propq 3000\n"
    )
    command = [program(), str(config), "--sentinel"]
    with (tmp_path / "sentinel.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    yield port
    process.kill()
    process.wait()


async def test_a_fleet_goes_on_with_the_replica(
    redis_server: RedisServer,
    replica: RedisServer,
    sentinel_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LEFT_ALONE_SECONDS", 0.1)
    sentinels: Any = Sentinel  # which has no types
    sentinel = sentinels([("127.0.0.1", sentinel_port)])
    async with (
        sentinel.sentinels[0],
        sentinel.master_for("propq", socket_timeout=1) as client,
    ):
        store, limiter = RedisTokenStore(client), RedisLimiter(client)

        async def works() -> bool:
            try:
                await store.save(KEY, a_token())
            except RedisUnavailableError:
                return False
            return True

        while not await works():  # noqa: ASYNC110 - Sentinel tells nobody here
            await asyncio.sleep(0.05)
        assert await limiter.refused(3, 8) == Closing(1, 3, is_stated=True)
        with replica.client() as look:
            await until(lambda: len(look.keys()) == 2)
        redis_server.kill()
        while not await works():  # noqa: ASYNC110 - Sentinel tells nobody here
            await asyncio.sleep(0.05)
        loaded = await store.load(KEY)
        assert loaded is not None
        assert loaded.access_token == a_token().access_token
        assert await limiter.join() == Pace(8, 3.0, is_stated=True)
        with replica.client() as look:
            assert look.info("replication")["role"] == "master"
