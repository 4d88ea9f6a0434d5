"""Which column holds which field: the one that could be meant, or a question.

A column could be meant for a field if its heading names the field or contains a word for it, or if
it is a column without a name right of such a one, or in a group of columns of that field, with
cells that could be values of it. Hidden columns could not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from propq_async._messages import joined, tr
from propq_async.pricelist._problems import Column, PriceListError

from .cells import text_of
from .headers import Header, Layout, letter_of
from .heading_words import field_in, field_of, is_of_id, is_with_tax, is_without_tax
from .missing_columns import nothing_for, shown, with_samples
from .unit_likeness import could_be
from .word_lookup import FIELDS

__all__ = ["ColumnsError", "check_above", "columns_of"]

_DEVELOPMENT: Final = FIELDS[0]
_PRICE: Final = "price"
_GROUPED: Final = (_PRICE, "status")


class ColumnsError(PriceListError):
    """It is not certain which column is which.

    `asked` has the fields without a certain column, `could_be_meant` the columns that could hold
    each, and `header` is the heading that they stand in.
    """

    asked: list[str]
    could_be_meant: Mapping[str, list[int]]
    header: Header

    @classmethod
    def of(
        cls,
        message: str,
        asked: list[str],
        could_be_meant: Mapping[str, list[int]],
        header: Header,
    ) -> ColumnsError:
        """Return the error with what a question needs to know."""
        error = cls(message)
        error.asked, error.could_be_meant, error.header = asked, could_be_meant, header
        return error

    def shown(self, index: int) -> str:
        """Return a column for a question: its name, its letter and two of its values."""
        return with_samples(self.header, index)


def columns_of(header: Header, path: Path, sheet: str | None, layout: Layout) -> dict[str, Column]:
    """Return the one column of each field.

    Raises:
        PriceListError: a field has none, or more than one that could be meant.
    """
    location = (
        str(path) if sheet is None else tr("{path}, sheet {sheet}").format(path=path, sheet=sheet)
    )
    could_be_meant = {
        field: header.columns.get(field, [])
        if field in layout.columns
        else _candidates(header, field)
        for field in FIELDS
        if field in layout.columns or _is_looked_for(header, field, layout)
    }
    missing = header.missing(layout)
    if missing:
        message = nothing_for(missing, header, could_be_meant, path, location, layout)
        doubtful = [
            field
            for field, indexes in could_be_meant.items()
            if field not in missing
            and field not in layout.columns
            and len(_settled(header, field, indexes)[0]) != 1
        ]
        asked = [str(field) for field in FIELDS if field in {*missing, *doubtful}]
        raise ColumnsError.of(message, asked, could_be_meant, header)
    line = tr(", line {line}").format(line=header.line) if header.line else ""
    columns: dict[str, Column] = {}
    questions: dict[str, str] = {}
    for field, all_indexes in could_be_meant.items():
        if not all_indexes:
            # Of what is stated or filled.
            continue
        if field in layout.filled and field not in header.columns:
            these = shown(header, all_indexes)
            questions[field] = tr(
                "{field} is filled from {filled}, and may be {these}; state its column: "
                '{field} = "NAME"'
            ).format(field=field, filled=layout.filled[field], these=these)
            continue
        indexes, settled_by = all_indexes, "stated"
        if field not in layout.columns:
            indexes, settled_by = _settled(header, field, all_indexes)
        if len(indexes) != 1:
            questions[field] = tr(
                "more than one column for {field}: {shown}; state which: --column {field}=NAME"
            ).format(field=field, shown=shown(header, all_indexes))
            continue
        (index,) = indexes
        letter = letter_of(index) if header.line else None
        heading = " ".join(header.cells[index].split())
        columns[field] = Column(index, heading, letter, index in header.hidden, settled_by)
    if questions:
        message = joined("", (location, line, ": ", joined("; ", questions.values())))
        raise ColumnsError.of(message, list(questions), could_be_meant, header)
    return columns


def _settled(header: Header, field: str, indexes: list[int]) -> tuple[list[int], str]:
    """Return those of several columns that are meant for certain, and what says so."""
    if len(indexes) > 1 and field == _DEVELOPMENT:
        # A development has a name as well, but only one id.
        return [index for index in indexes if is_of_id(header.cells[index])], "id"
    if len(indexes) > 1 and field == _PRICE:
        without = [index for index in indexes if is_without_tax(header.cells[index])]
        if [index for index in indexes if not is_with_tax(header.cells[index])] == without:
            return without, tr("without tax")
    return indexes, "heading"


def _is_looked_for(header: Header, field: str, layout: Layout) -> bool:
    # Where the development is stated, what is about it only in part need not be its column.
    return field in header.columns or field != _DEVELOPMENT or layout.needs_development


def check_above(header: Header, path: Path, sheet: str | None) -> None:
    """Check that no unit stands above the heading, where it would not be read.

    Raises:
        PriceListError: one does.
    """
    line = header.other_units()
    if line is not None:
        location = (
            str(path)
            if sheet is None
            else tr("{path}, sheet {sheet}").format(path=path, sheet=sheet)
        )
        above = next(cells for number, cells in header.above if number == line)
        shown = ", ".join(filter(None, map(text_of, above)))
        raise PriceListError(
            tr(
                "{location}: line {line} stands above the heading in line {heading} and "
                "would not be read ({shown}); if it is a heading, state what it calls each "
                "column, such as --column name=NAME; else put what stands above into a "
                "list of its own"
            ).format(location=location, line=line, heading=header.line, shown=shown)
        )


def _candidates(header: Header, field: str) -> list[int]:
    """Return the columns that could be meant for a field."""
    found: set[int] = set(header.columns.get(field, ()))
    if header.is_settled:
        return sorted(found)
    of_others = {
        index for other, indexes in header.columns.items() if other != field for index in indexes
    } | header.marks.keys()
    about = [field_in(cell) for cell in header.cells]
    for index, one in enumerate(about):
        if one == field and index not in of_others:
            found.add(index)
    if field in _GROUPED:
        found |= {
            index
            for index in _in_groups(header, field, of_others)
            if about[index] in (None, field) and header.cells[index]
        }
    found |= {
        index
        for index in _nameless_beside(header, found, to_the_left=field == _PRICE)
        if _could_hold(field, header.column(index))
    }
    # All of these are one, for the directions.
    found -= header.marks.keys() - set(header.columns.get(field, ()))
    return sorted(found - header.hidden)


def _nameless_beside(header: Header, columns: set[int], *, to_the_left: bool) -> Iterator[int]:
    """Yield the columns without a name that only such ones separate from one of the others.

    The name of one that is merged may stand in any of its columns.
    """
    for column in columns:
        for step in (1, -1) if to_the_left else (1,):
            index = column + step
            while 0 <= index < len(header.cells) and not header.cells[index]:
                yield index
                index += step


def _could_hold(field: str, values: list[object]) -> bool:
    """Return whether cells could be values of a field: any, or for names most of them."""
    likely = [could_be(field, value) for value in values]
    return sum(likely) * 2 > len(likely) if field == "name" else any(likely)


def _in_groups(header: Header, field: str, of_others: set[int]) -> list[int]:
    """Return the columns in groups that are about a field, and not about that of their first."""
    found: list[int] = []
    group: list[int] = []
    for index, name in enumerate(header.groups):
        if index == 0 or name != header.groups[index - 1]:
            group = []
        group.append(index)
        is_about = field_of(name) == field or field_in(name) == field
        if is_about and group[0] not in of_others and index not in of_others:
            found.append(index)
    return found
