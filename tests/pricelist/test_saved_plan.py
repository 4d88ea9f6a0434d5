"""A plan in a file, which is pushed exactly as it is or not at all."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propq_async import AsyncPropQ, ConfigurationError, Credentials, UnitStatus, pricelist
from propq_async.ledger import Account, Entry, Ledger, LedgerError
from propq_async.models import UnitUpdate
from propq_async.pricelist import (
    BrokenRow,
    Change,
    Column,
    Failures,
    Plan,
    PlanWarning,
    PriceListError,
    Problem,
    Reason,
    Remark,
    Row,
    Table,
    Total,
    WarningKind,
    load_plan,
    save_plan,
)
from propq_async.pricelist._reading.price_list import digest_of
from tests.helpers.lists import ENGLISH, text_list, unit, workbook
from tests.helpers.planning import House, taken

_TEXT = st.text(min_size=1, max_size=4)
_NAMES = st.text("abc1-ñ Á", min_size=1, max_size=4).map(str.strip).filter(bool)
_PRICES = st.one_of(
    st.integers(1, 10**14),
    st.integers(1, 10**10).map(lambda cents: cents / 100),
    st.decimals(Decimal("0.01"), 10**9, places=2),
)
_CELLS = st.lists(st.text(max_size=6) | st.just("\udce1"), max_size=4).map(tuple)


def _updates() -> st.SearchStrategy[UnitUpdate]:
    directions = st.lists(st.sampled_from(["N", "SE", "Mar"]), min_size=1, max_size=3)
    return st.builds(UnitUpdate, _NAMES, _NAMES, st.sampled_from(UnitStatus), _PRICES, directions)


def _plans(path: Path) -> st.SearchStrategy[Plan]:
    tables = st.sampled_from(
        [
            Table(path, sheet, ("name", "Ático"), line, {"name": Column(0, "name", *how)})
            for sheet in (None, "Fase 1")
            for line, how in ((0, (None, False, "heading")), (3, ("A", True, "stated")))
        ]
    )
    remarks = st.builds(
        Remark,
        st.just(path),
        st.none() | _TEXT,
        st.integers(1),
        _TEXT,
        st.none() | st.sampled_from(WarningKind),
    )
    rows = st.builds(
        Row, _updates(), tables, st.integers(1), _CELLS, st.lists(remarks, max_size=2).map(tuple)
    )
    entries = st.builds(
        Entry,
        _NAMES,
        _NAMES,
        st.none() | st.sampled_from(UnitStatus),
        st.none() | st.decimals(0, 10**9, places=2),
        st.lists(_TEXT, max_size=2).map(tuple),
        st.none() | st.floats(0, 1e10),
        st.booleans(),
        st.none() | _TEXT,
        st.booleans(),
    )
    units = st.tuples(_NAMES, _NAMES)
    problems = st.builds(
        Problem, st.just(path), st.none() | _TEXT, st.integers(1), st.none() | _TEXT,
        st.none() | _TEXT, _TEXT,
    )  # fmt: skip
    broken = st.builds(
        BrokenRow, tables, st.integers(1), _CELLS, st.lists(problems, max_size=2).map(tuple),
        st.none() | units,
    )  # fmt: skip
    totals = st.builds(Total, st.integers(0, 99), st.decimals(0, 10**9, places=2))
    return st.builds(
        Plan,
        path=st.just(path),
        tables=st.lists(tables, min_size=1, max_size=2),
        account=st.builds(Account, _TEXT, st.integers(1)),
        changes=st.lists(
            st.builds(Change, rows, st.sampled_from(Reason), st.none() | entries), max_size=3
        ),
        unchanged=st.integers(0),
        broken=st.lists(broken, max_size=2),
        repeated=st.integers(0),
        remarks=st.lists(remarks, max_size=2),
        warnings=st.lists(st.builds(PlanWarning, st.sampled_from(WarningKind), _TEXT), max_size=2),
        missing=st.lists(units, max_size=2),
        seen=st.lists(units, max_size=2),
        totals=st.fixed_dictionaries(dict.fromkeys(UnitStatus, totals)),
        generation=st.integers(0, 2**53),
        list_digest=st.just(digest_of(path)),
    )


def _told(value: Any) -> Any:
    """Return a value so that it compares by what it holds, with the types of numbers."""
    if hasattr(value, "__attrs_attrs__"):
        fields = [one.name for one in value.__attrs_attrs__]
        return type(value), [(name, _told(getattr(value, name))) for name in fields]
    if isinstance(value, list | tuple):
        return type(value), [_told(one) for one in value]
    if isinstance(value, dict):
        return [(key, _told(one)) for key, one in value.items()]
    return type(value), value


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25
)
@given(st.data())
def test_a_plan_is_loaded_as_it_was_saved(tmp_path: Path, data: st.DataObject) -> None:
    path = text_list(tmp_path / "list.csv", unit())
    plan = data.draw(_plans(path))
    save_plan(plan, tmp_path / "plan.json")
    loaded = load_plan(tmp_path / "plan.json")
    assert _told(loaded) == _told(plan)


async def test_a_plan_that_was_saved_is_pushed_as_it_is(house: House) -> None:
    await house.push(unit("A-101"), unit("A-102"))
    made = await house.plan(unit("A-101", 300_000), unit("A-102"), unit("A-103", "199500.50"))
    save_plan(made, house.directory / "plan.json")
    loaded = load_plan(house.directory / "plan.json")
    push = pricelist.push(loaded, house.propq, house.ledger, accept="all")
    assert (await taken(push), push.standing.applied) == (2, 2)
    assert house.emulator.unit("4711", "A-103").price == 199_500.5
    # The second time the ledger has moved on.
    with pytest.raises(LedgerError, match="has changed since the plan was made"):
        await taken(pricelist.push(loaded, house.propq, house.ledger, accept="all"))


@pytest.mark.parametrize("moved", ["sent", "acknowledged", "missing"])
async def test_a_plan_is_refused_once_the_ledger_has_moved_on(moved: str, house: House) -> None:
    await house.push(unit("A-101"), unit("A-102"))
    made = await house.plan(unit("A-101", 260_000))
    if moved == "sent":
        await house.push(unit("A-105"), name="other")
    elif moved == "acknowledged":
        await house.ledger.acknowledge(made.account, [made.changes[0].update])
    else:
        await house.ledger.note_missing(made.account, made.missing)
    calls = house.emulator.calls
    with pytest.raises(LedgerError, match="nothing was sent; make another plan"):
        await taken(pricelist.push(made, house.propq, house.ledger, accept="all"))
    assert house.emulator.calls == calls


async def test_a_ledger_that_was_lost_is_not_taken_for_the_same(
    house: House, tmp_path: Path
) -> None:
    """Not even if as much was written to the one that is there now."""
    await house.push(unit("A-101"))
    made = await house.plan(unit("A-101", 260_000))
    async with Ledger(tmp_path / "other") as other:
        again = await pricelist.plan(house.write(unit("A-101"), name="x"), house.propq, other)
        await taken(pricelist.push(again, house.propq, other, accept="all"))
        with pytest.raises(LedgerError, match="or is another one: nothing was sent"):
            await taken(pricelist.push(made, house.propq, other, accept="all"))


async def test_a_plan_is_for_its_account(house: House) -> None:
    made = await house.plan(unit("A-101"))
    other = AsyncPropQ(
        Credentials(house.propq.client_id + 1, "x"), base_url=house.propq.base_url, token_store=None
    )
    with pytest.raises(ConfigurationError, match=r"is for client 1 of .* those of client 2 of "):
        async with other, pricelist.push(made, other, house.ledger, accept="all"):
            raise AssertionError
    assert house.emulator.calls == 0


async def test_a_list_that_was_edited_is_not_pushed_by_its_plan(house: House) -> None:
    made = await house.plan(unit("A-101"))
    path = house.directory / "plan.json"
    save_plan(made, path)
    house.write(unit("A-101", 260_000))
    with pytest.raises(PriceListError, match=r"list.csv was edited since the plan .* nothing was"):
        load_plan(path)
    house.write(unit("A-101"))
    assert load_plan(path).list_digest == made.list_digest
    made.path.unlink()
    with pytest.raises(PriceListError, match=r"cannot read .*list.csv, of which the plan .*: No s"):
        load_plan(path)


async def test_a_plan_that_was_edited_is_refused(house: House) -> None:
    path = house.directory / "plan.json"
    save_plan(await house.plan(unit("A-101")), path)
    text = path.read_text()
    whole = json.loads(text)
    # In another form it is the same.
    path.write_text(json.dumps(whole, indent=4))
    assert load_plan(path).changes
    for spoiled, what in (
        (text.replace("250000", "25000"), "plan.json was edited since the plan was made"),
        (json.dumps(whole | {"sha256": None}), "plan.json was edited since the plan was made"),
        (text[:-20], "is no plan that propq has saved, or not the whole of it"),
        ("[" * 100_000, "is no plan that propq has saved"),
        ("{}", "is no plan that propq has saved"),
        (json.dumps(whole | {"propq_plan": 2}), "made by another version of propq-async: nothing"),
    ):
        path.write_text(spoiled)
        with pytest.raises(PriceListError, match=what):
            load_plan(path)
    path.unlink()
    with pytest.raises(PriceListError, match=r"cannot read .*plan\.json: No such file"):
        load_plan(path)


async def test_a_plan_with_other_fields_is_of_another_version(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = house.directory / "plan.json"
    made = await house.plan(unit("A-101"))
    with monkeypatch.context() as patch:
        patch.setattr(UnitStatus.SOLD, "_name_", "GONE")
        save_plan(made, path)
    with pytest.raises(PriceListError, match="made by another version of propq-async: nothing was"):
        load_plan(path)


async def test_nothing_but_a_plan_is_replaced(house: House) -> None:
    made = await house.plan(unit("A-101"))
    before = made.path.read_bytes()
    for path in (made.path, house.directory):
        with pytest.raises(PriceListError, match="is there, and is no plan: name another file"):
            save_plan(made, path)
    assert made.path.read_bytes() == before
    path = house.directory / "plan.json"
    path.touch()
    for _ in range(2):
        save_plan(made, path)
        assert load_plan(path).account == made.account


async def test_the_failures_of_a_plan_that_was_saved_are_written(house: House) -> None:
    path = workbook(
        house.directory / "x.xlsx",
        **{"Fase 1": [ENGLISH, unit("A-101"), unit("B")], "Fase 2": [ENGLISH, unit("A-102", "?")]},
    )
    prices = pricelist.read(path)
    save_plan(await pricelist.plan(prices, house.propq, house.ledger), house.directory / "p.json")
    loaded = load_plan(house.directory / "p.json")
    with Failures(pricelist.read(path), house.directory / "failed.csv") as failures:
        failures.add(loaded.changes[1].row, "404")
        failures.add(loaded.broken[0], loaded.broken[0].what)
    written = (house.directory / "failed.csv").read_text("utf-8-sig").splitlines()
    assert written[1].partition(",")[2] == "4711,B,SOLD,250000,N S"
    assert written[2].endswith(",4711,A-102,SOLD,?,N S")
