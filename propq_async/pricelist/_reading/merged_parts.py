"""Merged cells in the columns that make a name: what they say is of each of their rows.

A block that is merged over four rows is a part of four names, although only the first of these rows
has it as the value of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from .sheet_facts import Facts
from .text import BrokenLine, Record

__all__ = ["with_merged"]


def with_merged(
    records: Callable[[], Iterator[Record | BrokenLine]],
    facts: Callable[[], Facts | None],
    indexes: Collection[int],
) -> Iterator[Record | BrokenLine]:
    """Yield the records of a sheet with what is merged in some columns in each of its rows."""
    known = facts()
    spans = {(index, rows[0]): rows for index in indexes for rows in _merged(known, index)}
    current: dict[int, tuple[range, Any]] = {}
    for record in records():
        if isinstance(record, Record) and spans:
            cells = [*record.cells]
            for index in indexes:
                if (index, record.line) in spans:
                    current[index] = spans[index, record.line], cells[index]
                elif index in current and record.line in current[index][0]:
                    _, cells[index] = current[index]
            yield Record(record.line, cells)
        else:
            yield record


def _merged(facts: Facts | None, index: int) -> list[range]:
    return [] if facts is None else facts.merged(index)
