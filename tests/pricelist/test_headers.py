from __future__ import annotations

from pathlib import Path

import pytest

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, PriceListError, Row
from tests.helpers.lists import (
    ENGLISH,
    broken,
    good,
    text_list,
    unit,
    workbook,
)
from tests.helpers.support import an_update


def test_columns_are_found_in_any_order_and_case(
    tmp_path: Path,
) -> None:
    """Also beside other columns, and below a title."""
    path = tmp_path / "x.csv"
    path.write_text(
        "Residencial Mirador;;;;;;\n;;;;;;\n"
        "PVP (€);notes;ESTADO;unit_name;Orientación;ID Promoción;Promoción\n"
        "250.000,00;x;Vendido;A-101;N/S;4711;Mirador\n"
        ";;;;;;\n"
    )
    assert good(path) == [an_update()]
    assert pricelist.read(path).read_as == "utf-8, columns by semicolons, decimals after ,"


def test_a_column_can_be_named(tmp_path: Path) -> None:
    header = ["Promo", "Ref", "Nombre", "Estado", "Precio", "Cara"]
    row = ["4711", "A-101", "x", "SOLD", 250_000, "N S"]
    path = text_list(tmp_path / "x.csv", row, header=header)
    columns = {"development_id": "promo", "name": "REF", "directions": "Cara"}
    assert good(path, columns=columns) == [an_update()]
    with pytest.raises(
        PriceListError, match=r"no column for development_id, directions;.*--column"
    ):
        pricelist.read(path)
    del columns["name"]
    with pytest.raises(
        PriceListError, match=r"one column for name: Ref \(B\): 'A-101', Nombre \(C\): 'x'; state"
    ):
        pricelist.read(path, columns=columns)
    with pytest.raises(PriceListError, match="no field 'nom': a column is one of"):
        pricelist.read(path, columns={"nom": "Ref"})


def test_the_development_can_be_stated(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit()[1:], header=ENGLISH[1:])
    with pytest.raises(PriceListError, match=r"--development ID \(or --column development_id=NAME"):
        pricelist.read(path)
    assert good(path, development_id="4711") == [an_update()]
    path = text_list(tmp_path / "x.csv", unit(development=""), unit("B", development="12"))
    first, second = pricelist.read(path, development_id="4711")
    assert isinstance(first, Row)
    assert (first.update, first.place) == (an_update(), f"{path}, line 2")
    assert str(second).endswith(
        "column development_id: found '12'; expected 4711, as stated, or nothing"
    )
    assert len(broken(path)) == 1


def test_a_heading_that_comes_again_is_no_row(tmp_path: Path) -> None:
    rows = [["Bloque 1", "", "", "", ""], unit("A"), [*map(str.upper, ENGLISH)], unit("B")]
    path = text_list(tmp_path / "x.csv", *rows)
    assert [one.name for one in good(path)] == ["A", "B"]
    book = workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit("A"), ENGLISH, unit("B")])
    assert [one.name for one in good(book)] == ["A", "B"]


@pytest.mark.parametrize(
    "heading",
    [
        ["development_id", "name", "status", "m2", "directions", "price"],
        ["development_id", "name", "status", "Precio sin IVA", "directions", "m2"],
        ["development_id", "name", "status", "price", "directions", "PVP"],
        ["development_id", "name", "status", "m2", "directions", "x", "price"],
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_rows_below_another_heading_are_broken(
    heading: list[str], suffix: str, tmp_path: Path
) -> None:
    """A block with its price elsewhere: what stands in the place of the price would go out."""
    header = [*ENGLISH, "m2"]
    rows = [
        [*unit("A"), 85], heading if suffix == "csv" else heading[:6],
        ["4711", "B", "SOLD", "85", "N", 250_000], header, [*unit("C"), 85],
    ]  # fmt: skip
    if suffix == "csv":
        path = text_list(tmp_path / "x.csv", *rows, header=header)
    else:
        path = workbook(tmp_path / "x.xlsx", S=[header, *rows])
    found = list(pricelist.read(path))
    assert [row.update.name for row in found if isinstance(row, Row)] == ["A", "C"]
    said = [row for row in found if isinstance(row, BrokenRow)]
    assert [row.line for row in said] == [3, 4]
    for row in said:
        assert row.what == (
            "expected the columns of line 1, and line 3 names others; put what stands below it "
            "into a list of its own"
        )
        assert len(row.cells) == 1
    assert [len(row.cells) for row in found] == [6, 1, 1, 6]


def test_a_row_with_a_word_for_a_status_is_no_heading(tmp_path: Path) -> None:
    """Even if there is a sign behind it."""
    path = text_list(tmp_path / "x.csv", ["", "", "sold?", "{}", "N"], unit("A-101"))
    first, second = pricelist.read(path)
    assert isinstance(first, BrokenRow)
    assert {one.column for one in first.problems} >= {"name", "status"}
    assert isinstance(second, Row)
