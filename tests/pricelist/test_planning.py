from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import (
    ROUND_UP,
    Clamped,
    Context,
    Decimal,
    FloatOperation,
    Inexact,
    Overflow,
    Rounded,
    Subnormal,
    localcontext,
)
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.styles import Font

from propq_async import (
    AsyncPropQ,
    ConfigurationError,
    Credentials,
    UnitStatus,
    pricelist,
)
from propq_async.pricelist import (
    BrokenRow,
    Failures,
    Reason,
    Row,
    WarningKind,
)
from propq_async.pricelist._reading.rows import with_remark
from tests.helpers.lists import ENGLISH, json_lines, text_list, unit, workbook
from tests.helpers.planning import House, a_house, kinds, reasons, taken
from tests.helpers.support import FakeClock


@pytest.mark.parametrize("make", ["csv", "xlsx", "jsonl"])
async def test_the_decimal_context_of_the_caller_changes_nothing(house: House, make: str) -> None:
    """Neither its precision and rounding, nor what it traps."""
    rows = [
        unit("A-101", 300_000.55),
        unit("A-102", 199_500.5),
        unit("A-103", 0.05),
        unit("A-104", 275_000.00000000006 if make == "xlsx" else 275_000),
        unit("A-105", 12.345, status="?"),
    ]
    await house.push(unit("A-101", "200000.25"), unit("A-102", "180000.99"))
    path = house.directory / f"list.{make}"
    if make == "xlsx":
        workbook(path, S=[ENGLISH, *rows])
    elif make == "jsonl":
        json_lines(path, *(dict(zip(ENGLISH, row, strict=True)) for row in rows))
    else:
        text_list(path, *rows)

    async def looked_at() -> Any:
        made = await pricelist.plan(pricelist.read(path), house.propq, house.ledger)
        changes = [(one.update, one.price_change, one.reason) for one in made.changes]
        warnings = [str(one) for one in made.warnings]
        return changes, warnings, made.totals, [str(one) for one in made.broken]

    expected = await looked_at()
    for signal in (FloatOperation, Inexact, Rounded, Subnormal, Clamped, Overflow):
        with localcontext(Context(prec=3, rounding=ROUND_UP, Emin=-2, Emax=2, traps=[signal])):
            assert await looked_at() == expected
            failures_of = pricelist.read(path)
            with Failures(failures_of, house.directory / "x.failed.csv") as failures:
                for row in failures_of:
                    failures.add(row, "why")
    async with pricelist.push(
        await pricelist.plan(pricelist.read(path), house.propq, house.ledger),
        house.propq,
        house.ledger,
        accept="all",
    ) as outcomes:
        with localcontext(Context(prec=1, traps=[FloatOperation, Inexact, Rounded])):
            sent = [outcome async for outcome in outcomes]
    assert len(sent) == 4


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
        WarningKind.PRICE,
        WarningKind.PRICE,
        WarningKind.SOLD_TO_AVAILABLE,
        WarningKind.BELOW_FLOOR,
        WarningKind.ALIKE,
        WarningKind.MISSING,
    ]
    said = [str(warning) for warning in made.warnings]
    assert said[0] == "4711 A-101 changes its price by +20.0%: 250,000 EUR -> 300,001 EUR"
    assert said[1] == "4711 A-102 changes its price by -20.0%: 250,000 EUR -> 199,999 EUR"
    assert said[2] == "4711 A-104 was SOLD and is AVAILABLE now"
    assert said[3] == "4711 a-107 costs 1 EUR: less than 1,000 EUR"
    assert "'a-107' differs from 'A-107' in line 8 only by case or spaces" in said[4]
    assert said[5] == (
        "1 unit of 4711 pushed before and not in the list: A-108 (nothing is sent for what is not "
        "listed)"
    )


async def test_a_remark_is_not_always_a_warning(house: House) -> None:
    await house.push(unit("A-101"))
    made = await house.plan(unit(" A-101"))
    assert [remark.is_warning for remark in made.remarks] == [False]
    assert not made.warnings


async def test_a_new_price_far_below_the_others_is_asked_for_once(house: House) -> None:
    usual = [unit("A-101", 400_000), unit("A-102", 250_000), unit("A-103", 2_500)]
    # 2,500 is a hundredth, and may be a parking space.
    assert kinds(await house.plan(*usual)) == [WarningKind.UNKNOWN_TO_LEDGER]
    low = [unit("A-104", "2499.99"), unit("A-105", "0.25")]
    made = await house.plan(*usual, unit("A-106", 250_000), *low)
    assert [str(warning) for warning in made.warnings[1:]] == [
        "4711 A-104 costs 2,499.99 EUR: less than a hundredth of the list's median, 250,000 EUR",
        "4711 A-105 costs 0.25 EUR: less than 1,000 EUR",
    ]
    # One that is sent for the second time was asked for before; what is known of it is its price.
    await house.push(*usual, unit("A-106", 250_000), *low)
    assert not (await house.plan(*usual, unit("A-106", 250_000), *low, everything=True)).warnings


async def test_prices_have_a_floor_of_their_own(house: House) -> None:
    """A list that is in thousands all through has nothing to be compared with."""
    low = [unit("A-101", 245), unit("A-102", 246), unit("A-103", 247)]
    made = await house.plan(*low)
    assert [(one.kind, str(one)) for one in made.warnings[1:]] == [
        (
            WarningKind.BELOW_FLOOR,
            "the median price of this list is 246 EUR: "  # noqa: ISC004 - one text
            "prices are sent in euro, and not in thousands",
        ),
        (WarningKind.BELOW_FLOOR, "4711 A-101 costs 245 EUR: less than 1,000 EUR"),
        (WarningKind.BELOW_FLOOR, "4711 A-102 costs 246 EUR: less than 1,000 EUR"),
        (WarningKind.BELOW_FLOOR, "4711 A-103 costs 247 EUR: less than 1,000 EUR"),
    ]
    assert len((await house.plan(*low, min_price=246)).warnings) == 3
    # Once it is confirmed it is known, and only a change is asked about.
    await house.push(*low)
    assert kinds(await house.plan(*low, everything=True)) == []
    assert kinds(await house.plan(unit("A-101", 200), *low[1:])) == []
    assert kinds(await house.plan(unit("A-101", 100), *low[1:])) == [WarningKind.PRICE]
    usual = [unit("A-104", 1_100), *(unit(f"A-{n}") for n in range(105, 108))]
    await house.push(*low, *usual)
    made = await house.plan(*low, unit("A-104", 950), *usual[1:])
    assert [str(one) for one in made.warnings] == ["4711 A-104 costs 950 EUR: less than 1,000 EUR"]


@pytest.mark.parametrize(("price", "asks"), [(9_999, True), (10_000, False)])
async def test_a_first_list_of_low_prices_is_asked_about(
    price: int,
    asks: bool,  # noqa: FBT001
    house: House,
) -> None:
    rows = [unit("A-101", 5_000), unit("A-102", price), unit("A-103", 300_000)]
    first = await house.plan(*rows)
    assert kinds(first)[1:] == [WarningKind.BELOW_FLOOR] * asks
    # Beside others that are known, they may be parking spaces.
    known = [unit(f"A-{n}", 5_000) for n in range(111, 115)]
    await house.push(*known)
    assert kinds(await house.plan(*known, *rows)) == []


@pytest.mark.parametrize(
    ("surfaces", "text"),
    [
        # 26,000 is above what half of all lists cost, and far below what a flat of 80 costs.
        (["M2"], "half of this list costs less than 325 EUR a square metre"),
        (["Sup. útil (m²)", "Terraza m2"], "costs less than 325"),
        (["Superficie", "Parcela m2"], "costs less than 325"),
        (["Terraza m2"], ""),
        (["Precio €/m²"], ""),
        (["Dormitorios"], ""),
    ],
)
async def test_a_first_list_that_is_low_for_its_surfaces_is_asked_about(
    surfaces: list[str], text: str, house: House
) -> None:
    cells = [["80,0", "400"][: len(surfaces)], ["80 m²", "8"][: len(surfaces)], ["", "?"]]
    path = house.directory / "surfaces.csv"
    lines = [";".join(["name", "status", "price", "directions", *surfaces])]
    for number, more in enumerate(cells, 101):
        lines.append(";".join([f"A-{number}", "SOLD", "26000", "N", *more[: len(surfaces)]]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    prices = pricelist.read(path, development_id="4711")
    made = await pricelist.plan(prices, house.propq, house.ledger)
    low = [one for one in made.warnings if one.kind is WarningKind.BELOW_FLOOR]
    assert len(low) == bool(text)
    assert all(text in str(one) for one in low)


@pytest.mark.parametrize(
    ("limit", "change", "asks"),
    [(0.2, 300_001, True), (0.3, 300_001, False), (0.3, 174_999, True), (0, 250_001, True)],
)
async def test_how_far_a_price_may_move_is_stated(
    limit: float,
    change: int,
    asks: bool,  # noqa: FBT001
    house: House,
) -> None:
    await house.push(unit("A-101"))
    made = await house.plan(unit("A-101", change), max_change=limit)
    assert kinds(made) == [WarningKind.PRICE] * asks
    with pytest.raises(ConfigurationError, match="max_change must be at least 0"):
        await house.plan(unit("A-101"), max_change=-0.1)
    with pytest.raises(ConfigurationError, match="min_price must be at least 0"):
        await house.plan(unit("A-101"), min_price=-1)


async def test_units_of_which_the_ledger_knows_nothing_are_asked_about(house: House) -> None:
    rows = [unit(f"A-{number}") for number in range(101, 111)]
    first = await house.plan(*rows)
    assert kinds(first) == [WarningKind.UNKNOWN_TO_LEDGER]
    assert str(first.warnings[0]).startswith(
        "none of these 10 units was ever pushed from here, so check the list (if they were pushed "
    )
    assert first.warnings[0].is_first_push
    assert str((await house.plan(unit())).warnings[0]).startswith("1 unit was never pushed from")
    await house.push(*rows[:5])
    # Once, and not for a few that are new.
    assert kinds(await house.plan(*rows[:5], everything=True)) == []
    assert kinds(await house.plan(*rows)) == []
    more = await house.plan(*rows, unit("A-111"))
    assert str(more.warnings[0]).startswith("the ledger knows nothing of 6 of 11 units of the list")
    others = await house.plan(unit("B"), unit("C"))
    assert str(others.warnings[0]).startswith("the ledger knows nothing of 2 units of the list")
    assert [one.is_first_push for one in (*more.warnings, *others.warnings)] == [False] * 3
    # Another account has a memory of its own.
    other = AsyncPropQ(
        Credentials(house.propq.client_id + 1, "x"), base_url=house.propq.base_url, token_store=None
    )
    made = await pricelist.plan(house.write(*rows[:5]), other, house.ledger)
    assert kinds(made) == [WarningKind.UNKNOWN_TO_LEDGER]


async def test_a_unit_that_was_sent_before_is_not_unknown(house: House) -> None:
    """Not even if the server refused it: that it is new was confirmed then."""
    await house.push(unit("B"), unit("C"))
    made = await house.plan(unit("B"), unit("C"))
    assert (reasons(made), kinds(made)) == ({"B": Reason.IN_DOUBT, "C": Reason.IN_DOUBT}, [])


async def test_what_failed_of_a_known_list_is_not_unknown(house: House) -> None:
    def failed(name: str) -> pricelist.PriceList:
        header = [*ENGLISH, "propq_problem"]
        path = house.directory / f"{name}.failed.csv"
        return pricelist.read(text_list(path, [*unit("A-105"), "404"], header=header))

    made = await pricelist.plan(failed("x"), house.propq, house.ledger)
    assert kinds(made) == [WarningKind.UNKNOWN_TO_LEDGER]
    await house.push(unit("A-101"), unit("A-102"))
    assert kinds(await pricelist.plan(failed("y"), house.propq, house.ledger)) == []


@pytest.mark.parametrize(("moved", "warned"), [(4, False), (5, True)])
async def test_more_than_half_of_the_list_changes_its_directions(
    moved: int,
    warned: bool,  # noqa: FBT001
    house: House,
) -> None:
    """A word for a direction that is read otherwise than before turns a whole list."""
    names = [f"A-{number}" for number in range(101, 109)]
    await house.push(*(unit(name, directions="E S") for name in names))
    made = await house.plan(
        *(unit(name, directions="W" if n < moved else "S E") for n, name in enumerate(names))
    )
    assert kinds(made) == [WarningKind.DIRECTIONS] * warned
    if warned:
        assert str(made.warnings[0]) == (
            "5 of 8 units change their directions: more than half of the list"
        )


async def test_a_remark_that_has_a_kind_is_a_warning_of_its_row(house: House) -> None:
    prices = house.write(unit("A-101"), unit("A-102"))
    first, second = (row for row in prices if isinstance(row, Row))
    hidden = with_remark(second, "the row is hidden", WarningKind.HIDDEN)

    class _Remarked(pricelist.PriceList):
        def whole(self) -> Iterator[Row | BrokenRow]:
            return iter([first, hidden])

    prices.__class__ = _Remarked
    made = await pricelist.plan(prices, house.propq, house.ledger)
    assert [(one.kind, str(one)) for one in made.warnings[1:]] == [
        (WarningKind.HIDDEN, f"{prices.path}, line 3: the row is hidden")
    ]
    await house.push(unit("A-101"), unit("A-102"), name="other")
    # Nothing is sent of it.
    assert kinds(await pricelist.plan(prices, house.propq, house.ledger)) == []


async def test_names_alike_are_pointed_out_whichever_is_sent(house: House) -> None:
    for name in ("A 1", "a1"):
        house.emulator.add_unit("4711", name)
    rows = [unit("A 1"), unit("a1", 260_000), unit("A-101")]
    first = await house.plan(*rows)
    assert kinds(first) == [WarningKind.UNKNOWN_TO_LEDGER, WarningKind.ALIKE]
    async with pricelist.push(
        first, house.propq, house.ledger, accept="all", concurrency=1
    ) as outcomes:
        assert [outcome.ok async for outcome in outcomes] == [True] * 3
    # Since the later one was acknowledged, the earlier one is in doubt. It is asked again.
    again = await house.plan(*rows)
    assert reasons(again) == {"A 1": Reason.IN_DOUBT}
    assert kinds(again) == [WarningKind.ALIKE]
    assert "line 3: 'a1' differs from 'A 1' in line 2 only by" in str(again.warnings[0])
    changed = await house.plan(unit("A 1", 255_000), *rows[1:])
    assert reasons(changed) == {"A 1": Reason.CHANGED}
    assert kinds(changed) == [WarningKind.ALIKE]
    # Nothing is asked about them if others are sent.
    async with pricelist.push(again, house.propq, house.ledger, accept="all") as outcomes:
        assert [outcome.ok async for outcome in outcomes] == [True]
    other = await house.plan(rows[0], unit("A-102"), name="other")
    assert reasons(other) == {"A-102": Reason.NEW}
    assert WarningKind.ALIKE not in kinds(other)


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
    assert kinds(await house.plan(unit("A-101", 1_000), unit("A-102"), unit("A-103"))) == [
        WarningKind.PRICE
    ]


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
    assert kinds(made) == [WarningKind.MOST_CHANGE_STATUS] * warned
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
    assert kinds(made) == [WarningKind.MISSING, WarningKind.MISSING]
    assert len(made.missing) == 8
    assert "7 units of 4711" in str(made.warnings[0])
    assert "A-102, A-103, A-104, A-105, A-106 and 2 more" in str(made.warnings[0])
    assert not made.changes
    # Another list need not have the development, but it must have all of those that it has.
    assert kinds(await house.plan(*rows[:8], name="other")) == []
    assert kinds(await house.plan(rows[0], name="other")) == [WarningKind.MISSING]
    # A row that is there and broken has not vanished, nor may one that cannot be read at all.
    broken = unit("A-108", "?")
    assert kinds(await house.plan(*rows[:7], broken, rows[8])) == []
    assert kinds(await house.plan(*rows[:8], ["no row"])) == []
    # Once somebody has said yes to it, it is not told again.
    await house.ledger.note_missing(made.account, made.missing)
    assert kinds(await house.plan(rows[0])) == []
    assert house.emulator.applied == applied


async def test_a_unit_that_was_updated_by_itself_is_missed_in_its_list(house: House) -> None:
    house.emulator.add_unit("12", "B")
    rows = [unit("A-101"), unit("B", development="12")]
    made = await house.plan(*rows)
    await taken(pricelist.push(made, house.propq, house.ledger, accept="all"))
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


async def test_rows_that_a_workbook_hides_need_a_yes(house: House) -> None:
    path = workbook(house.directory / "x.xlsx", S=[ENGLISH, *map(unit, ["A", "B", "C"])])
    book = openpyxl.load_workbook(path)
    book["S"].row_dimensions[3].hidden = True
    book["S"]["D4"].font = Font(strike=True)
    book.save(path)
    made = await pricelist.plan(pricelist.read(path), house.propq, house.ledger)
    assert reasons(made) == dict.fromkeys("ABC", Reason.NEW)
    assert kinds(made) == [
        WarningKind.UNKNOWN_TO_LEDGER,
        WarningKind.HIDDEN,
        WarningKind.HIDDEN,
    ]
    said = [str(warning) for warning in made.warnings[1:]]
    assert said[0].endswith("line 3: the row is hidden in the list, and it is read all the same")
    assert said[1].endswith("line 4: struck through in the list, and read all the same: price")


async def test_rows_that_differ_in_an_unread_column_are_kept_back(house: House) -> None:
    """A letter on every floor is a name for none of these units."""
    rows = [[floor, *unit(name)] for floor, name in [(1, "A-101"), (2, "A-101"), (1, "A-102")]]
    path = text_list(house.directory / "x.csv", *rows, header=["Piso", *ENGLISH])
    made = await pricelist.plan(pricelist.read(path), house.propq, house.ledger)
    assert reasons(made) == {"A-102": Reason.NEW}
    assert (len(made.broken), made.repeated) == (2, 0)
    assert "in column Piso, which is not read" in str(made.broken[1])


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
    short = ["4711", "A-1"]
    rows = [
        unit("A-101"),
        unit("A-102", "?"),
        unit("A-101", "?", development="12"),
        ["4711"],
        short,
    ]
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
