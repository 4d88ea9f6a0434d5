from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from propq_async import (
    AsyncPropQ,
    Credentials,
    NotFoundError,
    PropQError,
    RetryPolicy,
    TokenRefusedError,
    UnitUpdate,
    pricelist,
)
from propq_async.ledger import Account, Entry, LedgerBusyError, LedgerError
from propq_async.ledger._records import Records
from propq_async.pricelist import (
    PushOutcome,
    Reason,
    Row,
    Standing,
    Table,
)
from propq_async.pricelist._changes import Change, untried_first
from tests.helpers.lists import unit
from tests.helpers.planning import House, a_house, reasons, taken
from tests.helpers.support import an_update, until

SPLIT = range(101, 131), range(131, 141)


def a_change(name: str, *, is_in_doubt: bool) -> Change:
    update = an_update(name)
    before = Entry("4711", name, None, None, (), None, is_in_doubt, None, False)  # noqa: FBT003
    row = Row(update, Table(Path("list.csv"), None, (), 1), 2, ())
    return Change(row, Reason.CHANGED, before)


async def test_a_push_blocks_nobody_and_is_noted(house: House) -> None:
    rows = [unit(f"A-{number}", number) for number in range(101, 141)]
    prices = house.write(*rows)
    with blockbuster_ctx():
        made = await pricelist.plan(prices, house.propq, house.ledger)
        push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=4)
        async with push as outcomes:
            assert outcomes is push
            names = {outcome.change.update.name async for outcome in outcomes if outcome.ok}
    assert names == {f"A-{number}" for number in range(101, 141)}
    assert push.standing == Standing(40, applied=40)
    assert {unit.price for unit in house.emulator.units.values()} == set(range(101, 141))
    assert not (await house.plan(*rows)).changes


async def test_what_was_sent_and_not_acknowledged_is_sent_again(house: House) -> None:
    """A is acknowledged, B is applied and nobody learns of it, the list goes back to A."""
    await house.push(unit("A-101", 100_000))
    made = await house.plan(unit("A-101", 110_000))
    house.emulator.latency_seconds = 0.2
    push = pricelist.push(made, house.propq, house.ledger, accept="all")
    async with push as outcomes:
        asking = asyncio.create_task(anext(outcomes))
        await until(lambda: house.emulator.calls == 2)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert push.standing == Standing(1, cut_off=1, cut_off_unsure=1)
    house.emulator.latency_seconds = 0
    back = await house.plan(unit("A-101", 100_000))
    assert reasons(back) == {"A-101": Reason.IN_DOUBT}
    await house.push(unit("A-101", 100_000))
    assert house.emulator.unit("4711", "A-101").price == 100_000
    assert not (await house.plan(unit("A-101", 100_000))).changes


async def test_what_failed_and_may_have_been_applied_is_sent_again(tmp_path: Path) -> None:
    """A is acknowledged, B is applied and its answers are lost, the list goes back to A."""
    retry = RetryPolicy(attempts=2, base_delay_seconds=0.01)
    async with a_house(tmp_path, retry=retry) as house:
        old = [unit(f"A-{number}", 100_000) for number in range(101, 141)]
        await house.push(*old)
        house.emulator.latency_seconds = 0.01
        house.emulator.drop_next(times=9, after_applying=True, match={"UntName": "A-101"})
        made = await house.plan(*(unit(f"A-{number}", 110_000) for number in range(101, 141)))
        push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=4)
        async with push as outcomes:
            (failed,) = [outcome async for outcome in outcomes if not outcome.ok]
        assert failed.is_failure
        assert push.standing == Standing(40, applied=39, failed=1, unsure=1)
        assert house.emulator.unit("4711", "A-101").price == 110_000
        house.emulator.reset()
        for number in range(101, 141):
            house.emulator.add_unit("4711", f"A-{number}", price=110_000)
        later = AsyncPropQ(
            house.emulator.credentials, base_url=house.emulator.url, token_store=None
        )
        back = await house.plan(*old)
        assert reasons(back)["A-101"] is Reason.IN_DOUBT
        assert len(back.changes) == 40
        async with later, pricelist.push(back, later, house.ledger, accept="all") as outcomes:
            assert all([outcome.ok async for outcome in outcomes])
        assert {one.price for one in house.emulator.units.values()} == {100_000}


async def test_refused_rows_are_outcomes_and_are_sent_again(house: House) -> None:
    good, bad = await house.push(unit("A-101"), unit("Nobody"))
    if good.error is not None:
        good, bad = bad, good
    assert good.ok
    assert isinstance(bad.error, NotFoundError)
    assert bad.change.row.line == 3
    assert not (await house.plan(unit("A-101"))).warnings
    made = await house.plan(unit("A-101"), unit("Nobody"))
    assert reasons(made) == {"Nobody": Reason.IN_DOUBT}
    async with pricelist.push(made, house.propq, house.ledger, accept="all") as outcomes:
        async for _ in outcomes:
            pass
        assert outcomes.standing == Standing(1, failed=1)


async def test_rows_that_break_the_server_hide_no_other_row(tmp_path: Path) -> None:
    """Three quarters of a list get a 500 each time. The next push sends all the others first."""
    bad, good = ([f"A-{number}" for number in numbers] for numbers in SPLIT)
    async with a_house(tmp_path, retry=RetryPolicy(attempts=2, base_delay_seconds=0)) as house:
        for name in bad:
            house.emulator.fail_next(500, times=1_000, match={"UntName": name})
        for price, order in ((1_000, bad + good), (2_000, good + bad)):
            made = await house.plan(*(unit(name, price) for name in bad + good))
            push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=1)
            async with push as batch:
                outcomes = [outcome async for outcome in batch]
            assert [one.change.update.name for one in outcomes] == order
            assert all(one.change.update is one.outcome.update for one in outcomes)
            assert {one.change.update.name for one in outcomes if one.is_failure} == set(bad)
            assert push.standing == Standing(40, applied=10, failed=30, unsure=30)
            # A plan is shown in the order of the list.
            assert [one.update.name for one in made.changes] == bad + good


@pytest.mark.parametrize(
    ("doubtful", "expected"),
    [
        ((), ["Aa", "Bb", "Cc", "aA", "Dd"]),
        (("Aa",), ["Bb", "Cc", "Dd", "Aa", "aA"]),
        (("aA", "Cc"), ["Bb", "Dd", "Aa", "Cc", "aA"]),
        (("Aa", "Bb", "Cc", "aA", "Dd"), ["Aa", "Bb", "Cc", "aA", "Dd"]),
    ],
)
def test_what_was_tried_goes_last_and_names_alike_stay_in_order(
    doubtful: tuple[str, ...], expected: list[str]
) -> None:
    names = ["Aa", "Bb", "Cc", "aA", "Dd"]
    changes = [a_change(name, is_in_doubt=name in doubtful) for name in names]
    assert [change.update.name for change in untried_first(changes)] == expected


async def test_rows_that_always_get_a_500_keep_no_other_back_push_after_push(
    tmp_path: Path,
) -> None:
    """Of 300 rows 120 adjacent ones crash the server, each time."""
    names = [f"B-{number}" for number in range(300)]
    crashing, before = set(names[50:170]), 0
    async with a_house(tmp_path, retry=RetryPolicy(attempts=2, base_delay_seconds=0.01)) as house:
        for name in names:
            house.emulator.add_unit("4711", name)
        house.emulator.fail_next(
            500, times=10_000, match=lambda request: request.body["UntName"] in crashing
        )
        for price in (100_000, 110_000):
            before = house.emulator.calls
            made = await house.plan(*(unit(name, price) for name in names))
            push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=20)
            async with push as outcomes:
                failed = {one.change.update.name async for one in outcomes if one.is_failure}
            assert failed == crashing
            assert push.standing == Standing(300, applied=180, failed=120, unsure=120)
            assert {house.emulator.unit("4711", one).price for one in set(names) - crashing} == {
                price
            }
        # In the second push, those that had failed come behind all others.
        sent = [request.body["UntName"] for request in house.emulator.requests[before:]]
    assert not crashing.intersection(sent[:180])


async def test_a_stopped_push_goes_on_where_it_stood(house: House) -> None:
    rows = [unit(f"A-{number}") for number in range(101, 141)]
    push = pricelist.push(
        await house.plan(*rows), house.propq, house.ledger, accept="all", concurrency=5
    )
    async with push as outcomes:
        async for _ in outcomes:
            if push.standing.applied == 10:
                outcomes.stop()
    assert 10 <= push.standing.applied <= 15
    assert push.standing.not_sent == 40 - push.standing.applied
    applied = house.emulator.applied
    assert applied == push.standing.applied
    assert len(await house.push(*rows)) == 40 - applied
    assert house.emulator.applied == 40


async def test_a_push_stopped_before_it_is_entered_sends_nothing(house: House) -> None:
    rows = [unit("A-101"), unit("A-102")]
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger, accept="all")
    push.stop()
    assert await taken(push) == 0
    assert push.standing == Standing(2)
    assert house.emulator.calls == 0
    # Nor is anything said to be in doubt.
    assert set(reasons(await house.plan(*rows)).values()) == {Reason.NEW}


@pytest.mark.parametrize("ending", ["stopped", "left"])
async def test_what_was_never_sent_is_not_in_doubt(ending: str, house: House) -> None:
    """Unless it was in doubt before, or may have been sent."""
    names = [f"A-{number}" for number in range(101, 141)]
    await house.push(*(unit(name, 1) for name in names[:-10]))
    (stale,) = [row for row in house.write(unit("A-130", 2)) if isinstance(row, Row)]
    account = Account(house.propq.base_url, house.propq.client_id)
    await house.ledger.mark(account, [stale.update])

    rows = [unit(name, 2, status="AVAILABLE") for name in names]
    made = await house.plan(*rows)
    house.emulator.throttle(9, 1000)
    push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=5)
    async with push as outcomes:
        async for _ in outcomes:
            if push.standing.applied == 4 and ending == "stopped":
                outcomes.stop()
            if push.standing.applied == 9:
                break
    assert push.standing.applied >= 4
    assert push.standing.not_sent > 20
    left = (await house.plan(*rows)).changes
    doubtful = {one.update.name for one in left if one.before and one.before.is_in_doubt}
    # What was in doubt before, and what was under way.
    assert "A-130" in doubtful
    assert doubtful - {"A-130"} <= set(names[:15])
    assert len(doubtful) <= 1 + push.standing.cut_off
    known = {one.update.name: one for one in left}
    for name in names:
        if house.emulator.unit("4711", name).price == 2:
            assert name in doubtful or name not in known
    assert {known[name].reason for name in names[-10:]} == {Reason.NEW}
    # The list goes back to what it was: what was not sent is as it was, and needs nothing.
    back = reasons(await house.plan(*(unit(name, 1) for name in names)))
    assert not back.keys() & set(names[15:29])
    assert back["A-130"] is Reason.IN_DOUBT


async def test_names_alike_stay_in_doubt_if_one_of_them_was_sent(house: House) -> None:
    """To the server they may be one unit, which has what was sent for the other one."""
    house.emulator.add_unit("4711", "A 1")
    house.emulator.add_unit("4711", "a1")
    house.emulator.add_unit("4711", "a 2")
    await house.push(unit("a1", 1), unit("a 2", 1))
    made = await house.plan(unit("A 1"), unit("a1", 2), unit("A2"))
    push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=1)
    async with push as outcomes:
        assert (await anext(outcomes)).change.update.name == "A 1"
        outcomes.stop()
        assert [outcome async for outcome in outcomes] == []
    # Nothing was sent for 'a1', nor for 'A2', with which 'a 2' was marked.
    back = await house.plan(unit("A 1"), unit("a1", 1), unit("a 2", 1), unit("A2"))
    assert reasons(back) == {"a1": Reason.IN_DOUBT, "A2": Reason.NEW}


async def test_a_mark_that_cannot_be_taken_back_does_no_harm(house: House) -> None:
    rows = [unit(f"A-{number}") for number in range(101, 141)]
    await house.ledger.mark(Account("https://x", 1), [])
    with closing(sqlite3.connect(house.ledger.path)) as db:
        db.executescript(
            "CREATE TRIGGER no BEFORE DELETE ON unit BEGIN SELECT raise(FAIL, 'no room'); END"
        )
    push = pricelist.push(
        await house.plan(*rows), house.propq, house.ledger, accept="all", concurrency=2
    )
    async with push as outcomes:
        await anext(outcomes)
        outcomes.stop()
        async for _ in outcomes:
            pass
    left = await house.plan(*rows)
    assert set(reasons(left).values()) == {Reason.IN_DOUBT}
    assert len(left.changes) == 40 - push.standing.applied


async def test_marks_that_are_set_while_it_is_stopped_are_taken_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [unit("A-101"), unit("A-102")]
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger, accept="all")
    real = Records.mark
    loop = asyncio.get_running_loop()

    def mark(*arguments: Any) -> Any:
        marked = real(*arguments)
        stopped = threading.Event()
        loop.call_soon_threadsafe(push.stop)
        loop.call_soon_threadsafe(stopped.set)
        assert stopped.wait(10)
        return marked

    monkeypatch.setattr(Records, "mark", mark)
    assert await taken(push) == 0
    assert house.emulator.applied == 0
    assert set(reasons(await house.plan(*rows)).values()) == {Reason.NEW}


async def test_what_was_ready_when_it_was_left_is_noted(house: House) -> None:
    rows = [unit(f"A-{number}") for number in range(101, 109)]
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger, accept="all")
    async with push as outcomes:
        await anext(outcomes)
        await until(lambda: house.emulator.applied == 8)
        await asyncio.sleep(0.1)  # until all answers are here, of which nothing tells
    assert push.standing == Standing(8, applied=8)
    assert not (await house.plan(*rows)).changes


@pytest.mark.parametrize("seed", range(4))
async def test_a_push_whose_consumer_times_out_loses_nothing(
    house: House, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    rows = [unit(f"A-{number}") for number in range(101, 141)]
    noted: Counter[str] = Counter()
    acknowledge = house.ledger.acknowledge

    async def counting(account: Account, updates: Iterable[UnitUpdate], *more: Any) -> None:
        updates = list(updates)
        noted.update(update.name for update in updates)
        await acknowledge(account, updates, *more)

    monkeypatch.setattr(house.ledger, "acknowledge", counting)
    house.emulator.latency_seconds = 0.002
    push = pricelist.push(
        await house.plan(*rows), house.propq, house.ledger, accept="all", concurrency=3
    )
    names: list[str] = []
    timeouts = 0
    async with push as outcomes:
        while True:
            try:
                async with asyncio.timeout(chance.choice([0, 0.0005, 0.001, 0.002])):
                    outcome = await anext(outcomes)
            except TimeoutError:
                timeouts += 1
                continue
            except StopAsyncIteration:
                break
            names.append(outcome.change.update.name)
    assert timeouts
    assert sorted(names) == [f"A-{number}" for number in range(101, 141)]
    assert noted == Counter(names)
    assert house.emulator.applied == 40
    assert push.standing == Standing(40, applied=40)
    assert not (await house.plan(*rows)).changes


async def test_entering_a_push_cancelled_once_and_tried_again(house: House) -> None:
    made = await house.plan(unit("A-101"))
    for turns in range(1, 6):
        push = pricelist.push(made, house.propq, house.ledger, accept="all")
        entering = asyncio.create_task(push.__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        entering.cancel()
        await asyncio.wait([entering])
        if not entering.cancelled():
            await push.__aexit__(None, None, None)
    # Only entering as a whole leaves nothing behind that keeps another one out.
    assert await taken(pricelist.push(made, house.propq, house.ledger, accept="all")) == 1


async def test_leaving_a_push_once_more_takes_no_mark_of_another_push(house: House) -> None:
    rows = [unit("A-101"), unit("A-102")]
    push = pricelist.push(
        await house.plan(*rows), house.propq, house.ledger, accept="all", concurrency=1
    )
    async with push:
        await anext(push)
    leaving = asyncio.create_task(push.__aexit__(None, None, None))
    await asyncio.wait([leaving])
    made = await house.plan(*rows)
    async with house.ledger.exclusive():
        await house.ledger.mark(made.account, [change.update for change in made.changes])
        await push.__aexit__(None, None, None)
    assert Reason.IN_DOUBT in reasons(await house.plan(*rows)).values()


def test_a_push_in_another_event_loop_says_so(tmp_path: Path) -> None:
    with asyncio.Runner() as one, asyncio.Runner() as another:
        house_of_one = a_house(tmp_path)
        house = one.run(house_of_one.__aenter__())
        made = one.run(house.plan(unit("A-101")))
        push = pricelist.push(made, house.propq, house.ledger, accept="all")
        one.run(push.__aenter__())
        for use in (push.__anext__, push.__aexit__):
            with pytest.raises(RuntimeError, match="this push belongs to another event loop: it"):
                another.run(use())
        assert one.run(push.__anext__()).ok
        one.run(push.__aexit__())
        one.run(house_of_one.__aexit__(None, None, None))


async def test_what_ends_a_batch_ends_a_push(house: House) -> None:
    wrong = AsyncPropQ(Credentials(1, "wrong"), base_url=house.emulator.url, token_store=None)
    made = await house.plan(unit("A-101"))
    async with wrong:
        with pytest.raises(TokenRefusedError):
            await taken(pricelist.push(made, wrong, house.ledger, accept="all"))
    # Nothing was sent, so nothing is in doubt.
    assert reasons(await house.plan(unit("A-101"))) == {"A-101": Reason.NEW}


@pytest.mark.parametrize("outage", ["503", "429", "lost", "token"])
async def test_an_outage_leaves_nothing_to_mend(outage: str, house: House) -> None:
    """What was cut off says nothing of the rows, and is sent again. A row that is refused does."""
    rows = [unit("Nobody"), *(unit(f"A-{number}") for number in range(101, 141))]
    made = await house.plan(*rows)
    emulator = house.emulator
    outcomes: list[PushOutcome] = []
    push = pricelist.push(
        made, house.propq, house.ledger, accept="all", concurrency=4, max_outage_seconds=0.2
    )

    async def take() -> None:
        async with push as batch:
            async for outcome in batch:
                outcomes.append(outcome)
                if len(outcomes) == 6 and outage != "429":
                    if outage == "503":
                        emulator.maintenance()
                    elif outage == "lost":
                        emulator.drop_next(times=1000, after_applying=True)
                    else:
                        emulator.revoke_tokens()
                        emulator.fail_next(500, times=1000, path="/oauth/token")

    if outage == "429":
        emulator.throttle(6, 1000)
    with pytest.raises(PropQError):
        await take()
    assert [one.change.update.name for one in outcomes if one.is_failure] == ["Nobody"]
    standing = push.standing
    assert (standing.failed, standing.unsure) == (1, 0)
    assert standing.cut_off == sum(one.is_cut_off for one in outcomes) > 0
    assert bool(standing.cut_off_unsure) is (outage == "lost")
    assert standing.applied >= 5
    assert standing.not_sent == 41 - standing.applied - 1 - standing.cut_off > 0
    emulator.reset()
    for number in range(101, 141):
        emulator.add_unit("4711", f"A-{number}")
    # Later, with another client: this one still waits for as long as it was asked to.
    later = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with (
        later,
        pricelist.push(await house.plan(*rows), later, house.ledger, accept="all") as again,
    ):
        failed = [one.change.update.name async for one in again if not one.ok]
    assert failed == ["Nobody"]
    assert emulator.applied == 40 - standing.applied


async def test_a_plan_that_is_out_of_date_is_refused(house: House) -> None:
    made = await house.plan(unit("A-101"))
    await house.push(unit("A-101", 5))
    with pytest.raises(LedgerError, match="has changed since the plan was made, or is another"):
        async with pricelist.push(made, house.propq, house.ledger, accept="all"):
            pass


async def test_two_pushes_exclude_each_other(house: House) -> None:
    made = await house.plan(unit("A-101"))

    async def other() -> None:
        async with pricelist.push(made, house.propq, house.ledger, accept="all"):
            pass

    async with pricelist.push(made, house.propq, house.ledger, accept="all") as outcomes:
        with pytest.raises(LedgerBusyError):
            await asyncio.create_task(other())
        assert [outcome.ok async for outcome in outcomes] == [True]


async def test_a_push_is_entered_once_and_before_use(house: House) -> None:
    push = pricelist.push(await house.plan(unit("A-101")), house.propq, house.ledger, accept="all")
    with pytest.raises(RuntimeError, match="is not entered: use `async with push"):
        await anext(push)
    await push.__aexit__()
    async with push:
        pass
    with pytest.raises(RuntimeError, match="entered before: make another plan"):
        await push.__aenter__()


@pytest.mark.parametrize("condition", ["new.status IS NULL", "new.name = 'A-110'"])
async def test_a_ledger_that_fails_ends_the_push(condition: str, house: House) -> None:
    """It cannot mark any unit; or it can, and cannot acknowledge one of them."""
    rows = [unit(f"A-{number}") for number in range(101, 141)]
    await house.ledger.mark(Account("https://x", 1), [])
    if "name" in condition:
        condition += " AND new.status IS NOT NULL"
    with closing(sqlite3.connect(house.ledger.path)) as db:
        db.executescript(
            f"CREATE TRIGGER no BEFORE INSERT ON unit WHEN {condition} "
            "BEGIN SELECT raise(ROLLBACK, 'the disk is full'); END"
        )
    push = pricelist.push(
        await house.plan(*rows), house.propq, house.ledger, accept="all", concurrency=2
    )
    with pytest.raises(LedgerError, match="cannot be used: the disk is full"):
        await taken(push)
    assert push.standing.applied == house.emulator.applied
    assert push.standing.applied < 40
    with closing(sqlite3.connect(house.ledger.path)) as db:
        db.execute("DROP TRIGGER no")
        db.commit()
    await house.push(*rows)
    assert not (await house.plan(*rows)).changes
    assert house.emulator.unit("4711", "A-110").price == 250_000


@pytest.mark.parametrize("change", ["deleted", "replaced"])
async def test_a_ledger_that_is_taken_away_ends_the_push(change: str, house: House) -> None:
    """Else an older copy would say that nothing is to be sent of what it does not know of."""
    names = [f"A-{number}" for number in range(101, 141)]
    old = [unit(name, 100_000) for name in names]
    await house.push(*old)
    path = house.ledger.path
    copy = path.with_name("copy")
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(copy)) as other:
        db.backup(other)

    def take_away() -> None:
        for one in path.parent.glob(f"{path.name}*"):
            if not one.name.endswith(".lock"):
                one.unlink()
        if change == "replaced":
            copy.rename(path)

    made = await house.plan(*(unit(name, 110_000) for name in names))
    push = pricelist.push(made, house.propq, house.ledger, accept="all", concurrency=2)

    async def run() -> None:
        async with push as outcomes:
            async for _ in outcomes:
                if push.standing.applied == 5:
                    take_away()

    with pytest.raises(LedgerError, match="was deleted or replaced while it was in use: what is"):
        await run()
    assert push.standing.applied == house.emulator.applied - 40 < 40
    # Whoever has the file open takes up the one that is there now.
    again = await house.plan(*(unit(name, 110_000) for name in names))
    reason = Reason.CHANGED if change == "replaced" else Reason.NEW
    assert set(reasons(again).values()) == {reason}
    await house.push(*(unit(name, 110_000) for name in names))
    assert {one.price for one in house.emulator.units.values()} == {110_000}
    assert path.exists()


async def test_the_wait_that_the_server_asked_for_can_be_asked(tmp_path: Path) -> None:
    retry = RetryPolicy(max_retry_after_seconds=1)
    async with a_house(tmp_path, retry=retry) as house, house.propq.session() as session:
        assert house.propq.asked_to_wait_seconds == 0
        house.emulator.fail_next(429, retry_after=60)
        (row,) = [row for row in house.write(unit("A-101")) if isinstance(row, Row)]
        with pytest.raises(PropQError):
            await session.units.update(row.update)
        assert 50 < house.propq.asked_to_wait_seconds <= 60
        assert (house.propq.base_url, house.propq.client_id) == (house.emulator.url, 1)
