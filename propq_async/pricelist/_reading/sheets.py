"""The sheets of a workbook: which of them are price lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .columns import columns_of
from .found_table import HEADER_WITHIN_LINES, Found, below, found_in, lines_of, without
from .headers import Header, Layout, Line
from .heading_rows import header_of
from .opendocument import OpenDocument
from .text import BrokenLine, Record
from .unit_likeness import looks_like_unit
from .workbook import Workbook, open_workbook

__all__ = ["sheets"]

# So many rows that look like units are no summary.
_UNITS: Final = 5
_ALL_ROWS: Final = 2**20


def sheets(path: Path, layout: Layout) -> tuple[list[Found], dict[str, str]]:
    """Return the sheets that are price lists, and those that are not with the reason.

    Raises:
        PriceListError: there is none, or it is not certain which column is which.
        OSError: the file cannot be read.
    """
    workbook = open_workbook(path)
    names = workbook.visible_sheets
    why_hidden = tr("it is hidden or a chart")
    if layout.sheets is not None:
        for name in layout.sheets:
            if name not in workbook.sheets:
                listed = ", ".join(repr(one) for one in workbook.sheets)
                raise PriceListError(
                    tr("{path} has no sheet {name!r}; it has {listed}").format(
                        path=path, name=name, listed=listed
                    )
                )
        names = list(layout.sheets)
        why_hidden = tr("it is none of those that are stated")
    if not names:
        raise PriceListError(tr("{path} has no sheet that is not hidden").format(path=path))
    try:
        looked_at = [_Sheet.of(name, workbook, layout) for name in names]
        found = [_found_in(workbook, path, one) for one in _to_be_read(path, looked_at, layout)]
    except PriceListError as error:
        if len(names) == 1:
            raise
        error.message += tr(
            "; if that sheet is no price list, hide it, or name the one to be read: --sheet NAME"
        )
        error.args = (error.message,)
        raise
    skipped: dict[str, str] = dict.fromkeys(workbook.sheets, why_hidden)
    skipped |= dict.fromkeys(names, tr("it has no columns of a price list"))
    for one in found:
        del skipped[one.table.sheet or ""]
    return found, skipped


@attrs.frozen
class _Sheet:
    """A sheet with its header, and with what is stated of that.

    Sheets need not call their columns alike: one without a column that is stated may have its own
    by the usual words. `as_stated` is the header without them.
    """

    name: str
    workbook: Workbook | OpenDocument
    header: Header
    layout: Layout
    as_stated: Header

    @classmethod
    def of(cls, name: str, workbook: Workbook | OpenDocument, layout: Layout) -> _Sheet:
        head: list[Line] = list(lines_of(workbook.records(name, HEADER_WITHIN_LINES)))
        hidden = workbook.hidden_columns.get(name, frozenset())
        header = header_of(head, layout, hidden)
        if not header.missing(layout):
            return cls(name, workbook, header, layout, header)
        columns = {
            field: column for field, column in layout.columns.items() if field in header.columns
        }
        by_usual_words = attrs.evolve(layout, columns=columns)
        other = header_of(head, by_usual_words, hidden)
        if len(other.columns) > len(header.columns):
            return cls(name, workbook, other, by_usual_words, header)
        return cls(name, workbook, header, layout, header)

    @property
    def is_complete(self) -> bool:
        return not self.header.missing(self.layout)

    @property
    def has_units(self) -> bool:
        """Return whether it seems to have units, whatever stands above them."""
        if self.header.is_of_list(self.layout):
            return True
        rows = self.workbook.records(self.name, _ALL_ROWS)
        return sum(looks_like_unit(one.cells) for one in rows) >= _UNITS


def _to_be_read(path: Path, looked_at: Sequence[_Sheet], layout: Layout) -> list[_Sheet]:
    """Return the sheets that are price lists.

    Raises:
        PriceListError: none is, or one seems to be, or none has a column that is stated.
    """
    complete = [one for one in looked_at if one.is_complete]
    # Units would be left out without a word.
    others = [one for one in looked_at if not one.is_complete]
    is_stated = layout.sheets is not None
    doubtful = [one for one in others if is_stated or not complete or one.has_units]
    if doubtful:
        best = max(doubtful, key=lambda one: one.header.rank)
        columns_of(best.header, path, best.name, best.layout)
    for field in layout.columns:
        if all(field not in one.layout.columns for one in complete):
            # It is no name that another sheet has, but one that is misspelt.
            columns_of(complete[0].as_stated, path, complete[0].name, layout)
    return complete


def _found_in(workbook: Workbook | OpenDocument, path: Path, sheet: _Sheet) -> Found:
    header, notes = sheet.header.without_notes(sheet.layout)
    sheet_records = _SheetRecords(workbook, sheet.name, header, notes)
    facts = None if notes else partial(workbook.facts, sheet.name)
    found = found_in(header, path, sheet.name, sheet.layout, sheet_records, facts=facts)
    return attrs.evolve(found, is_part=bool(notes))


@attrs.frozen
class _SheetRecords:
    workbook: Workbook | OpenDocument
    sheet: str
    header: Header
    notes: Sequence[int]

    def __call__(self) -> Iterator[Record | BrokenLine]:
        return without(self.notes, below(self.header, self.workbook.records(self.sheet)))
