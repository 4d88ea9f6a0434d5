"""What one cell of a row says, and what was expected of one that says nothing of use."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Final

from propq_async._messages import tr
from propq_async.models import UnitStatus
from propq_async.pricelist._problems import shown_value

from .cells import is_text_or_number, price_of, text_of
from .evidence import Style
from .found_table import Found
from .known_rows import plain_text
from .names_and_ids import KeyStyle, explicit
from .no_price import expected_instead
from .notes import Notes
from .numbers import Doubt
from .word_lookup import StatedWords, directions_in, status_of

__all__ = ["EXPECTED_STATUS", "CellReader", "expected_of_field"]

# What is left of bytes that are not in the encoding.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

EXPECTED_STATUS: Final = tr(
    "AVAILABLE (Disponible), HOLD (Bloqueado, No disponible), SOLD (Vendido), "
    "RESERVED (Reservado) or their numbers 1, 2, 4, 8; what another word means "
    "is for you to state: --status-word WORD=STATUS"
)
_EXPECTED_CERTAINTY: Final = tr(
    "a price that can be read in one way only (three digits after the last "
    "separator may be thousands or decimals); state the separator of decimals: "
    "--decimal , or --decimal ."
)
_EXPECTED_CENTS: Final = tr(
    "a price with at most two decimals (more of them are most likely a group "
    "of digits that was misread): write it without grouping, such as 250000"
)
_EXPECTED_PRICE: Final = tr(
    "a price above zero in euro, such as 199500.50, 199.500,50 € or 199 500"
)
_EXPECTED_OF_PRICE: Final = {
    None: _EXPECTED_PRICE,
    Doubt.IN_DOUBT: _EXPECTED_CERTAINTY,
    Doubt.TOO_FINE: _EXPECTED_CENTS,
}


class CellReader:
    """Reads the cells of one table.

    Args:
        found: the table.
        style: how its columns are written.
        words: what is stated of words.
    """

    def __init__(self, found: Found, style: Style, words: StatedWords) -> None:
        self._header = found.table.header
        self._encoding = found.encoding
        self._prices = style.prices
        self._direction_words = style.directions
        self._names, self._ids = style.names, style.ids
        self._words = words
        # The same few words come again and again.
        self._states: dict[str, UnitStatus | None] = {}
        self._directions: dict[str, tuple[str, ...] | str] = {}

    def name(self, cell: Any, index: int, notes: Notes) -> str:
        """Return a name as it was meant."""
        return self._key(cell, index, self._names, notes)

    def development(self, cells: list[Any], index: int, notes: Notes) -> str:
        """Return the id of a development: that of the row, or the one that is stated."""
        stated = self._words.development_id
        if index < 0:
            return stated or ""
        cell = cells[index]
        if stated is None:
            return self._key(cell, index, self._ids, notes)
        own = self._key(cell, index, self._ids, notes) if text_of(cell).strip() else stated
        if own != stated:
            notes.expect(index, tr("{stated}, as stated, or nothing").format(stated=stated))
        return stated

    def _key(self, cell: Any, index: int, style: KeyStyle, notes: Notes) -> str:
        """Return a name or an id as it was meant."""
        plain = plain_text(cell)
        if plain is not None and style.is_plain(plain):
            return plain
        if type(cell) is not str:
            if isinstance(cell, date | time | timedelta):
                notes.expect(index, tr("text: this cell is a date, as spreadsheets make of 1-2"))
                return ""
            if not is_text_or_number(cell):
                notes.expect(index, tr("text"))
                return ""
            cell = text_of(cell)
        key = style.read(cell)
        if _LONE_SURROGATE.search(cell):
            notes.expect(
                index,
                tr("text in {encoding}, or its --encoding stated").format(encoding=self._encoding),
            )
            return key.text
        if key.expected or not key.text:
            notes.expect(index, key.expected or tr("a text"))
        elif key.remark or len(key.text) != len(cell):
            remark = key.remark or tr("{cell!r} has space around it, and goes without").format(
                cell=cell
            )
            notes.note(
                tr("column {header}: {remark}").format(header=self._header[index], remark=remark)
            )
        return key.text

    def price(self, cell: Any) -> int | Decimal | Doubt | None:
        """Return a price, or why it is none."""
        price = price_of(cell, self._prices)
        if price is None and isinstance(cell, str):
            return price_of(explicit(cell), self._prices)
        return price

    def expected_of_price(self, text: str, price: Doubt | None) -> str:
        """Return what was expected of a cell that is no price."""
        other = self._prices.contrary(text) if price is Doubt.IN_DOUBT else None
        if other is not None:
            return tr(
                "a price that can be read in one way only: the column also has {other}, which "
                "contradicts it, so that no separator of decimals fits both; write such prices "
                "without grouping, such as 345000"
            ).format(other=shown_value(other))
        return expected_instead(text) or _EXPECTED_OF_PRICE[price]

    def status(self, cell: Any) -> UnitStatus | None:
        """Return a status, `None` for what is none."""
        if isinstance(cell, bool):
            return None
        text = text_of(cell)
        if text not in self._states:
            self._states[text] = status_of(explicit(text) or text, self._words.states)
        return self._states[text]

    def directions(self, cell: Any) -> tuple[str, ...] | str:
        """Return directions, or what was expected of them."""
        # A list of JSON is one already: what separates words in a text must not separate here.
        if isinstance(cell, list):
            found: list[str] = []
            for item in cell:
                text = item if type(item) is str else text_of(item)
                directions = self._directions.get(text) or self.directions(text)
                if isinstance(directions, str):
                    return directions
                found += directions
            return tuple(dict.fromkeys(found))
        text = cell if type(cell) is str else text_of(cell)
        known = self._directions.get(text)
        if known is None:
            words = explicit(text) or text
            known = directions_in(words, self._direction_words) if words.strip() else ()
            self._directions[text] = known
        return known


def expected_of_field(field: str) -> str:
    """Return what was expected of a value that the API does not take."""
    return _EXPECTED_PRICE if field == "price" else tr("a value that the API takes")
