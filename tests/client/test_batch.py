from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import (
    APIConnectionError,
    AsyncPropQ,
    AuthenticationError,
    Clock,
    ConfigurationError,
    NotFoundError,
    PropQError,
    RetryPolicy,
    ServerError,
    TokenUnavailableError,
    UnitBatch,
    UnitOutcome,
    UnitUpdate,
)
from propq_async._client.progress import Progress
from propq_async._client.updates import Updates
from propq_async.testing import PropQEmulator
from tests.helpers.batches import (
    FATAL,
    a_batch,
    as_async,
    forever,
    make_nothing,
    named,
    not_found,
    others_are_done,
)
from tests.helpers.support import an_update, drain, run_virtual, until


@pytest.fixture(autouse=True)
def _no_complaints_of_asyncio() -> Iterator[None]:
    """Garbage is collected while warnings are errors and pytest looks out for unraisable ones."""
    yield
    gc.collect()


# --- exactly one outcome --------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [list, iter, as_async, lambda it: (update for update in it)])
@pytest.mark.parametrize("concurrency", [1, 3, 100])
async def test_every_update_has_its_outcome(wrap: Any, concurrency: int) -> None:
    async def make(update: UnitUpdate, *_: object) -> dict[str, Any]:
        await asyncio.sleep(0)
        if update.name == "7":
            raise not_found()
        return {"name": update.name}

    batch = a_batch(wrap(list(named(range(20)))), make, concurrency=concurrency)
    outcomes = sorted([outcome async for outcome in batch], key=lambda outcome: outcome.index)
    assert [outcome.index for outcome in outcomes] == list(range(20))
    for outcome in outcomes:
        assert outcome.update.name == f"{outcome.index}"
        if outcome.ok:
            assert (outcome.response, outcome.error) == ({"name": outcome.update.name}, None)
        else:
            assert (outcome.index, outcome.response) == (7, None)
            assert isinstance(outcome.error, NotFoundError)
    with pytest.raises(StopAsyncIteration):
        await anext(batch)
    await others_are_done()


FAULTS = st.sampled_from(["ok", "404", "500", "lost", "token", "bug"])


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("aAbBc"), FAULTS), max_size=30),
    concurrency=st.integers(1, 6),
    take=st.none() | st.integers(0, 10),
    stop=st.none() | st.integers(0, 10),
    breaks_at=st.none() | st.integers(0, 30),
    seed=st.integers(0, 2**32),
    asynchronous=st.booleans(),
)
def test_each_update_has_one_outcome_and_each_unit_its_order(  # noqa: C901 - a world
    rows: list[tuple[str, str]],
    concurrency: int,
    take: int | None,
    stop: int | None,
    breaks_at: int | None,
    seed: int,
    *,
    asynchronous: bool,
) -> None:
    chance = random.Random(seed)
    pulled: list[UnitUpdate] = []
    applied: dict[str, list[float]] = {}
    running: Counter[str] = Counter()
    highest = 0

    def updates() -> Iterator[UnitUpdate]:
        for index, (name, _) in enumerate(rows):
            if index == breaks_at:
                raise LookupError
            pulled.append(an_update(name, index + 1))
            yield pulled[-1]

    async def make(update: UnitUpdate, progress: Progress) -> dict[str, Any]:
        unit = update.name.casefold()
        running[unit] += 1
        assert running[unit] == 1
        try:
            progress.attempts += 1
            await asyncio.sleep(chance.random())
        finally:
            running[unit] -= 1
        fault = rows[int(update.price) - 1][1]
        if fault == "ok":
            applied.setdefault(unit, []).append(float(update.price))
            return {}
        if fault == "bug":
            raise ZeroDivisionError
        raise {
            "404": not_found(),
            "500": ServerError("x", status=500, method="POST", url="u", may_have_been_applied=True),
            "lost": APIConnectionError("x", method="POST", url="u"),
            "token": TokenUnavailableError("x"),
        }[fault]

    async def main(clock: Clock) -> list[UnitOutcome]:
        nonlocal highest
        source: Updates = as_async(updates()) if asynchronous else updates()
        outcomes: list[UnitOutcome] = []
        async with a_batch(source, make, concurrency=concurrency, clock=clock) as batch:
            try:
                while len(outcomes) != take:
                    outcomes.append(await anext(batch))
                    highest = max(highest, len(pulled) - len(outcomes))
                    if len(outcomes) == stop:
                        batch.stop()
            except (StopAsyncIteration, LookupError, TokenUnavailableError, ZeroDivisionError):
                pass
        await others_are_done()
        return outcomes + batch.unfinished

    outcomes = run_virtual(main)
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(pulled)))
    assert all(pulled[outcome.index] is outcome.update for outcome in outcomes)
    assert highest <= concurrency
    acknowledged: dict[str, list[float]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.index):
        if outcome.ok:
            key = outcome.update.name.casefold()
            acknowledged.setdefault(key, []).append(float(outcome.update.price))
    # In the order of the input; what was applied last may have lost its consumer.
    for unit, prices in applied.items():
        assert prices == sorted(prices)
        assert set(acknowledged.get(unit, [])) <= set(prices)


async def test_an_update_waits_for_the_one_before_it_of_the_same_unit() -> None:
    sent: list[float] = []
    go_on = asyncio.Event()

    async def make(update: UnitUpdate, *_: object) -> dict[str, Any]:
        sent.append(float(update.price))
        await go_on.wait()
        return {}

    same = [an_update("Straße", 1), an_update("STRASSE", 2), an_update("other", 3)]
    elsewhere = an_update("Straße", 4, development_id="4712")
    batch = a_batch([*same, elsewhere, an_update("stras se", 5)], make, concurrency=9)
    first = asyncio.create_task(anext(batch))
    await until(lambda: len(sent) == 3)
    for _ in range(5):
        await asyncio.sleep(0)
    assert sent == [1, 3, 4]
    go_on.set()
    rest = [await first, *[outcome async for outcome in batch]]
    assert sent == [1, 3, 4, 2, 5]
    assert len(rest) == 5


# --- back-pressure --------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_no_more_is_pulled_than_the_consumer_takes(*, asynchronous: bool) -> None:
    pulled = 0

    def endless() -> Iterator[UnitUpdate]:
        nonlocal pulled
        while True:
            pulled += 1
            yield an_update(f"{pulled}")

    source: Updates = as_async(endless()) if asynchronous else endless()
    async with a_batch(source, concurrency=5) as batch:
        for taken in range(50):
            for _ in range(40):
                await asyncio.sleep(0)
            # One more may be pulled out of the generator than out of the iterator around it.
            assert pulled - taken <= 5
            await anext(batch)
    await others_are_done()


def test_memory_does_not_grow_with_the_length() -> None:
    async def main() -> tuple[int, int]:
        same = an_update()
        updates = (same for _ in range(10_000))
        early = late = count = 0
        async for _ in a_batch(updates, concurrency=50):
            count += 1
            if count == 1_000:
                early = tracemalloc.get_traced_memory()[0]
            elif count == 9_000:  # not at the end, at which all of it is given back
                late = tracemalloc.get_traced_memory()[0]
        return early, late

    tracemalloc.start()
    try:
        early, late = asyncio.run(main())
    finally:
        tracemalloc.stop()
    assert 0 < late < early + 100_000


# --- the input ------------------------------------------------------------------------------------


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(
    "error",
    [BrokenError("the file is torn"), asyncio.CancelledError("inner"), BaseException("odd")],
)
async def test_the_inputs_exception_is_raised_after_all_outcomes(
    error: BaseException, *, asynchronous: bool
) -> None:
    def breaking() -> Iterator[UnitUpdate]:
        yield from named(range(7))
        raise error

    source: Updates = as_async(breaking()) if asynchronous else breaking()
    outcomes: list[UnitOutcome] = []
    with pytest.raises(type(error)) as caught:
        await drain(a_batch(source), outcomes)
    assert caught.value is error
    assert len(outcomes) == 7
    await others_are_done()


async def test_what_is_no_update_ends_the_batch() -> None:
    source: Any = [an_update("a"), "a string", an_update("b")]
    batch = a_batch(source, concurrency=1)
    assert (await anext(batch)).ok
    with pytest.raises(TypeError, match="not str"):
        await anext(batch)


async def test_no_updates_are_no_outcomes() -> None:
    assert [outcome async for outcome in a_batch([])] == []


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fatal", FATAL)
async def test_a_fatal_error_is_raised_after_what_is_in_flight(
    fatal: PropQError,
) -> None:
    made = []

    async def make(update: UnitUpdate, *_: object) -> dict[str, Any]:
        made.append(update.name)
        await asyncio.sleep(0)
        if update.name == "2":
            raise fatal
        await asyncio.sleep(0)
        return {}

    outcomes: list[UnitOutcome] = []
    with pytest.raises(type(fatal)) as caught:
        await drain(a_batch(named(range(1_000)), make), outcomes)
    assert str(caught.value) == str(fatal)
    assert sorted(outcome.update.name for outcome in outcomes) == sorted(made)
    assert len(made) < 10
    assert [outcome.error for outcome in outcomes if not outcome.ok] == [fatal]
    await others_are_done()


async def test_a_bug_does_not_look_like_the_end_of_the_input() -> None:
    async def make(update: UnitUpdate, *_: object) -> dict[str, Any]:
        await asyncio.sleep(0)
        if update.price == 1:
            raise ZeroDivisionError
        return {}

    outcomes: list[UnitOutcome] = []
    # The second is the same unit, and waits for the first.
    with pytest.raises(ZeroDivisionError):
        await drain(a_batch([an_update("a", 1), an_update("a", 2)], make), outcomes)
    assert sorted(outcome.ok for outcome in outcomes) == [False, True]


async def endless() -> AsyncIterator[UnitUpdate]:
    for name in range(3):
        yield an_update(f"{name}")
    await asyncio.Event().wait()


async def test_stop_ends_a_batch_whose_input_never_goes_on() -> None:
    outcomes: list[UnitOutcome] = []
    batch = a_batch(endless())
    async for outcome in batch:
        outcomes.append(outcome)
        if len(outcomes) == 3:
            batch.stop()
    assert len(outcomes) == 3
    assert batch.unfinished == []
    await others_are_done()


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_stop_by_the_input_itself_loses_nothing(*, asynchronous: bool) -> None:
    def stopping() -> Iterator[UnitUpdate]:
        yield from named(range(5))
        batch.stop()
        yield an_update("last")
        yield an_update("one too many")

    async def stopping_async() -> AsyncIterator[UnitUpdate]:
        for update in stopping():
            yield update

    batch = a_batch(stopping_async() if asynchronous else stopping())
    assert sorted([outcome.index async for outcome in batch]) == list(range(6))
    await others_are_done()


async def test_stop_yields_what_is_in_flight() -> None:
    batch = a_batch(named(range(100)), concurrency=10)
    await anext(batch)
    batch.stop()
    rest = [outcome async for outcome in batch]
    assert all(outcome.ok for outcome in rest)
    assert len(rest) <= 10


async def close(batch: UnitBatch) -> None:
    await batch.aclose()


async def raise_in_the_body(batch: UnitBatch) -> None:
    with pytest.raises(BrokenError):
        async with batch:
            raise BrokenError


async def cancel_the_consumer(batch: UnitBatch) -> None:
    async def consume() -> None:
        async with batch:
            await anext(batch)

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    consumer.cancel()
    await asyncio.wait([consumer])
    assert consumer.cancelled()


async def cancel_the_closing(batch: UnitBatch) -> None:
    closing = asyncio.create_task(batch.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()


@pytest.mark.parametrize("end", [close, raise_in_the_body, cancel_the_consumer, cancel_the_closing])
async def test_what_was_pulled_and_not_yielded_is_unfinished(end: Any) -> None:
    async def make(update: UnitUpdate, progress: Progress) -> dict[str, Any]:
        return await make_nothing() if update.name in "01" else await forever(update, progress)

    batch = a_batch(named(range(100)), make, concurrency=8)
    assert (await anext(batch)).ok
    await until(lambda: len(batch._open) == 7)
    if end is cancel_the_consumer:
        assert (await anext(batch)).ok
    await end(batch)
    await others_are_done()
    unfinished = batch.unfinished
    assert [outcome.index for outcome in unfinished] == sorted(
        outcome.index for outcome in unfinished
    )
    cut_off = [outcome for outcome in unfinished if not outcome.ok]
    assert 5 < len(cut_off) <= 8
    for outcome in cut_off:
        assert isinstance(outcome.error, APIConnectionError)
        assert outcome.error.url == "http://h/4711"
    assert cut_off[0].error.may_have_been_applied
    assert cut_off[0].attempts == 1
    with pytest.raises(StopAsyncIteration):
        await anext(batch)
    await batch.aclose()
    assert batch.unfinished is unfinished


async def test_a_batch_is_closed_while_its_input_keeps_it_waiting() -> None:
    batch = a_batch(endless())
    outcomes = [await anext(batch) for _ in range(3)]
    await batch.aclose()
    assert len(outcomes) == 3
    assert batch.unfinished == []
    await others_are_done()


@pytest.mark.parametrize("goes_on", [True, False])
async def test_the_input_itself_may_close_the_batch(*, goes_on: bool) -> None:
    async def updates() -> AsyncIterator[UnitUpdate]:
        for update in named(range(5)):
            yield update
        await batch.aclose()
        await batch.aclose()
        if goes_on:
            yield an_update("too late")

    batch = a_batch(updates())
    outcomes: list[UnitOutcome] = []
    async with asyncio.timeout(10):
        await drain(batch, outcomes)
    everything = [*outcomes, *batch.unfinished]
    assert sorted(outcome.index for outcome in everything) == list(range(5))
    await others_are_done()


@pytest.mark.parametrize("name", ["a", "b"])
async def test_a_cancellation_inside_a_hook_loses_no_row(name: str) -> None:
    async def make(update: UnitUpdate, *_: object) -> dict[str, Any]:
        if update.price == 3:
            cancelled = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled
        await asyncio.sleep(0)
        return {}

    updates = [an_update(name if number == 3 else "a", price=number) for number in range(1, 9)]
    outcomes: list[UnitOutcome] = []
    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="was cancelled"):
            await drain(a_batch(updates, make), outcomes)
    pulled = range(len(outcomes))
    assert sorted(outcome.index for outcome in outcomes) == list(pulled)
    (failed,) = [outcome for outcome in outcomes if not outcome.ok]
    assert failed.index == 2
    await others_are_done()


async def test_a_second_aclose_waits_for_the_first() -> None:
    holds, let_go = asyncio.Event(), asyncio.Event()

    async def make(*_: object) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            holds.set()
            await let_go.wait()
        return {}

    batch = a_batch(named("abc"), make)
    consumer = asyncio.create_task(anext(batch))
    await until(lambda: len(batch._open) == 3)
    first = asyncio.create_task(batch.aclose())
    await holds.wait()
    second = asyncio.create_task(batch.aclose())
    await asyncio.sleep(0)
    assert not second.done()
    assert batch.unfinished == []
    let_go.set()
    await second
    await first
    assert sorted(outcome.index for outcome in batch.unfinished) == [0, 1, 2]
    with pytest.raises(StopAsyncIteration):
        await consumer
    await others_are_done()


async def test_a_request_that_did_not_count_is_reported_as_one() -> None:
    asked = asyncio.Event()

    async def make(_: UnitUpdate, progress: Progress) -> dict[str, Any]:
        # Throttled, and under way once more.
        progress.requests, progress.in_doubt = 2, True
        asked.set()
        await asyncio.Event().wait()
        return {}

    batch = a_batch(named("a"), make)
    waiting = asyncio.create_task(anext(batch))
    await asked.wait()
    await batch.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting
    (unfinished,) = batch.unfinished
    assert unfinished.attempts == 1
    assert isinstance(unfinished.error, APIConnectionError)
    assert unfinished.error.attempts == 1
    assert unfinished.error.may_have_been_applied


async def test_a_batch_closed_before_it_began_yields_nothing() -> None:
    batch = a_batch(named(range(3)))
    await batch.aclose()
    assert [outcome async for outcome in batch] == []
    assert batch.unfinished == []


async def test_all_consumers_that_wait_are_woken_by_news() -> None:
    first = asyncio.Event()

    async def make(*_: object) -> dict[str, Any]:
        await first.wait()
        return {}

    batch = a_batch(named(range(2)), make)
    waiting = [asyncio.create_task(anext(batch, None)) for _ in range(4)]
    for _ in range(3):
        await asyncio.sleep(0)
    first.set()
    outcomes = await asyncio.gather(*waiting)
    assert sum(outcome is None for outcome in outcomes) == 2
    await others_are_done()


async def test_a_consumer_that_waits_is_woken_by_the_closing() -> None:
    batch = a_batch(named(range(3)), forever)
    waiting = asyncio.create_task(anext(batch, None))
    await asyncio.sleep(0)
    await batch.aclose()
    assert await waiting is None


def test_a_batch_that_is_dropped_leaves_no_complaint() -> None:
    async def main() -> None:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        for source in (as_async(named(range(9))), endless(), named(range(9))):
            async for _ in a_batch(source, concurrency=2):
                break
        assert complaints == []

    asyncio.run(main())


# --- workers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 2, 7])
async def test_a_short_input_starts_few_workers(rows: int, *, asynchronous: bool) -> None:
    updates = named(range(rows))
    batch = a_batch(as_async(updates) if asynchronous else updates, concurrency=100_000)
    assert len([outcome async for outcome in batch]) == rows
    assert len(batch._workers) <= rows + 1


async def test_an_input_slower_than_the_calls_starts_two_workers() -> None:
    async def slow() -> AsyncIterator[UnitUpdate]:
        for update in named(range(20)):
            for _ in range(9):
                await asyncio.sleep(0)
            yield update

    batch = a_batch(slow(), concurrency=10)
    assert len([outcome async for outcome in batch]) == 20
    assert len(batch._workers) == 2


@settings(max_examples=100, deadline=None)
@given(
    concurrency=st.integers(1, 8),
    finished=st.lists(st.integers(0, 8), max_size=20),
    asynchronous=st.booleans(),
)
def test_as_many_calls_as_allowed_are_under_way(
    concurrency: int, finished: list[int], *, asynchronous: bool
) -> None:
    under_way: list[asyncio.Event] = []

    async def make(*_: object) -> dict[str, Any]:
        go_on = asyncio.Event()
        under_way.append(go_on)
        await go_on.wait()
        return {}

    async def main(clock: Clock) -> None:
        updates = named(count())
        source: Updates = as_async(updates) if asynchronous else updates
        batch = a_batch(source, make, concurrency=concurrency, clock=clock)
        async with batch:
            consumer = asyncio.create_task(anext(batch))
            await asyncio.sleep(1)
            for number in finished:
                assert len(under_way) == concurrency - len(batch._ready)
                for go_on in under_way[:number]:
                    go_on.set()
                del under_way[:number]
                await asyncio.sleep(1)
                if consumer.done():
                    consumer = asyncio.create_task(anext(batch))
                await asyncio.sleep(1)
        await asyncio.wait([consumer])
        consumer.exception()

    run_virtual(main)


# --- another event loop ---------------------------------------------------------------------------


def test_a_batch_in_another_event_loop_says_so() -> None:
    async def begin() -> UnitBatch:
        batch = a_batch(named("abc"), concurrency=1)
        await anext(batch)
        return batch

    with asyncio.Runner() as one, asyncio.Runner() as another:
        batch = one.run(begin())
        for use in (batch.__anext__, batch.aclose, batch.__aexit__):
            with pytest.raises(RuntimeError, match="this batch belongs to another event loop: it"):
                another.run(use())
        one.run(batch.aclose())
    assert len(batch.unfinished) == 1


# --- in a session ---------------------------------------------------------------------------------


def a_client(emulator: PropQEmulator, **kwargs: Any) -> AsyncPropQ:
    retry = RetryPolicy(base_delay_seconds=0.001)
    return AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, retry=retry, **kwargs
    )


async def test_a_price_list_goes_through_a_rough_day(emulator: PropQEmulator) -> None:
    for name in range(150):
        emulator.add_unit("4711", f"{name}")
    for status in (500, 502, 504):
        emulator.fail_next(status, times=5)
    emulator.drop_next(times=5, after_applying=True)
    emulator.drop_next(times=5, after_applying=False)
    emulator.fail_next(429, times=2, retry_after=1)
    emulator.fail_next(503, retry_after=1)
    outcomes: list[UnitOutcome] = []
    async with (
        a_client(emulator).session() as session,
        session.units.update_many(named(range(150)), concurrency=50) as batch,
    ):
        async for outcome in batch:
            outcomes.append(outcome)
            if len(outcomes) == 50:
                emulator.revoke_tokens()
    assert Counter(outcome.ok for outcome in outcomes) == {True: 150}
    assert all(len(emulator.unit("4711", f"{name}").history) > 1 for name in range(150))


async def test_a_revoked_client_ends_the_batch(emulator: PropQEmulator) -> None:
    emulator.fail_next(401, times=1_000)
    outcomes: list[UnitOutcome] = []
    async with a_client(emulator).session() as session:
        with pytest.raises(AuthenticationError):
            await drain(session.units.update_many(named(range(500)), concurrency=10), outcomes)
    assert 0 < len(outcomes) <= 20
    assert emulator.token_requests <= 4


async def test_two_batches_at_once_share_what_they_need(emulator: PropQEmulator) -> None:
    for name in range(50):
        emulator.add_unit("4711", f"{name}")
    async with a_client(emulator, max_connections=5).session() as session:

        async def run() -> list[UnitOutcome]:
            return [outcome async for outcome in session.units.update_many(named(range(50)))]

        results = await asyncio.gather(run(), run())
    assert [len([outcome for outcome in result if outcome.ok]) for result in results] == [50, 50]
    assert emulator.token_requests == 1


@pytest.mark.parametrize("cancelled", [False, True])
async def test_leaving_the_session_closes_its_batches(
    emulator: PropQEmulator, *, cancelled: bool
) -> None:
    emulator.latency_seconds = 30
    batches = []

    async def work() -> None:
        async with a_client(emulator).session() as session:
            for _ in range(3):
                batch = session.units.update_many(named(range(9)), concurrency=3)
                batches.append(batch)
                asyncio.ensure_future(anext(batch, None))  # noqa: RUF006
            await until(lambda: emulator.calls == 9)

    task = asyncio.create_task(work())
    if cancelled:
        while not batches or not batches[0]._closed:  # noqa: ASYNC110 - it lasts a few turns
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() is cancelled
    for batch in batches:
        assert [
            outcome.error.may_have_been_applied for outcome in batch.unfinished if outcome.error
        ] == [True] * 3
        assert all(worker.done() for worker in batch._workers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"concurrency": "2"},
        {"max_outage_seconds": -1},
        {"max_outage_seconds": float("nan")},
    ],
)
async def test_an_argument_that_cannot_work_is_refused(
    emulator: PropQEmulator, wrong: dict[str, Any]
) -> None:
    async with a_client(emulator).session() as session:
        with pytest.raises(ConfigurationError, match=next(iter(wrong))):
            session.units.update_many([], **wrong)


async def test_the_end_of_the_loop_loses_no_outcome() -> None:
    batch = a_batch(named(range(9)), concurrency=2)
    first = await anext(batch)
    # Both workers wait for room: one has made the next row, and one is about to.
    await until(lambda: len(batch._ready) == 2)
    workers = asyncio.all_tasks() - {asyncio.current_task()}
    for worker in workers:  # what asyncio.run does at its end
        worker.cancel()
    await asyncio.wait(workers)
    rest = [outcome async for outcome in batch]
    assert sorted(outcome.index for outcome in [first, *rest]) == [0, 1, 2]
    assert all(outcome.ok for outcome in rest)
