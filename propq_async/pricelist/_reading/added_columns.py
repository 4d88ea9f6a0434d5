"""Columns that are none of the list: those that a template makes, and those that are filled.

They stand behind the columns of the list, so that all that reads a row finds each field in a
column, and all that writes one can leave them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from propq_async.pricelist._problems import Column, PriceListError
from propq_async.pricelist._template import Template, is_template

from .cells import is_text_or_number, text_of
from .headers import Header, Layout, label, stated_columns
from .text import BrokenLine, Record
from .words import FIELDS

__all__ = ["Added", "added_columns", "with_added"]


@attrs.frozen
class Added:
    """A column that is added.

    Args:
        field: the field that it holds.
        heading: what it is called.
        column: where it is.
        template: what makes its cells, `None` if they are empty until they are filled.
        indexes: the columns of the template.
    """

    field: str
    heading: str
    column: Column
    template: Template | None = None
    indexes: tuple[int, ...] = ()

    def cell(self, cells: Sequence[Any]) -> str:
        """Return its cell in a row, which is empty if a part is missing."""
        if self.template is None or self.missing(cells) is not None:
            return ""
        texts = [text_of(cells[index]).strip() for index in self.indexes]
        return "".join(
            part.text + text for part, text in zip(self.template.parts, [*texts, ""], strict=True)
        )

    def missing(self, cells: Sequence[Any]) -> str | None:
        """Return what was expected of the first part that is missing in a row."""
        for part, index in zip(
            self.template.parts if self.template else (), self.indexes, strict=False
        ):
            cell = cells[index]
            if not (is_text_or_number(cell) and (part.is_optional or text_of(cell).strip())):
                return (
                    f"something in {part.column}, which is empty here and part of the name (where "
                    f"it may be empty, the template says {{{part.column}?}})"
                )
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
        if is_template(stated):
            template = Template.parse(stated)
            indexes = tuple(_index(header, one, location) for one in template.columns)
            column = Column(index, stated, None, False, "stated", indexes)  # noqa: FBT003
            added.append(Added(field, stated, column, template, indexes))
        elif field in layout.filled and field not in columns:
            heading = f"filled from {layout.filled[field]}"
            column = Column(index, heading, None, False, "filled")  # noqa: FBT003 - as above
            added.append(Added(field, field, column))
    return added


def _index(header: Header, name: str, location: str | object) -> int:
    indexes = stated_columns(header.cells, name)
    if len(indexes) > 1:
        these = ", ".join(label(header.cells, index) for index in indexes)
        raise PriceListError(
            f"{location}: more than one column {name}, of which the name is made: {these}; write "
            "the one that is meant into the template"
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
