"""What is noticed in one row: its problems, and what a person may want to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from propq_async._messages import joined, tr
from propq_async.pricelist._kinds import WarningKind
from propq_async.pricelist._problems import Problem, Remark, Table

from .cells import text_of
from .rows import problem_in
from .shown_values import Noticed

__all__ = ["Notes"]


class Notes:
    """What is noticed in one row."""

    __slots__ = ("_cells", "_line", "_table", "problems", "remarks")

    def __init__(
        self,
        table: Table,
        line: int,
        cells: list[Any],
        noticed: Mapping[int, list[Noticed]],
    ) -> None:
        self._table = table
        self._line = line
        self._cells = cells
        self.problems: list[Problem] = []
        self.remarks: list[Remark] = []
        if line in noticed:
            self._take(noticed[line])

    def expect(self, index: int, expected: str) -> None:
        """Note that something else was expected in a cell."""
        column, value = self._table.header[index], text_of(self._cells[index])
        self.problems.append(problem_in(self._table, self._line, column, value, expected))

    def note(self, text: str, kind: WarningKind | None = None) -> None:
        """Note something that is no problem."""
        self.remarks.append(Remark(self._table.path, self._table.sheet, self._line, text, kind))

    def _take(self, noticed: Iterable[Noticed]) -> None:
        """Note what was noticed beside the values of the cells."""
        for one in noticed:
            if one.expected:
                self.expect(one.index, one.expected)
            elif one.remark:
                column = (
                    tr("column {header}: ").format(header=self._table.header[one.index])
                    if one.index >= 0
                    else ""
                )
                self.note(joined("", (column, one.remark)), one.kind)
