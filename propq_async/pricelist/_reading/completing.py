"""From the records of a table to its rows, completed by what a profile states.

What fills a gap is put into the record before it is parsed, so that a filled row is a row like any
other; what is told of it afterwards is which cells were filled, or why one could not be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, Literal

import attrs

from propq_async._messages import joined, tr
from propq_async.ledger import Unit
from propq_async.models import UnitStatus
from propq_async.pricelist._problems import Remark

from .added_columns import Added
from .cells import is_text_or_number, plain_price, text_of
from .evidence import Style
from .fill_sources import Source, Value, is_same
from .found_table import Found
from .names_and_ids import KeyStyle, explicit
from .not_units import NoUnit
from .row_parser import AT_ONCE, RowParser
from .rows import BrokenRow, Row, problem_in
from .shown_values import HIDDEN, Noticed, with_shown
from .text import BrokenLine, Record
from .unit_likeness import is_filled, is_number
from .word_lookup import StatedWords, fold, status_of

__all__ = ["Completion", "complete_rows", "is_no_price"]

_PRICE_COLUMN: Final = tr("the price column")
_LONGEST: Final = 80
_GOOD: Final = frozenset({Row})
_NO_FILL: Final = tr(
    'a price: this is a status; [list.fill] price = "ledger" in propq.toml '
    "keeps the price that was acknowledged last"
)
_NO_PRICE_HERE: Final = tr(
    'a price above zero in euro; [list.fill] price = "ledger" in propq.toml keeps the price that '
    "was acknowledged last where there is none (propq setup asks)"
)
# What stands where a price was, and is none.
_DASHES: Final = re.compile(r"[\s\u2010-\u2015-]+")
_NO_PRICE: Final = frozenset(
    (
        "consultar", "a consultar", "consulte", "consultar precio", "pendiente",
        "on request", "price on request", "upon request", "poa", "tba", "tbc",
        "n a", "n d", "s p", "auf anfrage", "sur demande", "op aanvraag",
    )
)  # fmt: skip


@attrs.frozen
class Completion:
    """What a profile states of rows.

    Args:
        fills: what fills a field, and what it is called.
        hidden_rows: whether hidden rows are skipped, or read without a question.
        not_units: globs for the first cell of rows that are no units.
    """

    fills: Mapping[str, tuple[Source, str]] = attrs.field(factory=dict)
    hidden_rows: Literal["skip", "read"] | None = None
    not_units: tuple[str, ...] = ()


def complete_rows(
    found: Found,
    style: Style,
    words: StatedWords,
    completion: Completion,
    tell: Callable[[Remark], object],
) -> Iterator[list[Row | BrokenRow]]:
    """Yield the rows of a table, several at once. What is no unit is told instead."""
    if completion.hidden_rows == "read":
        style = attrs.evolve(style, noticed=_without_hidden(style.noticed))
    rows = _Rows(found, style, words, completion, tell)
    for several in RowParser(rows.found, style, words, rows.at_once).several():
        if completion.fills or not {*map(type, several)} <= _GOOD:
            yield [row for row in map(rows.completed, several) if row is not None]
        else:
            rows.has_units = True
            yield several


def _is_unreadable(row: BrokenRow) -> bool:
    """Return whether it is a line that could not be told apart into cells."""
    return any(one.column is None and one.value is not None for one in row.problems)


@lru_cache(maxsize=4096)
def is_no_price(text: str) -> bool:
    """Return whether a text stands where a price was, and is none, such as `-` and `VENDIDO`."""
    is_word = not is_number(text) and status_of(explicit(text) or text, {}) is not None
    return is_word or bool(_DASHES.fullmatch(text)) or fold(text) in _NO_PRICE


def _expected_parts(one: Added) -> str:
    """Return what was expected of the parts of a name that are there, and are no text."""
    columns = joined(tr(" and "), one.template.columns) if one.template else ""
    return tr("text or numbers in {columns}, and no dates, which spreadsheets make of 1-2").format(
        columns=columns
    )


def _without_hidden(noticed: Mapping[int, list[Noticed]]) -> dict[int, list[Noticed]]:
    left = {line: [one for one in ones if one.remark != HIDDEN] for line, ones in noticed.items()}
    return {line: ones for line, ones in left.items() if ones}


class _Rows:
    """The records of a table with their gaps filled, and what that was.

    A row is finished before the next record is asked for, so that what is known of the last record
    is about the row.
    """

    def __init__(
        self,
        found: Found,
        style: Style,
        words: StatedWords,
        completion: Completion,
        tell: Callable[[Remark], object],
    ) -> None:
        self._of_table = found
        self._style = style
        self._words = words
        self._fills = completion.fills
        self._columns = found.columns
        self._header = found.table.header
        self._tell = tell
        self._no_unit = NoUnit(found, completion.not_units)
        self.has_units = False
        self._skipped: set[int] = set()
        if completion.hidden_rows == "skip":
            noticed = style.noticed.items()
            self._skipped |= {
                line for line, ones in noticed if any(one.remark == HIDDEN for one in ones)
            }
        self._unit: Unit | None = None
        self._filled: dict[str, tuple[Value, str]] = {}
        self._expected: dict[str, str] = {}
        self.found, self.at_once = found, AT_ONCE
        if self._fills or self._skipped:
            self.found, self.at_once = attrs.evolve(found, records=self._completed), 1

    def _completed(self) -> Iterator[Record | BrokenLine]:
        for record in with_shown(self._of_table.records(), self._style.noticed):
            self._unit, self._filled, self._expected = None, {}, {}
            if record.line in self._skipped:
                cells = record.cells if isinstance(record, Record) else ()
                self._note(record.line, tr("hidden, and skipped as stated"), map(text_of, cells))
            elif isinstance(record, Record) and len(record.cells) == len(self._header):
                yield self._completed_record(record)
            else:
                yield record

    def _completed_record(self, record: Record) -> Record:
        cells = list(record.cells)
        gaps = [field for field in self._fills if self._is_gap(field, cells)]
        if not gaps or self._kind(record.line, tuple(map(text_of, cells))):
            return record
        unit = self._unit = self._unit_in(cells)
        if "price" in gaps and self._status_as_price(cells) and "status" in gaps:
            gaps.remove("status")
        for field in gaps if unit[1] else ():
            if field in self._expected:
                continue
            source, label = self._fills[field]
            value = source.value(unit)
            if isinstance(value, str):
                self._expected[field] = value
            else:
                self._filled[field] = value, label
                cells[self._columns[field]] = self._text(value)
        return Record(record.line, cells)

    def _is_gap(self, field: str, cells: list[Any]) -> bool:
        cell = cells[self._columns[field]]
        if not is_filled(cell):
            return True
        if field != "price" or not isinstance(cell, str):
            return False
        return is_no_price(cell) or self._status(cell) is not None

    def _status(self, cell: Any) -> UnitStatus | None:
        """Return the status that a word stands for. A number may be a price."""
        text = text_of(cell)
        return None if is_number(cell) else status_of(explicit(text) or text, self._words.states)

    def _status_as_price(self, cells: list[Any]) -> bool:
        """Take a status from the column of prices. Return whether it is that of the row."""
        at_price, at_status = self._columns["price"], self._columns["status"]
        word = self._status(cells[at_price])
        if word is None:
            return False
        if not is_filled(cells[at_status]):
            cells[at_status] = cells[at_price]
            self._filled["status"] = word, _PRICE_COLUMN
        elif self._status(cells[at_status]) is not word:
            self._expected["price"] = tr(
                "a price, or the status that the row has: {text!r}"
            ).format(text=text_of(cells[at_status]))
        return True

    def _unit_in(self, cells: list[Any]) -> Unit:
        at_name, at_development = self._columns["name"], self._columns.get("development_id")
        development = self._words.development_id
        if development is None and at_development is not None:
            development = self._key(cells[at_development], self._style.ids)
        return development or "", self._key(cells[at_name], self._style.names)

    def _key(self, cell: Any, style: KeyStyle) -> str:
        return style.read(text_of(cell)).text if is_text_or_number(cell) else ""

    def _text(self, value: Value) -> str:
        if isinstance(value, tuple):
            return ", ".join(value)
        if isinstance(value, UnitStatus):
            return value.name
        return plain_price(value, self._style.prices.stated)

    def completed(self, row: Row | BrokenRow) -> Row | BrokenRow | None:
        """Return a row with what is to be said of it, `None` if it is no unit."""
        if isinstance(row, Row):
            self.has_units = True
            return self.finished(row)
        is_certain = self._of_table.is_part or _is_unreadable(row)
        if not is_certain and self.is_no_unit(row.line, row.cells):
            return None
        return self.explained(row)

    def finished(self, row: Row) -> Row | BrokenRow:
        """Return a row with what was filled in it."""
        if not self._filled:
            return row
        update = row.update
        unit = update.development_id, update.name
        for field, (value, label) in self._filled.items():
            # Words that mean something else in this list must not change what fills it.
            if unit != self._unit or not is_same(value, getattr(update, field)):
                column = self._header[self._columns[field]]
                expected = tr("{text!r} from {label} to be read as that, which it is not").format(
                    text=self._text(value), label=label
                )
                problem = problem_in(row.table, row.line, column, None, expected)
                return BrokenRow(row.table, row.line, row.cells, (problem,), unit)
        labels = {field: label for field, (_, label) in self._filled.items()}
        return attrs.evolve(row, filled=labels)

    def explained(self, row: BrokenRow) -> BrokenRow:
        """Return a broken row with the reasons that the table alone does not tell."""
        if len(row.cells) != len(self._header):
            return row
        expected = {
            self._header[self._columns[field]]: why for field, why in self._expected.items()
        }
        for one in self._of_table.added:
            missing = one.missing(row.cells)
            if missing is not None or one.template is not None:
                expected[one.heading] = missing or _expected_parts(one)
        price = row.cells[self._columns["price"]]
        if "price" not in self._fills and self._status(price) is not None:
            expected[self._header[self._columns["price"]]] = _NO_FILL
        elif "price" not in self._fills and (not is_filled(price) or is_no_price(price)):
            expected[self._header[self._columns["price"]]] = _NO_PRICE_HERE
        problems = [
            attrs.evolve(one, expected=expected[one.column]) if one.column in expected else one
            for one in row.problems
        ]
        return attrs.evolve(row, problems=tuple(problems))

    def is_no_unit(self, line: int, cells: tuple[str, ...]) -> bool:
        """Return whether a row is no unit, and tell it if so."""
        kind = self._kind(line, cells)
        if kind is not None:
            self._note(line, kind, cells)
        return kind is not None

    def _kind(self, line: int, cells: tuple[str, ...]) -> str | None:
        return self._no_unit.kind(line, cells, has_units_above=self.has_units)

    def _note(self, line: int, kind: str, cells: Iterable[str]) -> None:
        shown = " ".join(" ".join(cells).split())[:_LONGEST]
        table = self._of_table.table
        self._tell(Remark(table.path, table.sheet, line, joined(": ", (kind, shown))))
