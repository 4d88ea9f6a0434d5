"""Which column is taken for a field, what a plan says of it, and what a question offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from propq_async import pricelist
from propq_async.pricelist import Column, Failures, PriceListError
from propq_async.pricelist._reading.headers import letter_of
from propq_async.pricelist._reading.heading_words import field_in, field_of
from propq_async.pricelist._reading.sheet_columns import hidden_columns
from tests.helpers.corpus import hide
from tests.helpers.lists import good, json_lines, text_list, workbook
from tests.helpers.support import an_update

HEADER = ["Vivienda", "Estado", "Precio", "Orientación", "Precio"]
OPTIONS: dict[str, Any] = {"development_id": "4711", "columns": {"price": "Precio (E)"}}


def test_a_table_says_which_columns_are_read(tmp_path: Path) -> None:
    header = ["Vivienda", "PVP 2025", "Estado", "", "Precio\nfinal", "Orientación"]
    row = ["A-101", 1, "Vendido", "", 250_000, "N S"]
    path = workbook(tmp_path / "x.xlsx", S=[header, row])
    book = openpyxl.load_workbook(path)
    hide(columns="BE")(book)
    book.save(path)
    columns = {"price": "Precio final"}
    (table,) = pricelist.read(path, development_id="4711", columns=columns).tables
    assert table.columns == {
        "name": Column(0, "Vivienda", "A", False, "heading"),  # noqa: FBT003 - as it is made
        "status": Column(2, "Estado", "C", False, "heading"),  # noqa: FBT003
        "price": Column(4, "Precio final", "E", True, "stated"),  # noqa: FBT003
        "directions": Column(5, "Orientación", "F", False, "heading"),  # noqa: FBT003
    }
    assert table.not_read == ["PVP 2025"]
    assert [str(one) for one in table.columns.values()] == [
        "Vivienda (A)", "Estado (C)", "Precio final (E, hidden!)", "Orientación (F)",
    ]  # fmt: skip


def test_columns_of_json_have_no_letters(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "x.jsonl",
        {"name": "A", "status": "SOLD", "price": 5, "facing": "N", "notes": "x"},
    )
    (table,) = pricelist.read(path, development_id="4711").tables
    assert str(table.columns["directions"]) == "facing"
    assert table.not_read == ["notes"]


def test_the_id_of_a_development_is_told_from_its_name(tmp_path: Path) -> None:
    header = ["Promoción", "Cód. promoción", "Vivienda", "Estado", "Precio", "Orientación"]
    path = text_list(tmp_path / "x.csv", ["Mirador", "4711", "A", "Vendido", 5, "N"], header=header)
    (table,) = pricelist.read(path).tables
    assert table.columns["development_id"].settled_by == "id"


def test_a_column_that_its_letter_tells_keeps_it_in_the_failures(tmp_path: Path) -> None:
    """There, other columns stand before it."""
    rows = [["A-101", "Vendido", 1, "N", 250_000], ["A-102", "?", 1, "N", 250_000]]
    path = text_list(tmp_path / "x.csv", *rows, header=HEADER)
    prices = pricelist.read(path, **OPTIONS)
    assert str(prices.tables[0].columns["price"]) == "Precio (E)"
    with Failures(prices) as failures:
        for row in prices:
            failures.add(row, "why")
    assert failures.path is not None
    first, _ = pricelist.read(failures.path, **OPTIONS)
    assert isinstance(first, pricelist.Row)
    assert first.update == an_update("A-101", 250_000, directions=["N"])


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_the_failures_ask_nothing_that_the_list_does_not(suffix: str, tmp_path: Path) -> None:
    """What was hidden is shown there, and of columns without a name there are fewer values."""
    header = ["Vivienda", "", "Estado", "Precio", "PVP", "Orientación"]
    rows = [[f"A-{n}", "x" * (n == 1), "Vendido", 250_000, "", "N"] for n in range(4)]
    if suffix == "csv":
        path = text_list(tmp_path / "x.csv", *rows, header=[*header[:4], "x", "Orientación"])
    else:
        path = workbook(tmp_path / "x.xlsx", S=[header, *rows])
        book = openpyxl.load_workbook(path)
        hide(columns="E")(book)
        book.save(path)
    prices = pricelist.read(path, development_id="4711")
    with Failures(prices) as failures:
        failures.add(list(prices)[1], "why")
    assert failures.path is not None
    (update,) = good(failures.path, development_id="4711")
    assert update == an_update("A-1", 250_000, directions=["N"])


def test_a_label_is_no_answer_for_another_column(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", ["A", "Vendido", 1, "N", 2], header=HEADER)
    with pytest.raises(PriceListError, match=r"has no column 'Precio \(D\)' for price, as --"):
        pricelist.read(path, development_id="4711", columns={"price": "Precio (D)"})


def test_a_stated_name_is_compared_with_its_signs_first(tmp_path: Path) -> None:
    header = ["Unit", "Status", "Price (£)", "Price (€)", "Facing"]
    path = text_list(tmp_path / "x.csv", ["A-101", "Sold", 1, 250_000, "N"], header=header)
    (update,) = good(path, development_id="4711", columns={"price": "Price (€)"})
    assert update.price == 250_000
    with pytest.raises(PriceListError, match=r"for price: Price \(£\) \(C\): '1', Price \(€\)"):
        pricelist.read(path, development_id="4711", columns={"price": "Price"})


def test_an_empty_column_is_offered_as_such(tmp_path: Path) -> None:
    header = ["Unit", "Status", "Price", "New price", "Facing"]
    path = text_list(tmp_path / "x.csv", ["A-101", "Sold", 1, "", "N"], header=header)
    with pytest.raises(PriceListError, match=r"New price \(D\), which is empty; state which"):
        pricelist.read(path, development_id="4711")


def test_columns_have_the_letters_of_a_spreadsheet() -> None:
    assert [letter_of(index) for index in (0, 25, 26, 51, 52, 701, 702)] == [
        "A", "Z", "AA", "AZ", "BA", "ZZ", "AAA",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "named", "about"),
    [
        ("Precio (€)", "price", "price"),
        ("PVP EUR", "price", "price"),
        ("Precio en miles", None, "price"),
        ("Precio ＄", None, "price"),  # noqa: RUF001 - a wide sign
        ("Precio (%)", None, "price"),
        ("Precio/m²", None, None),
        ("OriginalPrice", None, "price"),
        ("Verkaufspreis", "price", "price"),
        ("Angebotspreis", None, "price"),
        ("Nuevo estado", None, "status"),
        ("Real estate", None, None),
        ("Nombre promoción", None, "development_id"),
        ("PVP vivienda", None, "price"),
        ("Nº", None, "name"),
        ("Nº dormitorios", None, None),
        ("Tipo vivienda", None, None),
        ("", None, None),
    ],
)
def test_what_a_heading_is_about(heading: str, named: str | None, about: str | None) -> None:
    assert (field_of(heading), field_in(heading)) == (named, about)


BOOK = b'<workbook><sheets><sheet name="%s" sheetId="1" r:id="rId1"/></sheets></workbook>'
TARGETS = b"<Relationships><Relationship Id='rId1' Target='%s'/></Relationships>"


@pytest.mark.parametrize(
    ("name", "target", "columns", "hidden"),
    [
        (b"S", b"worksheets/a.xml", b'<col min="2" max="3" hidden="1"/>', {1, 2}),
        (b"A &amp; B", b"/xl/worksheets/a.xml", b"<x:col hidden='true' min='2' max='2' />", {1}),
        (b"S", b"worksheets/a.xml", b'<col min="2" max="2" width="0"/>', {1}),
        (b"S", b"worksheets/a.xml", b'<col min="2" max="2" width="9.5" hidden="0"/>', set()),
        (b"S", b"worksheets/a.xml", b'<col max="2" hidden="1"/><col min="x" max="2"/>', set()),
        (b"S", b"worksheets/a.xml", b"<sheetData/><col min='1' max='1' hidden='1'/>", set()),
        (b"S", b"worksheets/b.xml", b'<col min="2" max="3" hidden="1"/>', set()),
    ],
)
def test_hidden_columns_are_found(
    name: bytes, target: bytes, columns: bytes, hidden: set[int]
) -> None:
    parts = {
        "xl/workbook.xml": BOOK % name,
        "xl/_rels/workbook.xml.rels": TARGETS % target,
        "xl/worksheets/a.xml": b"<worksheet><cols>" + columns + b"</cols>",
    }
    sheet = name.decode().replace("&amp;", "&")
    assert hidden_columns(parts) == {sheet: frozenset(hidden)}
