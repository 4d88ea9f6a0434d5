"""Spreadsheets in OpenDocument (ODS): read as workbooks in XLSX are, with all that they show."""

from __future__ import annotations

import datetime as dt
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, PriceListError, Row
from propq_async.pricelist._reading import unpacking
from propq_async.pricelist._reading.formats import shown
from propq_async.pricelist._reading.opendocument import OpenDocument, _code

WORKBOOKS = Path(__file__).parent / "workbooks"
SPREADSHEET = "application/vnd.oasis.opendocument.spreadsheet"
_ROOT = "".join(
    f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for name in ("office", "table", "text", "style")
)
_STYLES = (
    '<style:style style:name="ta2"><style:table-properties table:display="false"/></style:style>'
    '<style:style style:name="ce2">'
    '<style:text-properties style:text-line-through-style="solid"/></style:style>'
)


def _ods(path: Path, *tables: str, styles: str = "", kind: str = SPREADSHEET) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("mimetype", kind)
        file.writestr("content.xml", _content(*tables, styles=styles))
    return path


def _content(*tables: str, styles: str = "") -> str:
    body = "".join(tables)
    return f"<office:document-content{_ROOT}>{styles}{body}</office:document-content>"


def _table(*rows: str, name: str = "Hoja", columns: str = "", more: str = "") -> str:
    return f'<table:table table:name="{name}"{more}>{columns}{"".join(rows)}</table:table>'


def _row(*cells: str, more: str = "") -> str:
    return f"<table:table-row{more}>{''.join(cells)}</table:table-row>"


def _text(text: str, more: str = "") -> str:
    paragraphs = "".join(f"<text:p>{one}</text:p>" for one in text.split("\n"))
    return f'<table:table-cell office:value-type="string"{more}>{paragraphs}</table:table-cell>'


def _number(value: float, text: str, kind: str = "float", more: str = "") -> str:
    said = f'office:value-type="{kind}" office:value="{value}"{more}'
    return f"<table:table-cell {said}><text:p>{text}</text:p></table:table-cell>"


HEAD = _row(*map(_text, ("Vivienda", "Estado", "Precio", "Orientación")))


def _unit(name: str, price: str, more: str = "", status: str = "Libre") -> str:
    return _row(_text(name), _text(status), price, _text("S"), more=more)


def _said(path: Path) -> list[Any]:
    return [
        (row.line, row.what)
        if isinstance(row, BrokenRow)
        else (row.line, row.update, [one.text for one in row.remarks])
        for row in pricelist.read(path, development_id="4711")
    ]


def _remark(row: Row) -> str:
    return "".join(one.text for one in row.remarks)


def test_what_libreoffice_keeps_is_read_as_what_excel_keeps() -> None:
    own, other = (WORKBOOKS / f"libreoffice.{suffix}" for suffix in ("ods", "xlsx"))
    said, wanted = _said(own), _said(other)
    # It shows the text of an error, which python-calamine leaves out.
    line, what = said.pop(6)
    assert line == 8
    assert what.startswith("column Precio: found '#DIV/0!'; expected a price")
    del wanted[6]
    assert said == wanted
    prices = pricelist.read(own, development_id="4711")
    assert prices.tables[0].not_read == ["Notas"]
    assert prices.skipped_sheets == {"Oculta": "it is hidden or a chart"}


def test_rows_and_cells_may_stand_for_several() -> None:
    repeated = ' table:number-rows-repeated="2"'
    wide = ' table:number-columns-repeated="{}"'
    empty = f"<table:table-cell{wide.format(16_380)}/>"
    content = _content(
        _table(
            _row(empty, more=' table:number-rows-repeated="3"'),
            _row(_text("a", wide.format(2)), f"<table:table-cell{wide.format(2)}/>", _text("b")),
            _row(_text("c"), empty, "<table:shapes/>", more=repeated),
            _row(empty, more=' table:number-rows-repeated="1048570"'),
        )
    )
    document = OpenDocument(Path("x.ods"), content.encode())
    rows = [record.cells for record in document.records("Hoja")]
    nothing = ["", "", "", "", ""]
    assert rows[:4] == [nothing, nothing, nothing, ["a", "a", "", "", "b"]]
    assert rows[4:] == [["c", "", "", "", ""]] * 2
    assert [record.line for record in document.records("Hoja", 2)] == [1, 2]


def test_cells_are_what_they_hold() -> None:
    spaced = (
        'a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d<text:span>e<text:s/></text:span>f'
    )
    note = "<office:annotation><text:p>nota</text:p></office:annotation>"
    day = '<table:table-cell office:value-type="date" office:date-value="2026-02-01T10:00:00"/>'
    yes = '<table:table-cell office:value-type="boolean" office:boolean-value="true"/>'
    noted = (
        f'<table:table-cell office:value-type="string">{note}<text:p>x</text:p></table:table-cell>'
    )
    content = _content(
        _table(_row(_text(spaced), _text("1\n2"), day, yes, noted, _number(2.5, "2,5")))
    )
    (record,) = OpenDocument(Path("x.ods"), content.encode()).records("Hoja")
    assert record.cells == ["a  b\tc\nde f", "1\n2", dt.date(2026, 2, 1), True, "x", 2.5]


def test_what_is_hidden_struck_or_merged_is_told(tmp_path: Path) -> None:
    columns = (
        '<table:table-column table:number-columns-repeated="4"/>'
        '<table:table-column table:visibility="collapse" table:number-columns-repeated="16380"/>'
    )
    struck = _number(250_000, "250000", more=' table:style-name="ce2"')
    head = HEAD.replace("</table:table-row>", _text("PVP oculto") + "</table:table-row>")
    merged = _text("Vendido", ' table:number-rows-spanned="2"')
    path = _ods(
        tmp_path / "x.ods",
        _table(
            head,
            _unit("A-1", _number(250_000, "250000"), ' table:visibility="filter"'),
            _unit("A-2", struck),
            _row(_text("A-3"), merged, _number(260_000, "260000"), _text("N")),
            _row(_text("A-4"), "<table:covered-table-cell/>", _number(5e4, "50000"), _text("N")),
            columns=columns,
        ),
        _table(HEAD, name="Vieja", more=' table:style-name="ta2"'),
        styles=_STYLES,
    )
    rows = [row for row in pricelist.read(path, development_id="1") if isinstance(row, Row)]
    assert ["is hidden" in _remark(row) for row in rows] == [True, False, False, False]
    assert ["struck" in _remark(row) for row in rows] == [False, True, False, False]
    assert [row.update.status.name for row in rows[2:]] == ["SOLD", "SOLD"]
    assert rows[0].table.not_read == ["PVP oculto"]


@pytest.mark.parametrize(
    ("cell", "price"),
    [
        (_number(250_000, "250.000,00 €"), 250_000),
        (_number(250_000.5, "€ 250,000.50", "currency", ' office:currency="EUR"'), 250_000.5),
        (_number(250_000, "250000", "currency", ' office:currency="EUR"'), 250_000),
        (_number(250_000, "250000", "currency", ' office:currency="USD"'), None),
        (_number(250_000, "250,000", "currency", ' office:currency="USD"'), None),
        (_number(250_000, "$250,000", "currency", ' office:currency="USD"'), None),
        (_number(0.1, "10 %", "percentage"), None),
        # In thousands: what is shown is not the value.
        (_number(250_000, "250"), None),
        (_number(250_000, '"250.000"'), 250_000),
        (_number(250_000, "muchos"), None),
    ],
)
def test_a_price_is_what_is_shown_or_asked_about(
    cell: str, price: float | None, tmp_path: Path
) -> None:
    path = _ods(tmp_path / "x.ods", _table(HEAD, _unit("A", cell)))
    (row,) = pricelist.read(path, development_id="1")
    if price is None:
        assert isinstance(row, BrokenRow), row
        assert row.what.startswith("column Precio")
    else:
        assert isinstance(row, Row), row
        assert row.update.price == Decimal(str(price))


@given(
    cents=st.integers(1, 10**12),
    decimals=st.integers(0, 2),
    signs=st.sampled_from([",.", ".,", " ,", "'."]),
    around=st.sampled_from(["{}", "{} €", "€ {}", "{} EUR"]),
)
def test_the_format_that_is_told_shows_the_same_amount(
    cents: int, decimals: int, signs: str, around: str
) -> None:
    amount = Decimal(cents) / 100
    amount = round(amount, decimals)
    text = f"{amount:,.{decimals}f}".translate(str.maketrans(",.", signs))
    code = _code(float(amount), around.format(text), None)
    seen = shown(code, float(amount))
    if seen is None:
        assert (code, around) == ("General", "{}")
        return
    assert seen.amount == amount


def test_names_are_as_they_are_shown(tmp_path: Path) -> None:
    numbers = [(7, "007"), (101, "101"), (1.5, "1,50"), (1234, "1.234")]
    rows = [
        _row(_number(*one), _text("Libre"), _number(250_000, "250000"), _text("S"))
        for one in numbers
    ]
    path = _ods(tmp_path / "x.ods", _table(HEAD, *rows))
    read = list(pricelist.read(path, development_id="1"))
    names = [row.update.name if isinstance(row, Row) else None for row in read]
    assert names == ["007", "101", "1.50", None]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("<a", "cannot be read as a workbook: unclosed token"),
        (
            _content(_table(_row(_text("x"), more=' table:number-rows-repeated="20000000"'))),
            "a sheet has more than 10,000,000 cells",
        ),
        (_content(_table(_row(_text("x"), more=' table:number-rows-repeated="x"'))), "invalid"),
        (_content(), "has no sheet that is not hidden"),
    ],
)
def test_what_is_broken_is_told(content: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.ods"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("mimetype", SPREADSHEET)
        file.writestr("content.xml", content)
    with pytest.raises(PriceListError) as refused:
        pricelist.read(path)
    assert why in str(refused.value)


def test_a_document_is_no_list(tmp_path: Path) -> None:
    path = _ods(tmp_path / "x.ods", kind="application/vnd.oasis.opendocument.text")
    with pytest.raises(PriceListError, match="is an OpenDocument file, and no spreadsheet"):
        pricelist.read(path)


def test_it_is_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_BYTES", 5_000)
    path = _ods(tmp_path / "x.ods", _table(HEAD * 100))
    with pytest.raises(PriceListError, match="is too large: unpacked it has more than"):
        pricelist.read(path)
