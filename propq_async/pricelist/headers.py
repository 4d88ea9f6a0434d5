"""The header of a table: which row it is, and which column holds which field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from .problems import PROBLEM_COLUMN, PriceListError
from .words import COLUMNS, FIELDS, fold

__all__ = ["Header", "Layout", "header_of", "heading_of", "match"]

# No unit has the words for three columns in its cells.
_NO_DATA: Final = 3
# One may stand in any table, and in notes.
_OF_LIST: Final = 2


@attrs.frozen
class Layout:
    """What the user states of a list's form.

    Args:
        columns: the names of the list's own columns, by field.
        needs_development: whether the list must have a column for the development.
        delimiter: what separates the columns of a text.
        encoding: of a text.
        sheet: the only sheet to read.
    """

    columns: Mapping[str, str]
    needs_development: bool
    delimiter: str | None
    encoding: str | None
    sheet: str | None


def match(cells: Sequence[str], layout: Layout) -> dict[str, list[int]]:
    """Return the places of the columns by field."""
    stated = {fold(column): field for field, column in layout.columns.items()}
    matched: dict[str, list[int]] = {}
    for place, cell in enumerate(cells):
        word = fold(cell)
        field = stated.get(word)
        if field is None and (known := COLUMNS.get(word)) not in layout.columns:
            field = known
        if field is not None:
            matched.setdefault(field, []).append(place)
    return matched


def heading_of(cells: Sequence[Any], *, layout: Layout) -> dict[str, list[int]]:
    """Return the places of the columns by field, none if the cells name too few to be no data."""
    matched = match(_names(cells), layout)
    return matched if len(matched) >= _NO_DATA else {}


def _names(cells: Sequence[Any]) -> tuple[str, ...]:
    return tuple("" if cell is None else str(cell).strip().lstrip("\ufeff") for cell in cells)


def header_of(rows: Iterable[tuple[int, Sequence[Any]]], layout: Layout) -> Header:
    """Return the row with the most columns that are known."""
    best = Header(0, (), {})
    for line, cells in rows:
        names = _names(cells)
        matched = match(names, layout)
        if len(matched) > len(best.columns) or not any(best.cells):
            best = Header(line, names, matched)
    return best


@attrs.frozen
class Header:
    """The row that names the columns.

    Args:
        line: where it is, from 1; 0 where there is none.
        cells: the names.
        columns: the places of the columns by field, which may be several.
    """

    line: int
    cells: tuple[str, ...]
    columns: Mapping[str, list[int]]

    def without_notes(self, layout: Layout) -> tuple[Header, list[int]]:
        """Return the header without the columns that say what failed, and where those are."""
        notes = [place for place, cell in enumerate(self.cells) if cell == PROBLEM_COLUMN]
        cells = tuple(cell for cell in self.cells if cell != PROBLEM_COLUMN)
        return Header(self.line, cells, match(cells, layout)), notes

    def missing(self, layout: Layout) -> list[str]:
        """Return the fields that have no column."""
        return [
            field
            for field in FIELDS
            if field not in self.columns and (layout.needs_development or field != FIELDS[0])
        ]

    def is_of_list(self, layout: Layout) -> bool:
        """Return whether so many of the fields have a column that it seems to be a price list."""
        needed = FIELDS if layout.needs_development else FIELDS[1:]
        return sum(field in self.columns for field in needed) >= _OF_LIST

    def check(self, path: Path, sheet: str | None, layout: Layout) -> dict[str, int]:
        """Return the one column of each field.

        Raises:
            PriceListError: a field has none, or more than one.
        """
        place = str(path) if sheet is None else f"{path}, sheet {sheet}"
        missing = self.missing(layout)
        if missing:
            shown = ", ".join(filter(None, self.cells)) or "nothing"
            advice = " or --development ID" if FIELDS[0] in missing else ""
            raise PriceListError(
                f"{place}: no column for {', '.join(missing)}; expected a header with "
                f"{', '.join(FIELDS)}, in English or Spanish; found {shown}; state what is named "
                f"otherwise: --column {missing[0]}=NAME{advice}"
            )
        columns: dict[str, int] = {}
        for field, all_places in self.columns.items():
            names = [self.cells[at] for at in all_places]
            places = all_places
            if len(places) > 1 and field == FIELDS[0]:
                # A development has a name as well, but only one id.
                places = [at for at in places if "id" in fold(self.cells[at]).split()]
            if len(places) != 1:
                raise PriceListError(
                    f"{place}, line {self.line}: more than one column for {field}: "
                    f"{', '.join(names)}; state which: --column {field}=NAME"
                )
            columns[field] = places[0]
        return columns
