"""The problems of a list by kind: one line for a word that 50 rows have, and not 50."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from propq_async._messages import joined, tr, trn
from propq_async.pricelist._reading.rows import BrokenRow

from ._guesses import direction_guess, status_guess
from ._problems import Problem, shown_value

__all__ = ["ProblemKind", "problem_kinds"]

_STATUS, _DIRECTION = "--status-word", "--direction-word"
_UNQUOTED: Final = re.compile(r"[\w@%+=:,./-]+")
_LONGEST_WORD: Final = 40
_UNDECODABLE: Final = re.compile("[\ud800-\udfff]")
_LINES: Final = 8
_EXAMPLES: Final = 3

_Key: TypeAlias = tuple[str | None, str | None, str, str | None]


@attrs.frozen(eq=False)
class ProblemKind:
    """Problems that have one reason.

    Args:
        rows: the rows that have them, in the order of the list.
        problems: the problems, one of each row.
        text: what is wrong, and where, for people.
        asks: the word that is not known, `None` if it is about something else.
    """

    rows: Sequence[BrokenRow]
    problems: Sequence[Problem]
    text: str
    asks: str | None = None

    def __str__(self) -> str:
        return self.text


def problem_kinds(broken: Iterable[BrokenRow]) -> list[ProblemKind]:
    """Return the problems of rows by kind, the most frequent first.

    What only one row has is told with the rest of that row.
    """
    groups: dict[_Key, list[tuple[BrokenRow, Problem]]] = {}
    for row in broken:
        for problem in row.problems:
            groups.setdefault(_key(problem), []).append((row, problem))
    kinds: list[ProblemKind] = []
    alone: dict[int, tuple[BrokenRow, list[Problem]]] = {}
    for found in groups.values():
        row, problem = found[0]
        option = _option(problem)
        if len(found) > 1 or option:
            rows, problems = [one for one, _ in found], [one for _, one in found]
            asks = problem.value if option else None
            kinds.append(ProblemKind(rows, problems, _text(rows, problems, option), asks))
        else:
            alone.setdefault(id(row), (row, []))[1].append(problem)
    kinds.sort(key=lambda kind: -len(kind.rows))
    for row, problems in alone.values():
        what = joined("; ", (problem.what for problem in problems))
        text = tr("{place}, {what}").format(place=row.place, what=what)
        kinds.append(ProblemKind([row], problems, text))
    return kinds


def _key(problem: Problem) -> _Key:
    word = problem.value if _option(problem) else None
    return problem.sheet, problem.column, problem.expected, word


def _option(problem: Problem) -> str:
    """Return the option that says what a word means, if that is what is asked."""
    word = problem.value or ""
    # What is longer is no word, and bytes that are not in the encoding cannot be stated.
    if not word.strip() or len(word) > _LONGEST_WORD or _UNDECODABLE.search(word):
        return ""
    return next((one for one in (_STATUS, _DIRECTION) if one in problem.expected), "")


def _text(rows: Sequence[BrokenRow], problems: Sequence[Problem], option: str) -> str:
    problem = problems[0]
    lines = ", ".join(str(row.line) for row in rows[:_LINES])
    more = tr(" and {count:,} more").format(count=len(rows) - _LINES) if len(rows) > _LINES else ""
    count = trn("{count:,} row", "{count:,} rows", len(rows))
    sheet = "" if problem.sheet is None else tr(" of sheet {sheet}").format(sheet=problem.sheet)
    these = tr("({count}{sheet}: {lines}{more})").format(
        count=count, sheet=sheet, lines=lines, more=more
    )
    if option:
        word = problem.value or ""
        guess = status_guess(word) if option == _STATUS else direction_guess(word)
        meaning = getattr(guess, "name", guess) or ("STATUS" if option == _STATUS else "DIRECTION")
        stated = f"{word.strip()}={meaning}"
        # Not of all that is no ASCII, as shlex does.
        stated = stated if _UNQUOTED.fullmatch(stated) else shlex.quote(stated)
        return tr("{word} {these}: what does it mean? {option} {stated}").format(
            word=shown_value(word), these=these, option=option, stated=stated
        )
    values = list(dict.fromkeys(value for one in problems if (value := one.value or "").strip()))
    such = ", ".join(map(shown_value, values[:_EXAMPLES]))
    column = "" if problem.column is None else tr("column {column} ").format(column=problem.column)
    what: str = tr(" is empty;") if column else ":"
    if such:
        what = tr(": found {such}{others};").format(
            such=such, others=tr(" and the like") if len(values) > _EXAMPLES else ""
        )
    return tr("{column}{these}{what} expected {expected}").format(
        column=column, these=these, what=what, expected=problem.expected
    )
