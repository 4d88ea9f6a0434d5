"""The table of words: each means one thing, in whichever language a list is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from propq_async import UnitStatus
from propq_async.pricelist._reading.east_or_west import UnsettledError, meaning_of_o
from propq_async.pricelist._reading.folding import fold
from propq_async.pricelist._reading.heading_words import field_of
from propq_async.pricelist._reading.vocabulary import LANGUAGES, Language
from propq_async.pricelist._reading.word_lookup import (
    O_IS_EAST,
    O_IS_WEST,
    direction_key,
    directions_in,
    status_of,
)
from tests.helpers.lists import good, text_list, unit

ALL = pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)


def _words(language: Language, kind: str) -> Iterator[tuple[str, str]]:
    for meaning, words in getattr(language, kind).items():
        for word in words.split(","):
            yield word.strip(), meaning


@pytest.mark.parametrize("kind", ["columns", "states", "directions"])
def test_no_word_has_two_meanings(kind: str) -> None:
    meanings: dict[str, set[str]] = {}
    for language in LANGUAGES.values():
        for word, meaning in _words(language, kind):
            meanings.setdefault(word, set()).add(meaning)
    assert {word: found for word, found in meanings.items() if len(found) > 1} == {}
    # What an O is is settled by the column, and so are its pairs.
    assert meanings.keys().isdisjoint(O_IS_WEST)
    assert O_IS_WEST.keys() == O_IS_EAST.keys()


@ALL
def test_each_word_is_read(language: Language) -> None:
    for word, field in _words(language, "columns"):
        assert word == fold(word)
        assert field_of(word.title()) == field
    for word, status in _words(language, "states"):
        assert status_of(word.upper(), {}) is UnitStatus[status]
    for word, direction in _words(language, "directions"):
        assert word == direction_key(word)
        assert directions_in(word.title(), {}) == (direction,)


@ALL
def test_an_o_is_what_it_is_in_the_language_of_the_list(language: Language) -> None:
    around = [word for kind in ("columns", "states") for word, _ in _words(language, kind)]
    if language.o_is is None:
        with pytest.raises(UnsettledError):
            meaning_of_o(["O"], around, {})
    else:
        meaning = meaning_of_o(["O", "N"], around, {})
        assert meaning["o"] == language.o_is
    for word, direction in _words(language, "directions"):
        if direction in ("E", "W", "NE", "NW", "SE", "SW") and language.o_is is not None:
            try:
                found = meaning_of_o(["O", word], around, {})
            except UnsettledError:
                pytest.fail(f"{word} contradicts its language")
            assert found["o"] == language.o_is


@ALL
def test_a_list_in_one_language_is_read(language: Language, tmp_path: Path) -> None:
    first = {
        field: next(word for word, of in _words(language, "columns") if of == field)
        for field in language.columns
    }
    states = [word for word, _ in _words(language, "states")]
    directions = [word for word, _ in _words(language, "directions")]
    rows = [unit(f"A-{n}", status=word) for n, word in enumerate(states) if not word.isdigit()]
    rows += [unit(f"B-{n}", status=states[-1], directions=one) for n, one in enumerate(directions)]
    path = text_list(tmp_path / "x.csv", *rows, header=list(first.values()), delimiter=";")
    assert len(good(path)) == len(rows)
