"""Reading a price list: row by row, with all that is wrong in it and where."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from propq_async.ledger import Unit, alike
from propq_async.models import UnitStatus

from .headers import Layout
from .numbers import Decimals, PriceStyle
from .problems import PriceListError, Table
from .rows import BrokenRow, Row, Rows, Words, beside, contradicted, remark, separated_by
from .tables import DELIMITERS, Found, find_tables
from .text import BrokenLine
from .words import FIELDS, fold

__all__ = ["PriceList", "read"]


def read(
    path: str | os.PathLike[str],
    *,
    development_id: str | None = None,
    columns: Mapping[str, str] | None = None,
    status_words: Mapping[str, UnitStatus] | None = None,
    direction_words: Mapping[str, str] | None = None,
    decimal: Decimals | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> PriceList:
    """Open a price list: CSV, TSV, a workbook (XLSX) or JSON lines.

    What is not stated is recognised.

    Args:
        path: the file.
        development_id: the development of all rows that do not name one themselves.
        columns: the names of the list's own columns, by the field of `UnitUpdate`. A sheet that
            has another one for such a field is read by the usual words.
        status_words: what further words for a status mean.
        direction_words: what further words for a direction mean.
        decimal: the separator before the decimals of a price, "." or ",".
        delimiter: what separates the columns of a text.
        encoding: the encoding of a text.
        sheet: the one sheet of a workbook to read; without it, all that have a header and are not
            hidden. One whose header has only some of the columns is an error.

    Returns:
        The list, which can be iterated over again and again.

    Raises:
        PriceListError: it cannot be read, or it is not certain how; the message says what to do.
    """
    for field in columns or {}:
        if field not in FIELDS:
            raise PriceListError(f"no field {field!r}: a column is one of {', '.join(FIELDS)}")
    if decimal not in (None, ".", ","):
        raise PriceListError(f'decimal must be "." or ",", not {decimal!r}')
    if delimiter is not None and len(delimiter) != 1:
        raise PriceListError(f"the delimiter must be one character, not {delimiter!r}")
    layout = Layout(columns or {}, development_id is None, delimiter, encoding, sheet)
    words = Words(
        development_id,
        {fold(word): UnitStatus(status) for word, status in (status_words or {}).items()},
        {fold(word): direction for word, direction in (direction_words or {}).items()},
    )
    return PriceList(Path(path), layout, words, decimal)


class PriceList:
    """A price list that is open; made by `read`. Iterating yields a `Row` or a `BrokenRow` each.

    Text files are read as a stream. What is noticed across rows (a unit that comes twice) is told
    at the later row, and takes memory for each name.

    Attributes:
        path: the file.
        skipped_sheets: the sheets of a workbook that are not read, each with the reason.
    """

    def __init__(self, path: Path, layout: Layout, words: Words, decimal: Decimals | None) -> None:
        self.path = path
        self._words = words
        try:
            self._signature = self._sign()
            self._found, self.skipped_sheets = find_tables(path, layout)
            self._styles = [PriceStyle.of(_price_texts(one), decimal) for one in self._found]
            self._delimiter = layout.delimiter
            self._columns = layout.columns
        except OSError as error:
            raise PriceListError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeError as error:
            raise PriceListError(f"cannot read {path}: {error}; state its --encoding") from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def tables(self) -> list[Table]:
        """Return the tables: one for a text, one for each sheet that is read."""
        return [one.table for one in self._found]

    @property
    def development_id(self) -> str | None:
        """Return the development that was stated for rows that name none."""
        return self._words.development_id

    @property
    def columns(self) -> Mapping[str, str]:
        """Return the names of columns that were stated, by field."""
        return self._columns

    @property
    def is_part(self) -> bool:
        """Return whether it is what failed of another list, so that other units are elsewhere."""
        return any(one.is_part for one in self._found)

    @property
    def sources(self) -> list[tuple[Found, PriceStyle]]:
        """Return what was found of each table, and how its prices are written."""
        return list(zip(self._found, self._styles, strict=True))

    @property
    def delimiter(self) -> str:
        """Return what separates the columns, where it was not stated one that is recognised."""
        found = self._delimiter or self._found[0].delimiter or ","
        return found if self._delimiter or found in DELIMITERS else ";"

    @property
    def read_as(self) -> str:
        """Return in words what was recognised or stated."""
        found = self._found[0]
        words = [found.encoding or ("workbook" if found.table.sheet is not None else "")]
        if found.delimiter is not None:
            words.append(f"columns by {separated_by(found.delimiter)}")
        if found.table.sheet is not None:
            words.append("sheet " + ", ".join(one.table.sheet or "" for one in self._found))
        decimals = {mark for style in self._styles for mark in (style.stated, *style.shown) if mark}
        if decimals:
            words.append(f"decimals after {' and '.join(sorted(decimals))}")
        return ", ".join(words)

    def _sign(self) -> tuple[int, int, int]:
        stat = self.path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        try:
            if self._sign() != self._signature:
                raise PriceListError(f"{self.path} has changed since it was opened: open it again")
            seen = _Seen()
            for found, style in self.sources:
                for row in Rows(found, style, self._words):
                    if isinstance(row, Row):
                        yield seen.look_at(row)
                    else:
                        yield seen.look_at_broken(row, self._unit_in(row, found))
        except OSError as error:
            raise PriceListError(f"cannot read {self.path}: {error.strerror}") from error

    def _unit_in(self, row: BrokenRow, found: Found) -> Unit | None:
        """Return the unit that a broken row seems to be about."""
        if row.unit is not None or len(row.cells) == len(found.table.header):
            return row.unit
        # With a cell too few or too many, those before it are where they belong.
        at_development, at_name = (found.columns.get(field, -1) for field in FIELDS[:2])
        development_id, name = (
            row.cells[at].strip() if 0 <= at < len(row.cells) else ""
            for at in (at_development, at_name)
        )
        return development_id or self._words.development_id or "", name


def _price_texts(found: Found) -> Iterator[str]:
    place = found.columns["price"]
    # The rows of a list of failures come from elsewhere, and say nothing about each other.
    for row in found.rows() if found.has_price_texts and not found.is_part else ():
        if not isinstance(row, BrokenLine) and place < len(row.cells):
            cell: Any = row.cells[place]
            if isinstance(cell, str):
                yield cell


class _Seen:
    """The units that came before."""

    def __init__(self) -> None:
        self._rows: dict[Unit, Row] = {}
        self._broken: dict[Unit, BrokenRow] = {}
        self._alike: dict[Unit, Row] = {}

    def look_at_broken(self, row: BrokenRow, unit: Unit | None) -> BrokenRow:
        """Return a broken row with the row that says of its unit what can be read."""
        if unit is None:
            return row
        self._broken.setdefault(unit, row)
        before = self._rows.get(unit)
        return row if before is None else attrs.evolve(row, unit=unit, rival=before)

    def look_at(self, row: Row) -> Row | BrokenRow:
        """Return the row with what is to be said of it beside those before."""
        update = row.update
        unit = update.development_id, update.name
        broken = self._broken.get(unit)
        if broken is not None:
            return contradicted(row, broken)
        before = self._rows.setdefault(unit, row)
        if before is not row:
            if before.update != update:
                return contradicted(row, before)
            return remark(row, f"{update.name} is in {beside(before, row)} already")
        twin = self._alike.setdefault((update.development_id, alike(update.name)), row)
        if twin is not row:
            return remark(
                row,
                f"{update.name!r} differs from {twin.update.name!r} in {beside(twin, row)} only "
                "by case or spaces",
                is_suspicious=True,
            )
        return row
