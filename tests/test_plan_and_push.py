from __future__ import annotations

import asyncio
import csv
import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from propq_async import (
    AsyncPropQ,
    Clock,
    ConfigurationError,
    Credentials,
    NotFoundError,
    PropQError,
    RetryPolicy,
    TokenRefusedError,
    UnitStatus,
    pricelist,
)
from propq_async.ledger import Account, Ledger, LedgerBusyError, LedgerError
from propq_async.ledger.database import Database
from propq_async.pricelist import Failures, Plan, PushOutcome, Reason, Row, Standing, Warn
from propq_async.testing import PropQEmulator
from tests.lists import ENGLISH, text_list, unit, workbook
from tests.support import FakeClock, until


class House:
    """A server, a client and a ledger, and lists to push."""

    def __init__(self, emulator: PropQEmulator, propq: AsyncPropQ, ledger: Ledger) -> None:
        self.emulator = emulator
        self.propq = propq
        self.ledger = ledger
        self.directory = ledger.path.parent

    def write(self, *rows: Sequence[Any], name: str = "list") -> pricelist.PriceList:
        return pricelist.read(text_list(self.directory / f"{name}.csv", *rows))

    async def plan(self, *rows: Sequence[Any], name: str = "list", **options: Any) -> Plan:
        return await pricelist.plan(
            self.write(*rows, name=name), self.propq, self.ledger, **options
        )

    async def push(self, *rows: Sequence[Any], **options: Any) -> list[PushOutcome]:
        made = await self.plan(*rows, **options)
        async with pricelist.push(made, self.propq, self.ledger) as outcomes:
            return [outcome async for outcome in outcomes]


@asynccontextmanager
async def a_house(path: Path, clock: Clock = Clock(), **options: Any) -> AsyncIterator[House]:  # noqa: B008
    async with PropQEmulator() as emulator:
        for number in range(101, 141):
            emulator.add_unit("4711", f"A-{number}")
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None, **options)
        async with propq, Ledger(path / "ledger.sqlite3", clock=clock) as ledger:
            yield House(emulator, propq, ledger)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as house:
        yield house


async def taken(push: pricelist.Push) -> int:
    """Return how many outcomes there were."""
    async with push as outcomes:
        return len([outcome async for outcome in outcomes])


def reasons(made: Plan) -> dict[str, Reason]:
    return {change.update.name: change.reason for change in made.changes}


def kinds(made: Plan) -> list[Warn]:
    return [warning.kind for warning in made.warnings]


# --- plan ---------------------------------------------------------------------------------------


async def test_what_is_new_changed_and_unchanged(house: House) -> None:
    await house.push(unit("A-101"), unit("A-102"), unit("A-103", directions="S"))
    made = await house.plan(
        unit("A-101"), unit("A-102", 262_500), unit("A-103"), unit("A-104"), unit("A-104"),
        unit("A-105", "?"),
    )  # fmt: skip
    assert reasons(made) == {
        "A-102": Reason.CHANGED,
        "A-103": Reason.CHANGED,
        "A-104": Reason.NEW,
    }
    assert (made.rows, made.unchanged, made.repeated, len(made.broken)) == (6, 1, 1, 1)
    assert made.changes[0].price_change == Decimal("0.05")
    assert made.changes[0].before is not None
    assert made.changes[0].before.price == 250_000
    assert made.changes[2].price_change is None
    assert made.count(Reason.CHANGED) == 2
    assert [str(remark)[-29:] for remark in made.remarks] == []
    assert not made.warnings
    assert made.totals[UnitStatus.SOLD].units == 4
    assert made.totals[UnitStatus.SOLD].value == 1_012_500
    assert made.totals[UnitStatus.HOLD].units == 0
    assert reasons(await house.plan(unit("A-101"), everything=True)) == {"A-101": Reason.ASKED}
    assert house.emulator.applied == 3


async def test_an_acknowledgement_is_trusted_for_so_many_hours(tmp_path: Path) -> None:
    clock = FakeClock()
    async with a_house(tmp_path, clock.clock) as house:
        await house.push(unit("A-101"))
        clock.advance(24 * 3600)
        assert not (await house.plan(unit("A-101"))).changes
        clock.advance(1)
        assert reasons(await house.plan(unit("A-101"))) == {"A-101": Reason.OLD}
        assert not (await house.plan(unit("A-101"), trust_hours=25)).changes
        await house.push(unit("A-101"))
        assert not (await house.plan(unit("A-101"))).changes
        # The clock was wrong, and is right again.
        clock.advance(-3600)
        assert reasons(await house.plan(unit("A-101"))) == {"A-101": Reason.OLD}
        with pytest.raises(ConfigurationError, match="trust_hours must be at least 0"):
            await house.plan(unit("A-101"), trust_hours=-1)


async def test_what_is_likely_a_mistake(house: House) -> None:
    names = [f"A-{number}" for number in range(101, 109)]
    await house.push(*(unit(name) for name in names))
    changed = [
        unit("A-101", 300_001),
        unit("A-102", 199_999),
        unit("A-103", 300_000),
        unit("A-104", status="AVAILABLE"),
        *(unit(name) for name in names[4:7]),
        unit("a-107", 1),
    ]
    made = await house.plan(*changed)
    assert kinds(made) == [
        Warn.PRICE, Warn.PRICE, Warn.SOLD_TO_AVAILABLE, Warn.FAR_BELOW, Warn.ALIKE, Warn.MISSING,
    ]  # fmt: skip
    said = [str(warning) for warning in made.warnings]
    assert said[0] == "4711 A-101 changes its price by +20.0%: 250,000 -> 300,001"
    assert said[1] == "4711 A-102 changes its price by -20.0%: 250,000 -> 199,999"
    assert said[2] == "4711 A-104 was SOLD and is AVAILABLE now"
    assert said[3] == "4711 a-107 costs 1: less than a hundredth of the list's median, 250,000"
    assert "'a-107' differs from 'A-107' in line 8 only by case or spaces" in said[4]
    assert said[5] == (
        "1 unit of 4711 pushed before and not in the list: A-108 (nothing is sent for what is not "
        "listed)"
    )


async def test_a_new_price_far_below_the_others_is_asked_for_once(house: House) -> None:
    usual = [unit("A-101", 400_000), unit("A-102", 250_000), unit("A-103", 2_500)]
    # 2,500 is a hundredth, and may be a parking space.
    assert not (await house.plan(*usual)).warnings
    low = [unit("A-104", "2499.99"), unit("A-105", "0.25")]
    made = await house.plan(*usual, unit("A-106", 250_000), *low)
    assert [str(warning) for warning in made.warnings] == [
        "4711 A-104 costs 2,499.99: less than a hundredth of the list's median, 250,000",
        "4711 A-105 costs 0.25: less than a hundredth of the list's median, 250,000",
    ]
    # One that is sent for the second time was asked for before; what is known of it is its price.
    await house.push(*usual, unit("A-106", 250_000), *low)
    assert not (await house.plan(*usual, unit("A-106", 250_000), *low, everything=True)).warnings
    # What is said in thousands all through has nothing to be compared with.
    made = await house.plan(*(unit(f"A-{number}", 250) for number in range(111, 115)))
    assert (made.count(Reason.NEW), kinds(made)) == (4, [Warn.MISSING])


async def test_names_alike_are_pointed_out_whichever_is_sent(house: House) -> None:
    for name in ("A 1", "a1"):
        house.emulator.add_unit("4711", name)
    rows = [unit("A 1"), unit("a1", 260_000), unit("A-101")]
    first = await house.plan(*rows)
    assert kinds(first) == [Warn.ALIKE]
    async with pricelist.push(first, house.propq, house.ledger, concurrency=1) as outcomes:
        assert [outcome.ok async for outcome in outcomes] == [True] * 3
    # Since the later one was acknowledged, the earlier one is in doubt. It is asked again.
    again = await house.plan(*rows)
    assert reasons(again) == {"A 1": Reason.IN_DOUBT}
    assert kinds(again) == [Warn.ALIKE]
    assert "line 3: 'a1' differs from 'A 1' in line 2 only by" in str(again.warnings[0])
    changed = await house.plan(unit("A 1", 255_000), *rows[1:])
    assert reasons(changed) == {"A 1": Reason.CHANGED}
    assert kinds(changed) == [Warn.ALIKE]
    # Nothing is asked about them if others are sent.
    async with pricelist.push(again, house.propq, house.ledger) as outcomes:
        assert [outcome.ok async for outcome in outcomes] == [True]
    other = await house.plan(rows[0], unit("A-102"), name="other")
    assert reasons(other) == {"A-102": Reason.NEW}
    assert Warn.ALIKE not in kinds(other)


async def test_names_alike_to_one_that_is_in_no_list_are_pointed_out(house: House) -> None:
    """A row that was mended may be all that is in its list."""
    await house.push(unit("A-101"), unit("A-102"), unit("A-103"))
    failed = text_list(
        house.directory / "list.failed.csv",
        [*unit("a-101", 260_000), "404"],
        header=[*ENGLISH, "propq_problem"],
    )
    made = await pricelist.plan(pricelist.read(failed), house.propq, house.ledger)
    (warning,) = made.warnings
    assert str(warning) == (
        f"{failed}, line 2: 'a-101' differs from 'A-101', which was pushed before, only by case or "
        "spaces"
    )
    # What somebody knows to be gone is nothing to be taken for it, nor is what never got through.
    await house.ledger.note_missing(made.account, [("4711", "A-101")])
    assert kinds(await house.plan(unit("a-101"), unit("A-102"), unit("A-103"))) == []
    await house.ledger.mark(made.account, [made.changes[0].update])
    assert kinds(await house.plan(unit("A-101", 1), unit("A-102"), unit("A-103"))) == [Warn.PRICE]


@pytest.mark.parametrize(("moved", "warned"), [(4, False), (5, True)])
async def test_more_than_half_of_the_list_changes_its_status(
    moved: int,
    warned: bool,  # noqa: FBT001
    house: House,
) -> None:
    names = [f"A-{number}" for number in range(101, 109)]
    await house.push(*(unit(name, status="HOLD") for name in names))
    made = await house.plan(
        *(unit(name, status="SOLD" if n < moved else "HOLD") for n, name in enumerate(names))
    )
    assert kinds(made) == [Warn.MOST_CHANGE_STATUS] * warned
    if warned:
        assert str(made.warnings[0]) == (
            "5 of 8 units change their status: more than half of the list"
        )


async def test_one_unit_that_is_sold_is_nothing_strange(house: House) -> None:
    await house.push(unit("A-101", status="HOLD"))
    assert not (await house.plan(unit("A-101"))).warnings


async def test_units_that_vanished_are_told_and_never_sent(house: House) -> None:
    house.emulator.add_unit("12", "B")
    rows = [*(unit(f"A-{number}") for number in range(101, 109)), unit("B", development="12")]
    await house.push(*rows)
    applied = house.emulator.applied
    # All of 12, which this list had, and most of 4711.
    made = await house.plan(rows[0])
    assert kinds(made) == [Warn.MISSING, Warn.MISSING]
    assert len(made.missing) == 8
    assert "7 units of 4711" in str(made.warnings[0])
    assert "A-102, A-103, A-104, A-105, A-106 and 2 more" in str(made.warnings[0])
    assert not made.changes
    # Another list need not have the development, but it must have all of those that it has.
    assert kinds(await house.plan(*rows[:8], name="other")) == []
    assert kinds(await house.plan(rows[0], name="other")) == [Warn.MISSING]
    # A row that is there and broken has not vanished, nor may one that cannot be read at all.
    broken = unit("A-108", "?")
    assert kinds(await house.plan(*rows[:7], broken, rows[8])) == []
    assert kinds(await house.plan(*rows[:8], ["torn"])) == []
    # Once somebody has said yes to it, it is not told again.
    await house.ledger.note_missing(made.account, made.missing)
    assert kinds(await house.plan(rows[0])) == []
    assert house.emulator.applied == applied


async def test_a_unit_that_was_updated_by_itself_is_missed_in_its_list(house: House) -> None:
    house.emulator.add_unit("12", "B")
    rows = [unit("A-101"), unit("B", development="12")]
    made = await house.plan(*rows)
    await taken(pricelist.push(made, house.propq, house.ledger))
    # As `propq update` does it.
    await house.ledger.mark(made.account, [made.changes[1].update])
    await house.ledger.acknowledge(made.account, [made.changes[1].update])
    assert (await house.plan(rows[0])).missing == [("12", "B")]


async def test_rows_that_contradict_each_other_are_both_kept_back(house: House) -> None:
    made = await house.plan(
        unit("A-101"), unit("A-102"), unit("A-101", 1), unit("A-101"), unit("A-101", 2)
    )
    assert reasons(made) == {"A-102": Reason.NEW}
    assert [row.line for row in made.broken] == [2, 4, 6]
    assert "line 2, expected one row for each unit: A-101 has other values in line 4" in str(
        made.broken[0]
    )
    assert (made.rows, made.repeated) == (5, 1)


@pytest.mark.parametrize(
    "broken",
    [unit("A-101", "?"), unit("A-101", status="sold?"), unit("A-101")[:-1], [*unit("A-101"), "x"]],
)
async def test_a_row_beside_a_broken_one_of_its_unit_is_kept_back(
    broken: Sequence[Any], house: House
) -> None:
    """The list says two things of the unit, and one of them cannot be read."""
    made = await house.plan(unit("A-101"), unit("A-102"), broken, broken, unit("A-101"))
    assert reasons(made) == {"A-102": Reason.NEW}
    assert [row.line for row in made.broken] == [2, 4, 5, 6]
    said = [row.what for row in made.broken]
    assert said[0] == "expected one row for each unit: A-101 has other values in line 4"
    assert said[3] == said[0]
    assert "one row for each unit" not in said[1] + said[2]
    made = await house.plan(broken, unit("A-102"), unit("A-101"), unit("A-103"))
    assert reasons(made) == {"A-102": Reason.NEW, "A-103": Reason.NEW}
    assert [row.line for row in made.broken] == [2, 4]
    assert made.broken[1].what.endswith("A-101 has other values in line 2")


async def test_a_broken_row_of_another_unit_keeps_nothing_back(house: House) -> None:
    torn = ["4711", "A-1"]
    rows = [unit("A-101"), unit("A-102", "?"), unit("A-101", "?", development="12"), ["4711"], torn]
    made = await house.plan(*rows, unit("", "?"), unit("A-103"))
    assert reasons(made) == {"A-101": Reason.NEW, "A-103": Reason.NEW}
    # Nor does one that cannot be told vanish.
    assert [row.unit for row in made.broken] == [
        ("4711", "A-102"), ("12", "A-101"), None, None, None,
    ]  # fmt: skip


async def test_a_list_that_cannot_be_read_any_more(house: House) -> None:
    prices = house.write(unit())
    prices.path.unlink()
    with pytest.raises(pricelist.PriceListError, match="No such file"):
        await pricelist.plan(prices, house.propq, house.ledger)


# --- push ---------------------------------------------------------------------------------------


async def test_a_push_blocks_nobody_and_is_noted(house: House) -> None:
    rows = [unit(f"A-{number}", number) for number in range(101, 141)]
    prices = house.write(*rows)
    with blockbuster_ctx():
        made = await pricelist.plan(prices, house.propq, house.ledger)
        push = pricelist.push(made, house.propq, house.ledger, concurrency=4)
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
    push = pricelist.push(made, house.propq, house.ledger)
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
        push = pricelist.push(made, house.propq, house.ledger, concurrency=4)
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
        async with later, pricelist.push(back, later, house.ledger) as outcomes:
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
    async with pricelist.push(made, house.propq, house.ledger) as outcomes:
        async for _ in outcomes:
            pass
        assert outcomes.standing == Standing(1, failed=1)


async def test_a_stopped_push_goes_on_where_it_stood(house: House) -> None:
    rows = [unit(f"A-{number}") for number in range(101, 141)]
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger, concurrency=5)
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


async def test_a_push_that_is_stopped_before_it_is_entered_sends_nothing(house: House) -> None:
    rows = [unit("A-101"), unit("A-102")]
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger)
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
    push = pricelist.push(made, house.propq, house.ledger, concurrency=5)
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
    push = pricelist.push(made, house.propq, house.ledger, concurrency=1)
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
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger, concurrency=2)
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
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger)
    real = Database.mark
    loop = asyncio.get_running_loop()

    def mark(*arguments: Any) -> Any:
        marked = real(*arguments)
        stopped = threading.Event()
        loop.call_soon_threadsafe(push.stop)
        loop.call_soon_threadsafe(stopped.set)
        assert stopped.wait(10)
        return marked

    monkeypatch.setattr(Database, "mark", mark)
    assert await taken(push) == 0
    assert house.emulator.applied == 0
    assert set(reasons(await house.plan(*rows)).values()) == {Reason.NEW}


async def test_what_was_ready_when_it_was_left_is_noted(house: House) -> None:
    rows = [unit(f"A-{number}") for number in range(101, 109)]
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger)
    async with push as outcomes:
        await anext(outcomes)
        await until(lambda: house.emulator.applied == 8)
        await asyncio.sleep(0.1)  # until all answers are here, of which nothing tells
    assert push.standing == Standing(8, applied=8)
    assert not (await house.plan(*rows)).changes


async def test_what_ends_a_batch_ends_a_push(house: House) -> None:
    wrong = AsyncPropQ(Credentials(1, "wrong"), base_url=house.emulator.url, token_store=None)
    made = await house.plan(unit("A-101"))
    async with wrong:
        with pytest.raises(TokenRefusedError):
            await taken(pricelist.push(made, wrong, house.ledger))
    # Nothing was sent, so nothing is in doubt.
    assert reasons(await house.plan(unit("A-101"))) == {"A-101": Reason.NEW}


@pytest.mark.parametrize("outage", ["503", "429", "lost", "token"])
async def test_an_outage_leaves_nothing_to_mend(outage: str, house: House) -> None:
    """What was cut off says nothing of the rows, and is sent again. A row that is refused does."""
    rows = [unit("Nobody"), *(unit(f"A-{number}") for number in range(101, 141))]
    made = await house.plan(*rows)
    emulator = house.emulator
    outcomes: list[PushOutcome] = []
    push = pricelist.push(made, house.propq, house.ledger, concurrency=4, max_outage_seconds=0.2)

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
    async with later, pricelist.push(await house.plan(*rows), later, house.ledger) as again:
        failed = [one.change.update.name async for one in again if not one.ok]
    assert failed == ["Nobody"]
    assert emulator.applied == 40 - standing.applied


async def test_a_plan_that_is_out_of_date_is_refused(house: House) -> None:
    made = await house.plan(unit("A-101"))
    await house.push(unit("A-101", 5))
    with pytest.raises(LedgerError, match="has changed since the plan was made: make another"):
        async with pricelist.push(made, house.propq, house.ledger):
            pass


async def test_two_pushes_exclude_each_other(house: House) -> None:
    made = await house.plan(unit("A-101"))

    async def other() -> None:
        async with pricelist.push(made, house.propq, house.ledger):
            pass

    async with pricelist.push(made, house.propq, house.ledger) as outcomes:
        with pytest.raises(LedgerBusyError):
            await asyncio.create_task(other())
        assert [outcome.ok async for outcome in outcomes] == [True]


async def test_a_push_is_entered_once_and_before_use(house: House) -> None:
    push = pricelist.push(await house.plan(unit("A-101")), house.propq, house.ledger)
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
    push = pricelist.push(await house.plan(*rows), house.propq, house.ledger, concurrency=2)
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
    push = pricelist.push(made, house.propq, house.ledger, concurrency=2)

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


# --- failures -----------------------------------------------------------------------------------


def test_failures_are_a_list_that_can_be_pushed(tmp_path: Path) -> None:
    path = tmp_path / "precios.csv"
    path.write_bytes(
        "Vivienda;Estado;Precio;Orientación;Notas\n"
        'Ático;Vendido;250.000;N;"a; b"\n'
        "B;Vendido;1.234.567,50;N;\n"
        "C;?;1,5;N;\n"
        'D;"Vendido;1;N;\n'
        "E;Vendido;199.500;Sur;\n".encode("cp1252")
    )
    prices = pricelist.read(path, development_id="4711")
    with Failures(prices) as failures:
        assert failures.path is None
        for row in prices:
            failures.add(row, "why")
    assert failures.path == tmp_path / "precios.failed.csv"
    written = failures.path.read_text("utf-8-sig").splitlines()
    assert written[0] == "propq_problem;development_id;Vivienda;Estado;Precio;Orientación;Notas"
    assert written[1] == 'why;4711;Ático;Vendido;250000;N;"a; b"'
    assert written[2] == "why;4711;B;Vendido;1.234.567,50;N;"
    assert written[3] == "why;4711;C;?;1,5;N;"
    again = pricelist.read(failures.path)
    assert again.is_part
    assert not prices.is_part
    rows = [row.update for row in prices if isinstance(row, Row)]
    assert [row.update for row in again if isinstance(row, Row)] == rows
    # One that is there may be being mended. The failures of failures are no other list's.
    with Failures(prices) as others, Failures(again) as more:
        for row in prices:
            others.add(row, "why")
        for row in again:
            more.add(row, "why")
    assert others.path == tmp_path / "precios.failed-2.csv"
    assert more.path == tmp_path / "precios.failed-3.csv"
    assert more.path.read_text("utf-8-sig").count("propq_problem") == 1


def test_failures_of_several_sheets(tmp_path: Path) -> None:
    rows = [["4711", "B", "SOLD", 0.125, "N"], ["4711", "C", "SOLD", 199_500.5, "N"]]
    other = ("name", "price", "status", "directions", "development_id", "extra")
    path = workbook(
        tmp_path / "x.xlsx",
        S1=[ENGLISH, *rows],
        S2=[other, ["A", 5, "SOLD", "N", "4711", "y"]],
    )
    prices = pricelist.read(path)
    with Failures(prices, tmp_path / "mine.csv") as failures:
        for row in prices:
            failures.add(row, "why")
    assert failures.path == tmp_path / "mine.csv"
    with failures.path.open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.reader(file))
    assert written == [
        ["propq_problem", *ENGLISH, "extra"],
        # As it was, and no more of a price than before.
        ["why", "4711", "B", "SOLD", "0.125", "N", ""],
        ["why", "4711", "C", "SOLD", "199500.5", "N", ""],
        ["why", "4711", "A", "SOLD", "5.00", "N", "y"],
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_failures_on_a_full_disk_are_told_at_once(tmp_path: Path) -> None:
    """And not at the end, where that would hide what became of the push."""
    prices = pricelist.read(text_list(tmp_path / "x.csv", unit(), unit("B", "?")))
    with Failures(prices, Path("/dev/full")) as failures:
        for row in prices:
            with pytest.raises(OSError, match="No space left"):
                failures.add(row, "why")


def test_failures_are_there_at_once(tmp_path: Path) -> None:
    """A push may be killed before its end."""
    prices = pricelist.read(text_list(tmp_path / "x.csv", unit("B", "?")))
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, "why")
            assert failures.path is not None
            assert failures.path.read_text("utf-8-sig").splitlines()[1] == "why,4711,B,SOLD,?,N S"
