from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
import uvloop

from propq_async import (
    APIError,
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    RetryPolicy,
    Stats,
    TokenRefusedError,
)
from propq_async.testing import PropQEmulator
from tests.helpers.support import (
    EmulatorInThread,
    FakeClock,
    ScriptedServer,
    Step,
    an_update,
    answer,
    token_answer,
    until,
)

OK = answer(200, {})
NOTHING = Stats(calls=0, retries=0, refused=0, refreshes=0, in_flight=0, waiting=0)
COUNTS = ("calls", "retries", "refused", "refreshes", "in_flight", "waiting")


def counts_of(stats: Stats) -> dict[str, int]:
    return {name: getattr(stats, name) for name in COUNTS}


def only(**counts: int) -> dict[str, int]:
    return dict.fromkeys(COUNTS, 0) | counts


def a_client(url: str, credentials: Credentials | None = None, **settings: Any) -> AsyncPropQ:
    defaults = {"token_store": None, "jitter": lambda: 0.0}
    return AsyncPropQ(credentials or Credentials(1, "x"), base_url=url, **(defaults | settings))


async def test_a_factory_that_has_done_nothing_has_counted_nothing() -> None:
    propq = a_client("http://127.0.0.1:1")
    assert propq.stats() == NOTHING
    async with propq:
        assert propq.stats() == NOTHING


async def test_a_snapshot_cannot_be_changed_and_does_not_change(emulator: PropQEmulator) -> None:
    propq = a_client(emulator.url, emulator.credentials)
    async with propq.session() as session:
        before = propq.stats()
        await session.units.update(an_update())
    assert before == NOTHING
    assert counts_of(propq.stats()) == only(calls=1, refreshes=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.calls = 7  # type: ignore[misc]


DROPPED = None


@pytest.mark.parametrize(
    ("steps", "retries", "refused", "refreshes"),
    [
        ([OK], 0, 0, 1),
        ([answer(404)], 0, 0, 1),
        # A page of a gateway with status 200 is as a 502.
        ([answer(200, "<html>")], 4, 0, 1),
        ([answer(500), DROPPED, answer(502), OK], 3, 0, 1),
        ([answer(429, headers={"Retry-After": "9"}), answer(429), OK], 2, 2, 1),
        ([answer(503, headers={"Retry-After": "9"}), OK], 1, 1, 1),
        ([answer(503), OK], 1, 0, 1),
        ([answer(503, headers={"Retry-After": "999"})], 0, 1, 1),
        ([answer(401), OK], 1, 0, 2),
        ([answer(500)], 4, 0, 1),
    ],
)
async def test_a_call_counts_once_and_each_repeat_as_a_retry(
    steps: list[Step], retries: int, refused: int, refreshes: int
) -> None:
    tokens: list[Step] = [token_answer(f"token-{number}") for number in range(3)]
    async with ScriptedServer(*steps, by_path={"/oauth/token": tokens}) as server:
        propq = a_client(server.url, clock=FakeClock().clock)
        async with propq.session() as session:
            try:
                await session.units.update(an_update())
            except APIError as error:
                assert steps[-1] is not OK, error  # noqa: PT017
        requests = len(server.seen) - len(server.paths("/oauth/token"))
    stats = propq.stats()
    assert (stats.calls, stats.retries) == (1, requests - 1) == (1, retries)
    assert (stats.refused, stats.refreshes) == (refused, refreshes)
    assert (stats.in_flight, stats.waiting) == (0, 0)


async def test_only_fetched_tokens_count_as_refreshes(
    emulator: PropQEmulator, token_file: Any
) -> None:
    first, second = (
        a_client(emulator.url, emulator.credentials, token_store=JsonFileTokenStore(token_file))
        for _ in range(2)
    )
    for propq in (first, second):
        async with propq.session() as session:
            await session.units.update(an_update())
    assert [propq.stats().refreshes for propq in (first, second)] == [1, 0]
    wrong = a_client(emulator.url, Credentials(1, "wrong"))
    async with wrong.session() as session:
        with pytest.raises(TokenRefusedError):
            await session.units.update(an_update())
    # The call was begun, although no request was made.
    assert counts_of(wrong.stats()) == only(calls=1)
    assert wrong.stats().outcomes == {"TokenRefusedError": 1}


async def test_what_is_in_flight_and_what_waits_is_told_apart(emulator: PropQEmulator) -> None:
    emulator.latency_seconds = 30
    propq = a_client(emulator.url, emulator.credentials, max_connections=3)
    async with propq.session() as one, propq.session() as other:
        calls = [
            asyncio.create_task(session.units.update(an_update()))
            for session in (one, other)
            for _ in range(5)
        ]
        await until(lambda: emulator.calls == 3)
        stats = propq.stats()
        assert (stats.calls, stats.in_flight, stats.waiting) == (10, 3, 7)
        # From the middle of the queue, and one of those under way, whose place the next one takes.
        calls[5].cancel()
        calls[0].cancel()
        await asyncio.wait([calls[0], calls[5]])
        stats = propq.stats()
        assert (stats.calls, stats.in_flight, stats.waiting) == (10, 3, 5)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        stats = propq.stats()
        assert (stats.calls, stats.in_flight, stats.waiting) == (10, 0, 0)
    assert counts_of(propq.stats()) == only(calls=10, refreshes=1)


async def test_rows_and_calls_of_all_sessions_are_counted(
    emulator: PropQEmulator,
) -> None:
    for name in range(200):
        emulator.add_unit("4711", f"{name}")
    retry = RetryPolicy(attempts=9, base_delay_seconds=0.001)
    propq = a_client(emulator.url, emulator.credentials, retry=retry, max_connections=20)

    async def updates() -> AsyncIterator[Any]:
        for name in range(200):
            if name % 20 == 0:
                emulator.fail_next(500)
                emulator.drop_next(after_applying=bool(name % 40))
            yield an_update(f"{name}")

    async def batch() -> None:
        async with propq.session() as session:
            async for outcome in session.units.update_many(updates(), concurrency=10):
                assert outcome.ok, outcome.error

    async def single(name: int) -> None:
        async with propq.session() as session:
            await session.request(
                "POST",
                "/v1/developments/4711/units/update-by-name",
                json={"UntName": f"{name}", "UntStatus": 1, "UntPrice": 1, "UntDirections": ["N"]},
                retry_unacknowledged=True,
            )

    async with propq:
        await asyncio.gather(batch(), batch(), *(single(name) for name in range(100)))
    stats = propq.stats()
    assert stats.calls == 500
    assert stats.retries == emulator.calls - 500 >= 40
    assert (stats.refused, stats.refreshes) == (0, 1)
    assert (stats.in_flight, stats.waiting) == (0, 0)


def test_the_counts_of_one_event_loop_after_another_add_up() -> None:
    with EmulatorInThread() as emulator:
        propq = a_client(emulator.url, emulator.credentials)

        async def work() -> None:
            for _ in range(2):
                async with propq.session() as session:
                    await asyncio.gather(*(session.units.update(an_update()) for _ in range(7)))

        for number, factory in enumerate((None, uvloop.new_event_loop, None), 1):
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(work())
            assert counts_of(propq.stats()) == only(calls=14 * number, refreshes=1)
        # What belongs to loops that are closed is kept as a sum, and not one by one.
        assert len(propq._owner.counters._open) == 1


def test_two_threads_lose_no_count_and_a_third_may_ask() -> None:
    with EmulatorInThread() as emulator:
        propq = a_client(emulator.url, emulator.credentials, max_connections=5)
        together = threading.Barrier(3)
        failed: list[BaseException] = []

        async def work() -> None:
            async with propq:
                await asyncio.to_thread(together.wait)
                for _ in range(10):
                    async with propq.session() as session:
                        await asyncio.gather(
                            *(session.units.update(an_update()) for _ in range(20))
                        )

        def run() -> None:
            try:
                asyncio.run(work())
            except BaseException as error:  # noqa: BLE001 - it would end with the thread
                failed.append(error)
                together.abort()

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        together.wait()
        seen = [propq.stats()]
        while any(thread.is_alive() for thread in threads):
            seen.append(propq.stats())
            threads[0].join(0.001)
        for thread in threads:
            thread.join()
    assert failed == []
    assert all(stats.in_flight <= 10 and stats.waiting <= 40 for stats in seen)
    calls = [stats.calls for stats in seen]
    assert calls == sorted(calls)
    assert propq.stats().calls == 400
    assert (propq.stats().in_flight, propq.stats().waiting) == (0, 0)


async def test_a_closed_loop_leaves_nothing_in_flight(
    emulator: PropQEmulator,
) -> None:
    emulator.latency_seconds = 30
    propq = a_client(emulator.url, emulator.credentials)

    async def broken_off() -> None:
        session = await propq.session().__aenter__()
        call = asyncio.ensure_future(session.units.update(an_update()))
        while not propq.stats().in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        # The pool is closed, or aiohttp complains; but nobody leaves.
        await propq._owner.loops[asyncio.get_running_loop()].resources.pool.close()
        call.cancel()

    await asyncio.to_thread(lambda: asyncio.run(broken_off()))
    assert (propq.stats().calls, propq.stats().in_flight) == (1, 0)
