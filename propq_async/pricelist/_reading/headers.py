"""The heading of a table: what it calls each column, and which fields these names are known for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import attrs

from propq_async.pricelist._problems import PROBLEM_COLUMN
from propq_async.pricelist._template import Template, is_template

from .direction_marks import direction_of, marked_columns
from .heading_words import field_in, field_of
from .text import bare
from .unit_likeness import looks_like_unit
from .word_lookup import FIELDS, STATES, fold

__all__ = [
    "KNOWN",
    "LIKELY",
    "Header",
    "Layout",
    "Line",
    "columns_named",
    "label",
    "letter_of",
    "likely_fields",
    "match",
    "names_of",
    "stated_columns",
    "visible_only",
]

# No unit has known words for two columns in its cells.
KNOWN: Final = 2
# Where they only may be words for columns.
LIKELY: Final = 3
# All but that of square metres.
_DIGIT: Final = re.compile(r"(?<!m)[0-9]")
_LETTERS: Final = 26
_DIRECTIONS: Final = "directions"

Line = tuple[int, Sequence[Any]]
"""A row, and the number of its line."""


@attrs.frozen
class Layout:
    """What the user states of a list's form.

    Args:
        columns: the names of the list's own columns, by field.
        needs_development: whether the list must have a column for the development.
        delimiter: what separates the columns of a text.
        encoding: of a text.
        sheets: the only sheets to read, `None` for all that are price lists.
        filled: what fills the fields that need no column.
        developments: the development of all rows of a sheet, by its name.
        stated_in: the profile that states columns, `None` where only options do.
        by_option: the fields whose columns options state.
    """

    columns: Mapping[str, str]
    needs_development: bool
    delimiter: str | None
    encoding: str | None
    sheets: Sequence[str] | None = None
    filled: Mapping[str, str] = attrs.field(factory=dict)
    developments: Mapping[str, str] = attrs.field(factory=dict)
    stated_in: str | None = None
    by_option: Collection[str] = ()

    def needs(self, field: str) -> bool:
        """Return whether the list must have a column for a field."""
        return field not in self.filled and (self.needs_development or field != FIELDS[0])


def letter_of(index: int) -> str:
    """Return what a spreadsheet calls a column."""
    before, last = divmod(index, _LETTERS)
    return (letter_of(before - 1) if before else "") + chr(ord("A") + last)


def label(cells: Sequence[str], index: int) -> str:
    """Return what a question calls a column: its name, or one to the left, and its letter."""
    name = next((cell for cell in cells[index::-1] if cell), "")
    return f"{' '.join(name.split())} ({letter_of(index)})".lstrip()


def stated_columns(cells: Sequence[str], column: str) -> list[int]:
    """Return the columns that are meant by what the user states: by name, label or like name.

    Of a template it is its first column, if all of them are there.
    """
    if is_template(column):
        parts = [stated_columns(cells, one) for one in Template.parse(column).columns]
        return parts[0] if all(parts) else []
    wanted = " ".join(column.split())
    for names in (
        [" ".join(cell.split()) for cell in cells],
        [label(cells, index) for index in range(len(cells))],
    ):
        found = [index for index, name in enumerate(names) if name == wanted]
        if found:
            return found
    word = fold(column)
    return [index for index, cell in enumerate(cells) if fold(cell) == word]


def match(cells: Sequence[str], layout: Layout) -> dict[str, list[int]]:
    """Return the indexes of the columns by field: those stated, and those by known names."""
    matched = {field: stated_columns(cells, column) for field, column in layout.columns.items()}
    # A column of a template may hold a field as well.
    taken = {
        index
        for field, indexes in matched.items()
        if not is_template(layout.columns[field])
        for index in indexes
    }
    for index, cell in enumerate(cells):
        field = field_of(cell)
        if field is not None and field not in layout.columns and index not in taken:
            matched.setdefault(field, []).append(index)
    return {field: indexes for field, indexes in matched.items() if indexes}


def likely_fields(cells: Sequence[str]) -> dict[str, list[int]]:
    """Return the indexes of the columns by the field that their names may be about."""
    found: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        field = field_in(cell)
        if field is not None:
            found.setdefault(field, []).append(index)
    return found


def columns_named(cells: Sequence[Any], *, layout: Layout) -> dict[str, list[int]]:
    """Return the indexes of the columns by field, none if the cells name too few to be no unit.

    Where they are no known names, what is a unit's must not be among them: a number or a status.
    """
    names = names_of(cells)
    matched = match(names, layout)
    if len(matched) >= KNOWN:
        return matched
    is_of_unit = any(_DIGIT.search(name) or fold(name) in STATES for name in names)
    likely = {} if is_of_unit else likely_fields(names)
    return likely if len(likely) >= KNOWN else {}


def names_of(cells: Sequence[Any]) -> tuple[str, ...]:
    """Return cells as the names of columns."""
    return tuple("" if cell is None else str(cell).strip().lstrip("\ufeff") for cell in cells)


@attrs.frozen
class Header:
    """What names the columns.

    Args:
        line: where it is, from 1; 0 where there is none.
        last_line: where it ends.
        cells: the names.
        columns: the indexes of the columns by field, which may be several, by stated and known
            names. Hidden ones are none of them unless stated.
        groups: what stands above the names, for each column.
        hidden: the columns that are hidden.
        above: the rows above it.
        below: rows below it, as samples.
        is_settled: whether it is that of a list of failures, whose columns are those of its list.
        marks: the columns whose cells are marks below a direction, each with the word for that.
    """

    line: int
    last_line: int
    cells: tuple[str, ...]
    columns: Mapping[str, list[int]]
    groups: tuple[str, ...] = ()
    hidden: frozenset[int] = frozenset()
    above: Sequence[Line] = attrs.field(default=(), repr=False)
    below: Sequence[Line] = attrs.field(default=(), repr=False)
    is_settled: bool = False
    marks: Mapping[int, str] = attrs.field(factory=dict)

    @classmethod
    def of(
        cls,
        line: int,
        cells: tuple[str, ...],
        layout: Layout,
        below: Sequence[Line] = (),
        *,
        is_settled: bool = False,
    ) -> Header:
        """Return a header of one row."""
        columns = match(cells, layout)
        header = cls(line, line, cells, columns, below=below, is_settled=is_settled)
        return header.with_marks(layout)

    def with_marks(self, layout: Layout) -> Header:
        """Return the header with the columns of marks, which are read for the directions."""
        stated = layout.columns.get(_DIRECTIONS)
        if stated is not None and is_template(stated) and _DIRECTIONS in self.columns:
            columns = Template.parse(stated).columns
            found = [index for one in columns for index in stated_columns(self.cells, one)]
            marks = {index: direction_of(self.cells[index]) for index in found}
        else:
            rows = [cells for _, cells in self.below]
            marks = marked_columns(self.cells, rows, self.hidden, is_settled=self.is_settled)
        if not marks:
            return self
        left = {
            field: [index for index in indexes if index not in marks or field in layout.columns]
            for field, indexes in self.columns.items()
        }
        if stated is None:
            left[_DIRECTIONS] = [*left.get(_DIRECTIONS, ()), min(marks)]
        left = {field: indexes for field, indexes in left.items() if indexes}
        return attrs.evolve(self, columns=left, marks=marks)

    def heading_of(self, index: int) -> str:
        """Return what states a column: its name, or the names of all columns of marks."""
        if index in self.marks:
            return "".join(f"{{{' '.join(self.cells[one].split())}}}" for one in self.marks)
        return self.cells[index]

    def column(self, index: int) -> list[Any]:
        """Return the cells of a column in the rows below."""
        return [cells[index] for _, cells in self.below if index < len(cells)]

    @property
    def rank(self) -> tuple[int, int]:
        """Return how likely it is a header: how many columns are known, and how many may be."""
        return len(self.columns), len(likely_fields(self.cells))

    def without_notes(self, layout: Layout) -> tuple[Header, list[int]]:
        """Return the header without the columns that say what failed, and where those are."""
        notes = [index for index, cell in enumerate(self.cells) if cell == PROBLEM_COLUMN]
        if not notes:
            return self, notes
        cells = tuple(bare(cell) for cell in self.cells if cell != PROBLEM_COLUMN)
        below = [
            (line, [cell for index, cell in enumerate(row) if index not in notes])
            for line, row in self.below
        ]
        return Header.of(self.line, cells, layout, below, is_settled=True), notes

    def missing(self, layout: Layout) -> list[str]:
        """Return the fields that have no column."""
        return [field for field in FIELDS if field not in self.columns and layout.needs(field)]

    def is_of_list(self, layout: Layout) -> bool:
        """Return whether so many of the fields may have a column that it seems to be a list."""
        needed = FIELDS if layout.needs_development else FIELDS[1:]
        likely = likely_fields(self.cells)
        known = sum(field in self.columns for field in needed)
        return known >= KNOWN or sum(field in likely for field in needed) >= LIKELY

    def other_units(self) -> int | None:
        """Return the line of a unit, or of another heading, above this one."""
        for line, cells in self.above:
            # What has a colon is the name of what stands beside it, as above a list.
            known = {field_of(name) for name in names_of(cells) if not name.endswith(":")} - {None}
            if looks_like_unit(cells) or len(known) >= KNOWN:
                return line
        return None


def visible_only(
    matched: Mapping[str, list[int]], layout: Layout, hidden: frozenset[int]
) -> dict[str, list[int]]:
    """Return the columns by field without those that are hidden, unless they are stated."""
    found = {
        field: indexes
        if field in layout.columns
        else [index for index in indexes if index not in hidden]
        for field, indexes in matched.items()
    }
    return {field: indexes for field, indexes in found.items() if indexes}
