from __future__ import annotations

import re
from pathlib import Path

import pytest

from propq_async import UnitStatus
from propq_async.pricelist._reading.word_lookup import (
    COLUMNS,
    O_IS_EAST,
    O_IS_WEST,
    STATES,
    directions_in,
    fold,
    status_of,
)
from tests.helpers.lists import (
    SPANISH,
    broken,
    good,
    text_list,
    unit,
)


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
    assert problem.endswith("--status-word WORD=STATUS")
    assert f"column status: found {word!r}; expected AVAILABLE" in problem or not word
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
        ("NO", "NW"),
        ("Nor-este", "NE"),
        ("sureste | N", "SE N"),
        ("South-East, South-East", "SE"),
        ("E-O", "E W"),
        ("S-SO", "S SW"),
    ],
)
def test_words_for_directions(text: str, directions: str, tmp_path: Path) -> None:
    expected = directions.split()
    path = text_list(tmp_path / "x.csv", unit(directions=text), header=SPANISH)
    if text == "South-East, South-East":
        # One direction or two: asked for, and both answers are read.
        (problem,) = broken(path)
        assert re.search(r"expected .* if it is one direction, .* if it is two$|as N S", problem)
        return
    (update,) = good(path)
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
    assert directions_in(text, O_IS_WEST) == (
        "directions with a / between them, such as N/O/S: an o may be west, or mean 'or'"
    )
    assert directions_in("N O S", O_IS_WEST) == ("N", "W", "S")
    assert directions_in("n/o/s", O_IS_EAST) == ("N", "E", "S")


def test_directions_that_nobody_knows_need_a_mapping(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit(directions="N, al mar"))
    (problem,) = broken(path)
    assert problem.startswith("line 2, column directions: found 'N, al mar'; expected directions")
    assert problem.endswith("--direction-word WORD=DIRECTION")
    (update,) = good(path, direction_words={"Al Mar": "SSE"})
    assert update.directions == ("N", "SSE")
    (empty,) = broken(text_list(tmp_path / "y.csv", unit(directions=" ")))
    assert "at least one direction" in empty


@pytest.mark.parametrize("text", ["ñ", "Ñ", "n\u0303", "ŝ", "S/ê", "ñe"])
def test_a_letter_with_another_sign_is_another_letter(text: str) -> None:
    assert isinstance(directions_in(text, {}), str)


def test_no_word_has_two_meanings() -> None:
    for words in (COLUMNS, STATES):
        assert all(fold(word) == word for word in words)


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
