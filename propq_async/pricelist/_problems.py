"""What is wrong with a price list, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import joined, tr
from propq_async.errors import PriceListError

from ._kinds import WarningKind

__all__ = [
    "PROBLEM_COLUMN",
    "Column",
    "PriceListError",
    "Problem",
    "Remark",
    "Table",
    "shown_value",
    "where",
]


LONGEST_VALUE: Final = 80
# In what `repr` makes of them.
_UNDECODABLE: Final = re.compile(r"(?<!\\)\\udc([89a-f][0-9a-f])")

PROBLEM_COLUMN: Final = "propq_problem"
"""The column of a list of failures that says what is wrong."""


@attrs.frozen
class Column:
    """A column that is read.

    Args:
        index: where it is, from 0.
        heading: what the list calls it.
        letter: what a spreadsheet calls it, `None` where the format has no order of columns.
        is_hidden: whether the workbook hides it.
        settled_by: why it is this one: its `heading` alone names the field, it is `stated`, of
            several it is the one that has an `id`, several have `marks` below a direction each, or
            there is none and it is `filled`.
        parts: the columns that it is made of, from 0.
    """

    index: int
    heading: str
    letter: str | None
    is_hidden: bool
    settled_by: str
    parts: tuple[int, ...] = ()

    def __str__(self) -> str:
        notes = [*([self.letter] if self.letter else []), *[tr("hidden!")] * self.is_hidden]
        is_said = not self.letter or self.heading.endswith(f"({self.letter})")
        if is_said and not self.is_hidden:
            return self.heading
        if not self.heading:
            return tr("({notes})").format(notes=joined(", ", notes))
        return tr("{heading} ({notes})").format(heading=self.heading, notes=joined(", ", notes))


@attrs.frozen(eq=False)
class Table:
    """A header and the rows below it: a file, or a sheet of it.

    Args:
        path: the file.
        sheet: the name of the sheet, `None` where the format has none.
        header: the names of the columns, as the list has them.
        line: the line of the header, from 1; 0 where the format has none.
        columns: the columns that are read, by the field of `UnitUpdate`.
    """

    path: Path
    sheet: str | None
    header: tuple[str, ...]
    line: int
    columns: Mapping[str, Column] = attrs.field(factory=dict)

    @property
    def not_read(self) -> list[str]:
        """Return the names of the columns that are not read."""
        columns = self.columns.values()
        read = {index for column in columns for index in (column.index, *column.parts)}
        names = (" ".join(name.split()) for name in self.header)
        return [name for index, name in enumerate(names) if name and index not in read]


def shown_value(value: str) -> str:
    """Return a value for a message: shortened, and with escapes for bytes that are no text."""
    if len(value) > LONGEST_VALUE:
        value = value[:LONGEST_VALUE] + "..."
    return _UNDECODABLE.sub(r"\\x\1", repr(value))


def where(table: Table, line: int) -> str:
    """Return file, sheet and line for a message."""
    sheet = "" if table.sheet is None else tr(", sheet {sheet}").format(sheet=table.sheet)
    return tr("{path}{sheet}, line {line}").format(path=table.path, sheet=sheet, line=line)


@attrs.frozen
class Problem:
    """Why a row cannot be sent.

    Args:
        path: the file.
        sheet: the name of the sheet, `None` where the format has none.
        line: the line, from 1.
        column: the name of the column in the list, `None` if the row as a whole is wrong.
        value: the text of the cell, `None` if the row as a whole is wrong.
        expected: what the cell should hold, or what to do.
    """

    path: Path
    sheet: str | None
    line: int
    column: str | None
    value: str | None
    expected: str

    @property
    def what(self) -> str:
        """Return the problem as text, without file and line."""
        if self.column is not None and self.value is not None and not self.value.strip():
            return tr("column {column} is empty; expected {expected}").format(
                column=self.column, expected=self.expected
            )
        column = "" if self.column is None else tr("column {column}: ").format(column=self.column)
        if self.value is None:
            return tr("{column}expected {expected}").format(column=column, expected=self.expected)
        # What was found comes first, since what was expected may go on with advice.
        return tr("{column}found {found}; expected {expected}").format(
            column=column, found=shown_value(self.value), expected=self.expected
        )

    def __str__(self) -> str:
        sheet = "" if self.sheet is None else tr(", sheet {sheet}").format(sheet=self.sheet)
        return tr("{path}{sheet}, line {line}, {what}").format(
            path=self.path, sheet=sheet, line=self.line, what=self.what
        )


@attrs.frozen
class Remark:
    """Something to look at in a row that can be pushed as it is.

    Args:
        path: the file.
        sheet: the name of the sheet, `None` where the format has none.
        line: the line, from 1.
        text: what was noticed.
        kind: of which kind it is, if it is likely a mistake, so that a plan that sends the row has
            a warning of it.
    """

    path: Path
    sheet: str | None
    line: int
    text: str
    kind: WarningKind | None = None

    @property
    def is_warning(self) -> bool:
        """Return whether it is likely a mistake."""
        return self.kind is not None

    def __str__(self) -> str:
        sheet = "" if self.sheet is None else tr(", sheet {sheet}").format(sheet=self.sheet)
        return tr("{path}{sheet}, line {line}: {text}").format(
            path=self.path, sheet=sheet, line=self.line, text=self.text
        )
