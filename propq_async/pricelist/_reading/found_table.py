"""A table that was found in a file, and the way to its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async.pricelist._problems import Table
from propq_async.pricelist._template import is_template

from .added_columns import Added, added_columns, with_added
from .columns import check_above, columns_of
from .headers import Header, Layout, Line, columns_named
from .merged_parts import with_merged
from .sheet_facts import Facts
from .text import BrokenLine, Record, bare
from .word_lookup import fold

__all__ = ["HEADER_WITHIN_LINES", "Found", "below", "found_in", "lines_of", "without"]

HEADER_WITHIN_LINES: Final = 200


@attrs.frozen
class Found:
    """A table, which column holds which field, and a way to read its records again and again.

    A column that says what failed is left out, and `is_part` tells that it is there.
    """

    table: Table
    columns: Mapping[str, int]
    records: Callable[[], Iterator[Record | BrokenLine]]
    encoding: str | None = None
    delimiter: str | None = None
    has_price_texts: bool = True
    is_part: bool = False
    hidden: frozenset[int] = frozenset()
    few_texts: Mapping[int, set[str]] = attrs.field(factory=dict, repr=False)
    """All different texts of a column, where they are few and known from the first look."""
    facts: Callable[[], Facts | None] | None = attrs.field(default=None, repr=False)
    """What a sheet says of its cells beside their values."""
    heading: Callable[[Sequence[Any]], Mapping[str, list[int]]] = attrs.field(
        default=lambda _: {}, repr=False
    )
    """Returns which columns a row names, if it is a heading."""
    added: Sequence[Added] = ()
    """The columns at the end that are none of the list: of templates, and of what is filled."""
    development: str | None = None
    """The development of all rows, if it is stated of this sheet."""

    @property
    def own_header(self) -> tuple[str, ...]:
        """Return the header without the columns that are added."""
        return self.table.header[: len(self.table.header) - len(self.added)]


def found_in(
    header: Header,
    path: Path,
    sheet: str | None,
    layout: Layout,
    records: Callable[[], Iterator[Record | BrokenLine]],
    *,
    may_end_early: bool = False,
    facts: Callable[[], Facts | None] | None = None,
) -> Found:
    """Return a table by its header, with what a sheet says of its cells.

    Some programs leave out the empty cells at the end of a row. If its rows `may_end_early`, one
    that has all columns that are read is whole.

    Raises:
        PriceListError: it is not certain which column is which, or units stand above the header.
    """
    check_above(header, path, sheet)
    columns = columns_of(header, path, sheet, layout)
    names = list(header.cells)
    for field, stated in layout.columns.items():
        if is_template(stated) or field not in columns:
            continue
        if fold(names[columns[field].index]) != fold(stated):
            # By its letter, which is another one in a list of failures. So this becomes its name.
            names[columns[field].index] = " ".join(stated.split())
    width = len(names)
    added = added_columns(header, columns, layout, path if sheet is None else f"{path}, {sheet}")
    if may_end_early:
        used = [one.index for one in columns.values()]
        least = 1 + max([*used, *(index for one in added for index in one.indexes)])
        records = partial(_to_the_end, records, least, width)
    parts = {index for one in added if one.template is not None for index in one.indexes}
    if parts and facts is not None:
        records = partial(with_merged, records, facts, parts)
    if added:
        names += [one.heading for one in added]
        columns |= {one.field: one.column for one in added}
        records = partial(with_added, records, width, added)
    table = Table(path, sheet, tuple(names), header.line, columns)
    indexes = {field: column.index for field, column in columns.items()}
    found = Found(
        table,
        indexes,
        records,
        hidden=header.hidden,
        facts=facts,
        added=added,
        development=layout.developments.get(sheet or ""),
    )
    if not header.line:
        return found
    return attrs.evolve(found, heading=partial(_heading, layout=layout, width=width))


def _heading(cells: Sequence[Any], *, layout: Layout, width: int) -> Mapping[str, list[int]]:
    return columns_named(cells[:width], layout=layout)


def below(header: Header, found: Iterable[Record | BrokenLine]) -> Iterator[Record | BrokenLine]:
    """Leave out the rows of a header, and what stands above it."""
    return dropwhile(lambda one: one.line <= header.last_line, found)


def _to_the_end(
    records: Callable[[], Iterator[Record | BrokenLine]], least: int, width: int
) -> Iterator[Record | BrokenLine]:
    """Yield the records with the empty cells that they lack at the end."""
    for record in records():
        if isinstance(record, Record) and least <= len(record.cells) < width:
            record.cells += [""] * (width - len(record.cells))
        yield record


def without(
    indexes: Sequence[int], found: Iterator[Record | BrokenLine]
) -> Iterator[Record | BrokenLine]:
    """Leave out the columns at these indexes, which only a list of failures has."""
    return found if not indexes else (_cut(record, indexes) for record in found)


def _cut(record: Record | BrokenLine, indexes: Sequence[int]) -> Record | BrokenLine:
    if isinstance(record, BrokenLine):
        return record
    cells = [cell for index, cell in enumerate(record.cells) if index not in indexes]
    return Record(record.line, [bare(cell) if isinstance(cell, str) else cell for cell in cells])


def lines_of(found: Iterable[Record | BrokenLine]) -> Iterator[Line]:
    """Return the rows as they are looked at for a header."""
    return ((one.line, one.cells) for one in found if isinstance(one, Record))
