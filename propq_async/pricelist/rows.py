"""The rows of a table: each cell into a value, and all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Final

import attrs

from propq_async.errors import InvalidUpdateError
from propq_async.ledger import Unit
from propq_async.models import UnitStatus, UnitUpdate

from .cells import (
    directions_text,
    is_text_or_number,
    key_text,
    plain_price,
    price_of,
    price_text,
    text_of,
)
from .numbers import Doubt, PriceStyle
from .problems import Problem, Remark, Table, where
from .strays import torn_price, whole_from
from .tables import Found
from .text import BrokenLine
from .words import FIELDS, directions_in, status_of

__all__ = ["BrokenRow", "Row", "Rows", "Words", "beside", "contradicted", "remark", "separated_by"]

_DELIMITERS: Final = {"\t": "tabs", ";": "semicolons", ",": "commas"}

# What is left of bytes that are not in the encoding.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_EXPECTED_STATUS: Final = (
    "AVAILABLE (Disponible), HOLD (Bloqueado, No disponible), SOLD (Vendido), RESERVED (Reservado) "
    "or their numbers 1, 2, 4, 8; what another word means is for you to state: "
    "--status-word WORD=STATUS"
)
_EXPECTED_CERTAINTY: Final = (
    "a price that can be read in one way only (three digits after the last separator may be "
    "thousands or decimals); state the separator of decimals: --decimal , or --decimal ."
)
_EXPECTED_CENTS: Final = (
    "a price with at most two decimals (more of them are most likely a group of digits that was "
    "misread): write it without grouping, such as 250000"
)
_EXPECTED_PRICE: Final = "a price above zero in euro, such as 199500.50, 199.500,50 € or 199 500"
_EXPECTED_OF_PRICE: Final = {
    None: _EXPECTED_PRICE,
    Doubt.IN_DOUBT: _EXPECTED_CERTAINTY,
    Doubt.TOO_FINE: _EXPECTED_CENTS,
}


@attrs.frozen(eq=False)
class Row:
    """A row that can be sent.

    Args:
        update: what it says.
        table: the table that it stands in.
        line: the line, from 1.
        cells: the original cells, as text.
        remarks: what is worth a look in it.
    """

    update: UnitUpdate
    table: Table
    line: int
    cells: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()

    @property
    def place(self) -> str:
        """Return file, sheet and line."""
        return where(self.table, self.line)


@attrs.frozen(eq=False)
class BrokenRow:
    """A row that cannot be sent.

    Args:
        table: the table that it stands in.
        line: the line, from 1.
        cells: the original cells, as text; a line that is no row is one cell.
        problems: all that is wrong with it.
        unit: development id and name, `None` if they cannot be told.
        rival: an earlier row of the same unit that says something else, as far as both can be read:
            neither can be sent.
    """

    table: Table
    line: int
    cells: tuple[str, ...]
    problems: tuple[Problem, ...]
    unit: Unit | None = None
    rival: Row | BrokenRow | None = None

    def __str__(self) -> str:
        return f"{where(self.table, self.line)}, {self.what}"

    @property
    def what(self) -> str:
        """Return the problems without their place."""
        return "; ".join(problem.what for problem in self.problems)


@attrs.frozen
class Words:
    """What the user has stated of the words in a list."""

    development_id: str | None
    states: Mapping[str, UnitStatus]
    directions: Mapping[str, str]


def contradicted(row: Row, other: Row | BrokenRow) -> BrokenRow:
    """Return a row as a broken one, since another row says something else of the same unit."""
    update = row.update
    expected = f"one row for each unit: {update.name} has other values in {beside(other, row)}"
    problem = _problem(row.table, row.line, None, None, expected)
    unit = update.development_id, update.name
    return BrokenRow(row.table, row.line, row.cells, (problem,), unit, other)


def beside(other: Row | BrokenRow, row: Row) -> str:
    """Return where the other row is, as one says it beside this one."""
    return f"line {other.line}" if other.table is row.table else where(other.table, other.line)


def remark(row: Row, text: str, *, is_suspicious: bool = False) -> Row:
    """Return the row with one more remark."""
    new = Remark(row.table.path, row.table.sheet, row.line, text, is_suspicious)
    return attrs.evolve(row, remarks=(*row.remarks, new))


def _problem(
    table: Table, line: int, column: str | None, value: str | None, expected: str
) -> Problem:
    return Problem(table.path, table.sheet, line, column, value, expected)


def separated_by(delimiter: str) -> str:
    """Return the name of what separates columns."""
    return _DELIMITERS.get(delimiter, repr(delimiter))


class _Notes:
    """What is noticed in one row."""

    __slots__ = ("_cells", "_line", "_table", "problems", "remarks")

    def __init__(self, table: Table, line: int, cells: list[Any]) -> None:
        self._table = table
        self._line = line
        self._cells = cells
        self.problems: list[Problem] = []
        self.remarks: list[Remark] = []

    def expect(self, place: int, expected: str) -> None:
        """Note that something else was expected in a cell."""
        column, value = self._table.header[place], text_of(self._cells[place])
        self.problems.append(_problem(self._table, self._line, column, value, expected))

    def note(self, text: str) -> None:
        """Note something that is no problem."""
        self.remarks.append(Remark(self._table.path, self._table.sheet, self._line, text))


class Rows:
    """Turns the rows of one table into updates."""

    def __init__(self, found: Found, style: PriceStyle, words: Words) -> None:
        self._found = found
        self._table = found.table
        self._style = style
        self._words = words
        self._width = len(found.table.header)
        self._other_heading: int | None = None
        self._is_text = found.delimiter is not None
        self._places = [found.columns.get(field, -1) for field in FIELDS]
        self._whole_from = whole_from(found.delimiter, found.table.header, found.columns["price"])
        # The same few words come again and again.
        self._states: dict[str, UnitStatus | None] = {}
        self._directions: dict[str, tuple[str, ...] | str] = {}

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        for record in self._found.rows():
            if isinstance(record, BrokenLine):
                problem = _problem(self._table, record.line, None, record.text, record.expected)
                yield BrokenRow(self._table, record.line, (record.text,), (problem,))
                continue
            cells = record.cells
            if not any(cells) or not any(map(_is_filled, cells)):
                continue
            if len(cells) > self._width and not any(map(str.strip, cells[self._width :])):
                del cells[self._width :]
            row: Row | BrokenRow | None
            if len(cells) == self._width:
                row = self._row(record.line, cells)
            else:
                row = self._broken(record.line, cells, [self._wrong_width(record.line, cells)])
            if isinstance(row, BrokenRow) or self._other_heading is not None:
                row = self._below_heading(row, cells)
            if row is not None:
                yield row

    def _below_heading(self, row: Row | BrokenRow, cells: list[Any]) -> Row | BrokenRow | None:
        """Return the row if it stands below the heading of the table, `None` if it repeats that.

        Lists of several blocks repeat their heading, which is nothing wrong. But below one that
        names other columns, no cell is certain to be what it is taken for.
        """
        heading = self._found.heading(cells)
        if heading:
            is_same = heading == self._found.heading(self._table.header)
            self._other_heading = None if is_same else row.line
            if is_same and len(cells) == self._width:
                return None
        if self._other_heading is None:
            return row
        expected = (
            f"the columns of line {self._table.line}, and line {self._other_heading} names others; "
            "put what stands below it into a list of its own"
        )
        problem = _problem(self._table, row.line, None, None, expected)
        # As a line that is no row, so that it is none in a list of failures, either.
        line = " ".join((self._found.delimiter or "; ").join(row.cells).splitlines())
        return BrokenRow(self._table, row.line, (line,), (problem,))

    def _wrong_width(self, line: int, cells: list[str]) -> Problem:
        by = separated_by(self._found.delimiter or "")
        expected = f"{self._width} columns separated by {by}, not {len(cells)}"
        return _problem(self._table, line, None, None, expected)

    def _broken(
        self, line: int, cells: list[Any], problems: list[Problem], unit: Unit | None = None
    ) -> BrokenRow:
        return BrokenRow(self._table, line, self._texts(cells), tuple(problems), unit)

    def _texts(self, cells: list[Any], price: float | Decimal | None = None) -> tuple[str, ...]:
        """Return the cells as texts. The price need not be read again if it is known."""
        if self._is_text:
            return tuple(cells)
        at_development, at_name, _, at_price, at_directions = self._places
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

    def _row(self, line: int, cells: list[Any]) -> Row | BrokenRow:
        at_development, at_name, at_status, at_price, at_directions = self._places
        notes = _Notes(self._table, line, cells)
        name = self._key(cells[at_name], at_name, notes)
        development_id = self._development(cells, at_development, notes)
        status = self._status(cells[at_status])
        if status is None:
            notes.expect(at_status, _EXPECTED_STATUS)
        price = price_of(cells[at_price], self._style)
        if price is None or isinstance(price, Doubt):
            notes.expect(at_price, _EXPECTED_OF_PRICE[price])
        elif price < self._whole_from:
            self._look_beside(cells, at_price, notes)
        directions = self._directions_of(cells[at_directions])
        if isinstance(directions, str):
            notes.expect(at_directions, directions)
        elif len(directions) == 0:
            notes.expect(at_directions, "at least one direction, such as N or S, E")
        if not notes.problems:
            try:
                update = UnitUpdate(development_id, name, status, price, directions)  # type: ignore[arg-type]
            except InvalidUpdateError as error:
                for field, wrong in error.errors.items():
                    place = self._found.columns.get(field, at_name)
                    notes.expect(place, f"{_expected(field)} ({' and '.join(wrong)})")
            else:
                texts = self._texts(cells, update.price)
                return Row(update, self._table, line, texts, tuple(notes.remarks))
        unit = (development_id, name) if development_id and name else None
        return self._broken(line, cells, notes.problems, unit)

    def _development(self, cells: list[Any], place: int, notes: _Notes) -> str:
        stated = self._words.development_id
        if place < 0:
            return stated or ""
        cell = cells[place]
        if stated is None:
            return self._key(cell, place, notes)
        own = self._key(cell, place, notes) if text_of(cell).strip() else stated
        if own != stated:
            notes.expect(place, f"{stated}, as stated, or nothing")
        return stated

    def _key(self, cell: Any, place: int, notes: _Notes) -> str:
        """Return a name or an id without the space around it."""
        if type(cell) is not str:
            if isinstance(cell, date | time | timedelta):
                notes.expect(place, "text: this cell is a date, as spreadsheets make of 1-2")
                return ""
            if not is_text_or_number(cell):
                notes.expect(place, "text")
                return ""
            cell = text_of(cell)
        stripped: str = cell.strip()
        if not stripped.isascii() and _LONE_SURROGATE.search(stripped):
            notes.expect(place, f"text in {self._found.encoding}, or its --encoding stated")
        elif not stripped:
            notes.expect(place, "text: this cell is empty")
        elif len(stripped) != len(cell):
            column = self._table.header[place]
            notes.note(f"column {column}: {cell!r} has space around it, and goes without")
        return stripped

    def _status(self, cell: Any) -> UnitStatus | None:
        if isinstance(cell, bool):
            return None
        text = text_of(cell)
        if text not in self._states:
            self._states[text] = status_of(text, self._words.states)
        return self._states[text]

    def _look_beside(self, cells: list[str], place: int, notes: _Notes) -> None:
        torn = torn_price(cells, place, self._table.header, self._places)
        if torn is not None:
            by = separated_by(self._found.delimiter or "")
            whole = (self._found.delimiter or "").join(torn)
            notes.expect(
                place,
                f"a price in one cell: {by} separate columns here, and {whole} may be one number; "
                "write it without grouping or in quotes, or with its decimals if it is whole",
            )

    def _directions_of(self, cell: Any) -> tuple[str, ...] | str:
        # A list of JSON is one already: what separates words in a text must not separate here.
        if isinstance(cell, list):
            found: list[str] = []
            for item in cell:
                text = item if type(item) is str else text_of(item)
                directions = self._directions.get(text) or self._directions_of(text)
                if isinstance(directions, str):
                    return directions
                found += directions
            return tuple(dict.fromkeys(found))
        text = cell if type(cell) is str else text_of(cell)
        known = self._directions.get(text)
        if known is None:
            known = directions_in(text, self._words.directions) if text.strip() else ()
            self._directions[text] = known
        return known


def _is_filled(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None


def _expected(field: str) -> str:
    return _EXPECTED_PRICE if field == "price" else "a value that the API takes"
