"""Directions as marks: an X under N, S, E, W, or under O in a Spanish list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, Failures, ListProfile, PriceListError, Row, setup
from propq_async.pricelist._reading.direction_marks import direction_of, is_mark
from tests.helpers.lists import broken, json_lines, text_list, workbook
from tests.helpers.profiles import listed, profile

OF_UNIT = ["Vivienda", "Estado", "Precio"]
COMPASSES = [
    {"N": "N", "S": "S", "E": "E", "W": "W"},
    {"N": "N", "S": "S", "E": "E", "O": "W"},
    {"N": "N", "NE": "NE", "E": "E", "SE": "SE", "S": "S", "SO": "SW", "O": "W", "NO": "NW"},
    {"Norte": "N", "Sur": "S", "Este": "E", "Oeste": "W"},
    {"Norte": "N", "Sur": "S"},
    {"Orientación N": "N", "Orientación S": "S", "Orientación O": "W"},
]
MARKS = [("X", ""), ("x", "-"), ("1", "0"), ("Sí", "No"), ("\u2713", ""), (True, False), (1, 0)]


@st.composite
def _marked(draw: st.DrawFn) -> tuple[dict[str, str], list[tuple[str, ...]], list[list[Any]]]:
    """Draw a compass, the directions of each unit, and the rows that say them."""
    compass = draw(st.sampled_from(COMPASSES))
    # A `No` below north-west says no, or north-west.
    yes, no = draw(st.sampled_from([one for one in MARKS if one[1] != "No" or "NO" not in compass]))
    headings = draw(st.permutations(list(compass)))
    compass = {heading: compass[heading] for heading in headings}
    chosen = draw(st.lists(st.sets(st.sampled_from(headings)), min_size=1, max_size=6))
    units = [tuple(compass[one] for one in headings if one in unit) for unit in chosen]
    rows = [
        [f"A-{number}", "Libre", 250_000, *(yes if one in unit else no for one in headings)]
        for number, unit in enumerate(chosen)
    ]
    return compass, units, rows


def _said(rows: Any) -> list[tuple[str, tuple[str, ...] | None]]:
    """Return each unit with its directions, `None` if it is broken."""
    return [
        (row.update.name, row.update.directions) if isinstance(row, Row) else (row.unit[1], None)
        for row in rows
    ]


@settings(deadline=None, max_examples=25)
@given(drawn=_marked(), kind=st.sampled_from(["csv", "xlsx", "jsonl", "two rows"]))
def test_what_is_marked_is_read_and_so_are_its_failures(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: tuple[dict[str, str], list[tuple[str, ...]], list[list[Any]]],
    kind: str,
) -> None:
    compass, units, rows = drawn
    directory = tmp_path_factory.mktemp("list")
    header = [*OF_UNIT, *compass]
    if kind == "csv":
        path = text_list(directory / "x.csv", *rows, header=header, delimiter=";")
    elif kind == "xlsx":
        path = workbook(directory / "x.xlsx", S=[header, *rows])
    elif kind == "jsonl":
        path = json_lines(
            directory / "x.jsonl", *(dict(zip(header, row, strict=True)) for row in rows)
        )
    else:
        above = [*OF_UNIT, "Orientación", *[""] * (len(compass) - 1)]
        below = ["", "", "", *(name.removeprefix("Orientación ") for name in compass)]
        path = workbook(directory / "x.xlsx", S=[above, below, *rows])
    prices = pricelist.read(path, development_id="4711")
    expected = [(f"A-{number}", unit or None) for number, unit in enumerate(units)]
    read = list(prices)
    assert _said(read) == expected
    with Failures(prices) as failures:
        for row in read:
            failures.add(row, "why")
    assert failures.path is not None
    assert _said(pricelist.read(failures.path, development_id="4711")) == expected


def _spanish(path: Path, *rows: str, compass: str = "N;S;E;O") -> Path:
    return listed(path, "\n".join([f"Vivienda;Estado;Precio;{compass}", *rows]))


def test_a_row_without_a_mark_or_with_another_one_is_broken(tmp_path: Path) -> None:
    path = _spanish(tmp_path / "x.csv", "A;Libre;250000;X;;;", "B;Libre;5;;;;", "C;Libre;5;P;;X;")
    assert broken(path, development_id="4711") == [
        "line 3, column {N}{S}{E}{O} is empty; expected a mark, such as X, below N or S or E or O",
        "line 4, column {N}{S}{E}{O}: found 'N: P, E'; expected X or nothing below N",
    ]


def test_what_is_not_certain_is_not_filled(tmp_path: Path) -> None:
    profile(tmp_path, "[[list]]\ndevelopment = '4711'\n[list.fill]\ndirections = ['S']")
    path = _spanish(tmp_path / "x.csv", "A;Libre;5;;;;", "B;Libre;5;;;P;", "C;Libre;5;;;;X")
    first, second, third = pricelist.read(path)
    assert isinstance(first, Row)
    assert isinstance(third, Row)
    assert (first.update.directions, first.filled) == (("S",), {"directions": "the profile"})
    assert "X or nothing below E" in str(second)
    assert third.update.directions == ("W",)


def test_an_o_that_nothing_settles_is_asked(tmp_path: Path) -> None:
    header = ["Unit", "Status", "Price", "N", "S", "O"]
    path = text_list(tmp_path / "x.csv", ["A", "Sold", 250_000, "", "", "X"], header=header)
    with pytest.raises(PriceListError, match=r"column \{N\}\{S\}\{O\}: 'O': nothing beside it"):
        pricelist.read(path, development_id="4711")
    prices = pricelist.read(path, development_id="4711", direction_words={"O": "E"})
    assert _said(prices) == [("A", ("E",))]


def test_a_column_of_directions_beside_marks_is_asked(tmp_path: Path) -> None:
    path = _spanish(tmp_path / "x.csv", "A;Libre;250000;X;;;;Sur", compass="N;S;E;O;Orientación")
    asked = r"for directions: \{N\}\{S\}\{E\}\{O\}: 'X', Orientación \(H\): 'Sur'; state which"
    with pytest.raises(PriceListError, match=asked):
        pricelist.read(path, development_id="4711")
    for column, directions in (("Orientación", "S"), ("{N}{S}{E}{O}", "N")):
        columns = {"directions": column}
        prices = pricelist.read(path, development_id="4711", columns=columns)
        assert _said(prices) == [("A", (directions,))]


def test_two_letters_may_be_something_else_and_are_stated(tmp_path: Path) -> None:
    """`S` may be a solarium."""
    path = _spanish(tmp_path / "x.csv", "A;Libre;250000;X;", compass="N;S")
    with pytest.raises(PriceListError, match="no column for directions"):
        pricelist.read(path, development_id="4711")
    profile(tmp_path, "[[list]]\ndevelopment = '4711'\ndirections = '{N}{S}'")
    (table,) = pricelist.read(path).tables
    assert (str(table.columns["directions"]), table.not_read) == ("{N}{S}", [])
    assert _said(pricelist.read(path)) == [("A", ("N",))]


def test_stated_columns_of_marks_are_called_by_their_direction(tmp_path: Path) -> None:
    profile(tmp_path, "[[list]]\ndevelopment = '4711'\ndirections = '{Fachada}{S}'")
    path = _spanish(tmp_path / "x.csv", "A;Libre;250000;X;", compass="Fachada;S")
    with pytest.raises(PriceListError, match="must be called by its direction, such as N or Nor"):
        pricelist.read(path)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (["No", "Estado", "Precio", "N", "S", "E", "O"], ["7", "Libre", 5000, "X", "", "", ""]),
        (["N", "Estado", "Precio", "S", "E", "W"], ["7", "Libre", 5000, "", "X", ""]),
    ],
)
def test_the_number_of_a_unit_is_no_direction(
    header: list[str], row: list[Any], tmp_path: Path
) -> None:
    path = text_list(tmp_path / "x.csv", row, header=header)
    prices = pricelist.read(path, development_id="4711", columns={"name": header[0]})
    assert [row.update.name for row in prices if isinstance(row, Row)] == ["7"]
    with pytest.raises(PriceListError, match="no column for name"):
        pricelist.read(path, development_id="4711")


def test_columns_of_something_else_are_no_marks(tmp_path: Path) -> None:
    path = _spanish(tmp_path / "x.csv", "A;Libre;250000;12;34;5", compass="N;S;E")
    with pytest.raises(PriceListError, match="no column for directions"):
        pricelist.read(path, development_id="4711")
    path = _spanish(tmp_path / "x.csv", "A;Libre;250000;X;;", compass="N;S;N")
    with pytest.raises(PriceListError, match="no column for directions"):
        pricelist.read(path, development_id="4711")


@pytest.mark.parametrize(
    ("cell", "word", "is_yes"),
    [
        ("N", "N", True), ("Norte", "N", True), ("o", "O", True), (" X ", "S", True),
        ("\u2714", "S", True), (None, "S", False), ("", "S", False), ("--", "S", False),
        ("No", "S", False), ("No", "NO", None), ("X?", "S", None), ("S", "N", None), (2, "N", None),
        ("\u2718", "N", None),
    ],
)  # fmt: skip
def test_what_a_mark_is(cell: Any, word: str, is_yes: bool | None) -> None:  # noqa: FBT001
    assert is_mark(cell, word) is is_yes


@pytest.mark.parametrize(
    ("heading", "word"),
    [("N", "N"), ("N.", "N."), ("Nº", ""), ("N2", ""), ("Fachada N", ""), ("Facing  N", "N"),
     ("Nor este", "Nor este"), ("", ""), ("Orientación", "")],
)  # fmt: skip
def test_which_heading_is_a_direction(heading: str, word: str) -> None:
    assert direction_of(heading) == word


def test_a_second_row_of_one_direction_is_no_heading(tmp_path: Path) -> None:
    """It is a unit that lacks all else."""
    rows = ["Vivienda;Estado;Precio;Orientación;", ";;;N;", "A;Libre;250000;S;"]
    path = listed(tmp_path / "x.csv", "\n".join(rows))
    first, second = pricelist.read(path, development_id="4711")
    assert isinstance(first, BrokenRow)
    assert isinstance(second, Row)


@pytest.mark.parametrize(
    ("names", "marks", "template", "wanted"),
    [
        # Two abbreviations may be something else.
        (["N", "S"], [["X", ""], ["", "X"]], "{N}{S}", [("N",), ("S",)]),
        # One cell is a mark, and three are something else.
        (
            ["N", "S", "E", "O"],
            [["X", "", "", ""], ["", "mar", "mar", "mar"]],
            "{N}{S}{E}{O}",
            [("N",), None],
        ),
    ],
)
def test_marks_that_are_not_certain_are_asked_and_can_be_stated(
    tmp_path: Path,
    names: list[str],
    marks: list[list[str]],
    template: str,
    wanted: list[tuple[str, ...] | None],
) -> None:
    rows = [[f"A-{number}", "Libre", "250000", *one] for number, one in enumerate(marks)]
    path = text_list(tmp_path / "x.csv", *rows, header=[*OF_UNIT, *names], delimiter=";")
    with pytest.raises(PriceListError, match="directions may be marks") as refused:
        pricelist.read(path, development_id="4711")
    assert f"such as X, in several columns: --column 'directions={template}'" in str(refused.value)
    start = ListProfile(columns={"name": "Vivienda"}, development="4711")
    text = setup(path, start=start).text()
    assert f'as in {template}?\n# directions = "{template}"\n' in text
    # The answer is a line of the profile, and it works; so it does as the best guess of a person.
    (tmp_path / "propq.toml").write_text(
        text.replace("# directions", "directions"), encoding="utf-8"
    )
    expected = [(f"A-{number}", one) for number, one in enumerate(wanted)]
    assert _said(pricelist.read(path)) == expected
    assert setup(path, lambda _: "", start=start).stated.columns["directions"] == template
    stated = pricelist.read(
        path, columns={"directions": template}, profile=None, development_id="4711"
    )
    assert _said(stated) == expected
