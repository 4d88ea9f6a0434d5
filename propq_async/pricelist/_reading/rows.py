"""The rows of a price list: good ones and broken ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import attrs

from propq_async._messages import joined, tr
from propq_async.ledger import Unit
from propq_async.models import UnitUpdate
from propq_async.pricelist._kinds import WarningKind
from propq_async.pricelist._problems import Problem, Remark, Table, where

__all__ = ["NOTHING", "BrokenRow", "Row", "beside", "contradicted", "problem_in", "with_remark"]


# One for all rows: hardly any has a field that was filled.
NOTHING: Final[Mapping[str, str]] = {}


@attrs.frozen(eq=False, weakref_slot=False)
class Row:
    """A row that can be sent.

    Args:
        update: the update that the row asks for.
        table: the table of the row.
        line: the line, from 1.
        cells: the original cells, as text.
        remarks: what a person may want to look at.
        filled: the fields that the list has no cell for, each with what has filled it.
    """

    update: UnitUpdate
    table: Table
    line: int
    cells: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()
    filled: Mapping[str, str] = attrs.field(factory=lambda: NOTHING)

    @property
    def unit(self) -> Unit:
        """Return development id and name."""
        return self.update.development_id, self.update.name

    @property
    def place(self) -> str:
        """Return where the row stands, as text: file, sheet and line."""
        return where(self.table, self.line)


@attrs.frozen(eq=False)
class BrokenRow:
    """A row that cannot be sent.

    Args:
        table: the table of the row.
        line: the line, from 1.
        cells: the original cells, as text; a line that is no row is one cell.
        problems: everything that is wrong with it.
        unit: development id and name, `None` if they cannot be read.
        rival: an earlier row of the same unit with other values. Neither of the two can be sent.
    """

    table: Table
    line: int
    cells: tuple[str, ...]
    problems: tuple[Problem, ...]
    unit: Unit | None = None
    rival: Row | BrokenRow | None = None

    def __str__(self) -> str:
        return joined(", ", (self.place, self.what))

    @property
    def place(self) -> str:
        """Return where the row stands, as text: file, sheet and line."""
        return where(self.table, self.line)

    @property
    def what(self) -> str:
        """Return the problems as text, without file and line."""
        return joined("; ", (problem.what for problem in self.problems))


# attrs wrote the constructor before there was a class of this name, so its hint had no meaning.
BrokenRow.__init__.__annotations__["rival"] = Row | BrokenRow | None


def differing_column(row: Row, other: Row, read: Collection[str]) -> str | None:
    """Return a column that is not read, that both rows have, and that differs.

    Then they may be two units, whose names are not only in the column of names. An empty cell does
    not tell a unit from another one.
    """
    pairs: Iterable[tuple[str, str, str]]
    if row.table is other.table:
        pairs = zip(row.table.header, row.cells, other.cells, strict=True)
    else:
        others = dict(zip(other.table.header, other.cells, strict=True))
        pairs = (
            (name, cell, others.get(name, cell))
            for name, cell in zip(row.table.header, row.cells, strict=True)
        )
    differing = (name for name, cell, its in pairs if "" != cell.strip() != its.strip() != "")
    return next((name for name in differing if name not in read), None)


def contradicted(row: Row, other: Row | BrokenRow, column: str | None = None) -> BrokenRow:
    """Return the row as a broken one, since another row has other values for the same unit.

    If they differ in a column only that is not read, `column` names it.
    """
    update = row.update
    expected = tr("one row for each unit: {name} has other values in {beside}").format(
        name=update.name, beside=beside(other, row)
    )
    if column is not None:
        expected += tr(
            ", in column {column}, which is not read: if they are different units, put "
            "the whole name of each into one column, and state that one: --column "
            "name=NAME"
        ).format(column=column)
    problem = problem_in(row.table, row.line, None, None, expected)
    unit = update.development_id, update.name
    return BrokenRow(row.table, row.line, row.cells, (problem,), unit, other)


def beside(other: Row | BrokenRow, row: Row) -> str:
    """Return where the other row is: only its line if both are in one table."""
    return (
        tr("line {line}").format(line=other.line)
        if other.table is row.table
        else where(other.table, other.line)
    )


def with_remark(row: Row, text: str, kind: WarningKind | None = None) -> Row:
    """Return the row with one more remark."""
    new = Remark(row.table.path, row.table.sheet, row.line, text, kind)
    return attrs.evolve(row, remarks=(*row.remarks, new))


def problem_in(
    table: Table, line: int, column: str | None, value: str | None, expected: str
) -> Problem:
    """Return a problem in a line of a table."""
    return Problem(table.path, table.sheet, line, column, value, expected)
