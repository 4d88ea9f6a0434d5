"""Setting up a profile: what is asked, what the guesses are, and what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from propq_async import UnitStatus, pricelist
from propq_async.ledger import Entry
from propq_async.pricelist import (
    BrokenRow,
    Fill,
    ListProfile,
    PriceListError,
    Profile,
    Question,
    Row,
    setup,
)
from propq_async.pricelist._profile_text import list_text, with_list
from propq_async.pricelist._profile_toml import parsed
from propq_async.pricelist._setup_questions import about_file
from tests.helpers.corpus import hide
from tests.helpers.lists import ENGLISH, text_list, unit, workbook
from tests.helpers.profiles import listed

MESSY = """
    Portal;Planta;Puerta;PVP;Precio rebajado;Estado;Orientación
    1;2;A;250.000;275.000;Señalizado;Sur-Este
    1;2;B;251.000;276.000;Libre;
    1;3;A;VENDIDO;;;Mar
    1;3;B;-;;Vendido;S
    ÁTICOS;;;;;;
    TOTAL;;;500.000;;;
    """


def answers(given: Mapping[str, str], asked: list[str] | None = None) -> Callable[[Question], str]:
    """Return what answers some questions, and takes the guesses of the others."""

    def answer(question: Question) -> str:
        if asked is not None:
            asked.append(question.key)
        return given.get(question.key, "")

    return answer


def test_all_that_is_not_certain_is_asked_once(tmp_path: Path) -> None:
    asked: list[str] = []
    path = listed(tmp_path / "precios_2026_03.csv", MESSY)
    draft = setup(path, answers({"development": "4711", "direction_words.Mar": "Sur"}, asked))
    assert (asked[:3], asked[-2:]) == (
        ["name", "price", "not_units.ÁTICOS"],
        ["development", "file"],
    )
    assert sorted(asked[3:-2]) == [
        "compass_pairs",
        "direction_words.Mar",
        "fill.directions",
        "fill.price",
        "status_words.Señalizado",
    ]
    assert (draft.guessed, draft.problem) == ([], "")
    text = draft.text()
    assert text == (
        '[[list]]\nfile = "precios*.csv"\ndevelopment = "4711"\n'
        'name = "{Portal}-{Planta}{Puerta}"\nprice = "PVP"\nstatus = "Estado"\n'
        'directions = "Orientación"\ncompass_pairs = "one"\n'
        'not_units = ["ÁTICOS"]\n\n[list.status_words]\n"Señalizado" = "RESERVED"\n\n'
        '[list.direction_words]\nMar = "S"\n\n[list.fill]\ndirections = "ledger"\n'
        'price = "ledger"\n'
    )
    (tmp_path / "propq.toml").write_text(text, encoding="utf-8")
    first, *others = pricelist.read(path)
    assert isinstance(first, Row)
    assert (first.update.name, first.update.status) == ("1-2A", UnitStatus.RESERVED)
    assert all("which the ledger fills in" in str(row) for row in others)
    assert len(draft.rows) == 4
    # What is stated is not asked again.
    again = setup(
        path, answers({}, asked := []), start=Profile.load(tmp_path / "propq.toml").lists[0]
    )
    assert (asked, again.stated.columns) == ([], draft.stated.columns)


def test_a_draft_states_what_is_certain_and_has_the_rest_as_comments(tmp_path: Path) -> None:
    path = listed(tmp_path / "precios_2026_03.csv", MESSY)
    text = setup(path).text(tmp_path)
    (tmp_path / "propq.toml").write_text(text, encoding="utf-8")
    (stated,) = Profile.load(tmp_path / "propq.toml").lists
    assert stated == ListProfile(
        file="precios*.csv", columns={"status": "Estado", "directions": "Orientación"}
    )
    for line in (
        '# name = "{Portal}-{Planta}{Puerta}"',
        '# price = "PVP"',
        "# What does 'Señalizado' mean (row 2)?",
        '# status_words."Señalizado" = "RESERVED"',
        '# direction_words.Mar = "..."',
        '# development = "..."',
    ):
        assert line in text.splitlines()
    # Whoever takes the # away, and answers what has no guess, has a profile.
    lines = [
        line.removeprefix("# ").replace('direction_words.Mar = "..."', 'direction_words.Mar = "S"')
        for line in text.splitlines()
        if not line.startswith("# ") or " = " in line
    ]
    (tmp_path / "propq.toml").write_text("\n".join(lines), encoding="utf-8")
    (answered,) = Profile.load(tmp_path / "propq.toml").lists
    assert answered.status_words == {"Señalizado": UnitStatus.RESERVED}


def test_an_answer_that_is_none_is_asked_again_and_then_left_open(tmp_path: Path) -> None:
    errors: list[str] = []

    def answer(question: Question) -> str:
        errors.append(question.error)
        return {
            "status_words.Nadie": "GONE",
            "direction_words.Mar": "N S",
            "fill.price": "missing.csv",
            "decimal": "x",
        }.get(question.key, "")

    path = text_list(
        tmp_path / "x.csv",
        unit("A", "1.500", status="Nadie"),
        unit("A2", "199500"),
        unit("B", "", directions="Mar"),
    )
    draft = setup(path, answer)
    assert {error for error in errors if error} == {
        "expected AVAILABLE, HOLD, SOLD, RESERVED",
        "expected one of N, NE, E, SE, S, SW, W, NW",
        f"there is no file {tmp_path / 'missing.csv'}",
        "expected . or ,",
    }
    assert sorted(question.key for question, _ in draft.guessed) == [
        "decimal",
        "direction_words.Mar",
        "fill.price",
        "status_words.Nadie",
    ]
    assert isinstance(draft.rows[0], BrokenRow)
    assert "# status_words.Nadie = " in draft.text()


@pytest.mark.parametrize(
    ("field", "text", "fill"),
    [
        ("price", "250000.5", Fill("value", Decimal("250000.5"))),
        ("price", "ledger", Fill("ledger")),
        ("directions", "N/S", Fill("value", ("N", "S"))),
        ("directions", "units.csv", Fill(Path("units.csv"))),
        ("status", "Vendido", Fill("value", UnitStatus.SOLD)),
        ("status", "none", None),
    ],
)
def test_a_gap_is_filled_as_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, text: str, fill: Fill | None
) -> None:
    monkeypatch.chdir(tmp_path)
    text_list(Path("units.csv"), ["A", "N"], header=["name", "directions"])
    cells: dict[str, Any] = {"price": 250_000, "status": "SOLD", "directions": "N", field: ""}
    path = text_list(Path("x.csv"), unit("A", **cells), unit("B"))
    draft = setup(path, answers({f"fill.{field}": text}))
    assert draft.stated.fill == ({} if fill is None else {field: fill})


@pytest.mark.parametrize(
    ("field", "text", "error"),
    [
        ("price", "much", "expected ledger, a file, or a price such as 250000"),
        ("directions", "Mar", "expected ledger, a file, or directions such as"),
    ],
)
def test_a_value_that_is_none_fills_nothing(
    tmp_path: Path, field: str, text: str, error: str
) -> None:
    said: list[str] = []

    def answer(question: Question) -> str:
        said.append(question.error)
        return text if question.key == f"fill.{field}" else ""

    cells: dict[str, Any] = {"price": 250_000, "directions": "N", field: ""}
    setup(text_list(tmp_path / "x.csv", unit("A", **cells)), answer)
    assert any(one.startswith(error) for one in said)


def test_a_column_that_is_not_there_can_be_filled(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit()[:4], header=ENGLISH[:4])
    draft = setup(path, answers({"directions": "ledger"}))
    assert draft.stated.fill == {"directions": Fill("ledger")}
    assert "directions" not in draft.stated.columns


def test_a_column_that_the_list_does_not_have_is_asked_again(tmp_path: Path) -> None:
    errors: list[str] = []

    def answer(question: Question) -> str:
        errors.append(question.error)
        return "Wohin" if question.key == "directions" else ""

    header = [*ENGLISH[:4], "Wohin?!"]
    draft = setup(text_list(tmp_path / "x.csv", unit(), header=header), answer)
    assert {*errors} == {""}
    assert draft.stated.columns["directions"] == "Wohin"

    def wrong(question: Question) -> str:
        errors.append(question.error)
        return "Nowhere" if question.key == "directions" else ""

    errors.clear()
    draft = setup(tmp_path / "x.csv", wrong)
    assert errors == ["", *["there is no column 'Nowhere': type a number or a heading"] * 2]
    # The answer is in no profile, since it is known to be wrong.
    assert ("no column for directions" in draft.problem, "Nowhere" in draft.text()) == (True, False)
    assert "# " in draft.text()


def test_each_sheet_is_asked_for_its_development(tmp_path: Path) -> None:
    rows = [ENGLISH[1:], unit("A")[1:]]
    path = workbook(tmp_path / "x.xlsx", One=rows, Two=[rows[0], unit("B")[1:]], Old=rows)
    book = load_workbook(path)
    book["Old"].sheet_state = "hidden"
    book.save(path)
    given = {"sheets.One": "4711", "sheets.Two": "4712"}
    assert setup(path, answers(given)).stated.sheets == {"One": "4711", "Two": "4712"}
    draft = setup(path, answers(given | {"sheets.Two": "-"}))
    assert draft.stated.sheets == {"One": "4711"}


def test_sheets_with_the_same_units_are_of_several_developments(tmp_path: Path) -> None:
    rows = [ENGLISH[1:], unit("A")[1:], unit("B")[1:]]
    path = workbook(tmp_path / "x.xlsx", One=rows, Two=rows, Notes=[["nothing"]])
    draft = setup(path, answers({"sheets.One": "4711", "sheets.Two": "4712"}))
    assert (draft.problem, draft.stated.sheets) == ("", {"One": "4711", "Two": "4712"})
    whole = [ENGLISH, unit("A"), unit("B", 5_000)]
    path = workbook(tmp_path / "y.xlsx", One=whole, Two=[*whole[:2], unit("B", 6_000)])
    assert "have the same units" in setup(path, answers({})).problem


def test_a_development_that_has_a_name_is_asked_for_its_id(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("A", development="Mirador"))
    asked: list[str] = []
    draft = setup(path, answers({"development": "4711"}, asked))
    assert (asked, draft.stated.development) == (["development", "file"], "4711")
    assert isinstance(draft.rows[0], Row)
    assert draft.rows[0].update.development_id == "4711"
    assert setup(path, answers({})).stated.development == "Mirador"


@pytest.mark.parametrize(
    ("text", "fill"),
    [("S", Fill("value", ("S",))), ("ledger", Fill("ledger")), ("", None)],
)
def test_an_orientation_can_be_one_for_all(tmp_path: Path, text: str, fill: Fill | None) -> None:
    path = text_list(tmp_path / "x.csv", unit()[:4], header=ENGLISH[:4])
    asked: list[str] = []
    draft = setup(path, answers({"directions": text}, asked))
    assert draft.stated.fill == ({} if fill is None else {"directions": fill})
    assert asked == ["directions"] * (2 if fill is None else 1) + ["file"] * (fill is not None)
    assert bool(draft.problem) == (fill is None)


def test_hidden_rows_and_codes_and_an_o_are_asked_about(tmp_path: Path) -> None:
    rows = [unit("A", status="1", directions="O"), unit("B", status="2", directions="O")]
    header = ["Promotion no", "Ref", "State", "Price", "Facing"]
    path = workbook(tmp_path / "x.xlsx", S=[header, *rows])
    book = load_workbook(path)
    hide(rows=[3])(book)
    book.save(path)
    asked: list[str] = []
    draft = setup(
        path,
        answers(
            {
                "status_words.1": "SOLD",
                "status_words.2": "HOLD",
                "direction_words.O": "W",
                "development": "1",
            },
            asked,
        ),
    )
    assert asked == [
        "status_words.1",
        "status_words.2",
        "direction_words.O",
        "hidden_rows",
        "development",
        "file",
    ]
    assert draft.stated.hidden_rows == "skip"
    assert [str(row) for row in draft.rows if isinstance(row, BrokenRow)] == []


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"")
    assert "x.csv is empty" in setup(tmp_path / "x.csv").problem
    with pytest.raises(PriceListError, match="expected JSON lines"):
        pricelist.read(text_list(tmp_path / "x.json"))


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="{}"), min_size=1
).filter(str.strip)


@settings(deadline=None)
@given(
    one=st.builds(
        ListProfile,
        file=TEXTS,
        development=st.none() | TEXTS,
        sheets=st.none()
        | st.dictionaries(TEXTS, TEXTS, min_size=1)
        | st.dictionaries(TEXTS, st.none(), min_size=1),
        columns=st.dictionaries(st.sampled_from(["name", "status", "price", "directions"]), TEXTS),
        decimal=st.sampled_from([None, ".", ","]),
        delimiter=st.none() | st.characters(codec="utf-8"),
        encoding=st.none() | TEXTS,
        compass_pairs=st.sampled_from([None, "one", "two"]),
        hidden_rows=st.sampled_from([None, "skip", "read"]),
        min_price=st.none() | st.decimals(0, 10**9, places=2),
        not_units=st.lists(TEXTS).map(tuple),
        status_words=st.dictionaries(TEXTS, st.sampled_from(UnitStatus)),
        direction_words=st.dictionaries(TEXTS, TEXTS),
        fill=st.fixed_dictionaries(
            {},
            optional={
                "price": st.builds(Fill, st.just("value"), st.decimals(1, 10**9, places=2)),
                "status": st.builds(Fill, st.just("value"), st.sampled_from(UnitStatus)),
                "directions": st.just(Fill(Path("/lists/units.csv")))
                | st.just(Fill("value", ("N", "S"))),
            },
        ),
    ),
    comments=st.lists(TEXTS),
)
def test_what_is_written_is_read_back(one: ListProfile, comments: list[str]) -> None:
    text = list_text(one, Path("/lists"), comments)
    _, found = parsed(Path("/lists/propq.toml"), text.encode())
    assert found == [one]


def test_a_list_is_added_to_a_profile_or_replaced_in_it() -> None:
    text = '# ours\naccount = "x"\n\n[[list]]\nfile = "a"\n\n[[list]]\nfile = "b"\n'
    assert with_list("", None, "[[list]]\n") == "[[list]]\n"
    assert with_list(text, None, '[[list]]\nfile = "c"\n') == text + '\n[[list]]\nfile = "c"\n'
    assert with_list(text, 0, '[[list]]\nfile = "c"\n') == text.replace('"a"', '"c"')
    assert with_list(text, 1, '[[list]]\nfile = "c"\n') == text.replace('"b"', '"c"')


@pytest.mark.parametrize(
    ("name", "glob"),
    [
        ("Los Pinos marzo.xlsx", "Los Pinos*.xlsx"), ("Precios.xlsx", "Precios*.xlsx"),
        ("Precios v2.xlsx", "Precios*.xlsx"), ("export (1).xls", "export*.xls"),
        ("precios_2026-03.csv", "precios*.csv"), ("2026-03 precios.csv", "*precios*.csv"),
        ("Preisliste_KW10.csv", "Preisliste*.csv"), ("Mar Menor.xlsx", "Mar Menor*.xlsx"),
        ("lista [A] 3.csv", "lista ?A?*.csv"), ("03.csv", "03.csv"),
    ],
)  # fmt: skip
def test_a_profile_is_for_the_lists_of_the_next_weeks_as_well(
    name: str, glob: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    assert about_file(path).default == glob
    assert Profile(path=tmp_path / "propq.toml", lists=[ListProfile(file=glob)]).for_list(path)


def test_a_second_answer_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """A file that fills the price does not say which of two columns it is."""
    listed(tmp_path / "units.csv", "name;price\nA;5000\n")
    header = "Ref;Estado;Precio;Precio rebajado;Orientación"
    path = listed(tmp_path / "x.csv", f"{header}\nA;Libre;6000;5500;S\n")
    given = iter(["units.csv", "Precio"])
    draft = setup(path, lambda one: next(given) if one.key == "price" else "4711")
    assert (draft.stated.columns["price"], draft.stated.fill) == ("Precio", {})


def test_only_columns_that_are_left_are_offered(tmp_path: Path) -> None:
    """The price without tax is certain, and neither it nor the status is an orientation."""
    header = "Portal;Vivienda;Estado;PVP sin IVA;PVP con IVA;Vistas"
    path = listed(tmp_path / "x.csv", f"{header}\n1;A;Libre;250000;275000;Mar\n")
    questions: list[Question] = []

    def answer(question: Question) -> str:
        questions.append(question)
        return {"directions": "S", "development": "4711"}.get(question.key, "")

    draft = setup(path, answer)
    assert draft.stated.columns["price"] == "PVP sin IVA"
    assert [one.key for one in questions] == ["directions", "development", "file"]
    offered = [choice for choice, _ in questions[0].choices]
    assert offered == ["Portal", "PVP con IVA", "Vistas", "ledger"]


def test_a_list_without_a_status_has_what_is_for_sale_and_words_for_the_rest(
    tmp_path: Path,
) -> None:
    rows = [["A-1", 2, "250000", "S"], ["A-2", 3, "VENDIDO", "N"], ["A-3", 3, "Reservado", "N"]]
    header = ["Vivienda", "Dorm.", "PVP", "Orientación"]
    path = text_list(tmp_path / "x.csv", *rows, header=header, delimiter=";")
    asked: dict[str, Question] = {}

    def answer(question: Question) -> str:
        asked[question.key] = question
        return "4711" if question.key == "development" else ""

    text = setup(path, answer).text()
    assert [one for one, _ in asked["status"].choices] == ["AVAILABLE", "Dorm.", "ledger"]
    assert '[list.fill]\nstatus = "AVAILABLE"\nprice = "ledger"\n' in text
    (tmp_path / "propq.toml").write_text(text, encoding="utf-8")
    known = {
        ("4711", name): Entry(
            development_id="4711",
            name=name,
            status=UnitStatus.AVAILABLE,
            price=Decimal(260_000),
            directions=("N",),
            acknowledged_at=1.0,
            is_in_doubt=False,
            source=None,
            is_missed=False,
        )
        for name in ("A-2", "A-3")
    }
    read = list(pricelist.read(path).with_entries(known))
    assert [(row.update.status.name, row.update.price) for row in read if isinstance(row, Row)] == [
        ("AVAILABLE", 250_000),
        ("SOLD", 260_000),
        ("RESERVED", 260_000),
    ]


def _asked(
    path: Path, given: Mapping[str, str], start: ListProfile | None = None
) -> dict[str, Question]:
    """Return the questions about a list by key, as they were asked last."""
    asked: dict[str, Question] = {}

    def answer(question: Question) -> str:
        asked[question.key] = question
        return given.get(question.key, "")

    setup(path, answer, start=start)
    return asked


@pytest.mark.parametrize(
    ("heading", "states", "default"),
    [
        # As the words say, or the heading and two cells that a person understands.
        ("Comercial", ["V", "Señalizado", ""], "Comercial"),
        ("Comercial", ["Libre", "Vendido", "Pendiente de firma"], "Comercial"),
        ("Est.", ["1", "4", "1"], "Est."),
        ("Disp.", ["x", "y", "z"], "Disp."),
        # They may be states, so that AVAILABLE may be wrong.
        ("Notas", ["Vendida", "con garaje", "sin trastero"], None),
        # No states: letters of doors, names with numbers, prices with words among them.
        ("Tipo", ["A", "B", "D"], "AVAILABLE"),
        ("Letra", ["D", "V", "R"], "AVAILABLE"),
        ("Situado", ["Bloque 1", "Bloque 2", "Bloque 2"], "AVAILABLE"),
        ("Oportunidad", ["200.000,00", "VENDIDO", "VENDIDO"], "AVAILABLE"),
        ("Dorm.", ["1", "2", "4"], "AVAILABLE"),
        ("Vacía", ["", "", ""], "AVAILABLE"),
    ],
)
def test_available_is_no_guess_beside_a_column_that_may_be_the_status(
    tmp_path: Path, heading: str, states: list[str], default: str | None
) -> None:
    rows = [["6100", f"A-{n}", state, "250.000,00", "S"] for n, state in enumerate(states)]
    header = ["Promoción", "Unidad", heading, "PVP", "Orientación"]
    path = text_list(tmp_path / "x.csv", *rows, header=header, delimiter=";")
    question = _asked(path, {})["status"]
    assert question.default == default
    # The guess comes first.
    first = {heading: heading, None: heading}.get(default, "AVAILABLE")
    offered = [choice for choice, _ in question.choices]
    assert (offered[0], sorted(offered)) == (first, sorted([heading, "AVAILABLE", "ledger"]))


def test_a_heading_for_the_status_may_be_cut(tmp_path: Path) -> None:
    content = """
        Promoción;Unidad;Sit.;PVP;Orientación
        6100;A-1;Señalizado;250.000,00;S
        6100;A-2;V;251.000,00;S
        6100;A-3;Libre;252.000,00;N
        """
    path = listed(tmp_path / "x.csv", content)
    asked: list[str] = []
    draft = setup(path, answers({}, asked))
    assert asked == ["status_words.Señalizado", "status_words.V", "file"]
    assert [row.update.status.name for row in draft.rows if isinstance(row, Row)] == [
        "RESERVED",
        "SOLD",
        "AVAILABLE",
    ]


GUESS = "{Bloque}-{Planta}{Puerta}"
TYPED = "type a number, a heading, or a template such as"
PARTS = """
    Bloque;Planta;Puerta;Estado;PVP;Orientación;Piso;Piso
    1;2;A;Libre;250.000,00;S;x;y
    1;2;B;Libre;251.000,00;S;x;y
    """


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("1,2,3", f"there is no column '1,2,3': {TYPED} {{Bloque}}-{{Planta}}-{{Puerta}}"),
        ("bloque,puerta", f"there is no column 'bloque,puerta': {TYPED} {{bloque}}-{{puerta}}"),
        ("{Portal}-{Puerta}", f"there is no column 'Portal': {TYPED} {GUESS}"),
        ("0,9", f"there is no column '0,9': {TYPED} {GUESS}"),
        ("{", "'{' is no template: "),
        ("Piso", "more than one column is called 'Piso': type the number of one"),
        ("?", f"{TYPED} {GUESS}; Return takes what stands in brackets"),
    ],
)
def test_an_answer_that_names_no_column_is_refused_at_once(
    tmp_path: Path, typed: str, error: str
) -> None:
    errors: list[str] = []
    typing = iter([typed, "{Planta}{Puerta}"])

    def answer(question: Question) -> str:
        if question.key != "name":
            return "4711" if question.key == "development" else ""
        errors.append(question.error)
        return next(typing)

    draft = setup(listed(tmp_path / "x.csv", PARTS), answer)
    assert (errors[0], errors[1][: len(error)]) == ("", error)
    assert (draft.problem, draft.stated.columns["name"]) == ("", "{Planta}{Puerta}")


def test_columns_of_one_name_are_told_apart_by_their_letters(tmp_path: Path) -> None:
    question = _asked(listed(tmp_path / "x.csv", PARTS), {"name": "Piso (H)"})["name"]
    assert [choice for choice, _ in question.choices][-2:] == ["Piso (G)", "Piso (H)"]
    draft = setup(tmp_path / "x.csv", answers({"name": "Piso (H)", "development": "4711"}))
    assert isinstance(draft.rows[0], Row)
    assert draft.rows[0].update.name == "y"


def test_two_empty_answers_leave_a_question_for_later(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def answer(question: Question) -> str:
        asked.append((question.key, question.error))
        return ""

    setup(
        text_list(tmp_path / "x.csv", unit("A", directions="Mar")[1:], header=ENGLISH[1:]), answer
    )
    later = "; Return twice leaves the question for later"
    assert asked == [
        ("direction_words.Mar", ""),
        ("direction_words.Mar", f"type one of N, NE, E, SE, S, SW, W, NW{later}"),
        ("development", ""),
        ("development", f"type the id of the development, or the number of a column{later}"),
        ("file", ""),
    ]


PROMO = """
    Piso;Fase;Promo;Vivienda;Estado;PVP;Orientación;Vistas
    1;1;6100;A-1;Libre;250.000,00;S;
    2;1;6100;A-2;Libre;251.000,00;S;Mar
    """


def test_a_column_may_have_the_id_of_the_development(tmp_path: Path) -> None:
    path = listed(tmp_path / "x.csv", PROMO)
    question = _asked(path, {})["development"]
    # Those with ids come first, and no column is the guess.
    assert [choice for choice, _ in question.choices] == ["Promo", "Fase", "Piso", "Vistas"]
    assert (question.choices[0][1], question.default) == ("Promo (C): '6100' and '6100'", None)
    for typed in ("Promo", "promo", "Promo (C)"):
        draft = setup(path, answers({"development": typed}))
        assert (draft.stated.columns["development_id"], draft.stated.development) == (typed, None)
        assert [row.unit[0] for row in draft.rows if row.unit] == ["6100", "6100"]
    # A part of the name is less likely, although its cells are the same throughout.
    start = ListProfile(columns={"name": "{Fase}-{Vivienda}"})
    _, *others = _asked(path, {}, start)["development"].choices
    assert [choice for choice, _ in others] == ["Piso", "Vistas", "Fase", "Vivienda"]
    draft = setup(path, answers({"development": "6100"}))
    assert (draft.stated.development, "development_id" in draft.stated.columns) == ("6100", False)


def test_a_column_of_developments_that_is_gone_is_asked_again(tmp_path: Path) -> None:
    path = listed(tmp_path / "x.csv", PROMO)
    start = ListProfile(columns={"development_id": "Promoción"})
    draft = setup(path, answers({"development_id": "Promo"}), start=start)
    assert (draft.problem, draft.stated.columns["development_id"]) == ("", "Promo")
    draft = setup(path, answers({"development_id": "4711"}), start=start)
    assert (draft.problem, draft.stated.development) == ("", "4711")


def test_a_column_may_have_the_developments_of_all_sheets(tmp_path: Path) -> None:
    header = ["Etapa", *ENGLISH[1:]]
    path = workbook(tmp_path / "x.xlsx", One=[header, unit("A")], Two=[header, unit("B")])
    draft = setup(path, answers({"sheets.One": "Etapa", "sheets.Two": "Etapa"}))
    assert draft.stated.sheets == {"One": None, "Two": None}
    assert [row.unit for row in draft.rows] == [("4711", "A"), ("4711", "B")]
    # One that is left out stays out, and not all can be stated in two ways.
    draft = setup(path, answers({"sheets.One": "Etapa", "sheets.Two": "-"}))
    assert [row.unit for row in draft.rows] == [("4711", "A")]
    draft = setup(path, answers({"sheets.One": "Etapa", "sheets.Two": "4711"}))
    assert [one.key for one, _ in draft.guessed] == ["sheets.Two"]


def test_a_row_whose_word_is_no_status_may_be_stated_to_be_no_unit(tmp_path: Path) -> None:
    content = """
        Bloque;Vivienda;Estado;PVP;Orientación
        1;A-1;Libre;250.000,00;S
        1;A-2;Pte.;251.000,00;S
        Resumen*;;viviendas;251.000,00;
        Suma y sigue;;;;ver hoja 2
        """
    path = listed(tmp_path / "x.csv", content)
    given = {
        "status_words.viviendas": "none",
        "direction_words.ver hoja 2": "none",
        "development": "4711",
        "status_words.Pte.": "HOLD",
    }
    asked = _asked(path, given)
    states = [status.name for status in UnitStatus]
    # The first cell of the other row is that of a unit, too.
    assert [choice for choice, _ in asked["status_words.Pte."].choices] == states
    assert [choice for choice, _ in asked["status_words.viviendas"].choices] == [*states, "none"]
    assert [choice for choice, _ in asked["direction_words.ver hoja 2"].choices] == ["none"]
    text = setup(path, answers(given)).text()
    assert 'not_units = ["Resumen[*]", "Suma y sigue"]\n' in text
    (tmp_path / "propq.toml").write_text(text, encoding="utf-8")
    prices = pricelist.read(path)
    assert [row.unit for row in prices] == [("4711", "A-1"), ("4711", "A-2")]
    assert [one.line for one in prices.not_units] == [4, 5]


def test_a_name_without_parts_of_a_building_has_no_guess(tmp_path: Path) -> None:
    path = listed(tmp_path / "x.csv", "Clave;Estado;PVP;Orientación\nA-1;Libre;250.000,00;S\n")
    errors: list[str] = []

    def answer(question: Question) -> str:
        errors.append(question.error)
        return "" if question.key == "name" else "4711"

    assert [one.key for one, _ in setup(path, answer).guessed] == ["name"]
    later = "; Return twice leaves the question for later"
    assert errors == ["", f"{TYPED} {{Clave}}-{{Estado}}{later}"]
    question = _asked(path, {"name": "Clave"})["name"]
    assert ([choice for choice, _ in question.choices], question.default) == (["Clave"], None)


def test_a_column_of_names_that_is_taken_for_ids_is_asked_for_the_id(tmp_path: Path) -> None:
    path = listed(tmp_path / "x.csv", PROMO.replace("6100", "Mirador"))
    typing = iter(["Promo", "4711"])
    asked: list[str] = []

    def answer(question: Question) -> str:
        asked.append(question.text)
        return next(typing) if question.key == "development" else ""

    draft = setup(path, answer)
    assert asked[1] == "Which development is 'Mirador' (its id, if that is no id)?"
    assert (len(asked), draft.stated.development) == (3, "4711")
    assert [row.unit for row in draft.rows] == [("4711", "A-1"), ("4711", "A-2")]
    # Where nobody can be asked, it is a question of the draft.
    start = ListProfile(columns={"development_id": "Promo"})
    assert [one.key for one, _ in setup(path, start=start).guessed] == ["development"]
    # So it is where several sheets have them.
    header = ["Etapa", *ENGLISH[1:]]
    one, two = (unit(name, development="Mirador") for name in "AB")
    path = workbook(tmp_path / "x.xlsx", One=[header, one], Two=[header, two])
    given = {"sheets.One": "Etapa", "sheets.Two": "Etapa", "development": "4711"}
    draft = setup(path, answers(given))
    assert [row.unit for row in draft.rows] == [("4711", "A"), ("4711", "B")]
