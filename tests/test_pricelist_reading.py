from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import Direction, UnitStatus, UnitUpdate, pricelist
from propq_async.pricelist import BrokenRow, Failures, PriceListError, Row
from propq_async.pricelist.cells import text_of
from propq_async.pricelist.numbers import IN_DOUBT, TOO_FINE, PriceStyle, exact_price
from propq_async.pricelist.words import COLUMNS, FIELDS, STATES, directions_in, fold, status_of
from tests.lists import (
    ENGLISH,
    SPANISH,
    WORDS,
    as_text,
    broken,
    good,
    json_lines,
    remarks,
    spaced,
    text_list,
    unit,
    workbook,
)
from tests.support import an_update

# --- what is written is read back ---------------------------------------------------------------


def _is_a_name(name: str) -> bool:
    try:
        an_update(name)
    except ValueError:
        return False
    return "\x85" not in name


NAMES = st.text(
    st.characters(codec="cp1252", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12
).filter(_is_a_name)
PRICES = st.one_of(
    st.integers(1, 99_999_999),
    st.decimals("1", "99999999", places=2).map(lambda price: price.normalize()),
)
UPDATES = st.builds(
    UnitUpdate,
    development_id=st.sampled_from(["4711", "P-1", "Vistas del Mar"]),
    name=NAMES,
    status=st.sampled_from(UnitStatus),
    price=PRICES,
    directions=st.lists(st.sampled_from(Direction), min_size=1, unique=True),
)
LISTS = st.lists(UPDATES, min_size=1, unique_by=lambda one: (one.development_id, one.name))
NUMBERS = st.sampled_from(
    [(".", ","), (",", "."), (" ", ","), ("\u00a0", "."), ("", "."), ("'", ".")]
)


def _rows(updates: list[UnitUpdate], group: str, point: str, sign: str) -> list[list[str]]:
    return [
        [
            one.development_id,
            one.name,
            WORDS[one.status],
            sign.format(as_text(one.price, group, point)),
            "/".join(one.directions),
        ]
        for one in updates
    ]


@settings(deadline=None, max_examples=60)
@given(
    updates=LISTS,
    number=NUMBERS,
    sign=st.sampled_from(["{}", "{} €", "{}€", "{} EUR", "{} eur.", "{}eur.", "{} euros", "€ {}"]),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    header=st.sampled_from([ENGLISH, SPANISH]),
)
def test_a_text_in_any_style_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    updates: list[UnitUpdate],
    number: tuple[str, Any],
    sign: str,
    delimiter: str,
    encoding: str,
    newline: str,
    header: tuple[str, ...],
) -> None:
    path = text_list(
        tmp_path_factory.mktemp("list") / "prices.csv",
        *_rows(updates, *number, sign),
        header=header,
        delimiter=delimiter,
        encoding=encoding,
        newline=newline,
    )
    stated: dict[str, Any] = {"encoding": "cp1252"} if encoding == "cp1252" else {}
    assert good(path, decimal=number[1], **stated) == updates
    # Without its separator being stated, nothing is read as another price; at worst it is asked.
    for row, update in zip(pricelist.read(path, **stated), updates, strict=True):
        if isinstance(row, Row):
            assert row.update == update
        else:
            assert "--decimal" in str(row)


@settings(deadline=None, max_examples=25)
@given(updates=LISTS)
def test_workbooks_and_json_lines_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, updates: list[UnitUpdate]
) -> None:
    directory = tmp_path_factory.mktemp("list")
    cells: list[list[Any]] = [
        [one.development_id, one.name, one.status.value, float(one.price), " ".join(one.directions)]
        for one in updates
    ]
    # What begins with "=" would be a formula to the library that writes.
    if not any(one.name.startswith("=") for one in updates):
        assert good(workbook(directory / "prices.xlsx", Sheet=[ENGLISH, *cells])) == updates
    objects = [dict(zip(ENGLISH, [*row[:4], row[4].split()], strict=True)) for row in cells]
    assert good(json_lines(directory / "prices.jsonl", *objects)) == updates


# --- numbers ------------------------------------------------------------------------------------

Read = int | Decimal | None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250000", 250_000),
        ("1.234.567,89 €", Decimal("1234567.89")),
        ("1,234,567.89", Decimal("1234567.89")),
        ("€ 1.234.567", 1_234_567),
        ("1'234'567.50", Decimal("1234567.50")),
        ("250 000", 250_000),
        ("250\u00a0000\u202f€", 250_000),
        ("250 000,5 euros", Decimal("250000.5")),
        ("199500.50", Decimal("199500.50")),
        ("199500,5", Decimal("199500.5")),
        ("199500.50 eur.", Decimal("199500.50")),
        ("1,234.5 eur. ", Decimal("1234.5")),
        ("Eur. 199500.50", Decimal("199500.50")),
        ("1.234.567 Eur.", 1_234_567),
        ("007", 7),
        *(
            (text, None)
            for text in (
                "", "€", "-5", "$5", "5 USD", "5%", "1e5", "1_000", "٣", "NaN", "1.", ".5", "1..5",
                "1.23.456", "1,23,456", "12.34,567", "1.234,567.8", "1 2345", "1234 567", "POA",
                "5 000 0", "0.000.000", "1.234 567", "250.000,-", "9" * 41, "9" * 5000, "5 € €",
                "5 euro\u017f",
            )
        ),
    ],
)  # fmt: skip
def test_a_price_that_is_certain_or_none(text: str, value: Read) -> None:
    assert PriceStyle.of([text], None).read(text) == value


@pytest.mark.parametrize("text", ["1.234", "1,234 €", "12.345", "250.000 eur."])
def test_three_digits_after_the_last_separator_are_in_doubt(text: str) -> None:
    assert PriceStyle.of([text, "250000"], None).read(text) is IN_DOUBT


@pytest.mark.parametrize(
    "text",
    ["250.0000", "1.2345", "250,0000 €", "0,1234", "1.234,5678", "1 234.00000", "199500.500",
     "250000.500", "0.123", "1.234,567", "1 234.567", "1,234,567.000"],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], ["99,50"], ["99.50"], ["1.234.567"], ["1,234,567"]])
def test_more_than_two_decimals_are_no_price(text: str, others: list[str]) -> None:
    assert PriceStyle.of([text, *others], None).read(text) is TOO_FINE
    # Stating the separator makes it no price, either.
    for decimals in (".", ","):
        assert PriceStyle.of([], decimals).read(text) in (TOO_FINE, None)


@given(
    whole=st.integers(0, 10**9),
    fraction=st.text("0123456789", min_size=3, max_size=12),
    number=NUMBERS,
    sign=st.sampled_from(["{}", "{} €", "{} eur.", "€ {}"]),
    others=st.lists(st.sampled_from(["99,50", "99.5", "1.234.567", "1,234,567", "5"])),
    stated=st.sampled_from([None, ".", ","]),
)
def test_nothing_with_more_than_two_decimals_is_read_with_them(
    whole: int,
    fraction: str,
    number: tuple[str, str],
    sign: str,
    others: list[str],
    stated: Literal[".", ","] | None,
) -> None:
    text = sign.format(spaced(whole, number[0]) + number[1] + fraction)
    price = PriceStyle.of([text, *others], stated).read(text)
    # At most it is a group, where that is the only thing that can be meant.
    assert price in (TOO_FINE, IN_DOUBT, None, int(f"{whole}{fraction}"))
    if len(fraction) > 3:
        assert price in (TOO_FINE, None)


def test_how_many_decimals_a_price_has_is_said(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("A", "250.0000"), unit("B", "250000"))
    (problem,) = broken(path)
    assert problem == (
        "line 2, column price: expected a price with at most two decimals (more of them are most "
        "likely a group of digits that was misread): write it without grouping, such as 250000, "
        "not '250.0000'"
    )
    assert len(broken(text_list(path, unit("A", "1.234")), decimal=".")) == 1


@pytest.mark.parametrize(
    ("others", "text", "value"),
    [
        (["1.234.567"], "250.000", 250_000),
        (["99,50"], "250.000", 250_000),
        (["1,234,567"], "250,000", 250_000),
        (["99.5"], "250,000 €", 250_000),
        # It would be 250: a flat for a thousandth, because of one 99.50.
        (["99.50"], "250.000", IN_DOUBT),
        (["99.50", "99,50"], "250.000", IN_DOUBT),
        (["1.234.567", "1,234,567"], "250.000", IN_DOUBT),
        # What can only be read in one way is, whatever else there is.
        (["99.50", "99,50"], "1.234.567", 1_234_567),
    ],
)
def test_a_column_may_leave_no_doubt(others: list[str], text: str, value: Any) -> None:
    assert PriceStyle.of([*others, text], None).read(text) == value


@pytest.mark.parametrize(
    ("decimals", "text", "value"),
    [
        (",", "1.234", 1234),
        (",", "1,234", TOO_FINE),
        (".", "1.234", TOO_FINE),
        (".", "1.23", Decimal("1.23")),
        (".", "1,234", 1234),
        (".", "1 234.567", TOO_FINE),
        (",", "1 234.567", None),
        (",", "1.234.567,8", Decimal("1234567.8")),
        (",", "199500.50", None),
        (".", "199500,50", None),
        (".", "1.2.3", None),
        (",", "x", None),
        (",", "1.234,567.8", None),
    ],
)
def test_the_separator_can_be_stated(decimals: Literal[".", ","], text: str, value: Any) -> None:
    assert PriceStyle.of([], decimals).read(text) == value


@given(
    price=st.integers(1, 10**9).map(lambda cents: Decimal(cents) / 100),
    number=NUMBERS,
    sign=st.sampled_from(["{}", "{} eur.", "{}EUR", "{} euros", "€{}", "Eur. {}"]),
    other=st.sampled_from(["1.234,5", "1,234.5", "99.5", "99,5", "1.000.000", "1,000,000", "5"]),
)
def test_no_price_is_ever_taken_for_another(
    price: Decimal, number: tuple[str, str], sign: str, other: str
) -> None:
    text = sign.format(as_text(price, *number))
    assert PriceStyle.of([text, other], None).read(text) in (price, IN_DOUBT)


def test_prices_in_doubt_are_asked_for_by_place_and_value(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("A", "1.234"), unit("B", "250.000"), unit("C", 5))
    first, second = broken(path)
    assert first.startswith("line 2, column price: expected a price that can be read in one way")
    assert first.endswith("--decimal , or --decimal ., not '1.234'")
    assert "line 3" in second
    assert [one.price for one in good(path, decimal=",")] == [1234, 250_000, 5]
    # As decimals they are three, which no price has.
    assert all("at most two decimals" in text for text in broken(path, decimal="."))


# --- separators of columns that were meant to group ----------------------------------------------

AREA = ("development_id", "name", "status", "directions", "price", "Floor area")
NAMELESS = (*AREA[:5], "", "")
PLOT = (*AREA[:4], "plot", "price", "notes")


def _lines(path: Path, header: Sequence[str], *ends: str, delimiter: str = ",") -> Path:
    lines = [header, *(["4711", f"A-{n}", "SOLD", "N", end] for n, end in enumerate(ends))]
    path.write_text("".join(delimiter.join(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "end", "whole"),
    [
        (NAMELESS, "250,000,", "250,000"),
        (NAMELESS, "€ 250,000 €,", "€ 250,000 €"),
        (NAMELESS, "250,000.50,", "250,000.50"),
        (NAMELESS, "1,250,000", "1,250"),
        (NAMELESS, '"1,250",000,', "1,250,000"),
        (NAMELESS, "250,5,", "250,5"),
        (NAMELESS, "199500,50,", "199500,50"),
        (NAMELESS, "199500,5,", "199500,5"),
        (NAMELESS, '"199,500",50,', "199,500,50"),
        (AREA, "250,000", "250,000"),
        (AREA, "12,500 EUR", "12,500 EUR"),
        # What was torn is a column further to the left.
        (PLOT, "1,250,", "1,250"),
        (PLOT, " 1, 250 ,", "1,250"),
        (PLOT, "1,250,250000", "250,250000"),
        ((*PLOT[:5], "m2", "price", "notes", ""), "1,250,85,1,000", "1,250"),
        (("development_id", "name", "status", "directions", "price", "id"), "250,001", "250,001"),
    ],
)
def test_a_price_that_may_have_been_torn_is_asked_about(
    header: Sequence[str], end: str, whole: str, tmp_path: Path
) -> None:
    columns = {"name": "name", "development_id": "development_id"}
    path = _lines(tmp_path / "x.csv", header, end)
    (problem,) = broken(path, columns=columns, decimal=".")
    assert problem.startswith(
        f"line 2, column price: expected a price in one cell: commas separate columns here, and "
        f"{whole} may be one number; write it without grouping or in quotes, or with its decimals "
        "if it is whole, not "
    )


def test_a_price_beside_a_number_is_whole_where_nothing_can_have_been_torn(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    ends = ["250000,120", '"250,000",120', "1000,500", "250.00,120", "250,85", "250,85 m2", "250,x"]
    prices = [one.price for one in good(_lines(path, AREA, *ends))]
    assert prices == [250_000, 250_000, 1000, 250, 250, 250, 250]
    ends = ["250000,120,", "250,,", "250.00,000,", '"1,250.00",00,', "1250.5,85,9"]
    assert [one.price for one in good(_lines(path, NAMELESS, *ends))] == [
        250_000, 250, 250, 1250, Decimal("1250.5"),
    ]  # fmt: skip
    # Before the price, what is read is no part of it.
    header = ("development_id", "status", "directions", "name", "price")
    path.write_text(",".join(header) + "\n4711,SOLD,N,101,250\n")
    assert [one.price for one in good(path)] == [250]
    ends = ["12,1250,", "12,25,", "120,250000,", "1200,250,", "x,250,"]
    assert [one.price for one in good(_lines(path, PLOT, *ends))] == [
        1250, 25, 250_000, 250, 250,
    ]  # fmt: skip
    # Nobody groups by semicolons.
    (update,) = good(_lines(path, AREA[:6], "250;000", delimiter=";"))
    assert update.price == 250


@settings(deadline=None, max_examples=200)
@given(
    price=st.integers(1000, 99_999_999),
    cents=st.sampled_from(["", ".5", ".50", ",5", ",50"]),
    group=st.sampled_from(["", ","]),
    before=st.lists(st.sampled_from(["", "x", "85", "120", "1,250"]), max_size=3),
    after=st.lists(st.sampled_from(["", "x", "85", "120"]), max_size=3),
    names=st.sampled_from([("", ""), ("", "m2"), ("m2", ""), ("m2", "beds")]),
)
def test_no_price_that_commas_have_torn_is_sent(
    tmp_path_factory: pytest.TempPathFactory,
    price: int,
    cents: str,
    group: str,
    before: list[str],
    after: list[str],
    names: tuple[str, str],
) -> None:
    path = tmp_path_factory.mktemp("list") / "x.csv"
    if cents.startswith(","):
        # In a column with a name, a 50 beside a price is what it is called.
        names = ("", names[1])
    header = (*AREA[:4], *(f"c{n}" for n in range(len(before))), "price", *names)
    _lines(path, header, ",".join([*before, spaced(price, group) + cents, *after]))
    (row,) = pricelist.read(path)
    assert not isinstance(row, Row) or row.update.price == Decimal(
        f"{price}{cents.replace(',', '.')}"
    )


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Disponible", UnitStatus.AVAILABLE),
        (" AVAILABLE ", UnitStatus.AVAILABLE),
        ("1", UnitStatus.AVAILABLE),
        ("Bloqueado", UnitStatus.HOLD),
        ("No  disponible", UnitStatus.HOLD),
        ("on-hold", UnitStatus.HOLD),
        ("VENDIDA", UnitStatus.SOLD),
        ("4", UnitStatus.SOLD),
        ("reservado", UnitStatus.RESERVED),
        ("8", UnitStatus.RESERVED),
    ],
)
def test_words_for_a_status(word: str, status: UnitStatus, tmp_path: Path) -> None:
    (update,) = good(text_list(tmp_path / "x.csv", unit(status=word)))
    assert update.status is status


@pytest.mark.parametrize("word", ["not for sale", "Under contract", "3", "", "12"])
def test_words_without_a_counterpart_need_a_mapping(word: str, tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit(status=word))
    (problem,) = broken(path)
    assert "AVAILABLE (Disponible), HOLD" in problem
    assert problem.endswith(f"--status-word WORD=STATUS, not {word!r}")
    (update,) = good(path, status_words={word: UnitStatus.HOLD})
    assert update.status is UnitStatus.HOLD


@pytest.mark.parametrize(
    ("text", "directions"),
    [
        ("N,S", "N S"),
        ("N S", "N S"),
        ("N/S", "N S"),
        ("N-S", "N S"),
        ("Norte-Sur", "N S"),
        ("Norte y Sur", "N S"),
        ("north and west", "N W"),
        ("S W", "S W"),
        ("S/O", "S W"),
        ("O", "W"),
        ("Oeste", "W"),
        ("SO", "SW"),
        ("no", "NW"),
        ("Nor-este", "NE"),
        ("sureste | N", "SE N"),
        ("South-East, South-East", "SE"),
        ("E-O", "E W"),
        ("S-SO", "S SW"),
    ],
)
def test_words_for_directions(text: str, directions: str, tmp_path: Path) -> None:
    expected = directions.split()
    if text in ("Nor-este", "South-East, South-East"):
        # One direction or two: asked for, and both answers are read.
        (problem,) = broken(text_list(tmp_path / "x.csv", unit(directions=text)))
        assert re.search(
            r"expected .* if it is one direction, .* if it is two, not|as N S", problem
        )
        return
    (update,) = good(text_list(tmp_path / "x.csv", unit(directions=text)))
    assert list(update.directions) == expected


@pytest.mark.parametrize("text", ["Sur-Oeste", "South West", "S-W", "N - E"])
def test_one_direction_or_two_is_asked(text: str) -> None:
    found = directions_in(text, {})
    assert isinstance(found, str)
    one, two = re.findall(r"\b[NS]/?[EW]\b", found)
    assert len(directions_in(one, {})) == 1
    assert len(directions_in(two, {})) == 2


@pytest.mark.parametrize("text", ["N o S", "norte  o sur", "E, N o S"])
def test_an_o_between_two_words_may_be_or(text: str) -> None:
    assert directions_in(text, {}) == (
        "directions with a / between them, such as N/O/S: an o may be west, or mean 'or'"
    )
    assert directions_in("N O S", {}) == directions_in("n/o/s", {}) == ("N", "W", "S")


def test_directions_that_nobody_knows_need_a_mapping(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit(directions="N, al mar"))
    (problem,) = broken(path)
    assert "--direction-word WORD=DIRECTION, not 'N, al mar'" in problem
    (update,) = good(path, direction_words={"Al Mar": "SSE"})
    assert update.directions == ("N", "SSE")
    (empty,) = broken(text_list(tmp_path / "y.csv", unit(directions=" ")))
    assert "at least one direction" in empty


def test_no_word_has_two_meanings() -> None:
    for words in (COLUMNS, STATES):
        assert all(fold(word) == word for word in words)


# --- columns ------------------------------------------------------------------------------------


def test_columns_come_in_any_order_and_case_beside_others_and_below_a_title(
    tmp_path: Path,
) -> None:
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
    with pytest.raises(PriceListError, match="more than one column for name: Ref, Nombre; state"):
        pricelist.read(path, columns=columns)
    with pytest.raises(PriceListError, match="no field 'nom': a column is one of"):
        pricelist.read(path, columns={"nom": "Ref"})


def test_the_development_can_be_stated(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit()[1:], header=ENGLISH[1:])
    with pytest.raises(PriceListError, match="--column development_id=NAME or --development ID"):
        pricelist.read(path)
    assert good(path, development_id="4711") == [an_update()]
    path = text_list(tmp_path / "x.csv", unit(development=""), unit("B", development="12"))
    first, second = pricelist.read(path, development_id="4711")
    assert isinstance(first, Row)
    assert (first.update, first.place) == (an_update(), f"{path}, line 2")
    assert str(second).endswith(
        "column development_id: expected 4711, as stated, or nothing, not '12'"
    )
    assert len(broken(path)) == 1


def test_a_heading_that_comes_again_is_no_row(tmp_path: Path) -> None:
    rows = [["Bloque 1", "", "", "", ""], unit("A"), [*map(str.upper, ENGLISH)], unit("B")]
    path = text_list(tmp_path / "x.csv", *rows)
    first, *others = pricelist.read(path)
    assert isinstance(first, BrokenRow)
    assert [row.update.name for row in others if isinstance(row, Row)] == ["A", "B"]
    assert len(others) == 2
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
def test_what_stands_below_another_heading_is_not_taken_for_what_the_first_one_says(
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


# --- broken rows --------------------------------------------------------------------------------


def test_all_problems_of_a_row_come_out_with_their_place(tmp_path: Path) -> None:
    rows = [unit(), ["", " ", "gone", "1,5,5", "?"], unit("B", 0), unit("C\u200b")]
    path = text_list(tmp_path / "x.csv", *rows)
    row = list(pricelist.read(path))[1]
    assert isinstance(row, BrokenRow)
    assert [(one.line, one.column, one.value) for one in row.problems] == [
        (3, "name", " "),
        (3, "development_id", ""),
        (3, "status", "gone"),
        (3, "price", "1,5,5"),
        (3, "directions", "?"),
    ]
    assert row.cells == ("", " ", "gone", "1,5,5", "?")
    assert (
        str(row.problems[0])
        == f"{path}, line 3, column name: expected text: this cell is empty, not ' '"
    )
    assert "line 4, column price: expected a price above zero" in broken(path)[1]
    assert "invisible character" in broken(path)[2]


def test_a_broken_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    lines = [
        ",".join(ENGLISH),
        '1,"A\nB",SOLD,5,N',
        '1,"C,SOLD,5,N',
        "1,D,SOLD,5,N",
        "1,E,SOLD,5",
        '1,"F"G,SOLD,5,N',
        "1,H,SOLD,5,N,,",
        '1,"I,SOLD,5,N',
        '1,J",SOLD,5,N',
        '1,"K,SOLD,5,N',
        *(f"1,L{number},SOLD,5,N" for number in range(40)),
        '1,"M,SOLD,5,N',
    ]
    path.write_text("\n".join(lines))
    rows = list(pricelist.read(path))
    names = [row.update.name for row in rows if isinstance(row, Row)]
    assert names == ["A\nB", "D", "H", 'J"', *(f"L{number}" for number in range(40))]
    found = broken(path)
    assert [int(re.findall(r"line (\d+)", text)[0]) for text in found] == [4, 6, 7, 9, 11, 52]
    assert "expected 5 columns separated by commas, not 4" in found[1]
    assert "','" in found[2]
    assert "not '1,\"I,SOLD,5,N'" in found[3]
    assert "does not end within 30 lines" in found[4]


def test_a_line_in_another_encoding_is_told_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = ["1,Ático,SOLD,5,N", "1,Sótano,SOLD,5,N"]
    path.write_bytes(
        b"\n".join([",".join(ENGLISH).encode(), rows[0].encode(), rows[1].encode("cp1252")])
    )
    (problem,) = broken(path)
    assert problem.startswith(
        "line 3, column name: expected text in utf-8, or its --encoding stated"
    )
    path.write_bytes("\n".join([",".join(ENGLISH), *rows]).encode("cp1252"))
    assert [one.name for one in good(path)] == ["Ático", "Sótano"]
    # A byte that cp1252 does not have.
    path.write_bytes(b"\n".join([",".join(ENGLISH).encode(), b"1,\x81\xff,SOLD,5,N"]))
    (problem,) = broken(path)
    assert "expected text in cp1252" in problem


def test_duplicates_twins_and_spaces_are_pointed_out(tmp_path: Path) -> None:
    path = text_list(
        tmp_path / "x.csv",
        unit("A-101"),
        unit("A-101"),
        unit("A-101", 1),
        unit("a - 101"),
        unit(" B", development=" 4711"),
        unit("A-101", development="2"),
    )
    assert broken(path) == [
        "line 4, expected one row for each unit: A-101 has other values in line 2"
    ]
    assert remarks(path) == [
        "line 3: A-101 is in line 2 already",
        "line 5: 'a - 101' differs from 'A-101' in line 2 only by case or spaces",
        "line 6: column name: ' B' has space around it, and goes without",
        "line 6: column development_id: ' 4711' has space around it, and goes without",
    ]


# --- workbooks ----------------------------------------------------------------------------------


def test_sheets_with_a_header_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    workbook(
        path,
        Fase1=[["Lista"], [], SPANISH, ["4711", "A-101", "Vendido", 250_000, "N S"]],
        Notas=[["nothing", "here"]],
        Fase2=[ENGLISH, ["4712", 101, 4, 199_500.5, "SO"], [None] * 5],
        Vieja=[ENGLISH, unit(price=1)],
    )
    book = openpyxl.load_workbook(path)
    book["Vieja"].sheet_state = "hidden"
    book.save(path)
    prices = pricelist.read(path)
    assert prices.skipped_sheets == {
        "Notas": "it has no columns of a price list",
        "Vieja": "it is hidden or a chart",
    }
    assert prices.read_as == "workbook, sheet Fase1, Fase2"
    assert prices.delimiter == ","
    assert good(path) == [
        an_update(),
        an_update("101", 199_500.5, development_id="4712", directions=["SW"]),
    ]
    assert [row.line for row in prices] == [4, 2]
    assert [table.sheet for table in prices.tables] == ["Fase1", "Fase2"]
    (old,) = good(path, sheet="Vieja")
    assert old.price == 1
    others = pricelist.read(path, sheet="Vieja").skipped_sheets
    assert others == dict.fromkeys(["Fase1", "Notas", "Fase2"], "another one was asked for")
    with pytest.raises(PriceListError, match="has no sheet 'X'; it has 'Fase1', 'Notas'"):
        pricelist.read(path, sheet="X")
    with pytest.raises(PriceListError, match="sheet Notas: no column for development_id, name"):
        pricelist.read(path, sheet="Notas")


CARA = ("Promoción", "Vivienda", "Estado", "PVP", "Cara")
SOME = "or name the one sheet to be read: --sheet NAME; or hide those that are no price lists"


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize(
    ("header", "options", "problem"),
    [
        (CARA, {}, "no column for directions; .* found Promoción, Vivienda, Estado, PVP, Cara; "),
        (("Vivienda", "", "Precio"), {}, "no column for development_id, status, directions; "),
        (("Vivienda", "PVP"), {"development_id": "4711"}, "no column for status, directions; "),
        ((*CARA[:4], "Orientación", "Precio"), {}, "line 2: more than one column for price: PVP, "),
        # What is stated is in the other sheet, and here is nothing like it.
        (CARA, {"columns": {"directions": "directions"}}, "no column for directions; "),
    ],
)
def test_a_sheet_with_some_of_the_columns_is_not_passed_over(
    header: tuple[str, ...],
    options: dict[str, Any],
    problem: str,
    at_the_end: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    whole = {"Fase 2": [ENGLISH, unit()]}
    some = {"Fase 1": [["Lista"], header, ["4711", "A", "Vendido", 5, "N", 6]]}
    path = workbook(tmp_path / "x.xlsx", **(whole | some if at_the_end else some | whole))
    with pytest.raises(PriceListError, match=f"sheet Fase 1.*{problem}.*{SOME}$"):
        pricelist.read(path, **options)
    assert len(good(path, sheet="Fase 2", **options)) == 1
    with pytest.raises(PriceListError, match=f"sheet Fase 1.*{problem}") as caught:
        pricelist.read(path, sheet="Fase 1", **options)
    assert SOME not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "options"),
    [(("Estado", "Total"), {}), (("Promoción", "PVP"), {"development_id": "4711"})],
)
def test_one_word_of_a_price_list_makes_no_sheet_one(
    header: tuple[str, ...], options: dict[str, Any], tmp_path: Path
) -> None:
    path = workbook(tmp_path / "x.xlsx", Fase=[ENGLISH, unit()], Totales=[header, ["x", 1]])
    assert len(good(path, **options)) == 1
    assert list(pricelist.read(path, **options).skipped_sheets) == ["Totales"]


def test_a_column_that_is_stated_may_be_called_otherwise_in_another_sheet(tmp_path: Path) -> None:
    other = ("Promoción", "Vivienda", "Estado", "PVP", "Orientación", "Vista")
    path = workbook(
        tmp_path / "x.xlsx",
        Fase1=[CARA, ["4711", "A", "Vendido", 5, "N"], ["4711", "X", "?", 5, "N"]],
        Fase2=[other, ["4711", "B", "Vendido", 6, "S", "mar"], ["4711", "Y", "?", 6, "S", "mar"]],
    )
    options: dict[str, Any] = {"columns": {"directions": "CARA"}}
    prices = pricelist.read(path, **options)
    rows = list(prices)
    assert [row.update for row in rows if isinstance(row, Row)] == [
        an_update("A", 5, directions=["N"]),
        an_update("B", 6, directions=["S"]),
    ]
    # What failed of both is read with the same option.
    with Failures(prices) as failures:
        for row in rows:
            failures.add(row, "why")
    assert failures.path is not None
    failed = list(pricelist.read(failures.path, **options))
    assert [row.update for row in failed if isinstance(row, Row)] == [
        an_update("A", 5, directions=["N"]),
        an_update("B", 6, directions=["S"]),
    ]
    assert len(failed) == len(rows)


@pytest.mark.parametrize("sheets", [1, 2])
def test_a_column_that_no_sheet_has_is_misspelt(sheets: int, tmp_path: Path) -> None:
    whole = {f"Fase {number}": [ENGLISH, unit(str(number))] for number in range(sheets)}
    path = workbook(tmp_path / "x.xlsx", **whole)
    for field in FIELDS:
        with pytest.raises(PriceListError, match=f"sheet Fase 0: no column for {field}; .*found d"):
            pricelist.read(path, columns={field: "Preico"})
    # With a development stated, none is needed, and what is stated stands.
    (update, *_) = good(path, development_id="9", columns={"development_id": "Preico"})
    assert update.development_id == "9"


@pytest.mark.parametrize(
    "header",
    [
        ("ID Promoción", "Nº vivienda", "Situación", "PVP", "Orient."),
        ("Prom.", "Viv.", "Estado", "P.V.P.", "Orient"),
        ("ID Prom.", "N.º vivienda", "ESTADO", "Precio", "ORIENT."),
        ("Promoción", "Nº viv.", "Estado", "Precio", "Orient."),
    ],
)
def test_columns_are_known_by_their_short_names(header: tuple[str, ...], tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit(), header=header, delimiter=";")
    assert good(path) == [an_update()]


@pytest.mark.parametrize(
    "header",
    [("PVP", "Precio"), ("PVP sin IVA", "PVP con IVA"), ("PVP sin IVA",), ("PVP con IVA",)],
)
def test_which_price_is_meant_is_asked_for(header: tuple[str, ...], tmp_path: Path) -> None:
    columns = ("Promoción", "Vivienda", "Estado", "Orient.", *header)
    row = ["4711", "A", "Vendido", "N", *[5] * len(header)]
    path = text_list(tmp_path / "x.csv", row, header=columns)
    with pytest.raises(PriceListError, match=r"column for price.*--column price=NAME$"):
        pricelist.read(path)
    assert good(path, columns={"price": header[0]}) == [an_update("A", 5, directions=["N"])]


def test_cells_that_a_spreadsheet_has_changed(tmp_path: Path) -> None:
    day = dt.date(2026, 2, 1)
    rows: list[list[Any]] = [
        ["4711", day, "SOLD", 275_000.000_000_000_06, "N"],
        ["4711", True, True, day, "N"],
        ["4711", "A", "SOLD", 250_000 * 1.1 + 0.0000000001, "N"],
        ["4711", "B", "SOLD", "1.234.567 €", "N"],
        ["4711", "A", "SOLD", 5, "N"],
    ]
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, *rows])
    found = broken(path)
    assert found[0].startswith(
        "sheet S, line 2, column name: expected text: this cell is a date, as spreadsheets make"
    )
    assert found[1].count("expected") == 3
    assert "in line 4" in found[2]
    prices = [row.update.price for row in pricelist.read(path) if isinstance(row, Row)]
    assert prices == [275_000, 1_234_567]
    assert text_of(None) == ""


def test_a_workbook_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(PriceListError, match=r"cannot be read as a workbook: .*; if it has a pass"):
        pricelist.read(path)
    workbook(path, S=[ENGLISH, unit()])
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["xl/worksheets/sheet1.xml"] = b"<worksheet><sheetData><row><c r='?"
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with pytest.raises(PriceListError, match="cannot be read as a workbook"):
        pricelist.read(path)
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart")
    assert book.active is not None
    book.active.sheet_state = "hidden"
    book.save(path)
    with pytest.raises(PriceListError, match="has no sheet that is not hidden"):
        pricelist.read(path)


def test_without_the_extra_the_message_names_it(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit()])
    code = (
        "import sys\nsys.modules['python_calamine'] = None\n"
        "from propq_async import pricelist\n"
        f"try: pricelist.read({str(path)!r})\nexcept ValueError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert said == (
        f"reading {path} needs python-calamine, which is not installed; "
        "pip install 'propq-async[xlsx]'\n"
    )


# --- JSON lines -----------------------------------------------------------------------------------


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"development_id": 4711, "name": "A-101", "status": 4, "price": 250000, '
        '"directions": ["N", "Sur"]}\n\n'
        '{"unidad": "x"}\n[1]\n{"name":\n{"price": NaN}\n'
        '{"name": ["x"], "development_id": "1", "status": true, "price": true, '
        '"directions": ["N", "?"]}\n'
        '{"directions": "O", "price": "199.500,50 €", "status": "Vendido", "name": "B", '
        '"development_id": "4711"}\n',
        encoding="utf-8",
    )
    with pytest.raises(PriceListError, match="more than one column for name: name, unidad"):
        pricelist.read(path)
    rows = list(pricelist.read(path, columns={"name": "name"}))
    updates = [row.update for row in rows if isinstance(row, Row)]
    assert updates == [
        an_update(),
        an_update("B", 199_500.5, directions=["W"]),
    ]
    problems = [str(row) for row in rows if isinstance(row, BrokenRow)]
    assert [int(re.findall(r"line (\d+)", text)[0]) for text in problems] == [3, 4, 5, 6, 7]
    assert "expected a JSON object, not '[1]'" in problems[1]
    assert "expected a JSON object: Expecting value" in problems[2]
    assert "NaN is no JSON" in problems[3]
    assert problems[4].count("expected") == 4


def test_a_line_of_json_holds_one_object_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = json.dumps(dict(zip(ENGLISH, unit("A"), strict=True)))
    path.write_text(f"  {good}\t \n{good} {good}\n{good},\n{good}\u2003\n", encoding="utf-8")
    first, two, comma, last = pricelist.read(path)
    assert isinstance(first, Row)
    for row in (two, comma):
        assert isinstance(row, BrokenRow)
        assert "expected a JSON object: Extra data" in str(row)
    assert isinstance(last, Row)
    assert last.update == first.update


def test_a_key_that_stands_twice_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rest = '"development_id": "4711", "status": 4, "directions": "N"'
    lines = [
        f'{{"name": "A", "price": 1, "price": 250000, {rest}}}',
        f'{{"name": "B", "price": 1.50, "Price":  "250.000", {rest}}}',
        f'{{"name": "C", "notes": 1, "Notes": 2, "Price": "1.234.567", {rest}}}',
        f'{{"name": "D", " PRICE ": 5, {rest}}}',
        f'{{"name": "E", "price": 5, "m2": {{"a": 1, "a": 2}}, {rest}}}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    twice, differently, good, also, nested = pricelist.read(path)
    assert "expected a JSON object: 'price' stands in it twice, not '{" in str(twice)
    assert twice.cells == (lines[0],)
    assert "expected a JSON object: 'price' stands in it twice, also as 'Price'" in str(differently)
    assert differently.cells == (lines[1],)
    assert isinstance(good, Row)
    assert good.update.price == 1_234_567
    assert isinstance(also, Row)
    assert also.update.price == 5
    assert "'a' stands in it twice" in str(nested)


@pytest.mark.parametrize("content", ["", "[1, 2]", "nothing"])
def test_json_without_an_object(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(PriceListError, match="expected JSON lines, which is one object in each"):
        pricelist.read(path)


# --- what is no list ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        (None, {}, r"cannot read .*x\.csv: No such file"),
        (b"", {}, "no column for development_id, name, .*; found nothing; state"),
        (b"a;b\n1;2\n", {}, "found a, b; state"),
        (b"name\0\n", {}, "is no text file; expected CSV, XLSX or JSON lines"),
        (b"x", {"encoding": "klingon"}, "there is no encoding 'klingon': state utf-8, cp1252"),
        (b"x", {"decimal": "x"}, "decimal must be"),
        (b"x", {"delimiter": "xx"}, "the delimiter must be one character"),
        (b"\xff\xfea", {}, r"cannot read .*: 'utf-16.*; state its --encoding"),
    ],
)
def test_what_is_no_price_list_is_refused(
    content: bytes | None, options: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PriceListError, match=problem):
        pricelist.read(path, **options)


def test_excel_may_be_told_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("sep=:\n" + ":".join(ENGLISH) + "\n4711:A-101:SOLD:250000:N S\n")
    assert good(path) == [an_update()]
    path.write_text("#".join(ENGLISH) + "\n4711#A-101#SOLD#250000#N S\n")
    assert good(path, delimiter="#", encoding="UTF8") == [an_update()]
    assert pricelist.read(path, delimiter="#").read_as == "utf-8, columns by '#'"


def test_a_list_that_changes_is_not_read_as_two_halves(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit())
    prices = pricelist.read(path)
    assert len(list(prices)) == 1
    assert repr(prices) == f"PriceList({str(path)!r})"
    text_list(path, unit(), unit("B"))
    with pytest.raises(PriceListError, match="has changed since it was opened: open it again"):
        list(prices)
    path.unlink()
    with pytest.raises(PriceListError, match=r"cannot read .*: No such file"):
        list(prices)


@pytest.mark.parametrize("word", ["Vendido?", "≠ vendido", "!sold", "4%", "-1", "1€", "(sold)"])
def test_a_sign_that_says_more_makes_another_word(word: str) -> None:
    assert status_of(word, {}) is None
    assert status_of(word, {fold(word): UnitStatus.HOLD}) is UnitStatus.HOLD


@pytest.mark.parametrize("word", ["Vendido", " vendido. ", "EN  VENTA", "no-disponible", "4"])
def test_how_a_word_is_dressed_does_not_matter(word: str) -> None:
    assert status_of(word, {}) is not None


@pytest.mark.parametrize("text", ["N?", "N, S?", "Norte!"])
def test_a_direction_with_a_question_is_asked_about(text: str) -> None:
    assert isinstance(directions_in(text, {}), str)


@pytest.mark.parametrize(
    ("number", "price"),
    [
        (1.234, TOO_FINE),
        (Decimal("199500.505"), TOO_FINE),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (250000.0, 250000),
        (199500.5, Decimal("199500.5")),
        (275000.00000000006, 275000),
        (Decimal("0.10"), Decimal("0.1")),
    ],
)
def test_a_number_with_more_than_two_decimals_is_no_price(
    number: float | Decimal, price: Any
) -> None:
    assert exact_price(number) == price
    assert type(exact_price(number)) is type(price)


@settings(deadline=None, max_examples=30)
@given(
    thousandths=st.lists(st.integers(1, 10**9 - 1), min_size=1, max_size=60, unique=True),
    factor=st.sampled_from([1.0, 1.1, 1.21, 3.0]),
    stated=st.sampled_from([None, ".", ","]),
)
def test_a_number_of_a_workbook_has_at_most_two_decimals_but_for_the_noise_of_a_formula(
    tmp_path_factory: pytest.TempPathFactory,
    thousandths: list[int],
    factor: float,
    stated: Literal[".", ","] | None,
) -> None:
    rows: list[list[Any]] = []
    expected: list[Decimal | None] = []
    for number in thousandths:
        exact = Decimal(number) / 1000
        # As a formula leaves it: 250000 * 1.1 is 275000.00000000006.
        rows += [unit(f"A-{number}", float(exact)), unit(f"B-{number}", number * factor)]
        expected.append(exact if number % 10 == 0 else None)
        product = number * Decimal(str(factor))
        expected.append(product if product * 100 % 1 == 0 else None)
    path = workbook(tmp_path_factory.mktemp("list") / "x.xlsx", S=[ENGLISH, *rows])
    found = list(pricelist.read(path, decimal=stated))
    for row, price in zip(found, expected, strict=True):
        if isinstance(row, Row):
            assert row.update.price == price
        else:
            assert price is None
            assert [one.column for one in row.problems] == ["price"]
            assert "at most two decimals" in row.what


@given(price=st.decimals("0.001", "99999999", places=6))
def test_a_number_of_json_has_at_most_two_decimals(price: Decimal) -> None:
    cents = price.quantize(Decimal("0.01"))
    noise = abs(price - cents)
    found = exact_price(price)
    assert found == (cents if noise <= Decimal("0.000001") else TOO_FINE)
