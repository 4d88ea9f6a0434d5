"""What an O is in a column of directions: west, or east.

It is west in Spanish and the other Romance languages (Oeste, Ouest), and east in German and its
relatives (Ost, Oost, Öst); and so are SO and NO. One cell does not tell, but its column does:

- A column with a word for east that has no O (`E`, `Este`, `SE`) or with a Romance word for west
  has O for west.
- A column with a word for west that has no O (`W`, `West`, `NW`), with a Germanic word for east
  (`Ost`, `Ö`) or with a Dutch south (`Z`) has O for east.
- The language of the headings and of the words for a status is evidence of the same weight. So the
  commonest list of all, with `Orientación` above and nothing but N, S and O below, is read.

No evidence, or evidence of both, is no certainty: then the column asks. Rows that are taken out of
a list can therefore never settle it in another way than the whole list does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from propq_async._messages import tr

from .vocabulary import LANGUAGES
from .word_lookup import DIRECTIONS, O_IS_EAST, O_IS_WEST, direction_key, fold, words_of

__all__ = ["UnsettledError", "meaning_of_o", "without_o"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _parts(words: Iterable[str]) -> frozenset[str]:
    """Return the words that texts are made of, without short ones, which many languages have."""
    return frozenset(part for word in words for part in word.split() if len(part) > _SHORT)


_SHORT: Final = 3
_EASTERN: Final = frozenset({"E", "NE", "SE"})
_WESTERN: Final = frozenset({"W", "NW", "SW"})


def _words_of(kind: str, o_is: str) -> frozenset[str]:
    """Return the words that only languages with this O have."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for language in LANGUAGES.values():
        texts = getattr(language, kind).values()
        words = {word.strip() for text in texts for word in text.split(",")}
        found[language.o_is == o_is] |= words
    return frozenset(found[True] - found[False])


_GERMANIC_DIRECTIONS: Final = _words_of("directions", "E")
_ROMANCE_DIRECTIONS: Final = _words_of("directions", "W")
_DUTCH_SOUTH: Final = frozenset({"z", "zuid", "zuiden"})
_KNOWN: Final = DIRECTIONS.keys() | O_IS_WEST.keys()

# What the headings and the words for a status of a family are made of, and further ones.
_ROMANCE: Final = _parts(_words_of("columns", "W") | _words_of("states", "W")) | _set(
    "orientacio orientacao orientamento esposizione viviendas planta puerta dormitorios precios "
    "venta etat piso vistas"
)
_GERMANIC: Final = _parts(_words_of("columns", "E") | _words_of("states", "E")) | _set(
    "zimmer geschoss ligging verfugbarkeit etage stockwerk wohnflache slaapkamers verdieping"
)

_O: Final = re.compile(r"(?<![^\W_])[ns]?o(?![^\W_])", re.IGNORECASE)
_SHOWN: Final = 3
_NO: Final = "no"
_YES: Final = frozenset({"yes", "si", "ja", "oui", "true", "false"})


class UnsettledError(ValueError):
    """What a column asks."""


def meaning_of_o(
    texts: Collection[str], around: Iterable[str], stated: Mapping[str, str]
) -> Mapping[str, str]:
    """Return what O, SO and NO mean in a column, nothing if it has none of them.

    Args:
        texts: the different texts of the column.
        around: the headings of the table and the words for a status.
        stated: what the user states of words, which counts more than all else.

    Raises:
        UnsettledError: it has some, and what they mean is not certain; the message says what to do.
    """
    meaning = {"W": O_IS_WEST, "E": O_IS_EAST}.get(stated.get("o", ""))
    if meaning is not None:
        return meaning
    words = {word: text for text in texts for word in _words(text, stated)}
    doubtful = [text for word, text in words.items() if word in O_IS_WEST and word not in stated]
    if not doubtful:
        return {}
    _check_answers(texts, stated)
    language = {word for text in around for word in fold(text).split()}
    west = [text for word, text in words.items() if _is_of_west(word)]
    west += sorted(language & _ROMANCE)
    east = [text for word, text in words.items() if _is_of_east(word)]
    east += sorted(language & _GERMANIC)
    if bool(west) != bool(east):
        return O_IS_WEST if west else O_IS_EAST
    why = tr("nothing beside it tells whether an O is west (Oeste) or east (Ost)")
    if west:
        why = tr("an O may be west, as {west!r} says, or east, as {east!r} says").format(
            west=west[0], east=east[0]
        )
    shown = ", ".join(map(repr, doubtful[:_SHOWN]))
    raise UnsettledError(
        tr(
            "{shown}: {why}; state it: --direction-word O=W if it is west, O=E if it is east"
        ).format(shown=shown, why=why)
    )


def without_o(text: str, meaning: Mapping[str, str]) -> str:
    """Return a text of directions with what each O means instead of it."""
    return _O.sub(lambda match: meaning.get(match[0].casefold(), match[0]), text)


def _words(text: str, stated: Mapping[str, str]) -> Collection[str]:
    """Return the words of a text, none if one of them is no direction: a note has an o as well."""
    words = {direction_key(word) for word in words_of(text, stated)}
    return words if words <= _KNOWN | stated.keys() else ()


def _is_of_west(word: str) -> bool:
    direction = DIRECTIONS.get(word)
    return (direction in _WESTERN and word in _ROMANCE_DIRECTIONS) or (
        direction in _EASTERN and word not in _GERMANIC_DIRECTIONS
    )


def _is_of_east(word: str) -> bool:
    direction = DIRECTIONS.get(word)
    return (direction in _EASTERN and word in _GERMANIC_DIRECTIONS) or (
        (direction in _WESTERN or word in _DUTCH_SOUTH) and word not in _ROMANCE_DIRECTIONS
    )


def _check_answers(texts: Collection[str], stated: Mapping[str, str]) -> None:
    """Refuse a column that answers yes or no: `Facing` may ask whether it faces the sea."""
    answers = [text for text in texts if fold(text) == _NO]
    others = [text for text in texts if fold(text) in _YES and fold(text) not in stated]
    only_answers = all(not text.isupper() and fold(text) == _NO for text in texts if text.strip())
    if answers and (others or only_answers):
        shown = ", ".join(map(repr, sorted({*answers, *others})))
        raise UnsettledError(
            tr(
                "{shown}: these are answers and no directions; state the column of the "
                "directions: --column directions=NAME, or what the word is for: "
                "--direction-word No=NW"
            ).format(shown=shown)
        )
