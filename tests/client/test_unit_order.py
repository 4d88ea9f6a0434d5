"""Of the updates of one unit, the one that began last is the last one sent."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    AsyncPropQ,
    RetryPolicy,
    SupersededError,
    UnitOutcome,
    UnitUpdate,
)
from propq_async._client.unit_order import Crowd, UnitOrder
from tests.helpers.support import (
    EmulatorInThread,
    FakeClock,
    Playing,
    Step,
    an_update,
    answer,
    playing,
    token_answer,
    until,
)

APPLIED = answer(200, {"status": "ok"})


class Held:
    """An answer that waits until the test lets it go."""

    def __init__(self, content: bytes = APPLIED) -> None:
        self.content = content
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.go.wait()
        writer.write(self.content)
        await writer.drain()


class HeldClock(FakeClock):
    """A clock whose sleepers wait until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()
        self.awake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self.awake.wait()
        await super().sleep(seconds)


def begin(play: Playing, update: UnitUpdate) -> asyncio.Task[Any]:
    return asyncio.create_task(play.session.units.update(update))


def prices(play: Playing) -> list[int]:
    """Return the prices that were sent, in their order."""
    return [seen.json["UntPrice"] for seen in play.calls]


def order_of(play: Playing) -> dict[Any, Any]:
    units: dict[Any, Any] = play.session._state.entered().order.units
    return units


async def test_no_retry_of_an_older_update_follows_a_newer_one() -> None:
    older, newer = Held(answer(502)), Held()
    async with playing(older, newer) as play:
        first = begin(play, an_update(price=1))
        await older.asked.wait()
        second = begin(play, an_update(price=2))
        newer.go.set()
        older.go.set()
        with pytest.raises(SupersededError, match="the last attempt ended in: 502") as caught:
            await first
        assert (caught.value.attempts, caught.value.may_have_been_applied) == (1, True)
        assert await second == {"status": "ok"}
        assert prices(play) == [1, 2]
        assert order_of(play) == {}


async def test_an_update_in_its_back_off_makes_way() -> None:
    time = HeldClock()
    async with playing(answer(503), APPLIED, clock=time.clock) as play:
        first = begin(play, an_update(price=1))
        await time.asleep.wait()
        await play.session.units.update(an_update(price=2))
        time.awake.set()
        with pytest.raises(SupersededError) as caught:
            await first
        assert not caught.value.may_have_been_applied
        assert prices(play) == [1, 2]


async def test_updates_of_one_unit_go_out_one_by_one_in_their_order() -> None:
    held = [Held() for _ in range(5)]
    async with playing(*held) as play:
        tasks = [begin(play, an_update(price=price)) for price in range(1, 6)]
        for number, one in enumerate(held, 1):
            await one.asked.wait()
            assert prices(play) == list(range(1, number + 1))
            one.go.set()
        await asyncio.gather(*tasks)
        assert order_of(play) == {}


async def test_an_update_that_a_new_token_helps_keeps_its_place() -> None:
    """It was refused before anything was done with it, and its replay waits for nothing."""
    refused = Held(answer(401, {"message": "Unauthenticated."}))
    tokens: list[Step] = [token_answer(), token_answer("token-2")]
    async with playing(refused, APPLIED, tokens=tokens) as play:
        first = begin(play, an_update(price=1))
        await refused.asked.wait()
        second = begin(play, an_update(price=2))
        refused.go.set()
        await asyncio.gather(first, second)
        assert prices(play) == [1, 1, 2]


async def test_updates_with_the_same_values_do_not_wait_for_each_other() -> None:
    held = [Held() for _ in range(3)]
    async with playing(*held) as play:
        tasks = [begin(play, an_update()) for _ in range(3)]
        for one in held:
            await one.asked.wait()
        for one in held:
            one.go.set()
        await asyncio.gather(*tasks)


async def test_an_update_back_to_the_first_values_comes_last() -> None:
    held = [Held() for _ in range(3)]
    async with playing(*held) as play:
        tasks = [begin(play, an_update(price=price)) for price in (1, 2, 1)]
        for one in held:
            await one.asked.wait()
            one.go.set()
        await asyncio.gather(*tasks)
        assert prices(play) == [1, 2, 1]


@pytest.mark.parametrize("other", [an_update(" a 101 ".strip(), 2), an_update("A101", 2)])
@pytest.mark.parametrize("is_alike", [True, False])
async def test_names_that_may_be_one_unit_are_one(other: UnitUpdate, is_alike: bool) -> None:  # noqa: FBT001
    """Case and spaces do not count. In another development it is another unit."""
    held, free = Held(), Held()
    name, development = ("A 101", "4711") if is_alike else ("A 101", "4712")
    async with playing(held, free) as play:
        first = begin(play, an_update(name, 1, development_id=development))
        await held.asked.wait()
        second = begin(play, other)
        if is_alike:
            await until(lambda: len(order_of(play)) == 1 and second._fut_waiter is not None)  # type: ignore[attr-defined]
            assert not free.asked.is_set()
            held.go.set()
        await free.asked.wait()
        free.go.set()
        held.go.set()
        await asyncio.gather(first, second)


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_update_lets_the_next_one_go(cancelled: int) -> None:
    held = [Held() for _ in range(3)]
    async with playing(*held) as play:
        tasks = [begin(play, an_update(price=price)) for price in range(1, 4)]
        await held[0].asked.wait()
        tasks.pop(cancelled).cancel()
        for one in held:
            one.go.set()
        await asyncio.gather(*tasks)
        assert prices(play) == ([1, 2, 3] if cancelled == 0 else [1, 3])
        assert order_of(play) == {}


async def test_a_held_row_of_a_batch_is_overtaken_by_a_single_call() -> None:
    """A single call does not wait for as long as a row of a batch does."""
    time = HeldClock()
    async with playing(answer(503), answer(503), APPLIED, clock=time.clock) as play:
        other = an_update("B-1")
        async with play.session.units.update_many([other, an_update(price=1)]) as batch:
            outcomes: list[UnitOutcome] = []
            taking = asyncio.create_task(take(batch, outcomes))
            await time.asleep.wait()
            await until(lambda: ("4711", "a-101") in order_of(play))
            await play.session.units.update(an_update(price=2))
            time.awake.set()
            await taking
    mine = next(one for one in outcomes if one.update.name == "A-101")
    assert isinstance(mine.error, SupersededError)
    assert [one.ok for one in outcomes if one.update.name == "B-1"] == [True]
    assert [seen.json["UntPrice"] for seen in play.calls if seen.json["UntName"] == "A-101"][
        -1
    ] == 2


async def take(batch: AsyncIterator[UnitOutcome], into: list[UnitOutcome]) -> None:
    into += [outcome async for outcome in batch]


async def test_an_update_that_never_went_out_was_not_applied() -> None:
    """Two wait at the throttle. The older one, a row, gets its turn after the newer one."""
    blocker = Held()
    # The clock of the test runs ahead.
    patient = RetryPolicy(max_wait_seconds=math.inf)
    async with playing(blocker, APPLIED, max_connections=1, retry=patient) as play:
        first = begin(play, an_update("B-1"))
        await blocker.asked.wait()
        async with play.session.units.update_many([an_update(price=1)]) as batch:
            outcomes: list[UnitOutcome] = []
            taking = asyncio.create_task(take(batch, outcomes))
            await until(lambda: len(order_of(play)) == 2)
            second = begin(play, an_update(price=2))
            await until(lambda: play.session._state.entered().throttle.waiting == 2)
            blocker.go.set()
            await asyncio.gather(first, second, taking)
    (outcome,) = outcomes
    assert isinstance(outcome.error, SupersededError)
    assert (outcome.attempts, outcome.error.may_have_been_applied) == (0, False)
    assert "the last attempt" not in str(outcome.error)


def test_two_threads_send_one_unit_in_turns() -> None:
    with EmulatorInThread() as emulator:
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
        most: list[int] = []
        emulator.latency_seconds = 0.001
        together = threading.Barrier(2)

        async def run(first: int) -> None:
            async with propq.session() as session:
                await propq.tokens.get_token()
                await asyncio.to_thread(together.wait)
                for price in range(first, first + 100, 2):
                    await session.units.update(an_update(price=price))
                    most.append(emulator.in_flight)

        threads = [threading.Thread(target=asyncio.run, args=(run(n),)) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert emulator.applied == 100
        assert max(most) <= 1
        assert propq._owner._order.units == {}


class Stalled:
    """An update whose event loop, in another process or thread, no longer runs."""

    body: bytes | None = b"1"
    crowd: Crowd | None = None
    in_flight = True
    is_overtaken = False
    waiter: asyncio.Future[None] | None = None
    attempt_seconds = 0.01
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()


class Loop:
    """What a member of a crowd shows of its event loop. It notes whom it is to wake."""

    def __init__(self, closes: str) -> None:
        self._closes = closes
        self.woken: list[Any] = []

    def is_closed(self) -> bool:
        return self._closes == "before"

    def call_soon_threadsafe(self, _: Any, waiter: Any) -> None:
        if self._closes == "meanwhile":
            self._closes = "before"
            raise RuntimeError("Event loop is closed")
        self.woken.append(waiter)


STATES = st.tuples(
    st.sampled_from([b"1", b"2", b"3"]),
    st.sampled_from(["in flight", "waits", "neither"]),
    st.sampled_from(["not", "not", "not", "meanwhile", "before"]),
)


@given(states=st.lists(STATES, min_size=1, max_size=8))
async def test_only_those_are_woken_that_have_to_wait_no_longer(
    states: list[tuple[bytes, str, str]],
) -> None:
    members = []
    for body, state, closes in states:
        member: Any = Stalled()
        member.body, member.in_flight = body, state == "in flight"
        member.loop = Loop(closes if state == "waits" else "not")
        member.waiter = object() if state == "waits" else None
        members.append(member)
    crowd = Crowd(threading.RLock(), members[0])
    crowd.members[:] = members
    crowd.wake()
    for member in members:
        is_free = member.waiter is not None and crowd._ahead_of(member) is None
        is_woken = member.loop.woken == [member.waiter]
        assert is_woken == (is_free and not member.loop.is_closed())


async def test_who_waits_while_another_goes_on_does_not_take_it_for_stalled() -> None:
    """The time is that of all threads, so it cannot be a virtual one."""
    first, last = Stalled(), Stalled()
    first.body, first.attempt_seconds, last.in_flight = b"2", 1.5, False
    crowd = Crowd(threading.RLock(), first)
    crowd.members.append(last)
    turn = asyncio.ensure_future(crowd.turn(last))
    for _ in range(4):
        await asyncio.sleep(0.5)
        # Another attempt of it begins.
        assert crowd.go(first)
        assert not turn.done()
    # From here on nothing is heard of it.
    began = monotonic()
    await turn
    assert not first.in_flight
    assert monotonic() - began >= 1.49


async def test_a_stalled_update_is_waited_for_no_longer_than_an_attempt_takes() -> None:
    stalled = Stalled()
    async with playing(APPLIED) as play:
        order = play.session._state.entered().order
        order.units["4711", "a-101"] = stalled
        await play.session.units.update(an_update())
        assert prices(play) == [250_000]
        assert stalled.is_overtaken


@pytest.mark.parametrize("waits", [True, False])
async def test_an_update_of_a_closed_loop_is_not_waited_for(waits: bool) -> None:  # noqa: FBT001
    stalled = Stalled()
    stalled.attempt_seconds = 3600
    if waits:
        stalled.in_flight = False
        stalled.waiter = asyncio.get_running_loop().create_future()
    stalled.loop = asyncio.new_event_loop()
    stalled.loop.close()
    async with playing(APPLIED) as play:
        play.session._state.entered().order.units["4711", "a-101"] = stalled
        await play.session.units.update(an_update())


async def test_a_batch_still_finishes_a_row_before_the_next_of_its_unit() -> None:
    """Within one batch nothing is superseded: its rows wait for each other's outcomes."""
    async with playing(answer(500), APPLIED, retry=RetryPolicy(base_delay_seconds=0)) as play:
        rows = [an_update(price=1), an_update(price=2)]
        outcomes: list[UnitOutcome] = []
        await take(play.session.units.update_many(rows), outcomes)
        assert [one.ok for one in outcomes] == [True, True]
        assert prices(play) == [1, 1, 2]


async def test_who_comes_when_the_other_one_has_just_left_is_alone() -> None:
    """The other one may belong to another thread."""
    order, one = UnitOrder(), Stalled()
    order.join(("4711", "a-101"), one)
    assert order.units == {("4711", "a-101"): one}
    assert one.crowd is None


async def test_an_update_that_waits_for_its_token_keeps_nobody_waiting() -> None:
    token = Held(token_answer())
    async with playing(APPLIED, tokens=[token]) as play:
        tasks = [begin(play, an_update(price=price)) for price in (1, 2)]
        await token.asked.wait()
        token.go.set()
        await asyncio.gather(*tasks)
        assert prices(play) == [1, 2]
