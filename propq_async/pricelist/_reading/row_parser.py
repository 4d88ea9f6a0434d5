"""The records of a table into rows: each cell into a value, and all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final, cast

from propq_async._messages import joined, tr
from propq_async.errors import InvalidUpdateError
from propq_async.ledger import Unit
from propq_async.models import UnitUpdate
from propq_async.pricelist._problems import Problem

from .cell_reader import EXPECTED_STATUS, CellReader, expected_of_field
from .cells import (
    directions_text,
    key_text,
    plain_price,
    price_text,
    text_of,
)
from .evidence import Style
from .found_table import Found
from .heading_words import is_without_tax
from .known_rows import KnownRows
from .notes import Notes
from .numbers import Doubt
from .rows import BrokenRow, Row, problem_in
from .shown_values import with_shown
from .split_prices import split_price, whole_from
from .text import BrokenLine, Record
from .unit_likeness import is_filled
from .word_lookup import FIELDS, StatedWords

__all__ = ["AT_ONCE", "RowParser", "separated_by"]

_DELIMITERS: Final = {"\t": tr("tabs"), ";": tr("semicolons"), ",": tr("commas")}

# So many records are taken at once. With more of them, a new word is read cell by cell more often.
AT_ONCE: Final = 100

# What units are called: words, without a number.
_IS_KIND: Final = re.compile(r"\s*[^\W\d_]+(?:[ /-][^\W\d_]+)*\s*")


def separated_by(delimiter: str) -> str:
    """Return the name of what separates columns."""
    return _DELIMITERS.get(delimiter, repr(delimiter))


class RowParser:
    """Turns the rows of one table into updates.

    Args:
        found: the table.
        style: how its columns are written.
        words: what is stated of words.
        at_once: how many records are taken at once.
    """

    def __init__(
        self, found: Found, style: Style, words: StatedWords, at_once: int = AT_ONCE
    ) -> None:
        self._at_once = at_once
        self._found = found
        self._table = found.table
        self._style = style.prices
        self._cell = CellReader(found, style, words)
        self._noticed = style.noticed
        self._words = words
        self._width = len(found.table.header)
        self._other_heading: int | None = None
        self._is_text = found.delimiter is not None
        self._indexes = [found.columns.get(field, -1) for field in FIELDS]
        self._whole_from = whole_from(found.delimiter, found.table.header, found.columns["price"])
        self._known = KnownRows(found, style, self._cell.price, self._whole_from, self._row)

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        return chain.from_iterable(self.several())

    def several(self) -> Iterator[list[Row | BrokenRow]]:
        """Yield the rows, several at once."""
        records = with_shown(self._found.records(), self._noticed)
        while batch := [*islice(records, self._at_once)]:
            # To look up a single row takes longer than to read it.
            known = [None] if self._at_once == 1 else self._known.rows(batch)
            if self._other_heading is None and all(known):
                yield cast("list[Row | BrokenRow]", known)
            else:
                yield [*self._rows_of(batch, known)]

    def _rows_of(
        self, batch: Iterable[Record | BrokenLine], known: Iterable[Row | None]
    ) -> Iterator[Row | BrokenRow]:
        """Yield the rows of records, of which some are known."""
        for record, known_row in zip(batch, known, strict=True):
            is_known = known_row is not None and self._other_heading is None
            row = known_row if is_known else self._row_of(record)
            if row is not None:
                yield row

    def _row_of(self, record: Record | BrokenLine) -> Row | BrokenRow | None:
        """Return the row of a record, `None` if it has nothing in it, or is a heading."""
        if isinstance(record, BrokenLine):
            problem = problem_in(self._table, record.line, None, record.text, record.expected)
            return BrokenRow(self._table, record.line, (record.text,), (problem,))
        cells = record.cells
        row: Row | BrokenRow
        if not any(cells) or not any(map(is_filled, cells)):
            return None
        if len(cells) > self._width and not any(map(str.strip, cells[self._width :])):
            del cells[self._width :]
        if len(cells) == self._width:
            row = self._row(record.line, cells)
        else:
            row = self._broken(record.line, cells, [self._wrong_width(record.line, cells)])
        if isinstance(row, BrokenRow) or self._other_heading is not None:
            return self._below_heading(row, cells)
        return row

    def _below_heading(self, row: Row | BrokenRow, cells: list[Any]) -> Row | BrokenRow | None:
        """Return the row if it stands below the heading of the table, `None` if it repeats that.

        Lists of several blocks repeat their heading, which is nothing wrong. But below one that
        names other columns, no cell is certain to be what it is taken for.
        """
        heading = self._found.heading(cells)
        if heading:
            is_same = self._is_same(heading, cells)
            self._other_heading = None if is_same else row.line
            if is_same and len(cells) == self._width:
                return None
        if self._other_heading is None:
            return row
        expected = tr(
            "the columns of line {line}, and line {other_heading} names others; put "
            "what stands below it into a list of its own"
        ).format(line=self._table.line, other_heading=self._other_heading)
        problem = problem_in(self._table, row.line, None, None, expected)
        # As a line that is no row, so that it is none in a list of failures, either.
        line = " ".join((self._found.delimiter or "; ").join(row.cells).splitlines())
        return BrokenRow(self._table, row.line, (line,), (problem,))

    def _is_same(self, heading: Mapping[str, list[int]], cells: list[Any]) -> bool:
        """Return whether a heading names the columns of the table, with the same taxes in them.

        It may call the units otherwise: `Ático`, `Local`.
        """
        header, at_name, at_price = self._table.header, self._indexes[1], self._indexes[3]
        own = self._found.heading(header)
        price = text_of(cells[at_price]) if at_price < len(cells) else ""
        if is_without_tax(price) != is_without_tax(header[at_price]):
            return False
        if heading == own:
            return True
        name = text_of(cells[at_name]) if at_name < len(cells) else ""
        return {**heading, "name": own.get("name")} == own and _IS_KIND.fullmatch(name) is not None

    def _wrong_width(self, line: int, cells: list[str]) -> Problem:
        by = separated_by(self._found.delimiter or "")
        width = self._width - len(self._found.added)
        expected = tr("{width} columns separated by {by}, not {count}").format(
            width=width, by=by, count=len(cells)
        )
        return problem_in(self._table, line, None, None, expected)

    def _broken(
        self, line: int, cells: list[Any], problems: list[Problem], unit: Unit | None = None
    ) -> BrokenRow:
        return BrokenRow(self._table, line, self._texts(cells), tuple(problems), unit)

    def _texts(self, cells: list[Any], price: float | Decimal | None = None) -> tuple[str, ...]:
        """Return the cells as texts. The price need not be read again if it is known."""
        if self._is_text:
            return tuple(cells)
        at_development, at_name, _, at_price, at_directions = self._indexes
        texts = cells.copy()
        texts[at_name] = key_text(cells[at_name], None)
        if at_development >= 0:
            texts[at_development] = key_text(cells[at_development], self._words.development_id)
        if price is None:
            texts[at_price] = price_text(cells[at_price], self._style.stated)
        elif not isinstance(cells[at_price], str):
            texts[at_price] = plain_price(price, self._style.stated)
        texts[at_directions] = directions_text(cells[at_directions])
        return tuple([cell if type(cell) is str else text_of(cell) for cell in texts])

    def _good(self, update: UnitUpdate, line: int, cells: list[Any], notes: Notes) -> Row:
        texts = self._texts(cells, update.price)
        row = Row(update, self._table, line, texts, tuple(notes.remarks))
        if not row.remarks:
            self._known.learn(cells, row)
        return row

    def _row(self, line: int, cells: list[Any]) -> Row | BrokenRow:
        at_development, at_name, at_status, at_price, at_directions = self._indexes
        notes = Notes(self._table, line, cells, self._noticed)
        name = self._cell.name(cells[at_name], at_name, notes)
        development_id = self._cell.development(cells, at_development, notes)
        status = self._cell.status(cells[at_status])
        if status is None:
            notes.expect(at_status, EXPECTED_STATUS)
        price = self._cell.price(cells[at_price])
        if price is None or isinstance(price, Doubt):
            notes.expect(at_price, self._cell.expected_of_price(text_of(cells[at_price]), price))
        elif price < self._whole_from:
            self._look_beside(cells, at_price, notes)
        directions = self._cell.directions(cells[at_directions])
        if isinstance(directions, str):
            notes.expect(at_directions, directions)
        elif len(directions) == 0:
            notes.expect(at_directions, tr("at least one direction, such as N or S, E"))
        if not notes.problems:
            try:
                update = UnitUpdate(development_id, name, status, price, directions)  # type: ignore[arg-type]
            except InvalidUpdateError as error:
                for field, wrong in error.errors.items():
                    index = self._found.columns.get(field, at_name)
                    problems = joined(tr(" and "), wrong)
                    notes.expect(index, joined("", (expected_of_field(field), " (", problems, ")")))
            else:
                return self._good(update, line, cells, notes)
        unit = (development_id, name) if development_id and name else None
        return self._broken(line, cells, notes.problems, unit)

    def _look_beside(self, cells: list[str], index: int, notes: Notes) -> None:
        split = split_price(cells, index, self._table.header, self._indexes)
        if split is not None:
            by = separated_by(self._found.delimiter or "")
            whole = (self._found.delimiter or "").join(split)
            notes.expect(
                index,
                tr(
                    "a price in one cell: {by} separate columns here, and {whole} may be one "
                    "number; write it without grouping or in quotes, or with its decimals if "
                    "it is whole"
                ).format(by=by, whole=whole),
            )
