"""What a word of a price list means: it is looked up in the table that `vocabulary` has.

Words are compared without regard to case, accents and the number of spaces. A sign that says more
than the word (`Vendido?`, `4%`, `-1`) makes it another one, which only a user's mapping knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import attrs

from propq_async._messages import tr
from propq_async.models import Direction, UnitStatus

from .folding import fold
from .status_notes import is_harmless, with_note
from .vocabulary import LANGUAGES

__all__ = [
    "COLUMNS",
    "DIRECTIONS",
    "FIELDS",
    "O_IS_EAST",
    "O_IS_WEST",
    "PAIRS",
    "PAIR_SIGNS",
    "STATES",
    "UNKNOWN_DIRECTION",
    "StatedWords",
    "direction_key",
    "directions_in",
    "fold",
    "pairs_told",
    "status_of",
    "words_of",
]

FIELDS: Final = ("development_id", "name", "status", "price", "directions")


@attrs.frozen
class StatedWords:
    """What the user states of the words in a list.

    Args:
        development_id: the development of all rows that do not name one themselves.
        states: what further words for a status mean, by the folded word.
        directions: what further words for a direction mean, by the folded word.
    """

    development_id: str | None
    states: Mapping[str, UnitStatus]
    directions: Mapping[str, str]


def _index(kind: str) -> dict[str, str]:
    """Return what each word of all languages means."""
    return {
        word.strip(): meaning
        for language in LANGUAGES.values()
        for meaning, words in getattr(language, kind).items()
        for word in words.split(",")
    }


COLUMNS: Final = _index("columns")
STATES: Final = {word: UnitStatus[name] for word, name in _index("states").items()}
DIRECTIONS: Final = {word: str(Direction[name]) for word, name in _index("directions").items()}

UNKNOWN_DIRECTION: Final = tr(
    "directions such as N S, N/S, Norte-Sur or SE; what another word means can "
    "be stated: --direction-word WORD=DIRECTION"
)

# What an O is depends on the language, which the whole column has to tell.
O_IS_WEST: Final = {"o": "W", "so": "SW", "no": "NW"}
O_IS_EAST: Final = {"o": "E", "so": "SE", "no": "NE"}

_BETWEEN: Final = re.compile(r"\s*[,;/|+&]\s*|\s+(?:y|and)\s+", re.IGNORECASE)
# "N o S" is north or south to a Spaniard.
_OR: Final = re.compile(r"\w\s+o\s+\w")
_PAIR: Final = re.compile(r"\s*[-\u2010-\u2013]\s*|\s+")
PAIRS: Final = "-"
"""Among the words for directions: whether `S-E` and `Sur-Este` are `one` direction or `two`."""
# The same, as the column tells it of each sign between them.
_HYPHENATED: Final = "- of the column"
_SPACED: Final = "  of the column"
PAIR_SIGNS: Final = (_HYPHENATED, _SPACED)
_HYPHEN: Final = re.compile("[-\u2010-\u2013]")
_OPPOSITE: Final = ({"N", "S"}, {"E", "W"})
_IN_TWO_WORDS: Final = frozenset({"nor este", "nor oeste", "sud este", "sud oeste"})
_DOTTED: Final = re.compile(r"[nsew]\.\s?[ewo]\.?", re.IGNORECASE)
_NORTH_OR_SOUTH: Final = frozenset("NS")
_EAST_OR_WEST: Final = frozenset("EW")

_IS_NORDIC: Final = re.compile("[\u00f6\u00f8]")
_LETTERS: Final = 2

# What may stand in a word of ours: "Vendido?" and "4%" do not say "sold".
_PLAIN: Final = re.compile(r"\s*\w[\w\s'.-]*")


def direction_key(word: str) -> str:
    """Return the word for a direction as the tables have it.

    It is the folded word, but an O with a stroke or two dots is not an O: it is east. And of one or
    two letters each counts as it is: an N with a tilde is no north.
    """
    if word.isascii():
        folded = fold(word)
        return folded.replace(" ", "") if _DOTTED.fullmatch(word) else folded
    composed = unicodedata.normalize("NFKC", word).casefold().strip()
    is_kept = len(composed) <= _LETTERS or _IS_NORDIC.search(composed)
    return composed if is_kept else fold(word)


def pairs_told(texts: Iterable[str], more: Mapping[str, str]) -> dict[str, str]:
    """Return what a column tells of pairs such as `S-E` and `Sur Este`, by what is between them.

    With the sign that stands between north and south, or east and west, there are two. Where
    nothing does, and a single one is written in two words (`Nor-este`), they are one.
    """
    parts = [part.strip() for text in texts for part in _BETWEEN.split(text)]
    pairs = [(part, [_known(word, more) for word in _PAIR.split(part)]) for part in parts]
    two = {_sign(part) for part, pair in pairs if set(pair) in _OPPOSITE and not _is_list(part)}
    is_one = any(direction_key(part) in _IN_TWO_WORDS for part in parts)
    return {sign: "two" if sign in two else "one" for sign in PAIR_SIGNS if sign in two or is_one}


def _sign(part: str) -> str:
    return _HYPHENATED if _HYPHEN.search(part) else _SPACED


def words_of(text: str, more: Mapping[str, str]) -> Iterator[str]:
    """Yield the words of a text that names directions, none if an o in it may mean 'or'."""
    for part in () if _OR.search(text) else _BETWEEN.split(text.strip()):
        if direction_key(part) in more:
            yield part
        else:
            yield from _PAIR.split(part)


def _known(word: str, more: Mapping[str, str]) -> str | None:
    folded = direction_key(word)
    return more.get(folded) or (DIRECTIONS.get(folded) if _PLAIN.fullmatch(word) else None)


def status_of(word: str, more: Mapping[str, UnitStatus]) -> UnitStatus | None:
    """Return the state that the word stands for, `None` if that is not known.

    What stands behind it may be more about that state: a date, a person, or a word that says how.
    """
    folded = fold(word)
    status = more.get(folded) or (STATES.get(folded) if _PLAIN.fullmatch(word) else None)
    if status is not None:
        return status
    base, note = with_note(word)
    status = None if base.isdigit() else STATES.get(fold(base))
    return status if status is not None and is_harmless(note, status) else None


def directions_in(text: str, more: Mapping[str, str]) -> tuple[str, ...] | str:
    """Return the directions that a text names, or what was expected instead of it.

    `South-West` may be one direction or two, and so may `S-W` and `South West`: that is an error.
    `N S`, `Norte-Sur`, `S/W`, `S, W` and `S y E` are two; `SW` and `Suroeste` are one. What an O is
    must be among the further words: see `east_or_west`.
    """
    if _OR.search(text):
        return tr("directions with a / between them, such as N/O/S: an o may be west, or mean 'or'")
    found: list[str] = []
    for part in _BETWEEN.split(text.strip()):
        whole = _known(part, more)
        if whole is not None:
            found.append(whole)
            continue
        pair = [_known(word, more) for word in _PAIR.split(part)]
        known = [word for word in pair if word is not None]
        if len(known) < len(pair):
            return UNKNOWN_DIRECTION
        asked = None if _is_list(part) else _one_or_two(known)
        told = more.get(PAIRS) or more.get(_sign(part))
        if asked is None or told == "two":
            found += known
        elif told == "one" and len(known) == len(asked):
            found.append("".join(asked))
        else:
            first, second = asked
            return tr(
                "{first}{second} if it is one direction, {first}/{second} if it is two"
            ).format(first=first, second=second)
    return tuple(dict.fromkeys(found))


def _one_or_two(words: Sequence[str]) -> tuple[str, str] | None:
    """Return two words for directions that may be a single one, `None` if none may."""
    for first, second in pairwise(words):
        if first in _NORTH_OR_SOUTH and second in _EAST_OR_WEST:
            return first, second
    return None


def _is_list(part: str) -> bool:
    """Return whether abbreviations stand apart, as in `N S E` or `S W`."""
    return all(word.isalpha() and len(word) <= len("SW") for word in part.split())
