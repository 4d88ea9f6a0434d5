"""A service that notes its updates in the ledger, as a push does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from propq_async import (
    AsyncPropQ,
    ConfigurationError,
    LedgerError,
    NotFoundError,
    RetryPolicy,
    ServerError,
    SupersededError,
    UnitOutcome,
    UnitStatus,
    pricelist,
)
from propq_async.ledger import Account, Entry, Ledger
from propq_async.pricelist import WarningKind
from propq_async.testing import PropQEmulator
from tests.helpers.lists import text_list, unit
from tests.helpers.planning import kinds
from tests.helpers.processes import Process, remembered
from tests.helpers.support import an_update, drain, until

ONCE = RetryPolicy(attempts=1)


class Service:
    """A client with a ledger, before an emulator."""

    def __init__(self, emulator: PropQEmulator, propq: AsyncPropQ, ledger: Ledger) -> None:
        self.emulator = emulator
        self.propq = propq
        self.ledger = ledger
        self.account = Account(propq.base_url, propq.client_id)

    async def entry(self, name: str = "A-101") -> Entry | None:
        return (await self.ledger.entries(self.account, ["4711"])).get(("4711", name))

    async def update(self, name: str = "A-101", **values: Any) -> None:
        async with self.propq.session(retry=ONCE) as session:
            await session.units.update(an_update(name, **values))


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with a_service(tmp_path) as made:
        yield made


@asynccontextmanager
async def a_service(directory: Path) -> AsyncIterator[Service]:
    async with PropQEmulator() as emulator, Ledger(directory / "ledger.sqlite3") as ledger:
        for number in range(101, 141):
            emulator.add_unit("4711", f"A-{number}")
        propq = AsyncPropQ(
            emulator.credentials, base_url=emulator.url, token_store=None, ledger=ledger
        )
        async with propq:
            yield Service(emulator, propq, ledger)


async def test_a_sale_by_the_service_is_a_change_for_the_next_push(service: Service) -> None:
    path = text_list(
        service.ledger.path.parent / "list.csv",
        unit("A-101", status="AVAILABLE"), unit("A-102"), unit("A-103"),
    )  # fmt: skip

    async def plan() -> pricelist.Plan:
        return await pricelist.plan(pricelist.read(path), service.propq, service.ledger)

    async with pricelist.push(await plan(), service.propq, service.ledger, accept="all") as pushed:
        assert [outcome.ok async for outcome in pushed] == [True] * 3
    assert (await plan()).changes == []
    await service.update(status=UnitStatus.SOLD)
    made = await plan()
    assert [change.update.name for change in made.changes] == ["A-101"]
    assert kinds(made) == [WarningKind.SOLD_TO_AVAILABLE]


async def test_an_update_is_marked_before_it_is_sent_and_acknowledged_after(
    service: Service,
) -> None:
    service.emulator.latency_seconds = 30
    task = asyncio.create_task(service.update())
    await until(lambda: service.emulator.in_flight)
    during = await service.entry()
    assert during is not None
    assert (during.status, during.is_in_doubt) == (None, True)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    service.emulator.latency_seconds = 0
    await service.update()
    after = await service.entry()
    assert after is not None
    assert after.holds(an_update())
    assert not after.is_in_doubt


async def test_a_lost_answer_leaves_the_unit_in_doubt(service: Service) -> None:
    await service.update(price=1)
    service.emulator.drop_next(after_applying=True)
    with pytest.raises(Exception, match="may have been applied"):
        await service.update(price=2)
    entry = await service.entry()
    assert entry is not None
    assert (entry.price, entry.is_in_doubt) == (Decimal(1), True)


async def test_what_was_certainly_not_applied_is_not_in_doubt(service: Service) -> None:
    with pytest.raises(NotFoundError):
        await service.update("Nowhere")
    await service.update(price=1)
    service.emulator.fail_next(503)
    with pytest.raises(ServerError):
        await service.update(price=2)
    await service.update("A-102")  # by now the ledger has written all before
    assert await service.entry("Nowhere") is None
    entry = await service.entry()
    assert entry is not None
    assert (entry.price, entry.is_in_doubt) == (Decimal(1), False)


async def test_rows_of_a_batch_are_noted_many_at_a_time(service: Service) -> None:
    rows = [an_update(f"A-{number}") for number in range(101, 141)]
    await service.update()
    before = await service.ledger.generation()
    async with service.propq.session() as session:
        assert all([one.ok async for one in session.units.update_many(rows)])
    entries = await service.ledger.entries(service.account, ["4711"])
    assert sum(not one.is_in_doubt for one in entries.values()) == 40
    # Each transaction makes a generation for its marks, and one for its acknowledgements.
    assert await service.ledger.generation() < before + 80


async def test_updates_of_one_unit_are_noted_in_their_order(service: Service) -> None:
    """A newer one may go out while an older one waits for its mark, which is then never sent."""
    async with service.propq.session() as session:
        *older, last = await asyncio.gather(
            *(session.units.update(an_update(price=price)) for price in range(1, 8)),
            return_exceptions=True,
        )
    assert not isinstance(last, BaseException)
    errors = [one for one in older if isinstance(one, BaseException)]
    assert all(isinstance(error, SupersededError) for error in errors)
    entry = await service.entry()
    assert entry is not None
    assert (entry.price, entry.is_in_doubt) == (Decimal(7), False)


async def test_a_session_may_go_without_notes(service: Service) -> None:
    async with service.propq.session(ledger=None) as session:
        await session.units.update(an_update())
    assert await service.entry() is None


async def test_nothing_is_sent_that_cannot_be_marked(service: Service) -> None:
    await service.update(price=1)
    with closing(sqlite3.connect(service.ledger.path)) as db:
        db.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON unit BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    with pytest.raises(LedgerError):
        await service.update(price=2)
    async with service.propq.session() as session:
        batch = session.units.update_many([an_update(price=3), an_update("A-102")])
        outcomes: list[UnitOutcome] = []
        with pytest.raises(LedgerError):
            await drain(batch, outcomes)
    assert not any(outcome.ok for outcome in outcomes)
    assert service.emulator.applied == 1


async def test_an_acknowledgement_that_cannot_be_written_fails_no_call(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await service.update(price=1)
    with closing(sqlite3.connect(service.ledger.path)) as db:
        db.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON unit WHEN new.price = '2' "
            "BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    await service.update(price=2)
    assert "A-101 stays in doubt: the ledger" in caplog.text
    entry = await service.entry()
    assert entry is not None
    assert (entry.price, entry.is_in_doubt) == (Decimal(1), True)


async def test_an_update_that_is_cancelled_while_it_is_marked_leaves_no_mark(
    service: Service,
) -> None:
    await service.update("A-102")
    with closing(sqlite3.connect(service.ledger.path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        async with service.propq.session() as session:
            memory: Any = service.propq._options.memory
            task = asyncio.create_task(session.units.update(an_update()))
            await until(lambda: session._state.entered().order.units and not memory._notes)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        db.execute("ROLLBACK")
    await service.update("A-102")
    assert await service.entry() is None
    assert service.emulator.applied == 2


async def test_an_update_without_an_open_ledger_is_not_sent(tmp_path: Path) -> None:
    async with PropQEmulator() as emulator:
        emulator.add_unit("4711", "A-101")
        ledger = Ledger(tmp_path / "ledger.sqlite3")
        propq = AsyncPropQ(
            emulator.credentials, base_url=emulator.url, token_store=None, ledger=ledger
        )
        async with propq.session() as session:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="this ledger is not open"):
                    await session.units.update(an_update())
            async with ledger:
                await session.units.update(an_update())
        assert emulator.applied == 1


def test_a_path_is_no_ledger() -> None:
    emulator = PropQEmulator()
    with pytest.raises(ConfigurationError, match="ledger must be a ledger, not a path"):
        AsyncPropQ(emulator.credentials, ledger="ledger.sqlite3")  # type: ignore[arg-type] # the point


async def test_two_writers_of_one_unit_leave_it_in_doubt(service: Service, tmp_path: Path) -> None:
    """Nobody knows which of two overlapping updates was applied last, whoever is noted last."""
    one, other = an_update(price=1), an_update(price=2)
    for first_wins in (True, False):
        async with Ledger(tmp_path / "ledger.sqlite3") as second:
            mine = await service.ledger.mark(service.account, [one])
            theirs = await second.mark(service.account, [other])
            notes = [
                (service.ledger, one, {("4711", "A-101"): mine.generation}),
                (second, other, {("4711", "A-101"): theirs.generation}),
            ]
            for ledger, update, generations in notes if first_wins else reversed(notes):
                await ledger.acknowledge(service.account, [update], None, generations)
        entry = await service.entry()
        assert entry is not None
        assert entry.is_in_doubt
        assert entry.price == (2 if first_wins else 1)
        await service.update(price=3)
        entry = await service.entry()
        assert entry is not None
        assert not entry.is_in_doubt


async def test_a_service_works_while_another_process_pushes(service: Service) -> None:
    """Neither waits for the other, and the push does not mind other units than its own."""
    path = text_list(service.ledger.path.parent / "list.csv", unit("A-101"), unit("A-102"))
    process = await Process.start(
        remembered,
        service.emulator.url,
        service.propq.client_id,
        service.emulator.credentials.client_secret,
        service.ledger.path,
        path,
    )
    # The other process holds the lock and has made its plan.
    await service.update("A-103", price=5)
    process.go()
    assert await process.result() == [["A-101", True], ["A-102", True]]
    entries = await service.ledger.entries(service.account, ["4711"])
    assert sorted(name for _, name in entries) == ["A-101", "A-102", "A-103"]
    assert not any(one.is_in_doubt for one in entries.values())


async def test_a_plan_outlives_what_a_service_does_to_other_units(service: Service) -> None:
    path = text_list(service.ledger.path.parent / "list.csv", unit("A-101"), unit("A-102"))
    made = await pricelist.plan(pricelist.read(path), service.propq, service.ledger)
    await service.update("A-103", price=5)
    async with pricelist.push(made, service.propq, service.ledger, accept="all") as pushed:
        assert [outcome.ok async for outcome in pushed] == [True, True]
    with pytest.raises(LedgerError, match="has changed since the plan was made"):
        async with pricelist.push(made, service.propq, service.ledger, accept="all"):
            pytest.fail("it is pushed again")


@pytest.mark.parametrize("generation", [1, 2**60])
async def test_a_plan_of_another_ledger_is_refused(service: Service, generation: int) -> None:
    path = text_list(service.ledger.path.parent / "list.csv", unit("A-101"))
    made = await pricelist.plan(pricelist.read(path), service.propq, service.ledger)
    other = attrs.evolve(made, generation=generation)
    with pytest.raises(LedgerError, match="or is another one"):
        async with pricelist.push(other, service.propq, service.ledger, accept="all"):
            pytest.fail("it is pushed")


async def test_a_push_refuses_what_a_service_has_updated_since_its_plan(service: Service) -> None:
    path = text_list(service.ledger.path.parent / "list.csv", unit("A-101"), unit("A-102"))
    process = await Process.start(
        remembered,
        service.emulator.url,
        service.propq.client_id,
        service.emulator.credentials.client_secret,
        service.ledger.path,
        path,
    )
    await service.update("A-102", price=5)
    process.go()
    assert "make another plan (somebody has updated 4711 A-102)" in await process.result()
    assert service.emulator.applied == 1


async def test_a_ledger_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path, account = tmp_path / "ledger.sqlite3", Account("https://api.propq.com", 7)
    async with Ledger(path) as ledger:
        await ledger.acknowledge(account, [an_update()])
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE unit DROP COLUMN marked")
    async with Ledger(path) as ledger:
        await ledger.mark(account, [an_update()])
        assert await ledger.touched(account, [an_update()], 0) == [("4711", "A-101")]
