"""Directions as marks: an X under `N`, `S`, `E` or `O`, each a column of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from .cells import text_of
from .heading_words import field_in
from .unit_likeness import is_filled
from .word_lookup import DIRECTIONS, O_IS_WEST, direction_key, fold

__all__ = ["direction_of", "is_mark", "marked_columns", "template_of_marks"]

_FIELD: Final = "directions"
_O: Final = "o"
# Two may be something else: `S` is a solarium as well.
_CERTAIN: Final = 3
_LONGEST_ABBREVIATION: Final = 2
_YES: Final = frozenset(("x", "1", "true", "verdadero", "si", "yes", "ja", "oui", "sim"))
_NO: Final = frozenset(("0", "false", "falso", "no", "nein", "non", "nee", "nao"))
_TICKS: Final = frozenset("\u2713\u2714\u2611\u2022\u25cf\u25a0*")
_DASHES: Final = frozenset("-\u2013\u2014.")
# It is an answer as well, and a number.
_NORTH_WEST: Final = "no"
_NUMBER: Final = ("n", "no")


def direction_of(heading: str) -> str:
    """Return the word for a direction that a heading is, nothing if it is none.

    Below `Orientación`, each of its columns may have a word of its own: `Orientación N`.
    """
    before, _, last = heading.strip().rpartition(" ")
    word = last if before and field_in(before) == _FIELD else heading.strip()
    key = direction_key(word)
    # With a sign that is not a letter it is something else: `Nº`.
    is_word = word.rstrip(".").replace(" ", "").isalpha() and "º" not in word
    return word if is_word and (key in DIRECTIONS or key in O_IS_WEST) else ""


def template_of_marks(names: Sequence[str]) -> str | None:
    """Return how columns are stated that may have marks, `None` if fewer than two may."""
    found = [f"{{{name}}}" for name in names if direction_of(name)]
    return "".join(found) if len(found) > 1 else None


def is_mark(cell: Any, word: str) -> bool | None:
    """Return whether a cell says yes or no to a direction, `None` if neither is certain."""
    text = text_of(cell).strip()
    if not text.isalnum():
        signs = set(text)
        return True if text and signs <= _TICKS else False if signs <= _DASHES else None
    folded, key = fold(text), direction_key(text)
    if folded == _NORTH_WEST and direction_key(word) == folded:
        return None
    if folded in _NO:
        return False
    is_same = DIRECTIONS.get(key, key) == DIRECTIONS.get(direction_key(word), direction_key(word))
    return True if folded in _YES or is_same else None


def marked_columns(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    hidden: Collection[int],
    *,
    is_settled: bool = False,
) -> dict[int, str]:
    """Return the columns whose cells are marks, each with the word for its direction.

    They are certain if they name three directions, or two in whole words, and at least half of
    what stands in them are marks.

    Args:
        names: the headings.
        rows: rows below them, as samples.
        hidden: the columns that are hidden.
        is_settled: whether it is a list of failures, whose rows do not tell what its columns are.
    """
    words = {index: direction_of(name) for index, name in enumerate(names) if index not in hidden}
    found = {index: word for index, word in words.items() if word}
    with_o = O_IS_WEST.keys() - {_O}
    has_o = any(direction_key(word) == _O for word in found.values())
    told = {index: _told(rows, index, word) for index, word in found.items()}
    for index, word in list(found.items()):
        # `No` and `N` may be the number of the unit.
        is_number = word.casefold() in _NUMBER and not _are_marks([told[index]])
        # Where an O is no heading, nobody abbreviates west so.
        is_other = direction_key(word) in with_o and not has_o
        if is_other or (is_number and not is_settled):
            del found[index]
    different = {direction_key(word) for word in found.values()}
    needed = _CERTAIN if any(len(word) <= _LONGEST_ABBREVIATION for word in found.values()) else 2
    if len(different) < max(needed, len(found)):
        return {}
    return found if is_settled or _are_marks(told[index] for index in found) else {}


def _told(rows: Sequence[Sequence[Any]], index: int, word: str) -> tuple[int, int]:
    """Return how many cells of a column are marks, and how many are filled."""
    cells = [row[index] for row in rows if index < len(row) and is_filled(row[index])]
    return sum(is_mark(cell, word) is not None for cell in cells), len(cells)


def _are_marks(told: Iterable[tuple[int, int]]) -> bool:
    return sum(marks * 2 - filled for marks, filled in told) >= 0
