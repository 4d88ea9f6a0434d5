"""Redis in cluster mode: two nodes, each with half of the slots, and a client that knows both."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress

import pytest
from redis.asyncio import RedisCluster
from redis.crc import key_slot

from propq_async import Closing, Opened, TokenKey, TokenManager
from propq_async._wire.refusal_file import SecretRefusal
from propq_async.redis import RedisLimiter, RedisTokenStore
from propq_async.testing import PropQEmulator
from tests.helpers.redis_servers import RedisServer, running_redis
from tests.helpers.support import until

SLOTS = 16_384
HALVES = [(0, SLOTS // 2 - 1), (SLOTS // 2, SLOTS - 1)]
LIMIT = 8
BASE_URL = "https://api.propq.com"
# A loaded machine is slow, and no test here is about that.
PATIENCE_SECONDS = 20.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                running_redis(tmp_path_factory.mktemp("node"), "--cluster-enabled", "yes")
            )
            for _ in HALVES
        ]
        first = nodes[0]
        for node, half in zip(nodes, HALVES, strict=True):
            with node.client() as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", *half)
                if node is not first:
                    client.execute_command("CLUSTER MEET", "127.0.0.1", first.port)
        ends = time.monotonic() + PATIENCE_SECONDS
        while not all(map(_is_whole, nodes)):
            assert time.monotonic() < ends
            time.sleep(0.05)  # a node tells nobody when it knows the others
        yield nodes


def _is_whole(node: RedisServer) -> bool:
    with node.client() as client:
        return bool(client.cluster("INFO")["cluster_state"] == "ok")


@pytest.fixture
async def cluster(nodes: list[RedisServer]) -> AsyncIterator[RedisCluster]:
    for node in nodes:
        with node.client() as client:
            client.flushall()
    async with RedisCluster.from_url(nodes[0].url) as client:
        yield client


def accounts_of(node: int) -> Iterator[int]:
    """Yield client ids whose names this node has."""
    first, last = HALVES[node]
    for number in itertools.count(1):
        if first <= key_slot(limiter_name(number).encode()) <= last:
            yield number


def limiter_name(number: int) -> str:
    return RedisLimiter("redis://h").of_account(BASE_URL, number)._name("pace")


@pytest.mark.skipif(
    not hasattr(RedisCluster, "pubsub"), reason="this redis-py listens to no events of a cluster"
)
@pytest.mark.parametrize("node", [0, 1])
async def test_a_fleet_shares_its_pace_on_whichever_node_has_it(
    cluster: RedisCluster, nodes: list[RedisServer], node: int
) -> None:
    account = next(accounts_of(node))
    first, second = (
        RedisLimiter(cluster, timeout_seconds=PATIENCE_SECONDS).of_account(BASE_URL, account)
        for _ in range(2)
    )
    heard: list[Closing | Opened] = []

    async def listen() -> None:
        async for event in second.events():
            heard.append(event)  # noqa: PERF401 - a comprehension would keep nothing

    listening = asyncio.create_task(listen())
    channel = first._name("events")
    # It does not matter at which node one listens.
    await until(lambda: sum(subscribers(one, channel) for one in nodes))
    assert await first.join() is None
    assert await first.refused(0.05, LIMIT) == Closing(1, 0.05, is_stated=True)
    while not (lease := await second.lease(1, None)).count:  # noqa: ASYNC110 - it says when
        await asyncio.sleep(lease.starts_in)
    assert lease.epoch is not None
    await second.proven(lease.epoch)
    shares = [(await one.lease(9, None)).count for one in (first, second)]
    assert shares == [4, 3]
    await first.report(1, [0.1])
    assert (await first.allow(3, 2, 0.05)).count == 2
    await until(lambda: len(heard) == 2)
    assert heard == [Closing(1, 0.05, is_stated=True), Opened(1)]
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    kept = [names(one) for one in nodes]
    assert not kept[1 - node]
    # A cluster runs no script whose names are in several slots.
    assert len(kept[node]) == 4
    assert len({key_slot(name.encode()) for name in kept[node]}) == 1


def subscribers(node: RedisServer, channel: str) -> int:
    with node.client() as client:
        ((_, count),) = client.pubsub_numsub(channel)
        return int(count)


def names(node: RedisServer) -> list[str]:
    with node.client() as client:
        return list(client.keys())


async def test_a_fleet_shares_its_token(
    emulator: PropQEmulator, cluster: RedisCluster, nodes: list[RedisServer]
) -> None:
    stores = [RedisTokenStore(cluster, timeout_seconds=PATIENCE_SECONDS) for _ in range(2)]
    url = f"{emulator.url}/oauth/token"
    first, second = (
        TokenManager(emulator.credentials, token_url=url, store=store) for store in stores
    )
    key = TokenKey(url, emulator.credentials.client_id)
    token = await first.get_token()
    assert (await second.get_token()).access_token == token.access_token
    second.invalidate(token)
    assert (await second.get_token()).access_token != token.access_token
    assert emulator.token_requests == 2
    store, other = stores
    async with store.lock(key) as locked:
        assert locked
        kept = [name for node in nodes for name in names(node)]
        assert len(kept) == 3
        assert len({key_slot(name.encode()) for name in kept}) == 1
        async with RedisTokenStore(cluster, lock_timeout_seconds=0).lock(key) as again:
            assert not again
    await store.save_refusal(
        key, SecretRefusal(status=401, streak=1, salt=b"s" * 16, fingerprint=b"f" * 32)
    )
    assert await other.load_refusal(key) is not None
    await other.clear(key)
    assert await store.load(key) is None
