"""What is asked about the broken rows of a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from propq_async._messages import tr
from propq_async.pricelist._reading.completing import is_no_price
from propq_async.pricelist._reading.rows import BrokenRow, Row

from ._problem_kinds import ProblemKind
from ._problems import Problem
from ._setup_questions import (
    FILLED,
    Question,
    about_direction,
    about_gap,
    about_numbers,
    about_pairs,
    about_status,
)

__all__ = ["about_kind", "first_cell", "is_asked_in_full", "row_numbers"]

_SHOWN: Final = 5


def about_kind(kind: ProblemKind, times: Mapping[str, int]) -> Iterator[Question]:
    """Ask about the problems of a kind, if an answer would mend them.

    Args:
        kind: the problems.
        times: how many rows of the list have the same first cell.
    """
    asked = (_about_problems(kind.rows, problems, times) for problems in _apart(kind))
    yield from (question for question in asked if question is not None)


def is_asked_in_full(kind: ProblemKind) -> bool:
    """Return whether there is a question about all that is wrong."""
    return len(list(about_kind(kind, Counter()))) == len(_apart(kind))


def _apart(kind: ProblemKind) -> list[Sequence[Problem]]:
    """Return the problems of a kind by what would be asked about them."""
    if len(kind.rows) == len(kind.problems):
        return [kind.problems]
    # All that is wrong with one row.
    return [[problem] for problem in kind.problems]


def _about_problems(
    rows: Sequence[BrokenRow], problems: Sequence[Problem], times: Mapping[str, int]
) -> Question | None:
    problem, where = problems[0], row_numbers(rows)
    expected, value = problem.expected, problem.value or ""
    fields = {column.heading: field for field, column in rows[0].table.columns.items()}
    field = fields.get(" ".join((problem.column or "").split()), "")
    gaps = [row for row, one in zip(rows, problems, strict=True) if _is_gap(field, one.value or "")]
    if gaps:
        return about_gap(field, row_numbers(gaps))
    if "--status-word" in expected:
        return about_status(value.strip(), where, _no_units(rows, times))
    if "--direction-word" in expected:
        return about_direction(value.strip(), where, _no_units(rows, times))
    if "--decimal" in expected:
        return about_numbers(value, where)
    return about_pairs(value, where) if "if it is one direction" in expected else None


def _is_gap(field: str, value: str) -> bool:
    is_empty = not value.strip() or (field == "price" and is_no_price(value))
    return is_empty and field in FILLED


def _no_units(rows: Sequence[BrokenRow], times: Mapping[str, int]) -> list[str]:
    """Return the first cells of a few rows, by which these can be stated to be no units.

    Nothing is returned if another row has one of them, since that may be a unit.
    """
    cells = [first_cell(row) for row in rows[:_SHOWN]]
    are_apart = len(cells) == len(rows) and all(times[cell.casefold()] == 1 for cell in cells)
    return cells if are_apart else []


def first_cell(row: Row | BrokenRow) -> str:
    """Return the first text of a row, nothing if there is none."""
    return next(filter(None, map(str.strip, row.cells)), "")


def row_numbers(rows: Sequence[BrokenRow]) -> str:
    """Return which rows a question is about, in words."""
    lines = ", ".join(str(row.line) for row in rows[:_SHOWN])
    more = ", ..." if len(rows) > _SHOWN else ""
    return (
        tr(" (row {lines})").format(lines=lines)
        if len(rows) == 1
        else tr(" ({count:,} rows: {lines}{more})").format(count=len(rows), lines=lines, more=more)
    )
