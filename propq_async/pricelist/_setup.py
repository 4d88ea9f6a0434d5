"""Setting up a profile: what is not certain of a list is asked, with a best guess each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from propq_async.pricelist._reading.columns import ColumnsError
from propq_async.pricelist._reading.evidence import SameUnitsError
from propq_async.pricelist._reading.price_list import PriceList
from propq_async.pricelist._reading.reader import read
from propq_async.pricelist._reading.rows import BrokenRow, Row
from propq_async.pricelist._reading.shown_values import HIDDEN
from propq_async.pricelist._reading.workbook import open_workbook

from ._draft import Draft
from ._problem_kinds import problem_kinds
from ._problems import PriceListError
from ._profile import PROFILE_NAME, Profile
from ._profile_values import ListProfile
from ._setup_answers import line_of, stated_by
from ._setup_columns import about_column, about_development
from ._setup_problems import about_kind, first_cell, row_numbers
from ._setup_questions import (
    Question,
    about_development_name,
    about_direction,
    about_file,
    about_not_unit,
    about_status,
    hidden_rows,
)

__all__ = ["Answer", "setup"]

Answer = Callable[[Question], str]
"""Answers a question. An empty text takes the best guess."""

_SHOWN: Final = 5
# More are no mistakes in typing.
_TRIES: Final = 3
_UNKNOWN: Final = "?"
_WORD: Final = re.compile(r"--(status|direction)-word '?([^\s=']+)=")
# Where there is no guess, a draft assumes this to find out what else is to be asked.
_ASSUMED: Final = {"directions": "ledger"}
_DEVELOPMENT: Final = "development_id"
_CERTAIN: Final = ("heading", "marks", "without tax", "id")


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
        return Draft(self._path, stated, self._left_open, rows, decimal=prices.known_decimal)

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
                return attrs.evolve(question, error=unread if times else "")
        self._problem = unread
        return None

    @property
    def _has_ids(self) -> bool:
        """Return whether a column is stated to have the developments."""
        return _DEVELOPMENT in self._assumed.columns

    def _read(self, *, is_final: bool = False) -> PriceList:
        stated = attrs.evolve(self._assumed, file="**")
        if self._needs_development and not is_final:
            # All sheets, also after one of them has an answer.
            development = None if self._has_ids else _UNKNOWN
            stated = attrs.evolve(stated, sheets=None, development=development)
        try:
            return self._open(stated)
        except SameUnitsError:
            if not self._needs_development or is_final:
                raise
        # They are of several developments, most likely.
        names = [name for name in open_workbook(self._path).visible_sheets if self._is_list(name)]
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
            is_stated = field in self._assumed.columns
            if field == _DEVELOPMENT and not (is_stated or error.could_be_meant.get(field)):
                self._needs_development = True
                # What is left is told once the rest is known.
                if error.asked == [_DEVELOPMENT]:
                    yield from self._again()
                continue
            yield about_column(field, error)

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
                yield about_not_unit(texts.pop(), row_numbers([row]))
        filled = {f"fill.{field}" for field in self._assumed.fill}
        times = Counter(first_cell(row).casefold() for row in rows)
        questions = [
            one
            for kind in problem_kinds(broken)
            for one in about_kind(kind, times)
            if one.key not in filled
        ]
        # What stands in the column of prices may be the status, once something fills the price.
        yield from sorted(questions, key=lambda one: one.key == "fill.status")
        remarks = (one for row in rows if isinstance(row, Row) for one in row.remarks)
        if self._assumed.hidden_rows is None and any(one.text == HIDDEN for one in remarks):
            yield hidden_rows()
        if self._needs_development:
            tables = [found for found, _ in prices.sources]
            # A column that has the ids of a list is an answer. Of sheets each is asked.
            for found in () if self._has_ids and len(tables) == 1 else tables:
                yield about_development(found.table.sheet if len(tables) > 1 else None, found)
        names = {row.update.development_id for row in rows if isinstance(row, Row)}
        is_read = _DEVELOPMENT in prices.tables[0].columns and not self._assumed.development
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
        """Take an answer. A question is left open that has none after two times or a few tries."""
        before = after = self._assumed
        is_taken, times_empty = False, 0
        for _ in range(_TRIES if self._answer else 1):
            text = self._answer(question).strip() if self._answer else ""
            assumed = "" if self._answer else _ASSUMED.get(question.key, "")
            text = text or question.default or assumed
            times_empty += not text
            if times_empty > 1:
                break
            try:
                after = stated_by(before, question, text, self._path.parent)
            except PriceListError as error:
                question = attrs.evolve(question, error=str(error))
            else:
                is_taken = True
                break
        if not (self._answer and is_taken) and question.key != "file":
            self._left_open.append((question, self._line(question, after)))
        self._assumed = after
        if question.key == "development" and question.headings and self._has_ids:
            # Whether what it has are ids is another question.
            del self._tries[question.key]

    def _line(self, question: Question, after: ListProfile) -> str:
        return line_of(question, self._assumed, after, self._path.parent)

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
