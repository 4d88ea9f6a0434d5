"""Consumers of a batch that are cancelled or time out, and try again."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import (
    Clock,
    PropQError,
    UnitUpdate,
)
from propq_async._client.updates import Updates
from propq_async._http.wakeup import Wakeup
from tests.helpers.batches import FATAL, a_batch, forever, named, others_are_done
from tests.helpers.support import an_update, run_virtual, until


@pytest.fixture(autouse=True)
def _no_complaints_of_asyncio() -> Iterator[None]:
    """Garbage is collected while warnings are errors and pytest looks out for unraisable ones."""
    yield
    gc.collect()


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(0, 25),
    concurrency=st.integers(1, 6),
    # Whole numbers, so that an outcome often arrives in the very turn of a timeout.
    patience=st.lists(st.integers(0, 3), min_size=1, max_size=20),
    seed=st.integers(0, 2**32),
    asynchronous=st.booleans(),
    in_a_task=st.booleans(),
)
def test_a_consumer_that_times_out_still_gets_every_outcome(
    rows: int,
    concurrency: int,
    patience: list[int],
    seed: int,
    *,
    asynchronous: bool,
    in_a_task: bool,
) -> None:
    chance = random.Random(seed)

    async def make(*_: object) -> dict[str, Any]:
        await asyncio.sleep(chance.randint(0, 3))
        return {}

    async def slow_updates() -> AsyncIterator[UnitUpdate]:
        for update in named(range(rows)):
            await asyncio.sleep(chance.randint(0, 2))
            yield update

    async def main(clock: Clock) -> list[int]:
        source: Updates = slow_updates() if asynchronous else named(range(rows))
        batch = a_batch(source, make, concurrency=concurrency, clock=clock)
        waits = cycle([*patience, 3])
        indexes: list[int] = []
        while True:
            try:
                if in_a_task:
                    outcome = await asyncio.wait_for(anext(batch), next(waits))
                else:
                    async with asyncio.timeout(next(waits)):
                        outcome = await anext(batch)
            except TimeoutError:
                continue
            except StopAsyncIteration:
                break
            indexes.append(outcome.index)
        await others_are_done()
        assert batch.unfinished == []
        assert batch.cut_off == set()
        return indexes

    assert sorted(run_virtual(main)) == list(range(rows))


async def test_an_outcome_is_not_lost_to_a_cancelled_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()

    async def make(*_: object) -> dict[str, Any]:
        await go_on.wait()
        return {}

    batch = a_batch(named("ab"), make)
    consumer = asyncio.create_task(anext(batch))
    await until(lambda: len(batch._open) == 2)
    wake = batch._wake_consumers

    def wake_and_cancel() -> None:
        wake()
        consumer.cancel()

    monkeypatch.setattr(batch, "_wake_consumers", wake_and_cancel)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert sorted([outcome.index async for outcome in batch]) == [0, 1]


async def test_consumers_that_give_up_leave_nothing_behind() -> None:
    async with a_batch(named("a"), forever) as batch:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(batch), 0)
            consumer = asyncio.create_task(anext(batch))
            await until(lambda: batch._consumers)
            consumer.cancel()
            await asyncio.wait([consumer])
            assert not batch._consumers


async def test_pulling_goes_on_when_the_consumer_gives_up() -> None:
    go_on = asyncio.Event()

    async def updates() -> AsyncIterator[UnitUpdate]:
        yield an_update("a")
        await go_on.wait()
        yield an_update("b")

    batch = a_batch(updates())
    assert (await anext(batch)).index == 0
    consumer = asyncio.create_task(anext(batch))
    await until(lambda: batch._consumers)
    consumer.cancel()
    await asyncio.wait([consumer])
    go_on.set()
    assert [outcome.index async for outcome in batch] == [1]


@pytest.mark.parametrize("fatal", FATAL)
async def test_what_ends_the_batch_is_raised_after_a_consumer_gave_up(fatal: PropQError) -> None:
    go_on = asyncio.Event()

    async def make(*_: object) -> dict[str, Any]:
        await go_on.wait()
        raise fatal

    batch = a_batch(named("a"), make)
    consumer = asyncio.create_task(anext(batch))
    await until(lambda: batch._open)
    consumer.cancel()
    await asyncio.wait([consumer])
    go_on.set()
    assert (await anext(batch)).error is fatal
    with pytest.raises(type(fatal)):
        await anext(batch)


async def test_a_closing_that_is_cancelled_and_tried_again_is_complete() -> None:
    holds, let_go = asyncio.Event(), asyncio.Event()

    async def make(*_: object) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            holds.set()
            await let_go.wait()
        return {}

    batch = a_batch(named("abc"), make)
    consumer = asyncio.create_task(anext(batch, None))
    await until(lambda: len(batch._open) == 3)
    closing = asyncio.create_task(batch.aclose())
    await holds.wait()
    closing.cancel()
    again = asyncio.create_task(batch.__aexit__())
    await asyncio.sleep(0)
    assert not closing.done()
    assert not again.done()
    let_go.set()
    await asyncio.wait([closing, again])
    assert closing.cancelled()
    assert [outcome.index for outcome in batch.unfinished] == [0, 1, 2]
    assert await consumer is None
    await others_are_done()


async def test_one_by_one_no_row_goes_out_before_the_last_one_is_looked_at() -> None:
    sent: list[str] = []

    async def make(update: UnitUpdate, *_: object) -> dict[str, Any]:
        sent.append(update.name)
        await asyncio.sleep(0)
        return {}

    async with a_batch(named(range(9)), make, concurrency=1) as batch:
        async for outcome in batch:
            assert len(sent) == outcome.index + 1
            if outcome.index == 4:
                break
    assert len(sent) == 5


@pytest.mark.parametrize("concurrency", [1, 5])
async def test_a_row_and_its_consumer_take_turns_of_one_loop(concurrency: int) -> None:
    """With calls that wait for nothing, each turn of the loop has as many rows as there may be."""
    turns, rows = 0, 100
    loop = asyncio.get_running_loop()

    async def make(*_: object) -> dict[str, Any]:
        return {}

    def turn() -> None:
        nonlocal turns
        turns += 1
        timer[0] = loop.call_soon(turn)

    timer = [loop.call_soon(turn)]
    async with a_batch(named(range(rows)), make, concurrency=concurrency) as batch:
        assert [outcome.index async for outcome in batch] == list(range(rows))
    timer[0].cancel()
    assert turns <= rows / concurrency + 10


@pytest.mark.parametrize("is_known", [True, False])
async def test_one_by_one_an_answer_brings_the_next_request_in_its_own_callback(
    *, is_known: bool
) -> None:
    """The consumer has the outcome by then. Where nothing tells of the callback, it takes turns."""
    loop = asyncio.get_running_loop()
    wakeups: list[Wakeup] = []

    async def make(_: UnitUpdate, row: Any) -> dict[str, Any]:
        wakeups.append(Wakeup(loop))
        if is_known:
            row.wakeup = wakeups[-1]
        await wakeups[-1]
        return {}

    batch = a_batch(named(range(20)), make, concurrency=1)
    taken: list[int] = []

    async def consume() -> None:
        async for outcome in batch:
            taken.append(outcome.index)  # noqa: PERF401 - each at its time

    def has_sent(number: int) -> Callable[[], bool]:
        return lambda: len(wakeups) == number

    consumer = asyncio.create_task(consume())
    for number in range(1, 21):
        await until(has_sent(number))
        at_once = loop.create_future()

        def arrive(at_once: Any = at_once) -> None:
            wakeups[-1].set_result(None)
            at_once.set_result((len(taken), len(wakeups)))

        loop.call_soon(arrive)
        done = number if is_known else number - 1
        sent = min(20, number + 1) if is_known else number
        assert await at_once == (done, sent)
    await consumer


async def test_a_slow_consumer_is_followed_by_the_next_request() -> None:
    """If nobody waits for the outcome, it is the consumer that lets the worker go on."""
    loop = asyncio.get_running_loop()
    wakeups: list[Wakeup] = []

    async def make(_: UnitUpdate, row: Any) -> dict[str, Any]:
        wakeups.append(Wakeup(loop))
        row.wakeup = wakeups[-1]
        await wakeups[-1]
        return {}

    async with a_batch(named(range(3)), make, concurrency=1) as batch:
        first = asyncio.create_task(anext(batch))
        await until(lambda: wakeups)
        loop.call_soon(wakeups[-1].set_result, None)
        assert (await first).index == 0
        await until(lambda: len(wakeups) == 2)
        loop.call_soon(wakeups[-1].set_result, None)
        await until(lambda: batch._ready)
        assert (await anext(batch)).index == 1
        await until(lambda: len(wakeups) == 3)
