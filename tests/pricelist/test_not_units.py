"""Rows that are no units are told; whatever could be a unit stays broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from propq_async import pricelist
from propq_async.pricelist import BrokenRow
from tests.helpers.profiles import listed, profile

HEAD = "Bloque;Vivienda;Superficie;Estado;Precio;Orientación"
UNIT = "1;A-101;82;Vendido;250000;Norte"


def _told(path: Path, *rows: str) -> tuple[list[str], int]:
    """Return what is told as no unit, and how many rows are broken."""
    prices = pricelist.read(listed(path, "\n".join(rows)), development_id="4711")
    broken = sum(isinstance(row, BrokenRow) for row in prices)
    return [one.text for one in prices.not_units], broken


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("TOTAL 24 viviendas;;2.100;;5.200.000;", "a total"),
        ("Total;;;;5200000;", "a total"),
        (";Subtotal bloque 1;;;5200000;", "a total"),
        ("SUMA;3;;;5200000;", "a total"),
        ("TOTAL;;;6 viviendas;5200000;", "a total"),
        ("Total;;;2 vendidas;5200000;24 uds.", "a total"),
        ("Total: 24", "a total"),
        ("* Precios sujetos a cambios sin previo aviso;;;;;", "a note"),
        ("Nota: la terraza no computa;;;;;", "a note"),
        ("Precios con IVA incluido;;;;;", "a note"),
        ("*;;no incluye garaje;;;", "a note"),
        ("Prices are valid until further notice.", "a note"),
        ("PLANTA BAJA;;;;;", "a heading of a group"),
        (";BLOQUE 2;;;;", "a heading of a group"),
    ],
)
def test_what_is_no_unit_is_told_in_a_line(tmp_path: Path, row: str, kind: str) -> None:
    text = " ".join(" ".join(row.split(";")).split())
    assert _told(tmp_path / "x.csv", HEAD, UNIT, row) == ([f"{kind}: {text}"], 0)


@pytest.mark.parametrize(
    "row",
    [
        ";A-102;;;;",
        ";Ático;;;;",
        "TOTAL;;;Vendido;250000;",
        "TOTAL;;;Vend.;250000;",
        "TOTAL;;;6 viviendas;250000;Norte",
        "TOTAL;6 viviendas;;;250000;",
        "1;A-102;82;6 viviendas;250000;",
        "Total;;;;250000;Norte",
        "TOTAL;A-102;;;250000;",
        ";;;;250000;",
        ";;;Reservado;;",
        ";Planta 3;80;;250000;",
        "* ver plano;A-102;;;250000;",
        ";*;;;250000;",
        "1;A-102;82;Vend.;250000;Norte",
        "A-102,90,Reservado,260000,Sur",
        "A-102\tReservado\t260000\tSur y dos palabras mas",
        "Ático dúplex con terraza y dos plazas 250.000 €;;;;;",
        "260000;;;;;",
        'A-102;"Vendido;260000;N',
        "viviendas;24",
    ],
)
def test_what_could_be_a_unit_stays_broken(tmp_path: Path, row: str) -> None:
    assert _told(tmp_path / "x.csv", HEAD, UNIT, row) == ([], 1)


def test_a_group_is_no_unit_unless_units_are_called_so(tmp_path: Path) -> None:
    head = "Vivienda;Estado;Precio;Orientación"
    told, broken = _told(tmp_path / "x.csv", head, "Bloque 2;Libre;5000;S", "Bloque 3;;;")
    assert (told, broken) == ([], 1)


def test_more_of_the_heading_stands_only_right_below_it(tmp_path: Path) -> None:
    more = "nº;;útil m²;;;"
    told, broken = _told(tmp_path / "x.csv", HEAD, more, UNIT, more)
    assert (told, broken) == (
        [f"more of the heading: {' '.join(more.replace(';', ' ').split())}"],
        1,
    )


def test_more_of_the_heading_has_no_number_and_no_name(tmp_path: Path) -> None:
    for row in (";;útil;;1;hacia", ";nombre;útil;;;"):
        assert _told(tmp_path / "x.csv", HEAD, row, UNIT) == ([], 1)


def test_a_profile_states_what_else_is_no_unit(tmp_path: Path) -> None:
    profile(tmp_path, "[[list]]\nnot_units = ['ÁTICOS*']")
    told, broken = _told(tmp_path / "x.csv", HEAD, UNIT, "ÁTICOS Y DÚPLEX;;;;;", "LOCALES;;;;;")
    assert (told, broken) == (["no unit, as stated: ÁTICOS Y DÚPLEX"], 1)


def test_in_a_list_of_failures_nothing_is_told_away(tmp_path: Path) -> None:
    head = f"propq_problem;{HEAD}"
    assert _told(tmp_path / "x.csv", head, f"why;{UNIT}", "why;PLANTA BAJA;;;;;") == ([], 1)


def test_a_row_with_nothing_but_what_is_no_text_stays_broken(tmp_path: Path) -> None:
    from propq_async.pricelist._reading.not_units import NoUnit  # noqa: PLC0415 - for this alone

    path = listed(tmp_path / "x.csv", f"{HEAD}\n{UNIT}")
    ((found, _),) = pricelist.read(path, development_id="4711").sources
    assert NoUnit(found, ()).kind(3, ("",) * 6, has_units_above=True) is None
