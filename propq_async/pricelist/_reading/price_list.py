"""An open price list: its rows, with all that is wrong in them and where."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from propq_async._messages import joined, os_reason, tr
from propq_async.ledger import Entry, Unit
from propq_async.pricelist._garbage_collection import collector_paused
from propq_async.pricelist._problems import PriceListError, Remark, Table
from propq_async.pricelist._profile import Profile
from propq_async.pricelist._profile_values import ListProfile
from propq_async.pricelist._shards import Shard, is_in

from .completing import complete_rows
from .development_names import named_only, with_remark_on_names
from .evidence import Style, styles_of
from .found_table import Found
from .headers import Layout
from .numbers import Decimals
from .profile_statements import (
    completion_of,
    words_for,
)
from .repeated_units import Seen
from .row_parser import separated_by
from .rows import BrokenRow, Row
from .tables import DELIMITERS, find_tables
from .word_lookup import FIELDS, StatedWords

__all__ = ["PriceList", "digest_of"]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PriceList:
    """A price list that is open; made by `read`. Iterating yields a `Row` or a `BrokenRow` each.

    Text files are read as a stream. What is noticed across rows (a unit that comes twice) is told
    at the later row. It takes memory for each name, and for each row once a unit came twice.

    Attributes:
        path: the file.
        profile: the profile that says how it is read, `None` if there is none.
        stated: what that profile states of it.
        skipped_sheets: the sheets of a workbook that are not read, each with the reason.
        not_units: the rows that are no units, as of the last time that the list was iterated over.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        words: StatedWords,
        decimal: Decimals | None,
        profile: Profile | None = None,
        stated: ListProfile = ListProfile(),  # noqa: B008 - it is frozen
    ) -> None:
        self.path = path
        self.shard: Shard | None = None
        self.profile = profile
        self.stated = stated
        self.skipped_sheets: dict[str, str]
        self.not_units: list[Remark] = []
        self._words = words
        try:
            self._signature = self._sign()
            with collector_paused():
                all_found, self.skipped_sheets = find_tables(path, layout)
                named = [named_only(found, words) for found in all_found]
                self._found = [found for found, _ in named]
                self._styles = [
                    with_remark_on_names(found, style, remark)
                    for (found, remark), style in zip(
                        named, styles_of(self._found, words, decimal), strict=True
                    )
                ]
            self._delimiter = layout.delimiter
            self._columns = layout.columns
            self._completion = completion_of(stated, words, None)
            if stated.sheets and self._found[0].table.sheet is None:
                raise PriceListError(
                    tr("{profile} states the sheets {names}, and {path} is no workbook").format(
                        profile=profile and profile.path, names=", ".join(stated.sheets), path=path
                    )
                )
        except OSError as error:
            raise PriceListError(
                tr("cannot read {path}: {strerror}").format(path=path, strerror=os_reason(error))
            ) from error
        except UnicodeError as error:
            raise PriceListError(
                tr("cannot read {path}: {error}; state its --encoding").format(
                    path=path, error=error
                )
            ) from error

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
    def sources(self) -> list[tuple[Found, Style]]:
        """Return what was found of each table, and how its columns are written."""
        return list(zip(self._found, self._styles, strict=True))

    @property
    def delimiter(self) -> str:
        """Return what separates the columns, where it was not stated one that is recognised."""
        # Where commas stand before decimals, spreadsheets have semicolons between columns.
        usual = ";" if self.decimal == "," else ","
        found = self._delimiter or self._found[0].delimiter or usual
        return found if self._delimiter or found in DELIMITERS else ";"

    @property
    def decimal(self) -> str:
        """Return what stands before the decimals of its prices, a point where nothing tells."""
        return self.known_decimal or "."

    @property
    def known_decimal(self) -> str | None:
        """Return what stands before the decimals of its prices, `None` where nothing tells."""
        marks = self._decimals
        return min(marks) if len(marks) == 1 else None

    @property
    def _decimals(self) -> set[str]:
        styles = [style.prices for style in self._styles]
        return {mark for style in styles for mark in (style.stated, *style.shown) if mark}

    @property
    def read_as(self) -> str:
        """Return in words what was recognised or stated."""
        found = self._found[0]
        words = [found.encoding or (tr("workbook") if found.table.sheet is not None else "")]
        if found.delimiter is not None:
            words.append(tr("columns by {by}").format(by=separated_by(found.delimiter)))
        if found.table.sheet is not None:
            names = ", ".join(one.table.sheet or "" for one in self._found)
            words.append(tr("sheet {names}").format(names=names))
        if self._decimals:
            words.append(
                tr("decimals after {names}").format(
                    names=joined(tr(" and "), sorted(self._decimals))
                )
            )
        return joined(", ", words)

    @property
    def _read_columns(self) -> frozenset[str]:
        return frozenset(
            one.table.header[index] for one in self._found for index in one.columns.values()
        )

    def _sign(self) -> tuple[int, int, int]:
        stat = self.path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns

    def digest(self) -> str:
        """Return the SHA-256 of the file that was opened, in hexadecimal digits.

        Raises:
            PriceListError: it cannot be read, or has changed since.
        """
        try:
            found = digest_of(self.path)
            self._check_signature()
        except OSError as error:
            raise PriceListError(
                tr("cannot read {path}: {strerror}").format(
                    path=self.path, strerror=os_reason(error)
                )
            ) from error
        return found

    def _check_signature(self) -> None:
        if self._sign() != self._signature:
            raise PriceListError(
                tr("{path} has changed since it was opened: open it again").format(path=self.path)
            )

    @property
    def asks_ledger(self) -> bool:
        """Return whether gaps are filled from the ledger, as `with_entries` does."""
        return any(fill.source == "ledger" for fill in self.stated.fill.values())

    def with_entries(self, entries: Mapping[Unit, Entry]) -> PriceList:
        """Return the list with its gaps filled from the ledger."""
        # A copy of this very object, so what is private is its own.
        filled = copy.copy(self)
        filled._completion = completion_of(self.stated, self._words, entries)  # noqa: SLF001
        return filled

    def __iter__(self) -> Iterator[Row | BrokenRow]:
        if self.shard is None:
            return self.whole()
        return (row for row in self.whole() if is_in(self.shard, row.unit))

    def whole(self) -> Iterator[Row | BrokenRow]:
        """Yield all rows, also those that are in no part of this one."""
        not_units: list[Remark] = []
        seen = Seen(self._read_columns, self._alone)
        self.not_units = not_units
        for rows in self._several(not_units.append):
            new = seen.look_at_new(rows)
            if new is not None:
                yield from new
                continue
            for row in rows:
                if isinstance(row, Row):
                    yield seen.look_at(row)
                else:
                    yield self._look_at_broken(row, seen)

    def _alone(self) -> Iterator[Row | BrokenRow]:
        """Yield the rows as they are without those before them."""
        return chain.from_iterable(self._several(id))

    def _several(self, tell: Callable[[Remark], object]) -> Iterator[list[Row | BrokenRow]]:
        """Yield the same, several at once. What is no unit is told."""
        try:
            self._check_signature()
            for found, style in self.sources:
                words = words_for(found, self._words)
                yield from complete_rows(found, style, words, self._completion, tell)
        except OSError as error:
            raise PriceListError(
                tr("cannot read {path}: {strerror}").format(
                    path=self.path, strerror=os_reason(error)
                )
            ) from error

    def _look_at_broken(self, row: BrokenRow, seen: Seen) -> BrokenRow:
        found = next(found for found in self._found if found.table is row.table)
        return seen.look_at_broken(row, self._unit_in(row, found))

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
        return development_id or words_for(found, self._words).development_id or "", name
