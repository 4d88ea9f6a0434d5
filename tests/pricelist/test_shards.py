"""A list in parts, each of which another process pushes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import AsyncPropQ, pricelist
from propq_async._comparison import alike
from propq_async.ledger import Ledger, LedgerBusyError, LedgerError
from propq_async.pricelist import Plan, PriceListError, WarningKind
from propq_async.pricelist._shards import shard_of
from propq_async.testing import PropQEmulator
from tests.helpers.lists import text_list, unit
from tests.helpers.planning import House, kinds, taken
from tests.helpers.postgres import Server

NAMES = [f"A-{number}" for number in range(101, 141)]
SHARDS = [(number, 3) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "shards", "shard"),
    [("A-101", 2, 2), ("A-101", 7, 6), ("a - 101", 7, 6), ("É", 1000, 881), ("", 5, 4)],
)
def test_a_unit_is_in_the_same_part_in_every_version(name: str, shards: int, shard: int) -> None:
    """Otherwise an update of the package amid a job would send units twice, or never."""
    assert shard_of(("4711", name), shards) == shard


@given(st.text(), st.text(), st.integers(1, 99))
def test_names_that_may_be_one_unit_are_in_one_part(
    development_id: str, name: str, shards: int
) -> None:
    found = shard_of((development_id, name), shards)
    assert 1 <= found <= shards
    assert shard_of((development_id, alike(name)), shards) == found


def test_the_parts_of_a_list_are_the_list(tmp_path: Path) -> None:
    path = text_list(
        tmp_path / "list.csv",
        *map(unit, NAMES),
        unit("A-101"),
        unit("A-102", 5),
        unit("B", "free"),
        ["", "", "", "", ""],
        ["4711"],
    )
    whole = [row.line for row in pricelist.read(path)]
    parts = [[row.line for row in pricelist.read(path, shard=shard)] for shard in SHARDS]
    assert sorted(line for part in parts for line in part) == whole
    assert all(parts)
    assert pricelist.read(path).shard is None


@pytest.mark.parametrize("shard", [(0, 2), (3, 2), (-1, -1), (0, 0)])
def test_a_part_that_cannot_be_is_refused(tmp_path: Path, shard: tuple[int, int]) -> None:
    with pytest.raises(PriceListError, match="a shard is a number from 1 on and how many "):
        pricelist.read(text_list(tmp_path / "list.csv", unit("A-101")), shard=shard)


async def plans(house: House, path: Path) -> list[Plan]:
    return [
        await pricelist.plan(pricelist.read(path, shard=shard), house.propq, house.ledger)
        for shard in SHARDS
    ]


async def test_the_plans_of_the_parts_add_up(house: House) -> None:
    await house.push(*map(unit, NAMES[:20]), unit("gone"), unit("gone too"))
    rows = [*map(unit, NAMES), unit("A-101"), unit("B", "free"), unit("A-102", 5)]
    path = text_list(house.directory / "list.csv", *rows)
    whole = await pricelist.plan(pricelist.read(path), house.propq, house.ledger)
    parts = await plans(house, path)
    assert sum(one.rows for one in parts) == whole.rows
    for what in ("unchanged", "repeated"):
        assert sum(getattr(one, what) for one in parts) == getattr(whole, what)
    for what in ("changes", "broken", "missing", "seen", "remarks"):
        assert sum(len(getattr(one, what)) for one in parts) == len(getattr(whole, what))
    for status, total in whole.totals.items():
        assert sum(one.totals[status].units for one in parts) == total.units
        assert sum(one.totals[status].value for one in parts) == total.value
    assert [one.shard for one in parts] == SHARDS
    assert whole.shard is None


async def test_what_is_likely_a_mistake_is_that_of_the_whole_list(house: House) -> None:
    """A unit of another part has not vanished, and one that has is told to all."""
    path = text_list(house.directory / "list.csv", *map(unit, NAMES))
    await house.push(*map(unit, NAMES))
    assert [kinds(one) for one in await plans(house, path)] == [[], [], []]
    text_list(path, *map(unit, NAMES[1:]))
    parts = await plans(house, path)
    assert [kinds(one) for one in parts] == [[WarningKind.MISSING]] * 3
    # It is noted once.
    assert [unit for one in parts for unit in one.missing] == [("4711", NAMES[0])]


async def test_parts_are_pushed_side_by_side(tmp_path: Path, postgres: Server) -> None:
    url = postgres.new_database()
    path = text_list(tmp_path / "list.csv", *map(unit, NAMES))
    async with PropQEmulator() as emulator:
        for name in NAMES:
            emulator.add_unit("4711", name)
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
        async with propq, Ledger(url) as ledger, Ledger(url) as other, Ledger(url) as third:
            made = [
                await pricelist.plan(pricelist.read(path, shard=shard), propq, one)
                for shard, one in zip(SHARDS, (ledger, other, third), strict=True)
            ]
            first, second, last = (
                pricelist.push(one, propq, where, accept="all")
                for one, where in zip(made, (ledger, other, third), strict=True)
            )
            async with first as outcomes:
                sent = [outcome.change.unit async for outcome in outcomes]
                async with second as more:
                    sent += [outcome.change.unit async for outcome in more]
            assert emulator.applied == len(sent) == len(set(sent))
            # Somebody who updates a unit of a part meanwhile makes its plan out of date.
            await third.mark(made[2].account, [made[2].changes[0].update])
            with pytest.raises(LedgerError, match="has changed since the plan was made"):
                async with last:
                    pass
            await pricelist.plan(pricelist.read(path), propq, ledger)
    assert len(sent) == len(NAMES) - len(made[2].changes)


async def test_a_file_is_for_one_process_at_a_time(house: House) -> None:
    path = text_list(house.directory / "list.csv", *map(unit, NAMES))
    first, second, _ = await plans(house, path)
    push = pricelist.push(first, house.propq, house.ledger, accept="all")
    async with Ledger(house.ledger.path) as other, push:
        with pytest.raises(LedgerBusyError):
            await taken(pricelist.push(second, house.propq, other, accept="all"))
