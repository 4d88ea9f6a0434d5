"""Names that a template makes, and gaps that are filled: from the ledger, a file, or a value."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import UnitStatus, UnitUpdate, pricelist
from propq_async._comparison import exact
from propq_async.pricelist import Failures, PriceList, PriceListError, Row
from tests.helpers.lists import ENGLISH, broken, good, json_lines, text_list, unit, workbook
from tests.helpers.planning import House
from tests.helpers.profiles import listed, profile

TEMPLATE = """
[[list]]
development = "4711"
name = "{Portal?}-{Planta}{Puerta}"
"""
PORTALS = """
    Portal;Planta;Puerta;Estado;Precio;Orientación
    1; 2 ;A;Libre;250000;S
    ;3;B;Vendido;260000;N
    2;;C;Libre;270000;S
    """


def _fill(path: Path, *lines: str) -> Path:
    return profile(path, "\n".join(["[[list]]", "[list.fill]", *lines]))


def test_a_template_makes_the_name(tmp_path: Path) -> None:
    profile(tmp_path, TEMPLATE)
    path = listed(tmp_path / "x.csv", PORTALS)
    first, second, third = pricelist.read(path)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.update.name, second.update.name) == ("1-2A", "-3B")
    assert str(third).removeprefix(f"{path}, ") == (
        "line 4, column {Portal?}-{Planta}{Puerta} is empty; expected something in "
        "Planta, which is empty here and part of the name: repeat its value in each row"
    )
    (table,) = pricelist.read(path).tables
    assert (str(table.columns["name"]), table.not_read) == ("{Portal?}-{Planta}{Puerta}", [])


def test_a_template_may_have_braces_and_columns_that_are_read_as_well(tmp_path: Path) -> None:
    profile(tmp_path, "[[list]]\nname = '{{{Promoción}}} {Ref}'\ndevelopment_id = 'Promoción'")
    path = listed(tmp_path / "x.csv", "Promoción;Ref;Estado;Precio;Orientación\n47;A;Libre;5000;S")
    (one,) = good(path)
    assert (one.development_id, one.name) == ("47", "{47} A")


def test_a_template_reads_numbers_of_a_workbook_and_no_dates(tmp_path: Path) -> None:
    from datetime import date  # noqa: PLC0415 - for this test alone

    profile(tmp_path, "[[list]]\nname = '{Floor}-{Door}'\ndevelopment = '4711'")
    header = ["Floor", "Door", "Status", "Price", "Directions"]
    rows = [[1, 2.0, "SOLD", 250_000, "N"], [2, date(2026, 2, 1), "SOLD", 250_000, "N"]]
    path = workbook(tmp_path / "x.xlsx", S=[header, *rows])
    first, second = pricelist.read(path)
    assert isinstance(first, Row)
    assert first.update.name == "1-2"
    assert "expected text or numbers in Floor and Door, and no dates, which" in str(second)


def test_two_units_of_one_name_are_an_error_at_both(tmp_path: Path) -> None:
    profile(tmp_path, TEMPLATE.replace("{Portal?}-", ""))
    path = listed(
        tmp_path / "x.csv",
        """
        Planta;Puerta;Estado;Precio;Orientación
        1;11;Libre;250000;S
        11;1;Libre;250000;S
        """,
    )
    (said,) = broken(path)
    assert "one row for each unit: 111 has other values in line 2, in column Planta" in said


def test_a_column_of_a_template_must_be_one(tmp_path: Path) -> None:
    profile(tmp_path, TEMPLATE)
    path = listed(tmp_path / "x.csv", "Portal;Puerta;Puerta;Planta;Estado;Precio;Orientación\n")
    with pytest.raises(PriceListError, match=r"one column Puerta, .*: Puerta \(B\), Puer"):
        pricelist.read(path)


def test_a_row_of_another_width_and_a_heading_that_comes_again(tmp_path: Path) -> None:
    profile(tmp_path, TEMPLATE + "[list.fill]\ndirections = ['S']")
    path = listed(
        tmp_path / "x.csv",
        """
        Portal;Planta;Puerta;Estado;Precio
        1;2;A;Libre;250000;
        1;2;B;Libre
        Portal;Planta;Puerta;Estado;Precio
        1;2;C;Libre;260000
        """,
    )
    first, second, third = pricelist.read(path)
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert (first.update.name, third.update.name) == ("1-2A", "1-2C")
    assert "expected 5 columns separated by semicolons, not 4" in str(second)


def test_a_line_that_is_no_row_has_no_name(tmp_path: Path) -> None:
    profile(tmp_path, TEMPLATE)
    path = listed(tmp_path / "x.csv", PORTALS + '4;4;"D;Libre;5000;S')
    assert broken(path)[-1].endswith(
        "found '4;4;\"D;Libre;5000;S'; expected a closing quotation mark: one is opened here, and "
        "not closed below"
    )


def test_json_lines_have_templates_and_fills_too(tmp_path: Path) -> None:
    profile(tmp_path, "[[list]]\nname = '{floor}{door}'\n[list.fill]\ndirections = ['N', 'S']")
    one = {"development": "4711", "floor": 1, "door": "A", "status": "SOLD", "price": 250_000}
    assert good(
        json_lines(tmp_path / "x.jsonl", one, one | {"door": "B", "directions": ["W"]})
    ) == [
        UnitUpdate("4711", "1A", UnitStatus.SOLD, 250_000, ["N", "S"]),
        UnitUpdate("4711", "1B", UnitStatus.SOLD, 250_000, ["W"]),
    ]


def test_a_file_fills_by_the_name_of_the_unit(tmp_path: Path) -> None:
    text_list(
        tmp_path / "units.csv",
        ["A-101", "Sur"],
        ["A-102", ""],
        ["A-103", "Mar"],
        ["A-104", "N"],
        ["A-104", "S"],
        ["", "S"],
        ["A-105"],
        header=["Vivienda", "Orientación"],
    )
    _fill(tmp_path, "directions = 'units.csv'")
    names = ["A-101", "A-102", "A-103", "A-104", "A-105"]
    rows = [unit(name)[:4] for name in names]
    path = text_list(tmp_path / "x.csv", *rows, header=ENGLISH[:4])
    first, *others = pricelist.read(path)
    assert isinstance(first, Row)
    assert (first.update.directions, first.filled) == (("S",), {"directions": "units.csv"})
    assert [str(row).partition("directions is empty; ")[2] for row in others] == [
        "expected directions, and units.csv, line 3 has '' to fill it in",
        "expected directions, and units.csv, line 4 has 'Mar' to fill it in",
        "expected one value, and units.csv has several for A-104",
        "expected directions, and units.csv has no A-105 to fill it in",
    ]


def test_a_file_with_developments_fills_by_them_as_well(tmp_path: Path) -> None:
    workbook(
        tmp_path / "units.xlsx",
        S=[
            ["Promoción", "Vivienda", "Precio", "Estado"],
            ["4711", "A", 250_000, "Vendido"],
            ["4712", "A", 199_500.5, "Libre"],
        ],
    )
    _fill(tmp_path, "price = 'units.xlsx'", "status = 'units.xlsx'")
    rows = [["4711", "A", "N"], ["4712", "A", "N"], ["4713", "A", "N"]]
    path = text_list(tmp_path / "x.csv", *rows, header=["development_id", "name", "directions"])
    assert len(broken(path)) == 1
    first, second, _ = pricelist.read(path)
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.update.price, first.update.status) == (250_000, UnitStatus.SOLD)
    assert (exact(second.update.price), second.update.status) == (
        exact(199_500.5),
        UnitStatus.AVAILABLE,
    )


def test_a_file_that_fills_must_say_what_it_fills(tmp_path: Path) -> None:
    text_list(tmp_path / "units.csv", ["A"], header=["Vivienda"])
    _fill(tmp_path, "directions = 'units.csv'")
    path = text_list(tmp_path / "x.csv", unit())
    said = r"units\.csv, which fills directions, has no certain column for .*directions: it needs"
    with pytest.raises(PriceListError, match=said):
        pricelist.read(path)
    _fill(tmp_path, "directions = 'units.json'")
    (tmp_path / "units.json").write_text("[")
    with pytest.raises(PriceListError, match=r"units\.json.* \(it fills directions\)"):
        pricelist.read(path)


def test_a_value_fills_what_is_empty_and_nothing_else(tmp_path: Path) -> None:
    _fill(tmp_path, "price = 250000.50", "status = 'HOLD'", "directions = ['N']")
    path = text_list(
        tmp_path / "x.csv",
        unit("A", "", directions=""),
        unit("B", "POA"),
        unit("C", "?"),
        unit("D", "-", status=""),
    )
    first, second, third, fourth = pricelist.read(path)
    assert isinstance(first, Row)
    assert (exact(first.update.price), first.update.directions) == (exact(250_000.5), ("N",))
    assert first.filled == {"price": "the profile", "directions": "the profile"}
    assert isinstance(second, Row)
    assert second.filled == {"price": "the profile"}
    assert "expected a price above zero" in str(third)
    assert isinstance(fourth, Row)
    assert fourth.update.status is UnitStatus.HOLD


def test_a_status_where_the_price_was(tmp_path: Path) -> None:
    path = text_list(
        tmp_path / "x.csv",
        unit("A", "VENDIDO", status=""),
        unit("B", "VENDIDO", status="Vendido"),
        unit("C", "VENDIDO", status="Libre"),
        unit("D", "250000", status=""),
    )
    assert all("is a status; [list.fill] price = " in said for said in broken(path)[:3])
    _fill(tmp_path, "price = 250000", "status = 'AVAILABLE'")
    first, second, third, fourth = pricelist.read(path)
    for row, filled in (
        (first, {"status": "the price column", "price": "the profile"}),
        (second, {"price": "the profile"}),
    ):
        assert isinstance(row, Row)
        assert (row.update.status, row.update.price) == (UnitStatus.SOLD, 250_000)
        assert row.filled == filled
    assert (
        "column price: found 'VENDIDO'; expected a price, or the status that the row has: 'Libre'"
        in str(third)
    )
    assert isinstance(fourth, Row)
    assert fourth.update.status is UnitStatus.AVAILABLE


def test_a_word_that_means_something_else_here_does_not_change_what_is_filled(
    tmp_path: Path,
) -> None:
    profile(
        tmp_path,
        """
        [[list]]
        status_words = { "SOLD" = "HOLD" }
        fill = { status = "SOLD" }
        """,
    )
    (said,) = broken(text_list(tmp_path / "x.csv", unit(status="")))
    assert "expected 'SOLD' from the profile to be read as that, which it is not" in said


def test_a_heading_of_a_group_is_not_filled(tmp_path: Path) -> None:
    _fill(tmp_path, "price = 250000", "status = 'HOLD'", "directions = ['N']")
    rows = [["4711", "A-1"], ["", "PLANTA BAJA"]]
    path = text_list(tmp_path / "x.csv", *rows, header=ENGLISH[:2])
    prices = pricelist.read(path)
    assert [row.update.name for row in prices if isinstance(row, Row)] == ["A-1"]
    assert [one.text for one in prices.not_units] == ["a heading of a group: PLANTA BAJA"]


def test_what_could_be_the_column_is_asked_about_before_it_is_filled(tmp_path: Path) -> None:
    _fill(tmp_path, "directions = ['S']")
    header = [*ENGLISH[:4], "Exposition Süd"]
    with pytest.raises(
        PriceListError, match=r"directions is filled from .*, and may be Exposition"
    ):
        pricelist.read(text_list(tmp_path / "x.csv", unit(), header=header))


async def test_the_ledger_fills_what_was_acknowledged(house: House) -> None:
    await house.push(unit("A-101", "199500.50"), unit("A-102", directions="W"))
    _fill(house.directory, "price = 'ledger'", "directions = 'ledger'", "status = 'ledger'")
    rows = [
        unit("A-101", "Vendido"),
        unit("A-102", "", status="", directions=""),
        unit("A-103", ""),
    ]
    prices = house.write(*rows)
    assert all("which the ledger fills in when a plan is made" in str(row) for row in prices)
    made = await house.plan(*rows, everything=True)
    assert {one.update.name: one.row.filled for one in made.changes} == {
        "A-101": {"price": "the ledger"},
        "A-102": {"price": "the ledger", "directions": "the ledger", "status": "the ledger"},
    }
    assert [exact(one.update.price) for one in made.changes] == [exact(199_500.5), 250_000]
    assert made.changes[1].update.directions == ("W",)
    (row,) = made.broken
    assert row.what == (
        "column price is empty; expected a price; the ledger has no old one, since A-103 was never "
        "pushed from here"
    )


async def test_what_failed_of_several_sheets_knows_its_developments(house: House) -> None:
    header = ["Portal", "Puerta", "Estado", "Precio"]
    path = workbook(
        house.directory / "x.xlsx",
        A=[header, ["1", "A", "Vendido", 250_000], ["1", "B", "Vendida?", 250_000]],
        B=[header, ["1", "A", "Vendido", 260_000], ["", "C", "Vendido", 260_000]],
    )
    profile(
        house.directory,
        """
        [[list]]
        file = "x.xlsx"
        name = "{Portal}-{Puerta}"
        sheets = { A = "1", B = "2" }
        fill = { directions = ["S"] }
        """,
    )
    prices = pricelist.read(path)
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, "why not")
    assert failures.path == house.directory / "x.failed.xlsx"
    assert failures.path is not None
    assert _said(pricelist.read(failures.path)) == _said(prices)


def _said(prices: PriceList) -> list[object]:
    """Return what a list says of each unit, wherever it stands."""
    return [
        row.update if isinstance(row, Row) else row.what.partition(", not")[0] for row in prices
    ]


@st.composite
def _units(draw: st.DrawFn) -> list[tuple[str, str, UnitUpdate, set[str]]]:
    """Return units with the two parts of their names, and which fields their rows leave empty."""
    parts = st.from_regex(r"[A-Z]{1,2}[0-9]{0,2}", fullmatch=True)
    names = draw(st.lists(st.tuples(parts, parts), min_size=1, max_size=8, unique=True))
    fields = st.sets(st.sampled_from(["status", "price", "directions"]))
    return [
        (
            first,
            second,
            UnitUpdate(
                "4711",
                f"{first}/{second}",
                draw(st.sampled_from(UnitStatus)),
                draw(st.integers(1_000, 10**7)) / draw(st.sampled_from([1, 2])),
                draw(st.lists(st.sampled_from("NSEW"), min_size=1, unique=True)),
            ),
            draw(fields),
        )
        for first, second in names
    ]


FIELDS = st.sets(st.sampled_from(["status", "price", "directions"]), max_size=2)


@settings(deadline=None, max_examples=60)
@given(units=_units(), without=FIELDS)
def test_no_unit_is_lost_doubled_or_moved_by_a_profile(
    tmp_path_factory: pytest.TempPathFactory,
    units: list[tuple[str, str, UnitUpdate, set[str]]],
    without: set[str],
) -> None:
    """A list that is written as a profile says is read back by it, whatever it leaves out."""
    folder = tmp_path_factory.mktemp("list")
    pricelist.write(folder / "units.csv", [update for _, _, update, _ in units])
    profile(
        folder,
        """
        [[list]]
        file = "x.csv"
        development = "4711"
        name = "{One}/{Two}"
        fill = { status = "units.csv", price = "units.csv", directions = "units.csv" }
        """,
    )
    fields = [field for field in ("status", "price", "directions") if field not in without]
    rows = [
        [first, second, *("" if field in empty else _cell(update, field) for field in fields)]
        for first, second, update, empty in units
    ]
    path = text_list(folder / "x.csv", *rows, header=["One", "Two", *fields], delimiter=";")
    found = list(pricelist.read(path))
    assert [row.update for row in found if isinstance(row, Row)] == [one for _, _, one, _ in units]
    assert len(found) == len(units)
    assert [set(row.filled) for row in found if isinstance(row, Row)] == [
        empty | without for _, _, _, empty in units
    ]


def _cell(update: UnitUpdate, field: str) -> str:
    if field == "directions":
        return " ".join(update.directions)
    return update.status.name if field == "status" else f"{update.price:.2f}"


@pytest.mark.parametrize("price", ["", "-", "Consultar"])
def test_where_there_is_no_price_one_reads_how_to_keep_the_last_one(
    tmp_path: Path, price: str
) -> None:
    (said,) = broken(text_list(tmp_path / "x.csv", unit("A", price)))
    assert '[list.fill] price = "ledger" in propq.toml keeps the price that was' in said


def test_a_merged_part_of_a_name_is_that_of_each_row(tmp_path: Path) -> None:
    """What is merged across columns, or begins above the units, may be something else."""
    rows: list[list[object]] = [
        ["Bloque", "Planta", "Puerta", "Estado", "PVP", "Orientación"],
        [1, "Bajo", "A", "Libre", 250_000, "S"],
        [None, None, "B", "Vendido", 251_000, "S"],
        [None, 1, "A", "Libre", 252_000, "S"],
        [None, None, "B", "Libre", 253_000, "S"],
        [2, "Bajo", "A", "Libre", 254_000, "S"],
        [None, "Bajo", "B", "Libre", 255_000, "S"],
        [3, None, "A", "Libre", 256_000, "S"],
    ]
    path = workbook(tmp_path / "x.xlsx", Lista=rows)
    book = openpyxl.load_workbook(path)
    for cells in ("A2:A5", "B2:B3", "B4:B5", "A8:B8"):
        book["Lista"].merge_cells(cells)
    book.save(path)
    profile(tmp_path, '[[list]]\nname = "{Bloque}-{Planta}-{Puerta}"\ndevelopment = "4711"')
    *read, sixth, seventh = pricelist.read(path)
    assert [row.unit and row.unit[1] for row in read] == [
        "1-Bajo-A",
        "1-Bajo-B",
        "1-1-A",
        "1-1-B",
        "2-Bajo-A",
    ]
    assert "something in Bloque, which is empty here" in str(sixth)
    assert "something in Planta, which is empty here" in str(seventh)
    # A list of what failed has them in each row.
    assert [row.cells[:2] for row in read][1] == ("1", "Bajo")


def test_a_sheet_that_says_nothing_of_its_cells_has_nothing_merged(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", Lista=[["Bloque", *ENGLISH[1:]], [1, *unit("A")[1:]]])
    profile(tmp_path, '[[list]]\nname = "{Bloque}-{name}"\ndevelopment = "4711"')
    assert [one.name for one in good(path)] == ["1-A"]
