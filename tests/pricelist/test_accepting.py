"""What a plan warns of is sent only if somebody has said yes to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from propq_async import ConfigurationError, UnconfirmedError, pricelist
from propq_async.pricelist import Plan, PlanWarning, WarningKind
from propq_async.pricelist._plan_warning import unaccepted
from tests.helpers.lists import unit
from tests.helpers.planning import House, taken

KINDS = WarningKind.PRICE, WarningKind.MISSING, WarningKind.ALIKE


async def suspicious(house: House) -> Plan:
    """Return a plan that doubles a price and sells a unit back."""
    await house.push(unit("A-101", 100_000), unit("A-102", 200_000, status="SOLD"))
    return await house.plan(unit("A-101", 200_000), unit("A-102", 200_000, status="AVAILABLE"))


async def test_push_refuses_a_plan_whose_warnings_nobody_accepted(house: House) -> None:
    made = await suspicious(house)
    calls = house.emulator.calls
    with pytest.raises(UnconfirmedError) as caught:
        pricelist.push(made, house.propq, house.ledger)
    assert caught.value.warnings == {
        str(WarningKind.PRICE): [
            "4711 A-101 changes its price by +100.0%: 100,000 EUR -> 200,000 EUR"
        ],
        str(WarningKind.SOLD_TO_AVAILABLE): ["4711 A-102 was SOLD and is AVAILABLE now"],
    }
    text = str(caught.value)
    assert text.startswith(f"{made.path}: nothing was sent, since this needs a yes: 4711 A-101 ")
    assert text.endswith(
        f"; if it is meant, push with accept='price,{WarningKind.SOLD_TO_AVAILABLE}'"
    )
    assert house.emulator.calls == calls


async def test_a_yes_to_one_kind_is_none_to_another(house: House) -> None:
    made = await suspicious(house)
    with pytest.raises(UnconfirmedError) as caught:
        pricelist.push(made, house.propq, house.ledger, accept=[WarningKind.PRICE])
    assert list(caught.value.warnings) == [WarningKind.SOLD_TO_AVAILABLE]


async def test_what_the_error_carries_can_be_accepted(house: House) -> None:
    made = await suspicious(house)
    with pytest.raises(UnconfirmedError) as caught:
        pricelist.push(made, house.propq, house.ledger)
    warnings = caught.value.warnings
    assert await taken(pricelist.push(made, house.propq, house.ledger, accept=warnings)) == 2
    assert house.emulator.unit("4711", "A-101").price == 200_000


async def test_the_error_quotes_three_warnings_and_carries_all(house: House) -> None:
    names = [f"A-{number}" for number in range(101, 107)]
    await house.push(*(unit(name, 100_000) for name in names))
    made = await house.plan(*(unit(name, 200_000) for name in names))
    with pytest.raises(UnconfirmedError, match=r"A-103 .*; and 3 more; if it is meant") as caught:
        pricelist.push(made, house.propq, house.ledger)
    assert "A-104" not in str(caught.value)
    assert len(caught.value.warnings["price"]) == 6


@pytest.mark.parametrize(
    ("accept", "left"),
    [
        ((), ["price", "missing", "alike"]),
        ("all", []),
        ({"all"}, []),
        ("price", ["missing", "alike"]),
        (WarningKind.PRICE, ["missing", "alike"]),
        ("price, alike", ["missing"]),
        ([WarningKind.PRICE, "missing"], ["alike"]),
        (iter(KINDS), []),
    ],
)
def test_kinds_are_accepted_one_by_one(accept: Iterable[str], left: list[str]) -> None:
    warnings = [PlanWarning(kind, "look") for kind in KINDS]
    assert [one.kind for one in unaccepted(warnings, accept)] == left


@pytest.mark.parametrize("accept", ["prices", ["price", "prices"], "", "price,", [None]])
def test_a_kind_that_does_not_exist_is_an_error(accept: Any) -> None:
    """Even with nothing to accept: it would be found out only when it matters."""
    with pytest.raises(ConfigurationError, match=r"no kind of warning .* price, .* and all"):
        unaccepted([], accept)
