"""What the limiter tells a process, with a real Redis and without a server that is limited."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from propq_async import (
    AsyncPropQ,
    Clock,
    Closing,
    ConfigurationError,
    Credentials,
    Lease,
    Opened,
    Pace,
)
from propq_async.redis import RedisLimiter, RedisUnavailableError
from tests.helpers.redis_servers import RedisServer
from tests.helpers.support import run_virtual, until
from tests.helpers.virtual_fleets import VirtualRedis

LIMIT = 8


def a_limiter(server: RedisServer, **settings: Any) -> RedisLimiter:
    return RedisLimiter(server.url, timeout_seconds=20, **settings)


@asynccontextmanager
async def heard(limiter: RedisLimiter) -> AsyncIterator[list[Closing | Opened]]:
    """Listen to what the others say."""
    events: list[Closing | Opened] = []

    async def listen() -> None:
        async for event in limiter.events():
            events.append(event)  # noqa: PERF401 - a comprehension would keep nothing

    task = asyncio.create_task(listen())
    try:
        yield events
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def probe(limiter: RedisLimiter, known: Pace | None = None) -> Lease:
    """Ask for a permit until there is one."""
    while not (lease := await limiter.lease(1, known)).count:  # noqa: ASYNC110 - it says when
        await asyncio.sleep(min(lease.starts_in, 0.3))
    return lease


async def opened(limiter: RedisLimiter) -> None:
    """Show that the server takes calls again, after the closing that is under way."""
    lease = await probe(limiter)
    assert lease.epoch is not None
    await limiter.proven(lease.epoch)


async def test_a_fleet_that_was_never_refused_knows_no_limit(redis_server: RedisServer) -> None:
    limiter = a_limiter(redis_server)
    assert await limiter.join() is None
    lease = await limiter.lease(5, None)
    assert (lease.count, lease.valid_for, lease.pace) == (5, float("inf"), None)


async def test_one_process_is_to_see_and_the_others_go_when_it_has(
    redis_server: RedisServer,
) -> None:
    first, second = a_limiter(redis_server), a_limiter(redis_server)
    closing = await first.refused(0.3, LIMIT)
    assert closing == Closing(1, 0.3, is_stated=True)
    assert (await second.lease(9, None)).count == 0
    assert (await first.lease(9, None)).count == 0
    lease = await probe(second)
    assert (lease.count, lease.epoch) == (1, 1)
    assert (await first.lease(9, None)).count == 0
    await second.proven(1)
    # It is proven once, and an older closing says nothing.
    await second.proven(1)
    await first.proven(0)
    shares = [(await one.lease(9, None)).count for one in (first, second)]
    assert shares == [4, 3]  # half of them each, but for the call that was to see
    assert await first.join() == Pace(LIMIT, 1.0, is_stated=True)


async def test_who_is_to_see_and_says_nothing_is_replaced(redis_server: RedisServer) -> None:
    first, second = a_limiter(redis_server), a_limiter(redis_server)
    await first.refused(0.05, LIMIT)
    await probe(second)
    lease = await first.lease(1, None)
    assert lease.count == 0
    assert 0.9 < lease.starts_in <= 1.25
    assert (await probe(first)).epoch == 1


async def test_the_length_of_a_window_shows_when_the_next_one_begins(
    redis_server: RedisServer,
) -> None:
    """The server counts in windows of a second, and states waits in whole seconds."""
    limiter = a_limiter(redis_server)
    await limiter.refused(1, LIMIT)
    await opened(limiter)
    assert (await limiter.lease(LIMIT, None)).count == LIMIT - 1
    while True:
        lease = await probe(limiter)
        assert lease.epoch is not None
        with redis_server.client() as client:
            state = client.hgetall("propq:{all}:pace")
        if int(float(state["probed"])) - int(float(state["begins"])) >= 1000:
            await limiter.proven(lease.epoch)
            break
        await limiter.refused(1, LIMIT)
    assert await limiter.join() == Pace(LIMIT, 1.0, is_stated=True)
    with redis_server.client() as client:
        assert client.hget("propq:{all}:pace", "window") == "1000"
    # From now on it is known when to look.
    assert (await limiter.lease(LIMIT, None)).count == LIMIT - 1
    lease = await limiter.lease(1, None)
    assert lease.count == 0
    assert 0.5 < lease.starts_in <= 1.02


@pytest.mark.parametrize("seconds", [1, 0.3])
async def test_a_refusal_within_a_window_tells_its_length(
    redis_server: RedisServer, seconds: float
) -> None:
    """Waits in whole seconds are rounded up, so that one in the middle of a second tells most."""
    limiter = a_limiter(redis_server)
    await limiter.refused(seconds, LIMIT)
    await opened(limiter)
    assert (await limiter.lease(LIMIT, None)).count == LIMIT - 1
    await probe(limiter)
    await limiter.refused(seconds, LIMIT)
    with redis_server.client() as client:
        state = client.hgetall("propq:{all}:pace")
    sent_after, window = int(state["probed"]) - int(state["begins"]), int(state["window"])
    if seconds == 1:
        assert sent_after >= 500
        assert window == 1000 * (sent_after // 1000 + 1)
    else:
        assert window == sent_after + 300


async def test_a_window_is_as_long_as_the_wait_until_it_is_known(redis_server: RedisServer) -> None:
    """The pace of whoever loses Redis meanwhile: a shorter window would be refused again."""
    limiter = a_limiter(redis_server)
    await limiter.refused(3, LIMIT)
    assert await limiter.join() == Pace(LIMIT, 3.0, is_stated=True)


def test_a_window_whose_first_call_was_slow_may_have_begun_late(redis_server: RedisServer) -> None:
    async def main(clock: Clock) -> list[float]:
        redis = VirtualRedis(redis_server, clock, latency_seconds=0)
        limiter = RedisLimiter(redis, clock=clock)
        waits = []
        for trip_seconds in (0.05, 0.15, 0.6):
            lease = await probe(limiter, Pace(LIMIT, 1.0, is_stated=True))
            assert lease.epoch is not None
            await asyncio.sleep(trip_seconds)
            await limiter.proven(lease.epoch)
            assert (await limiter.lease(LIMIT, None)).count == LIMIT - 1
            waits.append((await limiter.lease(1, None)).starts_in)
        redis.close()
        return waits

    # The first one is put off by a fortieth of the window, the second one by what its call took
    # longer, and the third one by a quarter of a second, which is the most.
    assert run_virtual(main) == pytest.approx([0.995, 0.97, 0.67], abs=0.002)


async def test_a_process_is_known_again_whatever_its_name(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "5e10")
    limiter = a_limiter(redis_server)
    await limiter.refused(0.1, LIMIT)
    # The first who asks is to see, and this is the first.
    for _ in range(2):
        lease = await limiter.lease(1, None)
        assert lease.count == 0
        assert lease.starts_in <= 0.1


async def test_who_is_to_see_and_does_not_come_is_replaced(redis_server: RedisServer) -> None:
    first, second = a_limiter(redis_server), a_limiter(redis_server)
    await first.refused(0.05, LIMIT)
    assert (await first.lease(1, None)).count == 0
    lease = await second.lease(1, None)
    assert lease.count == 0
    assert 0.2 < lease.starts_in <= 0.35
    assert (await probe(second)).epoch == 1


async def test_without_a_stated_limit_it_is_what_all_have_sent(redis_server: RedisServer) -> None:
    first, second = a_limiter(redis_server), a_limiter(redis_server)
    await first.refused(0.2, None)
    await first.report(1, [0.5, 0.4, 0.3])
    await second.report(1, [0.5, 0.4, 0.3, 0.2])
    await second.report(0, [0.5] * 99)  # of an older closing
    await opened(first)
    pace = await second.join()
    assert pace is not None
    assert (pace.limit, pace.is_stated) == (7, False)


async def test_too_few_calls_tell_no_limit(redis_server: RedisServer) -> None:
    limiter = a_limiter(redis_server)
    await limiter.refused(0.2, None)
    await limiter.report(1, [0.5, 0.4])
    await opened(limiter)
    assert await limiter.join() is None
    assert (await limiter.lease(5, None)).valid_for == float("inf")


async def test_a_redis_that_has_forgotten_learns_from_who_knows(
    redis_server: RedisServer,
) -> None:
    known = Pace(LIMIT, 0.2, is_stated=True)
    limiter = a_limiter(redis_server)
    # Nobody knows what was sent in this window.
    assert (await limiter.lease(5, known)).count == 0
    lease = await probe(limiter)
    assert lease.epoch is not None
    await limiter.proven(lease.epoch)
    assert (await limiter.lease(99, None)).count == LIMIT - 1
    assert await limiter.join() == known


async def test_everybody_hears_of_closings_and_openings(redis_server: RedisServer) -> None:
    listener, other = a_limiter(redis_server), a_limiter(redis_server)
    async with heard(listener) as events:
        with redis_server.client() as client:
            await until(lambda: client.pubsub_numsub("propq:{all}:events")[0][1])
        await other.refused(0.05, LIMIT)
        # The same closing.
        await other.refused(0.05, LIMIT)
        await opened(other)
        await until(lambda: len(events) == 2)
        assert events == [Closing(1, 0.05, is_stated=True), Opened(1)]
        # One connection for events and one for the rest, and the one of this look.
        with redis_server.client() as client:
            assert len(client.client_list()) <= 3
    with redis_server.client() as client:
        assert len(client.client_list()) == 1


async def test_events_go_on_after_redis_was_away(redis_server: RedisServer) -> None:
    listener = a_limiter(redis_server)
    async with heard(listener) as events:
        with redis_server.client() as client:
            await until(lambda: client.pubsub_numsub("propq:{all}:events")[0][1])
        redis_server.kill()
        redis_server.start()
        with redis_server.client() as client:
            # Again and again, since nobody hears what is said before it listens again.
            await until(lambda: client.publish("propq:{all}:events", "opened 7") and events)
        assert events[0] == Opened(7)


@pytest.mark.parametrize("decode_responses", [False, True])
async def test_a_client_of_the_users_serves_as_well(
    redis_server: RedisServer, *, decode_responses: bool
) -> None:
    async with Redis.from_url(redis_server.url, decode_responses=decode_responses) as client:
        limiter = RedisLimiter(client)
        async with heard(limiter) as events:
            with redis_server.client() as look:
                await until(lambda: look.pubsub_numsub("propq:{all}:events")[0][1])
            await limiter.refused(1, LIMIT)
            await until(lambda: events)
        assert await client.ping()


async def test_each_account_has_a_limit_of_its_own(redis_server: RedisServer) -> None:
    one = a_limiter(redis_server)
    first, second = (one.of_account("https://api.propq.com", number) for number in (7, 8))
    await first.refused(1, LIMIT)
    assert await first.join() is not None
    assert await second.join() is None
    scoped = a_limiter(redis_server, scope="all of us", prefix="shop")
    assert scoped.of_account("https://api.propq.com", 7) is scoped
    await scoped.refused(1, LIMIT)
    with redis_server.client() as client:
        assert client.exists("shop:{all of us}:pace")


async def test_a_redis_that_is_not_there_is_an_error(redis_server: RedisServer) -> None:
    limiter = a_limiter(redis_server)
    redis_server.kill()
    with pytest.raises(RedisUnavailableError, match="Redis did not lease permits"):
        await limiter.lease(1, None)


def test_two_event_loops_are_two_members(redis_server: RedisServer) -> None:
    limiter = a_limiter(redis_server)
    asyncio.run(limiter.refused(1, LIMIT))
    for _ in range(2):
        asyncio.run(limiter.lease(1, None))
    with redis_server.client() as client:
        assert client.zcard("propq:{all}:members") == 2


def test_the_url_is_hidden_and_the_settings_are_checked() -> None:
    limiter = RedisLimiter("redis://:pass-w0rd@localhost", prefix="shop")
    assert repr(limiter) == "RedisLimiter(prefix='shop')"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(limiter)
    with pytest.raises(ConfigurationError, match="must look like rediss://"):
        RedisLimiter("nonsense")
    AsyncPropQ(Credentials(7, "s"), token_store=None, shared_limiter=limiter)
