"""What fills a gap: a value that is stated, a file of units, or the ledger. Never a guess."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import attrs

from propq_async._comparison import exact
from propq_async._messages import os_reason, tr
from propq_async.ledger import Entry, Unit
from propq_async.models import UnitStatus
from propq_async.pricelist._problems import PriceListError
from propq_async.pricelist._profile_values import Fill

from .cells import price_of, text_of
from .columns import ColumnsError
from .evidence import Style, styles_of
from .found_table import Found
from .headers import Layout
from .names_and_ids import explicit
from .shown_values import with_shown
from .tables import find_tables
from .text import Record
from .unit_likeness import is_filled
from .word_lookup import FIELDS, StatedWords, directions_in, status_of

__all__ = ["Source", "Value", "is_same", "source_of"]

Value: TypeAlias = UnitStatus | int | Decimal | tuple[str, ...]
_DEVELOPMENT, _NAME, *_FILLED = FIELDS
_CALLED: Final = {"status": tr("a status"), "price": tr("a price"), "directions": tr("directions")}


class Source(Protocol):
    """What fills a field."""

    def value(self, unit: Unit) -> Value | str:
        """Return the value for a unit, or why there is none: what was expected."""
        ...


@attrs.frozen
class _Constant:
    constant: Value

    def value(self, unit: Unit) -> Value | str:  # noqa: ARG002 - it is the same for all
        return self.constant


@attrs.frozen
class _FromLedger:
    field: str
    entries: Mapping[Unit, Entry] | None

    def value(self, unit: Unit) -> Value | str:
        called = _CALLED[self.field]
        if self.entries is None:
            return tr("{called}, which the ledger fills in when a plan is made").format(
                called=called
            )
        entry = self.entries.get(unit)
        if entry is None or entry.acknowledged_at is None:
            return tr(
                "{called}; the ledger has no old one, since {unit} was never pushed from here"
            ).format(called=called, unit=unit[1])
        value: Value | None = getattr(entry, self.field)
        assert value is not None  # noqa: S101 - what is acknowledged is so as a whole
        return value


@attrs.frozen
class _FromFile:
    field: str
    path: Path
    values: Mapping[tuple[str | None, str], Value | str]

    def value(self, unit: Unit) -> Value | str:
        for key in (unit, (None, unit[1])):
            if key in self.values:
                return self.values[key]
        return tr("{called}, and {name} has no {unit} to fill it in").format(
            called=_CALLED[self.field], name=self.path.name, unit=unit[1]
        )


def source_of(
    field: str, fill: Fill, words: StatedWords, entries: Mapping[Unit, Entry] | None
) -> Source:
    """Return what fills a field.

    Args:
        field: the field.
        fill: what is stated of it.
        words: what is stated of words, which a file has as well.
        entries: what the ledger knows, `None` before anybody has asked it.

    Raises:
        PriceListError: the file cannot be read.
    """
    if isinstance(fill.source, Path):
        return _FromFile(field, fill.source, _values(field, fill.source, words))
    if fill.source == "ledger":
        return _FromLedger(field, entries)
    assert fill.value is not None  # noqa: S101 - for the type checker
    return _Constant(fill.value)


def _values(
    field: str, path: Path, words: StatedWords
) -> dict[tuple[str | None, str], Value | str]:
    """Return the values of a file by development, if it has them, and name."""
    others = {one: "nothing" for one in _FILLED if one != field}
    layout = Layout({}, needs_development=False, delimiter=None, encoding=None, filled=others)
    try:
        tables, _ = find_tables(path, layout)
        found: dict[tuple[str | None, str], Value | str] = {}
        words = attrs.evolve(words, development_id=None)
        for table, style in zip(tables, styles_of(tables, words, None), strict=True):
            for key, value in _units(field, table, style, words):
                if found.setdefault(key, value) != value:
                    found[key] = tr("one value, and {name} has several for {key}").format(
                        name=path.name, key=key[1]
                    )
    except OSError as error:
        raise PriceListError(
            tr("cannot read {path}, which fills {field}: {strerror}").format(
                path=path, field=field, strerror=os_reason(error)
            )
        ) from error
    except ColumnsError as error:
        raise PriceListError(
            tr(
                "{path}, which fills {field}, has no certain column for {names}: it needs the "
                "headings name and {field}"
            ).format(path=path, field=field, names=", ".join(error.asked))
        ) from error
    except PriceListError as error:
        raise PriceListError(
            tr("{error} (it fills {field})").format(error=error, field=field)
        ) from error
    return found


def _units(
    field: str, table: Found, style: Style, words: StatedWords
) -> Iterator[tuple[tuple[str | None, str], Value | str]]:
    at_name, at_development = table.columns[_NAME], table.columns.get(_DEVELOPMENT)
    width = len(table.table.header)
    for record in with_shown(table.records(), style.noticed):
        if not isinstance(record, Record) or len(record.cells) != width:
            continue
        cells = record.cells
        name = style.names.read(text_of(cells[at_name])).text
        if not name:
            continue
        development = None
        if at_development is not None:
            development = style.ids.read(text_of(cells[at_development])).text or None
        cell = cells[table.columns[field]]
        where = tr("{name}, line {line}").format(name=table.table.path.name, line=record.line)
        yield (
            (development, name),
            _value_in(field, cell, style, words)
            or tr("{called}, and {where} has {text!r} to fill it in").format(
                called=_CALLED[field], where=where, text=text_of(cell)
            ),
        )


def _value_in(field: str, cell: Any, style: Style, words: StatedWords) -> Value | None:
    """Return the value that a cell holds, `None` if that is none, or not certain."""
    if not is_filled(cell):
        return None
    if field == "price":
        price = price_of(cell, style.prices)
        return price if isinstance(price, int | Decimal) else None
    text = text_of(cell)
    if field == "status":
        return status_of(explicit(text) or text, words.states)
    directions = directions_in(explicit(text) or text, style.directions)
    return None if isinstance(directions, str) else directions or None


def is_same(one: Value, other: Value) -> bool:
    """Return whether two values are one to the server."""
    if isinstance(one, tuple) or isinstance(other, tuple):
        return one == other
    return exact(one) == exact(other)
