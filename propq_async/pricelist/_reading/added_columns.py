"""Columns that are none of the list: what a template or marks make, and what is filled.

They stand behind the columns of the list, so that all that reads a row finds each field in a
column, and all that writes one can leave them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from propq_async._messages import joined, tr
from propq_async.pricelist._problems import Column, PriceListError
from propq_async.pricelist._template import Template, is_template

from .cells import is_text_or_number, text_of
from .direction_marks import is_mark
from .headers import Header, Layout, label, stated_columns
from .text import BrokenLine, Record
from .word_lookup import FIELDS

__all__ = ["Added", "added_columns", "with_added"]

_DIRECTIONS: Final = "directions"


@attrs.frozen
class Added:
    """A column that is added.

    Args:
        field: the field that it holds.
        heading: what it is called.
        column: where it is.
        template: what makes its cells, `None` if they are empty until they are filled.
        indexes: the columns of the template, or those of the marks.
        words: the words for the directions of the marks, in the order of `indexes`.
    """

    field: str
    heading: str
    column: Column
    template: Template | None = None
    indexes: tuple[int, ...] = ()
    words: tuple[str, ...] = ()

    def cell(self, cells: Sequence[Any]) -> str:
        """Return its cell in a row, which is empty if a part or every mark is missing."""
        if self.words:
            return self._marked(cells)
        if self.template is None or self.missing(cells) is not None:
            return ""
        texts = [text_of(cells[index]).strip() for index in self.indexes]
        return "".join(
            part.text + text for part, text in zip(self.template.parts, [*texts, ""], strict=True)
        )

    def _marked(self, cells: Sequence[Any]) -> str:
        """Return the words of the columns with a mark, and what else stands in one as it is.

        So it is neither left out nor filled, since it may be a mark.
        """
        found = []
        for index, word in zip(self.indexes, self.words, strict=True):
            marked = is_mark(cells[index], word)
            if marked is not False:
                found.append(word if marked else f"{word}: {text_of(cells[index])}")
        return ", ".join(found)

    def missing(self, cells: Sequence[Any]) -> str | None:
        """Return what was expected of the first part that is missing in a row."""
        for index, word in zip(self.indexes, self.words, strict=False):
            if is_mark(cells[index], word) is None:
                return tr("X or nothing below {word}").format(word=word)
        if self.words and not self._marked(cells):
            return tr("a mark, such as X, below {names}").format(
                names=joined(tr(" or "), self.words)
            )
        for part, index in zip(
            self.template.parts if self.template else (), self.indexes, strict=False
        ):
            cell = cells[index]
            if not (is_text_or_number(cell) and (part.is_optional or text_of(cell).strip())):
                return tr(
                    "something in {column}, which is empty here and part of the name: repeat its "
                    "value in each row"
                ).format(column=part.column)
        return None


def added_columns(
    header: Header, columns: Mapping[str, Column], layout: Layout, location: str | object
) -> list[Added]:
    """Return the columns that are added to a table.

    Raises:
        PriceListError: a template names a column that is there twice.
    """
    added: list[Added] = []
    for field in FIELDS:
        index = len(header.cells) + len(added)
        stated = layout.columns.get(field, "")
        if field == _DIRECTIONS and _are_marks(header, columns, stated):
            added.append(_of_marks(header, index, stated, location))
        elif is_template(stated):
            template = Template.parse(stated)
            indexes = tuple(_index(header, one, location) for one in template.columns)
            column = Column(index, stated, None, False, "stated", indexes)  # noqa: FBT003
            added.append(Added(field, stated, column, template, indexes))
        elif field in layout.filled and field not in columns:
            heading = tr("filled from {filled}").format(filled=layout.filled[field])
            column = Column(index, heading, None, False, "filled")  # noqa: FBT003 - as above
            added.append(Added(field, field, column))
    return added


def _are_marks(header: Header, columns: Mapping[str, Column], stated: str) -> bool:
    is_one = bool(stated) and not is_template(stated)
    return not is_one and _DIRECTIONS in columns and columns[_DIRECTIONS].index in header.marks


def _of_marks(header: Header, index: int, stated: str, location: str | object) -> Added:
    words = tuple(header.marks.values())
    if not all(words):
        raise PriceListError(
            tr(
                "{location}: directions = {stated!r} names columns of marks, and each of "
                "them must be called by its direction, such as N or Norte"
            ).format(location=location, stated=stated)
        )
    indexes = tuple(header.marks)
    settled_by = "stated" if stated else "marks"
    column = Column(index, header.heading_of(min(indexes)), None, False, settled_by, indexes)  # noqa: FBT003
    return Added(_DIRECTIONS, column.heading, column, indexes=indexes, words=words)


def _index(header: Header, name: str, location: str | object) -> int:
    indexes = stated_columns(header.cells, name)
    if len(indexes) > 1:
        these = ", ".join(label(header.cells, index) for index in indexes)
        raise PriceListError(
            tr(
                "{location}: more than one column {name}, of which the name is made: "
                "{these}; write the one that is meant into the template"
            ).format(location=location, name=name, these=these)
        )
    return indexes[0]


def with_added(
    records: Callable[[], Iterator[Record | BrokenLine]], width: int, added: Sequence[Added]
) -> Iterator[Record | BrokenLine]:
    """Yield the records with the columns that are added. One of another width stays as it is."""
    for record in records():
        if isinstance(record, Record):
            cells = record.cells
            if len(cells) > width and not any(map(str.strip, cells[width:])):
                del cells[width:]
            if len(cells) == width:
                # The same cells may come again.
                yield Record(record.line, [*cells, *(one.cell(cells) for one in added)])
                continue
        yield record
