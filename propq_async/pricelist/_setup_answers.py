"""What an answer to a question of `propq setup` states in the profile."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async._messages import joined, tr
from propq_async.models import UnitStatus
from propq_async.pricelist._reading.word_lookup import (
    FIELDS,
    O_IS_WEST,
    directions_in,
    status_of,
)

from ._column_answers import checked_column, expected_column, named_column
from ._problems import PriceListError
from ._profile_text import quoted, stated_lines
from ._profile_values import Fill, ListProfile
from ._setup_questions import FILLED, Question

__all__ = ["line_of", "stated_by"]

_FILES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods", ".jsonl", ".json")
_DEVELOPMENTS: Final = ("development", "development_id", "sheets")
# What fills a field, and is no column, whatever columns are called.
_FILLING: Final = frozenset({"ledger", *UnitStatus.__members__})
# Whoever types these wants to know what can be typed.
_NO_ANSWER: Final = ("", "?")
# Answers that state nothing.
_NOTHING: Final = {"sheets": ("-",), "not_units": ("yes",), "fill": ("none",)}
# An answer about a word, and the signs that stand for others in a pattern.
_NO_UNIT: Final = "none"
_IN_PATTERNS: Final = re.compile(r"[*?\[]")
_A_NUMBER: Final = tr("type a number")
_CHOICES: Final = {
    "decimal": (".", ","),
    "compass_pairs": ("one", "two"),
    "hidden_rows": ("skip", "read"),
    "not_units": ("no",),
}


def line_of(question: Question, before: ListProfile, after: ListProfile, folder: Path) -> str:
    """Return the line of a profile that an answer adds."""
    known = stated_lines(before, folder)
    new = [line for line in stated_lines(after, folder) if line not in known]
    table, _, word = question.key.partition(".")
    return new[0] if new else f'{table}.{quoted(word)} = "..."' if word else f'{table} = "..."'


def stated_by(before: ListProfile, question: Question, text: str, folder: Path) -> ListProfile:
    """Return what is stated with one more answer.

    Raises:
        PriceListError: that is no answer. The message says what is one.
    """
    table, _, _ = question.key.partition(".")
    if text in _NO_ANSWER:
        message = (
            tr("{expected}; Return twice leaves the question for later")
            if question.default is None
            else tr("{expected}; Return takes what stands in brackets")
        )
        raise PriceListError(message.format(expected=_expected(question)))
    if text in _NOTHING.get(table, ()):
        return before
    if table in _DEVELOPMENTS:
        return _with_development(before, question, text)
    if question.no_units and text == _NO_UNIT:
        new = map(_as_pattern, question.no_units)
        return attrs.evolve(before, not_units=(*before.not_units, *new))
    return _with_value(before, question, text, folder)


def _with_value(before: ListProfile, question: Question, text: str, folder: Path) -> ListProfile:
    """Return what is stated with an answer that is the value of one key."""
    table, _, word = question.key.partition(".")
    if table in FIELDS:
        table, word = "fill" if _fills(question, text) else "columns", table
    value: Any
    match table:
        case "status_words":
            value = {**before.status_words, word: _status(text)}
        case "direction_words":
            value = {**before.direction_words, word: _direction(text)}
        case "not_units":
            value = (*before.not_units, _as_pattern(word))
        case "fill":
            value = {**before.fill, word: _fill(word, text, folder)}
        case "columns":
            value = {**before.columns, word: checked_column(question, text)}
            # It may be a second answer to the question that a fill has answered first.
            fill = {field: one for field, one in before.fill.items() if field != word}
            before = attrs.evolve(before, fill=fill)
        case _:
            value = _choice(table, text)
    return attrs.evolve(before, **{table: value})


def _expected(question: Question) -> str:
    """Return what may be typed as an answer."""
    table, _, _ = question.key.partition(".")
    if table in _DEVELOPMENTS:
        return tr("type the id of the development, or the number of a column")
    if table in FIELDS:
        return expected_column(question)
    is_direction = table == "direction_words"
    return tr("type one of N, NE, E, SE, S, SW, W, NW") if is_direction else _A_NUMBER


def _as_pattern(text: str) -> str:
    """Return the pattern for a text, and for no other."""
    return _IN_PATTERNS.sub(r"[\g<0>]", text)


def _fills(question: Question, text: str) -> bool:
    """Return whether an answer fills a field, and names no column."""
    if question.key not in FILLED:
        return False
    if text in _FILLING or text.casefold().endswith(_FILES):
        return True
    if question.key != "directions" or named_column(question, text) is not None:
        return False
    return isinstance(directions_in(text, O_IS_WEST), tuple)


def _with_development(before: ListProfile, question: Question, text: str) -> ListProfile:
    """Return what is stated with a development, or with the column that has it."""
    table, _, sheet = question.key.partition(".")
    column = named_column(question, text)
    columns = {field: one for field, one in before.columns.items() if field != FIELDS[0]}
    if column is not None:
        columns[FIELDS[0]] = checked_column(question, column)
    development = None if column else text
    if table != "sheets":
        return attrs.evolve(before, columns=columns, development=development)
    sheets = {**(before.sheets or {}), sheet: development}
    if len({one is None for one in sheets.values()}) > 1:
        raise PriceListError(tr("type an id for each sheet, or the same column for each sheet"))
    return attrs.evolve(before, columns=columns, sheets=sheets)


def _choice(key: str, text: str) -> str:
    choices = _CHOICES.get(key, (text,))
    if text not in choices:
        raise PriceListError(tr("expected {names}").format(names=joined(tr(" or "), choices)))
    return text


def _status(text: str) -> UnitStatus:
    status = status_of(text, {})
    if status is None:
        raise PriceListError(
            tr("expected {names}").format(names=", ".join(one.name for one in UnitStatus))
        )
    return status


def _direction(text: str) -> str:
    found = directions_in(text, O_IS_WEST)
    if isinstance(found, str) or len(found) != 1:
        raise PriceListError(tr("expected one of N, NE, E, SE, S, SW, W, NW"))
    return found[0]


def _fill(field: str, text: str, folder: Path) -> Fill:
    if text == "ledger":
        return Fill("ledger")
    if text.casefold().endswith(_FILES):
        if not (folder / text).is_file():
            raise PriceListError(tr("there is no file {path}").format(path=folder / text))
        return Fill(folder / text)
    if field == "status":
        return Fill("value", _status(text))
    if field == "directions":
        found = directions_in(text, O_IS_WEST)
        if isinstance(found, str):
            raise PriceListError(tr("expected ledger, a file, or {found}").format(found=found))
        return Fill("value", found)
    try:
        return Fill("value", Decimal(text))
    except InvalidOperation:
        raise PriceListError(tr("expected ledger, a file, or a price such as 250000")) from None
