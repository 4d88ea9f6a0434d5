"""What is wrong with a list, by kind: a line for a word that many rows have."""

from __future__ import annotations

from pathlib import Path

import pytest

from propq_async import UnitStatus, pricelist
from propq_async.pricelist import BrokenRow
from propq_async.pricelist._guesses import direction_guess, status_guess
from propq_async.pricelist._problem_kinds import problem_kinds
from tests.helpers.lists import ENGLISH, text_list, unit, workbook


def _kinds(path: Path) -> list[str]:
    rows = [row for row in pricelist.read(path) if isinstance(row, BrokenRow)]
    return [str(kind).replace(f"{path}, ", "") for kind in problem_kinds(rows)]


def test_the_most_frequent_kind_comes_first_and_words_ask(tmp_path: Path) -> None:
    path = text_list(
        tmp_path / "x.csv",
        unit("A", status="Señalizado"),
        unit("B", status="Sin definir", directions="Mar azul"),
        *(unit(f"C{number}", status="Señalizado") for number in range(9)),
        unit("D", "x"),
        unit("E", "y", directions="Mar azul"),
        *(unit(f"F{number}", f"z{number}") for number in range(2)),
        unit("", ""),
    )
    first, price, mar, unknown, alone = _kinds(path)
    assert first == (
        "'Señalizado' (10 rows: 2, 4, 5, 6, 7, 8, 9, 10 and 2 more): what does it mean? "
        "--status-word Señalizado=RESERVED"
    )
    assert price.startswith(
        "column price (4 rows: 13, 14, 15, 16): found 'x', 'y', 'z0' and the like; expected a price"
    )
    assert mar == (
        "'Mar azul' (2 rows: 3, 14): what does it mean? --direction-word 'Mar azul=DIRECTION'"
    )
    assert unknown == (
        "'Sin definir' (1 row: 3): what does it mean? --status-word 'Sin definir=STATUS'"
    )
    assert alone.startswith("line 17, column name is empty; ")


def test_each_sheet_has_its_kinds(tmp_path: Path) -> None:
    rows = [unit("A", "", status="R"), unit("B", "")]
    path = workbook(tmp_path / "x.xlsx", A=[ENGLISH, *rows], B=[ENGLISH, unit("C", status="R")])
    first, *others = _kinds(path)
    assert first.startswith(
        "column price (2 rows of sheet A: 2, 3) is empty; expected a price above"
    )
    assert others == [
        f"'R' (1 row of sheet {sheet}: 2): what does it mean? --status-word R=RESERVED"
        for sheet in "AB"
    ]


def test_what_is_wrong_with_a_row_as_a_whole_is_told_by_kind_too(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit(), ["a", "b"], ["c", "d"])
    assert _kinds(path) == ["(2 rows: 3, 4): expected 5 columns separated by commas, not 2"]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Señalizado", UnitStatus.RESERVED),
        ("Pre-reserva", UnitStatus.RESERVED),
        ("Escriturada", UnitStatus.SOLD),
        ("Contrato privado", UnitStatus.SOLD),
        ("Opción", UnitStatus.HOLD),
        ("No a la venta", UnitStatus.HOLD),
        ("Próximamente", UnitStatus.HOLD),
        ("R", UnitStatus.RESERVED),
        ("V", UnitStatus.SOLD),
        ("D", UnitStatus.AVAILABLE),
        ("En venta ya", UnitStatus.AVAILABLE),
        ("Azul", None),
    ],
)
def test_a_guess_is_made_for_a_question(word: str, status: UnitStatus | None) -> None:
    assert status_guess(word) is status


@pytest.mark.parametrize(
    ("word", "direction"),
    [
        ("Levante", "E"),
        ("SSO", "SW"),
        ("Sur (mar)", "S"),
        ("Vistas al norte", "N"),
        ("Mar", None),
        ("N/S", None),
    ],
)
def test_a_direction_is_guessed_as_well(word: str, direction: str | None) -> None:
    assert direction_guess(word) == direction
