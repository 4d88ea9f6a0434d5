"""What a sheet shows, where the values of its cells say something else.

Whoever checks a list sees what it shows. So a name is what is shown, and a price is the amount and
the currency that are shown; and a row that nobody sees, or that is struck through, is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from propq_async._messages import tr
from propq_async.pricelist._kinds import WarningKind

from .cells import text_of
from .formats import EURO, GENERAL, is_of_euro, shown
from .numbers import TOO_LARGE, exact_price
from .sheet_facts import CellStyle, Facts
from .text import BrokenLine, Record

__all__ = ["HIDDEN", "Noticed", "noticed_in", "with_shown"]

_KEYS: Final = ("development_id", "name")
_OF_SEVERAL: Final = ("development_id", "status", "directions")
_THOUSANDS: Final = re.compile(r"[.,]000(?P<after>.*)", re.DOTALL)
_OFF: Final = Decimal("0.000001")
_NUMBERS: Final = (int, float)
_NUMBER_TYPES: Final = frozenset(_NUMBERS)
_WHOLE: Final = "0"
HIDDEN: Final = tr("the row is hidden in the list, and it is read all the same")


@attrs.frozen
class Noticed:
    """What is noticed in a cell, or in a row.

    Args:
        index: the cell, from 0.
        cell: what it holds instead of its value, `None` if it keeps that.
        remark: what a person may want to look at.
        kind: of which kind of warning that is, if it is one.
        expected: what was expected, if the cell cannot be read.
    """

    index: int = -1
    cell: Any = None
    remark: str = ""
    kind: WarningKind | None = None
    expected: str = ""


_Look = Callable[[int, CellStyle, float], Noticed | None]


def with_shown(
    records: Iterable[Record | BrokenLine], noticed: Mapping[int, list[Noticed]]
) -> Iterator[Record | BrokenLine]:
    """Return the records with what their cells show."""
    return _with_shown(records, noticed) if noticed else iter(records)


def _with_shown(
    records: Iterable[Record | BrokenLine], noticed: Mapping[int, list[Noticed]]
) -> Iterator[Record | BrokenLine]:
    for record in records:
        for one in noticed.get(record.line, ()):
            if one.cell is not None and isinstance(record, Record):
                record.cells[one.index] = one.cell
        yield record


def noticed_in(
    facts: Facts, columns: Mapping[str, int], records: Sequence[Record]
) -> dict[int, list[Noticed]]:
    """Return what is noticed in a sheet, by line.

    Args:
        facts: what the sheet says of its cells.
        columns: the columns that are read, by field.
        records: the rows of the sheet.
    """
    found: dict[int, list[Noticed]] = {}
    # Their lines are those of the sheet, one after the other.
    first = records[0].line if records else 0
    for look, columns_of, styles in _to_be_looked_at(facts, columns, records):
        for line, places in facts.styled(columns_of, styles).items():
            for index, style in places if 0 <= line - first < len(records) else ():
                value = records[line - first].cells[index]
                # Others are no price, and no name that a format is made for.
                is_number = type(value) in _NUMBERS and 0 <= value < TOO_LARGE
                one = look(index, style, value) if is_number else None
                if one is not None:
                    found.setdefault(line, []).append(one)
    for line, one in _merged(facts, columns, records, first):
        found.setdefault(line, []).append(one)
    struck = [number for number, style in enumerate(facts.styles) if style.is_struck]
    fields = {index: field for field, index in columns.items()}
    for line, places in facts.styled(fields, struck).items():
        names = ", ".join(fields[index] for index, _ in places)
        text = tr("struck through in the list, and read all the same: {names}").format(names=names)
        found.setdefault(line, []).append(Noticed(remark=text, kind=WarningKind.HIDDEN))
    for line in facts.hidden_rows:
        found.setdefault(line, []).append(Noticed(remark=HIDDEN, kind=WarningKind.HIDDEN))
    return found


def _merged(
    facts: Facts, columns: Mapping[str, int], records: Sequence[Record], first: int
) -> Iterator[tuple[int, Noticed]]:
    """Yield what merged cells say of the rows below their first, by line.

    A name or a price of several units is none of each.
    """
    for index in (columns[field] for field in _OF_SEVERAL if field in columns):
        for rows in facts.merged(index):
            if not 0 <= rows.start - first < len(records):
                continue
            cell = records[rows.start - first].cells[index]
            for line in rows[1 : first + len(records) - rows.start]:
                yield line, Noticed(index, cell)


def _to_be_looked_at(
    facts: Facts, columns: Mapping[str, int], records: Sequence[Record]
) -> Iterator[tuple[_Look, list[int], list[int]]]:
    """Yield how to look at which columns, and which styles matter there."""
    formats = [(number, one.code) for number, one in enumerate(facts.styles) if one.code != GENERAL]
    # Most names are texts, and a format changes none of these.
    keys = [
        index
        for index in (columns[field] for field in _KEYS if field in columns)
        if not _NUMBER_TYPES.isdisjoint({type(record.cells[index]) for record in records})
    ]
    yield _key, keys, [number for number, code in formats if code != _WHOLE]
    at_price = columns["price"]
    matter = [number for number, code in formats if not is_of_euro(code)]
    yield _price, [at_price], matter
    # Nearly all are whole, and then no digit of theirs can be hidden.
    prices = (record.cells[at_price] for record in records)
    if any(type(price) is float and not price.is_integer() for price in prices):
        yield _price, [at_price], [number for number, _ in formats if number not in matter]


def _key(index: int, style: CellStyle, value: float) -> Noticed | None:
    """Return what is noticed in a name: what is shown is the name."""
    seen = shown(style.code, value)
    if seen is None or "," in seen.text:
        expected = tr(
            "a name that is shown alike everywhere, which {code!r} does not: as text"
        ).format(code=style.code)
        return Noticed(index, expected=expected)
    if seen.text == text_of(value):
        return None
    return Noticed(
        index,
        seen.text,
        tr("{value} is shown as {text!r}").format(value=text_of(value), text=seen.text),
    )


def _price(index: int, style: CellStyle, value: float) -> Noticed | None:
    """Return what is noticed in a price: what is shown is the amount, and the currency."""
    seen = shown(style.code, value)
    if seen is None:
        return Noticed(
            index,
            expected=tr("a price, and the format {code!r} makes it another").format(
                code=style.code
            ),
        )
    amount = seen.amount
    if not EURO.fullmatch(seen.before + seen.after):
        thousands = _THOUSANDS.fullmatch(seen.after)
        if seen.before or thousands is None or not EURO.fullmatch(thousands["after"]):
            return Noticed(index, seen.text)
        amount *= 1000
    if abs(amount - Decimal(str(value))) <= _OFF or not isinstance(
        exact_price(amount), int | Decimal
    ):
        return None
    return Noticed(
        index,
        amount,
        tr("{value} is shown as {text!r}, and read as that").format(
            value=text_of(value), text=seen.text
        ),
    )
