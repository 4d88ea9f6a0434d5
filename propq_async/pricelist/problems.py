"""What is wrong with a price list, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs

from propq_async.errors import PropQError

__all__ = ["PROBLEM_COLUMN", "PriceListError", "Problem", "Remark", "Table", "where"]


LONGEST_VALUE: Final = 80
# In what `repr` makes of them.
_UNDECODABLE: Final = re.compile(r"(?<!\\)\\udc([89a-f][0-9a-f])")

PROBLEM_COLUMN: Final = "propq_problem"
"""The column in which a list of failures says what is wrong."""


class PriceListError(PropQError, ValueError):
    """A price list that cannot be read at all. The message says what to do about it."""


@attrs.frozen(eq=False)
class Table:
    """The part of a price list that one header stands above: a file, or a sheet of it.

    Args:
        path: the file.
        sheet: the name of the sheet, `None` where the format has none.
        header: the names of the columns, as the list has them.
        line: the line that the header is in, from 1.
    """

    path: Path
    sheet: str | None
    header: tuple[str, ...]
    line: int


def _shown(value: str) -> str:
    """Return a value for a message: not all of it, and bytes that are no text as such."""
    if len(value) > LONGEST_VALUE:
        value = value[:LONGEST_VALUE] + "..."
    return _UNDECODABLE.sub(r"\\x\1", repr(value))


def where(table: Table, line: int) -> str:
    """Return file, sheet and line for a message."""
    sheet = "" if table.sheet is None else f", sheet {table.sheet}"
    return f"{table.path}{sheet}, line {line}"


@attrs.frozen
class Problem:
    """What keeps a row from being an update.

    Args:
        path: the file.
        sheet: the name of the sheet, `None` where the format has none.
        line: the line, from 1.
        column: the name of the column as the list has it, `None` if it is the row as a whole.
        value: what stands there, as text; `None` if nothing does.
        expected: what should stand there, or what else to do.
    """

    path: Path
    sheet: str | None
    line: int
    column: str | None
    value: str | None
    expected: str

    @property
    def what(self) -> str:
        """Return the problem without its place."""
        column = "" if self.column is None else f"column {self.column}: "
        found = "" if self.value is None else f", not {_shown(self.value)}"
        return f"{column}expected {self.expected}{found}"

    def __str__(self) -> str:
        sheet = "" if self.sheet is None else f", sheet {self.sheet}"
        return f"{self.path}{sheet}, line {self.line}, {self.what}"


@attrs.frozen
class Remark:
    """What is worth a look in a list, although it can be pushed as it is.

    Args:
        path: the file.
        sheet: the name of the sheet, `None` where the format has none.
        line: the line, from 1.
        text: what was noticed.
        is_suspicious: whether it is likely a mistake.
    """

    path: Path
    sheet: str | None
    line: int
    text: str
    is_suspicious: bool = False

    def __str__(self) -> str:
        sheet = "" if self.sheet is None else f", sheet {self.sheet}"
        return f"{self.path}{sheet}, line {self.line}: {self.text}"
