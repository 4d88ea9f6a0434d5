"""Profiles: what `propq.toml` may state, which lists it is about, and what counts before what."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from propq_async import UnitStatus, pricelist
from propq_async.pricelist import Fill, ListProfile, PriceListError, Profile
from tests.helpers.corpus import hide
from tests.helpers.lists import ENGLISH, broken, good, text_list, unit, workbook
from tests.helpers.profiles import FULL, listed, profile

SPANISH = """
    Vivienda;Estado;Precio;Orientación
    A-101;Señalizado;250.000;Mar
    """
ONE = "[[list]]\n"


def test_a_profile_has_all_that_it_states(tmp_path: Path) -> None:
    loaded = Profile.load(profile(tmp_path))
    assert loaded.account == "costa"
    assert list(loaded.lists) == [
        ListProfile(
            file="precios*.csv",
            development="4711",
            columns={
                "name": "{Portal}-{Planta}{Puerta}",
                "status": "Estado",
                "price": "PVP (sin IVA)",
                "directions": "Orientación",
            },
            decimal=",",
            delimiter=";",
            encoding="utf-8",
            compass_pairs="one",
            hidden_rows="skip",
            min_price=Decimal(10000),
            not_units=("ÁTICOS*",),
            status_words={"Señalizado": UnitStatus.RESERVED},
            direction_words={"Mar": "S"},
            fill={
                "directions": Fill(tmp_path / "units.csv"),
                "price": Fill("ledger"),
                "status": Fill("value", UnitStatus.AVAILABLE),
            },
        )
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("acount = 'x'", "there is no key 'acount'; did you mean account? There are account, list"),
        ("zzz = 1", "there is no key 'zzz'; there are account, list"),
        ("account = 5", 'account must be a text, such as "4711", not 5'),
        ("[list]\nfile = 'x'", "a list begins with [[list]], in two pairs of brackets"),
        ("list = ['x']", "a list begins with [[list]]"),
        (
            f"{ONE}file = 'a'\nhidden-rows = 'skip'",
            "list 1 (a): there is no key 'hidden-rows'; did",
        ),
        (f"{ONE}file = 3", 'list 1: file must be a text, such as "4711", not 3'),
        (f"{ONE}name = ' '", "name must be a text"),
        (f"{ONE}development = 4711", 'development must be a text, such as "4711", not 4711'),
        (f"{ONE}development = '1'\ndevelopment_id = 'P'", "state one of them"),
        (f"{ONE}decimal = ';'", 'decimal must be "." or ",", not \';\''),
        (f"{ONE}decimal = 1", "decimal must be"),
        (f"{ONE}delimiter = ';;'", "delimiter must be one character"),
        (f"{ONE}compass_pairs = 'three'", 'must be "one" or "two"'),
        (f"{ONE}min_price = 'much'", "min_price must be a number, not 'much'"),
        (f"{ONE}min_price = true", "min_price must be a number, not True"),
        (f"{ONE}min_price = -1", "a number that is not negative, not -1"),
        (f"{ONE}min_price = inf", "a number that is not negative, not Infinity"),
        (f"{ONE}not_units = 'TOTAL'", 'must be a list of texts, such as ["TOTAL*"]'),
        (f"{ONE}sheets = 3", "must name sheets with their developments"),
        (f"{ONE}sheets = {{ A = 4711 }}", "sheets, A must be a text"),
        (f"{ONE}name = '{{Portal'", "'{Portal' is no template"),
        (f"{ONE}name = '{{ }}'", "'{ }' is no template"),
        (f"{ONE}name = '{{{{x}}}}'", "it names no column"),
        (
            f"{ONE}price = '{{A}}{{B}}'",
            "only the name, and directions that are marks",
        ),
        (f"{ONE}status_words = 'x'", "must be a table, which begins with [list.status_words]"),
        (
            f"{ONE}[list.status_words]\nX = 'GONE'",
            "X must be one of AVAILABLE, HOLD, SOLD, RESERVED",
        ),
        (f"{ONE}[list.direction_words]\nMar = ''", "direction_words, Mar must be a text"),
        (f"{ONE}fill = 1", "must be a table, which begins with [list.fill]"),
        (f"{ONE}[list.fill]\ndirection = 'x'", "fill: there is no key 'direction'; did you mean"),
        (f"{ONE}[list.fill]\ndirections = 5", 'must be "ledger", the name of a file, or a list'),
        (f"{ONE}[list.fill]\nprice = 'SOLD'", "a number, such as 250000, not 'SOLD'"),
        (f"{ONE}[list.fill]\nstatus = ''", "or a status, such as \"AVAILABLE\", not ''"),
        ("[[list", "is no TOML: "),
    ],
)
def test_what_a_profile_cannot_state_is_an_error(tmp_path: Path, content: str, said: str) -> None:
    path = profile(tmp_path, content)
    with pytest.raises(PriceListError) as caught:
        Profile.load(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_a_profile_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PriceListError, match=r"cannot read the profile .*: No such file"):
        Profile.load(tmp_path / "propq.toml")
    (tmp_path / "propq.toml").write_bytes("account = 'ñ'".encode("latin-1"))
    with pytest.raises(PriceListError, match="is no text in UTF-8"):
        Profile.load(tmp_path / "propq.toml")


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("precios*.xlsx", "precios_01.xlsx", True),
        ("precios*.xlsx", "PRECIOS.XLSX", True),
        ("precios*.xlsx", "2026/precios.xlsx", False),
        ("*/precios.xlsx", "2026/precios.xlsx", True),
        ("**/precios.xlsx", "a/b/precios.xlsx", True),
        ("**/precios.xlsx", "precios.xlsx", True),
        ("precios*.xlsx", "other.xlsx", False),
        ("precios*.xlsx", "precios.failed.xlsx", True),
        ("precios*.xlsx", "precios.failed-2.csv", True),
        ("other*.xlsx", "precios.failed.xlsx", False),
        ("*", "whatever.csv", True),
    ],
)
def test_a_glob_is_relative_to_its_profile(
    tmp_path: Path, glob: str, path: str, *, fits: bool
) -> None:
    loaded = Profile.load(profile(tmp_path, f"[[list]]\nfile = '{glob}'"))
    assert (loaded.for_list(tmp_path / path) is not None) == fits


def test_the_first_list_that_fits_counts(tmp_path: Path) -> None:
    content = "".join(
        f"[[list]]\nfile = '{glob}'\ndevelopment = '{development}'\n"
        for glob, development in (("a*.csv", "1"), ("*.csv", "2"))
    )
    profile(tmp_path, content)
    for name, development in (("a.csv", "1"), ("b.csv", "2")):
        (one,) = good(text_list(tmp_path / name, unit()[1:], header=ENGLISH[1:]))
        assert one.development_id == development


def test_the_nearest_profile_is_used_and_only_if_it_is_about_the_list(tmp_path: Path) -> None:
    folder = tmp_path / "year" / "month"
    folder.mkdir(parents=True)
    path = text_list(folder / "x.csv", unit()[1:], header=ENGLISH[1:])
    profile(tmp_path, "[[list]]\nfile = '**/*.csv'\ndevelopment = '1'")
    assert good(path)[0].development_id == "1"
    nearer = profile(folder, "[[list]]\nfile = '*.csv'\ndevelopment = '2'")
    prices = pricelist.read(path)
    assert [row.update.development_id for row in prices if isinstance(row, pricelist.Row)] == ["2"]
    assert prices.profile is not None
    assert prices.profile.path == nearer
    with pytest.raises(PriceListError, match="no column for development_id"):
        pricelist.read(path, profile=None)
    nearer.write_text("[[list]]\nfile = 'y.csv'", encoding="utf-8")
    said = r"no column for development_id.*propq\.toml is for 'y\.csv', which 'x\.csv' does not fit"
    with pytest.raises(PriceListError, match=said):
        pricelist.read(path)
    with pytest.raises(
        PriceListError, match=r"states nothing of .*x\.csv: it is for 'y\.csv'; add"
    ):
        pricelist.read(path, profile=nearer)
    nearer.write_text("", encoding="utf-8")
    with pytest.raises(PriceListError, match="it is for nothing"):
        pricelist.read(path, profile=Profile.load(nearer))


def test_what_is_stated_wins_and_an_option_wins_over_that(tmp_path: Path) -> None:
    path = listed(
        tmp_path / "x.csv",
        """
        Promoción;Vivienda;Ref;Estado;Precio;PVP rebajado;Orientación
        4711;A-101;R1;Señalizado;250.000;240.000;Mar
        """,
    )
    profile(
        tmp_path,
        """
        [[list]]
        name = "Ref"
        price = "PVP rebajado"
        decimal = ","
        status_words = { "Señalizado" = "RESERVED" }
        direction_words = { "Mar" = "S" }
        """,
    )
    (one,) = good(path)
    assert (one.name, one.price, one.status, one.directions) == (
        "R1",
        240_000,
        UnitStatus.RESERVED,
        ("S",),
    )
    (one,) = good(
        path,
        columns={"name": "Vivienda"},
        status_words={"Señalizado": UnitStatus.HOLD},
        direction_words={"Mar": "E"},
        development_id="4711",
    )
    assert (one.name, one.price, one.status, one.directions) == (
        "A-101",
        240_000,
        UnitStatus.HOLD,
        ("E",),
    )


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("price = 'PVP'", "states price = 'PVP', and there is no column 'PVP'; the list has Viv"),
        (
            "name = '{Portal}{Vivienda}{Puerta?}'",
            "{Puerta?}', and there is no column 'Portal', 'Puerta'; the list has",
        ),
        ("sheets = { A = '1' }", "states the sheets A, and "),
        ("[list.fill]\nprice = 'missing.csv'", "missing.csv, which fills price: No such file"),
    ],
)
def test_what_is_stated_and_not_there_is_an_error(tmp_path: Path, stated: str, said: str) -> None:
    path = listed(tmp_path / "x.csv", SPANISH)
    profile(tmp_path, f"[[list]]\ndevelopment = '1'\n{stated}")
    with pytest.raises(PriceListError) as caught:
        pricelist.read(path)
    assert said in str(caught.value)
    assert "x.csv" in str(caught.value) or "missing.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("pairs", "directions"),
    [
        ("one", [("SE",), ("SE",), ("N", "S", "W")]),
        ("two", [("S", "E"), ("S", "E"), ("N", "S", "W")]),
    ],
)
def test_pairs_of_the_compass_are_one_or_two(
    tmp_path: Path, pairs: str, directions: list[tuple[str, ...]]
) -> None:
    rows = [
        unit("A", directions="S-E"),
        unit("B", directions="Sur-Este"),
        unit("C", directions="N S W"),
    ]
    path = text_list(tmp_path / "x.csv", *rows)
    assert len(broken(path)) == 2
    profile(tmp_path, f"[[list]]\ncompass_pairs = '{pairs}'")
    assert [one.directions for one in good(path)] == directions


def test_three_with_one_pair_are_asked_about(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("A", directions="N-S-E"))
    profile(tmp_path, "[[list]]\ncompass_pairs = 'one'")
    (said,) = broken(path)
    assert "SE if it is one direction, S/E if it is two" in said


@pytest.mark.parametrize(
    ("stated", "names", "kinds"),
    [
        ("", ["A", "B", "C"], ["hidden"]),
        ("hidden_rows = 'read'", ["A", "B", "C"], []),
        ("hidden_rows = 'skip'", ["A", "C"], []),
    ],
)
def test_hidden_rows_are_skipped_or_read_as_stated(
    tmp_path: Path, stated: str, names: list[str], kinds: list[str]
) -> None:
    from openpyxl import load_workbook  # noqa: PLC0415 - for this test alone

    path = workbook(tmp_path / "x.xlsx", S=[ENGLISH, unit("A"), unit("B"), unit("C")])
    book = load_workbook(path)
    hide(rows=[3])(book)
    book.save(path)
    profile(tmp_path, f"[[list]]\n{stated}")
    prices = pricelist.read(path)
    rows = [row for row in prices if isinstance(row, pricelist.Row)]
    assert [row.update.name for row in rows] == names
    assert [remark.kind for row in rows for remark in row.remarks] == kinds
    assert [remark.text for remark in prices.not_units] == (
        ["hidden, and skipped as stated: 4711 B SOLD 250000 N S"] if "skip" in stated else []
    )


SHEETS: dict[str, Any] = {
    "Fase 1": [ENGLISH[1:], unit("A-1")[1:], unit("A-2")[1:]],
    "Fase 2": [ENGLISH[1:], unit("A-1")[1:], unit("A-2", price=1_000)[1:]],
    "Old": [ENGLISH[1:], unit("A-1", price=3)[1:]],
}


def test_each_sheet_has_its_development(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", **SHEETS)
    profile(tmp_path, "[[list]]\nsheets = { 'Fase 1' = '4711', 'Fase 2' = '4712' }")
    assert [(one.development_id, one.name) for one in good(path)] == [
        ("4711", "A-1"),
        ("4711", "A-2"),
        ("4712", "A-1"),
        ("4712", "A-2"),
    ]
    assert list(pricelist.read(path).skipped_sheets) == ["Old"]
    assert [one.development_id for one in good(path, development_id="5", sheet="Old")] == ["5"]


def test_sheets_alone_are_all_that_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", **SHEETS)
    profile(tmp_path, "[[list]]\nsheets = ['Old']\ndevelopment = '9'")
    assert [(one.development_id, one.name) for one in good(path)] == [("9", "A-1")]


def test_a_stated_sheet_that_is_no_list_is_an_error(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", **SHEETS, Notes=[["nothing here"]])
    profile(tmp_path, "[[list]]\nsheets = { 'Fase 1' = '4711', Notes = '4712' }")
    with pytest.raises(PriceListError, match="sheet Notes: no column for name"):
        pricelist.read(path)
    profile(tmp_path, "[[list]]\nsheets = { 'Fase 3' = '4711' }")
    with pytest.raises(PriceListError, match="has no sheet 'Fase 3'; it has 'Fase 1'"):
        pricelist.read(path)
    assert FULL


def test_a_column_that_an_option_states_and_is_not_there_is_no_fault_of_the_profile(
    tmp_path: Path,
) -> None:
    profile(tmp_path, "[[list]]\nname = 'Vivienda'\nprice = 'Precio'")
    path = listed(tmp_path / "x.csv", "Promoción;Vivienda;Estado;PVP;Orientación\n1;A;Libre;5;S")
    said = f"{path}: the list has no column 'Preis' for price, as --column states; it has Promoción"
    with pytest.raises(PriceListError, match=re.escape(said)):
        pricelist.read(path, columns={"price": "Preis"})
    with pytest.raises(PriceListError, match="states price = 'Precio', and there is no column"):
        pricelist.read(path, columns={"name": "Vivienda"})
    # Of several that are not there, only what an option states is the option's.
    profile(tmp_path, "[[list]]\nname = 'Wohnung'")
    with pytest.raises(PriceListError, match=r"has no column 'Preis' for price, as --column"):
        pricelist.read(path, columns={"price": "Preis"})
