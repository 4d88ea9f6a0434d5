"""The questions of `propq setup`, each with its best guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import tr
from propq_async.models import UnitStatus

from ._guesses import direction_guess, status_guess

__all__ = [
    "CALLED",
    "FILLED",
    "Question",
    "about_development_name",
    "about_direction",
    "about_file",
    "about_gap",
    "about_not_unit",
    "about_numbers",
    "about_pairs",
    "about_status",
    "hidden_rows",
]

CALLED: Final = {
    "development_id": tr("the id of the development"),
    "name": tr("the name of the unit"),
    "status": tr("the status"),
    "price": tr("the price"),
    "directions": tr("the orientation"),
}
FILLED: Final = ("status", "price", "directions")
_NO_UNIT: Final = ("none", tr("none: this is no row of a unit, and it is passed over"))
# What one list of a series has and the next one has not: a number, a version, a month.
_VARIES: Final = re.compile(
    r"[\s_(.-]*[0-9].*$"
    r"|[\s_(.-]+(?:(?:v|version|semana|week|kw|uke|vecka)[\s_.-]*[0-9]"
    r"|(?:ene|feb|mar|abr|may|jun|jul|ago|sept?|oct|nov|dic|jan|apr|aug|dec|okt|dez|mai"
    r"|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre"
    r"|january|february|march|april|june|july|august|september|october|november|december"
    r"|januar|februar|m\u00e4rz|juni|juli|oktober|dezember)(?![^\W_])).*$|[\s_-]+$",
    re.IGNORECASE,
)
_BEGINS: Final = re.compile(r"[0-9][0-9\s_.-]*")
# These would mean something else in a pattern.
_GLOB: Final = re.compile(r"[\[\]*?]")


@attrs.frozen(kw_only=True)
class Question:
    """A question about a list.

    Args:
        key: what the answer is stated as in the profile.
        text: the question.
        choices: what may be chosen: the answer, and how it is shown.
        default: the best guess, `None` if there is none.
        error: why the last answer cannot be taken.
        headings: the headings of the list, if one of them may be the answer.
        no_units: the first cells of the rows that it is about, if they may be no units.
    """

    key: str
    text: str
    choices: Sequence[tuple[str, str]] = ()
    default: str | None = None
    error: str = ""
    headings: Sequence[str] = ()
    no_units: Sequence[str] = ()


def about_development_name(name: str) -> Question:
    """Ask whether what a column has for all rows is the id of the development."""
    return Question(
        key="development",
        text=tr("Which development is {name!r} (its id, if that is no id)?").format(name=name),
        default=name,
    )


def about_status(word: str, lines: str = "", no_units: Sequence[str] = ()) -> Question:
    """Ask what a word for a status means."""
    guess = status_guess(word)
    states = [(status.name, status.name) for status in UnitStatus]
    return Question(
        key=f"status_words.{word}",
        text=tr("What does {word!r} mean{lines}?").format(word=word, lines=lines),
        choices=[*states, *([_NO_UNIT] if no_units else [])],
        default=None if guess is None else guess.name,
        no_units=no_units,
    )


def about_direction(word: str, lines: str = "", no_units: Sequence[str] = ()) -> Question:
    """Ask what a word for a direction means."""
    return Question(
        key=f"direction_words.{word}",
        text=tr("Which direction is {word!r}{lines} (N, NE, E, SE, S, SW, W or NW)?").format(
            word=word, lines=lines
        ),
        choices=[_NO_UNIT] if no_units else [],
        default=direction_guess(word),
        no_units=no_units,
    )


def about_file(path: Path) -> Question:
    """Ask which lists are meant, since next month's has another name."""
    number = _BEGINS.match(path.stem)
    stem = _VARIES.sub("", path.stem[number.end() if number else 0 :])
    glob = f"{'*' if number else ''}{_GLOB.sub('?', stem)}*{path.suffix}"
    return Question(
        key="file",
        text=tr("Which files is this for (* stands for whatever differs from week to week)?"),
        default=glob if stem else path.name,
    )


def about_gap(field: str, lines: str) -> Question:
    """Ask what fills a field where its cell is empty."""
    return Question(
        key=f"fill.{field}",
        text=tr("What fills {called} where there is none{lines}? Or a file that has it").format(
            called=CALLED[field], lines=lines
        ),
        choices=[
            ("ledger", tr("as the server has acknowledged it last")),
            ("none", tr("nothing: these rows are not sent")),
        ],
        default="ledger",
    )


def about_not_unit(text: str, lines: str) -> Question:
    """Ask whether a row that has one text alone is a unit."""
    return Question(
        key=f"not_units.{text}",
        text=tr("Is {text!r}{lines} a unit?").format(text=text, lines=lines),
        choices=[("no", tr("no, and it is passed over")), ("yes", tr("yes"))],
        default="no",
    )


def about_numbers(value: str, lines: str) -> Question:
    """Ask how prices are written, of which one may be a thousandth of what is meant."""
    separator = next((sign for sign in ".," if sign in value), ",")
    other = {".": ",", ",": "."}[separator]
    return Question(
        key="decimal",
        text=tr("How is the price {value!r}{lines} meant?").format(value=value, lines=lines),
        choices=[
            (
                other,
                tr("{separator} groups thousands, and {other} stands before decimals").format(
                    separator=separator, other=other
                ),
            ),
            (separator, tr("{separator} stands before decimals").format(separator=separator)),
        ],
        default=other,
    )


def about_pairs(value: str, lines: str) -> Question:
    """Ask whether two words for directions are one direction."""
    return Question(
        key="compass_pairs",
        text=tr("How many directions is {value!r}{lines}?").format(value=value, lines=lines),
        choices=[("one", tr("one, as SE is")), ("two", tr("two, as S and E are"))],
        default="one",
    )


def hidden_rows() -> Question:
    """Ask what is done with rows that the workbook hides."""
    return Question(
        key="hidden_rows",
        text=tr("Rows are hidden in the list. What is done with them?"),
        choices=[
            ("skip", tr("they are passed over")),
            ("read", tr("they are read like all others")),
        ],
        default="skip",
    )
