"""What an answer to a question of `propq setup` states in the profile."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async._messages import joined, tr
from propq_async.models import UnitStatus
from propq_async.pricelist._reading.word_lookup import O_IS_WEST, directions_in, status_of

from ._problems import PriceListError
from ._profile_text import quoted, stated_lines
from ._profile_values import Fill, ListProfile
from ._setup_questions import FILLED, Question

__all__ = ["line_of", "stated_by"]

_FILES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods", ".jsonl", ".json")
_COLUMNS: Final = ("name", "development_id")
# What fills a field, and is no column, whatever columns are called.
_FILLING: Final = frozenset({"ledger", *UnitStatus.__members__})
# Answers that state nothing.
_NOTHING: Final = {"sheets": ("-",), "not_units": ("yes",), "fill": ("none",)}
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
    """Return what is stated with one more answer, which is nothing if the text is empty.

    Raises:
        PriceListError: that is no answer.
    """
    table, _, word = question.key.partition(".")
    if not text or text in _NOTHING.get(table, ()):
        return before
    if table in FILLED:
        is_column = text not in _FILLING and text in dict(question.choices)
        is_filled = not is_column and (
            text in _FILLING
            or text.casefold().endswith(_FILES)
            or (table == "directions" and isinstance(directions_in(text, O_IS_WEST), tuple))
        )
        table, word = "fill" if is_filled else "columns", table
    elif table in _COLUMNS:
        table, word = "columns", table
    value: Any
    match table:
        case "status_words":
            value = {**before.status_words, word: _status(text)}
        case "direction_words":
            value = {**before.direction_words, word: _direction(text)}
        case "sheets":
            value = {**(before.sheets or {}), word: text}
        case "not_units":
            value = (*before.not_units, word)
        case "fill":
            value = {**before.fill, word: _fill(word, text, folder)}
        case "columns":
            value = {**before.columns, word: text}
            # It may be a second answer to the question that a fill has answered first.
            fill = {field: one for field, one in before.fill.items() if field != word}
            before = attrs.evolve(before, fill=fill)
        case _:
            value = _choice(table, text)
    return attrs.evolve(before, **{table: value})


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
