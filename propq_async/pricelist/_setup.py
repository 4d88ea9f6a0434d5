"""Setting up a profile: what is not certain of a list is asked, with a best guess each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async._languages import ENGLISH
from propq_async._languages import language as language_named
from propq_async._messages import joined, tr
from propq_async.models import UnitStatus
from propq_async.pricelist._reading.columns import ColumnsError
from propq_async.pricelist._reading.completing import is_no_price
from propq_async.pricelist._reading.evidence import SameUnitsError
from propq_async.pricelist._reading.reader import PriceList, read
from propq_async.pricelist._reading.rows import BrokenRow, Row
from propq_async.pricelist._reading.shown import HIDDEN
from propq_async.pricelist._reading.words import O_IS_WEST, directions_in, status_of
from propq_async.pricelist._reading.workbook import Workbook

from ._problem_kinds import ProblemKind, problem_kinds
from ._problems import PriceListError, Problem
from ._profile import PROFILE_NAME, Profile
from ._profile_text import list_text, quoted, stated_lines
from ._profile_values import Fill, ListProfile
from ._setup_questions import (
    Question,
    about_column,
    about_development,
    about_development_name,
    about_direction,
    about_file,
    about_gap,
    about_not_unit,
    about_numbers,
    about_pairs,
    about_status,
    hidden_rows,
)

__all__ = ["Answer", "Draft", "Question", "setup"]

Answer = Callable[[Question], str]
"""Answers a question. An empty text takes the best guess."""

_SHOWN: Final = 5
# More are no mistakes in typing.
_TRIES: Final = 3
_UNKNOWN: Final = "?"
_WORD: Final = re.compile(r"--(status|direction)-word '?([^\s=']+)=")
_FILES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods", ".jsonl", ".json")
_FILLED: Final = ("status", "price", "directions")
# Where there is no guess, a draft assumes this to find out what else is to be asked.
_ASSUMED: Final = {"directions": "ledger"}
_COLUMNS: Final = ("name", "development_id")
_CERTAIN: Final = ("heading", "marks", "without tax", "id")
# Answers that state nothing.
_NOTHING: Final = {"sheets": ("-",), "not_units": ("yes",), "fill": ("none",)}
_CHOICES: Final = {
    "decimal": (".", ","),
    "compass_pairs": ("one", "two"),
    "hidden_rows": ("skip", "read"),
    "not_units": ("no",),
}


@attrs.frozen
class Draft:
    """What is known of a list, and what is left to be answered.

    Args:
        path: the list.
        stated: what the profile states of it.
        guessed: the questions that nobody has answered, each with the line of the profile that
            would answer it by its best guess.
        rows: the first rows as they would be sent.
        problem: why the list cannot be read yet, nothing if it can.
        decimal: what stands before the decimals of its prices.
    """

    path: Path
    stated: ListProfile
    guessed: Sequence[tuple[Question, str]]
    rows: Sequence[Row | BrokenRow]
    problem: str = ""
    decimal: str = "."

    def text(self, folder: str | os.PathLike[str] | None = None, *, language: str = ENGLISH) -> str:
        """Return the text of a profile in a folder, by default that of the list.

        Args:
            folder: the folder.
            language: the language of its questions, `en` or `es`.
        """
        folder = self.path.parent if folder is None else Path(folder)
        said = language_named(language).said
        comments = map(said, _comments(self.guessed, self.problem))
        return list_text(self.stated, folder, comments)


def _comments(guessed: Sequence[tuple[Question, str]], problem: str) -> Iterator[str]:
    if guessed:
        yield tr("Not certain: answer these, and take the # away before what is right.")
    for question, line in guessed:
        yield question.text
        yield line
    if problem:
        yield problem


def setup(
    path: str | os.PathLike[str],
    answer: Answer | None = None,
    *,
    start: ListProfile | None = None,
) -> Draft:
    """Find out what a profile has to state of a list, and ask what is not certain.

    Args:
        path: the list.
        answer: answers the questions; without it, the draft has them with their best guesses.
        start: what is stated already.

    Raises:
        PriceListError: the file cannot be read at all.
    """
    asking = _Setup(Path(path), answer, start or ListProfile())
    return asking.run()


class _Setup:
    """The questions about one list."""

    def __init__(self, path: Path, answer: Answer | None, start: ListProfile) -> None:
        self._path = path
        self._answer = answer
        self._start = start
        # With guesses that nobody has confirmed, so that there is something to look at.
        self._assumed = start
        self._tries: dict[str, int] = {}
        self._left_open: list[tuple[Question, str]] = []
        self._needs_development = False
        self._problem = ""

    def run(self) -> Draft:
        while (question := self._next()) is not None:
            self._settle(question)
        stated = self._assumed if self._answer else self._confirmed()
        if self._problem:
            return Draft(self._path, stated, self._left_open, [], self._problem)
        is_known = bool(self._assumed.development or self._assumed.sheets)
        prices = self._read(is_final=is_known)
        rows = list(islice(prices, _SHOWN))
        return Draft(self._path, stated, self._left_open, rows, decimal=prices.decimal)

    # --- what to ask --------------------------------------------------------------------------

    def _next(self) -> Question | None:
        """Return the next question, `None` if there is none."""
        questions: Iterator[Question]
        try:
            prices = self._read()
        except ColumnsError as error:
            questions = self._about_columns(error)
            unread = error.message
        except PriceListError as error:
            questions = self._about_words_in(error.message)
            unread = error.message
        else:
            questions, unread = self._about_rows(prices), ""
        left_open = {question.key for question, _ in self._left_open}
        for question in questions:
            if question.key in left_open and self._answer:
                continue
            times = self._tries.get(question.key, 0)
            if not times or (unread and self._answer and times < _TRIES):
                self._tries[question.key] = times + 1
                return attrs.evolve(question, error=tr("that cannot be read") if times else "")
        self._problem = unread
        return None

    def _read(self, *, is_final: bool = False) -> PriceList:
        stated = attrs.evolve(self._assumed, file="**")
        if self._needs_development and not is_final:
            # All sheets, also after one of them has an answer.
            stated = attrs.evolve(stated, sheets=None, development=_UNKNOWN)
        try:
            return self._open(stated)
        except SameUnitsError:
            if not self._needs_development or is_final:
                raise
        # They are of several developments, most likely.
        names = [name for name in Workbook(self._path).visible_sheets if self._is_list(name)]
        apart = {name: f"{_UNKNOWN}{name}" for name in names}
        return self._open(attrs.evolve(stated, sheets=apart, development=None))

    def _is_list(self, sheet: str) -> bool:
        stated = attrs.evolve(self._assumed, file="**", sheets={sheet: _UNKNOWN}, development=None)
        try:
            self._open(stated)
        except PriceListError:
            return False
        return True

    def _open(self, stated: ListProfile) -> PriceList:
        profile = Profile(path=self._path.with_name(PROFILE_NAME), lists=[stated])
        return read(self._path, profile=profile)

    def _about_columns(self, error: ColumnsError) -> Iterator[Question]:
        for field in error.asked:
            if field == "development_id" and not error.could_be_meant.get(field):
                self._needs_development = True
                # What is left is told once the rest is known.
                if error.asked == ["development_id"]:
                    yield from self._again()
                continue
            candidates = [
                (index, error.shown(index)) for index in error.could_be_meant.get(field, ())
            ]
            samples = [error.shown(index) for index in range(len(error.header.cells))]
            yield about_column(field, error.header, candidates, samples)

    def _again(self) -> list[Question]:
        asked = [question for question in [self._next()] if question is not None]
        for question in asked:
            # It is counted by whoever asks it.
            self._tries[question.key] -= 1
        return asked

    def _about_words_in(self, message: str) -> Iterator[Question]:
        """Ask about the words that keep the list from being read."""
        for kind, word in dict.fromkeys(_WORD.findall(message)):
            yield about_status(word) if kind == "status" else about_direction(word)

    def _about_rows(self, prices: PriceList) -> Iterator[Question]:
        rows = list(prices)
        broken = [row for row in rows if isinstance(row, BrokenRow)]
        for row in broken:
            texts = {cell.strip() for cell in row.cells} - {""}
            if len(texts) == 1:
                yield about_not_unit(texts.pop(), _where([row]))
        filled = {f"fill.{field}" for field in self._assumed.fill}
        questions = [
            one
            for kind in problem_kinds(broken)
            for one in _about_kind(kind)
            if one.key not in filled
        ]
        # What stands in the column of prices may be the status, once something fills the price.
        yield from sorted(questions, key=lambda one: one.key == "fill.status")
        remarks = (one for row in rows if isinstance(row, Row) for one in row.remarks)
        if self._assumed.hidden_rows is None and any(one.text == HIDDEN for one in remarks):
            yield hidden_rows()
        if self._needs_development:
            sheets = [table.sheet for table in prices.tables]
            yield from map(about_development, sheets if len(sheets) > 1 else [None])
        names = {row.update.development_id for row in rows if isinstance(row, Row)}
        is_read = "development_id" in prices.tables[0].columns and not self._assumed.development
        if is_read and len(names) == 1 and not min(names).isdecimal():
            yield about_development_name(min(names))
        self._state_columns(prices)
        if self._assumed.file == ListProfile().file:
            yield about_file(self._path)

    def _state_columns(self, prices: PriceList) -> None:
        """State the columns that were recognised, if all sheets call them so."""
        columns = dict(self._assumed.columns)
        for field, column in prices.tables[0].columns.items():
            same = {table.columns[field].heading for table in prices.tables}
            is_certain = len(same) == 1 and column.settled_by in _CERTAIN
            if is_certain and prices.tables[0].header.count(column.heading) == 1:
                columns.setdefault(field, column.heading)
        self._assumed = attrs.evolve(self._assumed, columns=columns)

    # --- what is answered ---------------------------------------------------------------------

    def _settle(self, question: Question) -> None:
        """Take an answer. A question that has none after a few tries is left open."""
        before = after = self._assumed
        is_taken, tries = False, _TRIES if self._answer else 1
        while not is_taken and tries:
            tries -= 1
            text = self._answer(question).strip() if self._answer else ""
            text = (
                text or question.default or ("" if self._answer else _ASSUMED.get(question.key, ""))
            )
            try:
                after = _stated(before, question, text, self._path.parent)
            except PriceListError as error:
                question = attrs.evolve(question, error=str(error))
            else:
                is_taken = bool(text)
                question = attrs.evolve(question, error=tr("this needs an answer"))
        if not (self._answer and is_taken) and question.key != "file":
            self._left_open.append((question, self._line(question, after)))
        self._assumed = after

    def _line(self, question: Question, after: ListProfile) -> str:
        return _answering(question, self._assumed, after, self._path.parent)

    def _confirmed(self) -> ListProfile:
        """Return what is certain without anybody's answer."""
        asked = {question.key for question, _ in self._left_open}
        columns = {
            field: column
            for field, column in self._assumed.columns.items()
            if field not in asked or field in self._start.columns
        }
        file = self._assumed.file
        return attrs.evolve(self._start, columns=columns, file=file)


def _about_kind(kind: ProblemKind) -> Iterator[Question]:
    groups = [kind.problems]
    if len(kind.rows) != len(kind.problems):
        # All that is wrong with one row.
        groups = [[problem] for problem in kind.problems]
    asked = (_about_problems(kind.rows, problems) for problems in groups)
    yield from (question for question in asked if question is not None)


def _about_problems(rows: Sequence[BrokenRow], problems: Sequence[Problem]) -> Question | None:
    """Return what is asked about problems of one kind, if an answer would mend them."""
    problem, where = problems[0], _where(rows)
    expected, value = problem.expected, problem.value or ""
    fields = {column.heading: field for field, column in rows[0].table.columns.items()}
    field = fields.get(" ".join((problem.column or "").split()), "")
    gaps = [row for row, one in zip(rows, problems, strict=True) if _is_gap(field, one.value or "")]
    if gaps:
        return about_gap(field, _where(gaps))
    if "--status-word" in expected:
        return about_status(value.strip(), where)
    if "--direction-word" in expected:
        return about_direction(value.strip(), where)
    if "--decimal" in expected:
        return about_numbers(value, where)
    return about_pairs(value, where) if "if it is one direction" in expected else None


def _is_gap(field: str, value: str) -> bool:
    is_empty = not value.strip() or (field == "price" and is_no_price(value))
    return is_empty and field in _FILLED


def _where(rows: Sequence[BrokenRow]) -> str:
    lines = ", ".join(str(row.line) for row in rows[:_SHOWN])
    more = ", ..." if len(rows) > _SHOWN else ""
    return (
        tr(" (row {lines})").format(lines=lines)
        if len(rows) == 1
        else tr(" ({count:,} rows: {lines}{more})").format(count=len(rows), lines=lines, more=more)
    )


def _answering(question: Question, before: ListProfile, after: ListProfile, folder: Path) -> str:
    """Return the line of a profile that an answer adds."""
    known = stated_lines(before, folder)
    new = [line for line in stated_lines(after, folder) if line not in known]
    table, _, word = question.key.partition(".")
    return new[0] if new else f'{table}.{quoted(word)} = "..."' if word else f'{table} = "..."'


def _stated(before: ListProfile, question: Question, text: str, folder: Path) -> ListProfile:
    """Return what is stated with one more answer, which is nothing if the text is empty.

    Raises:
        PriceListError: that is no answer.
    """
    table, _, word = question.key.partition(".")
    if not text or text in _NOTHING.get(table, ()):
        return before
    if table in _FILLED:
        is_column = text != "ledger" and text in dict(question.choices)
        is_filled = not is_column and (
            text == "ledger"
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
