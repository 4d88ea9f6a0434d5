"""A price list as a whole: each unit once, what cannot be sent, and what is no longer there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

import attrs

from propq_async.ledger import Entry, Unit
from propq_async.pricelist._reading.price_list import PriceList
from propq_async.pricelist._reading.rows import BrokenRow, Row, contradicted

from ._problems import Remark
from ._shards import Shard, is_in

__all__ = ["Listed", "developments_of"]

_unit_of = attrgetter("development_id", "name")


@attrs.define
class Listed:
    """A list as a whole."""

    rows: list[Row] = attrs.field(factory=list)
    broken: list[BrokenRow] = attrs.field(factory=list)
    repeated: list[Unit] = attrs.field(factory=list)
    is_part: bool = False
    digest: str = ""
    not_units: list[Remark] = attrs.field(factory=list)
    # By development and name. Keys of both would take as much memory as the texts of the rows.
    _first: dict[str, dict[str, Row]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, prices: PriceList) -> Listed:
        listed = cls()
        contradictory: set[Unit] = set()
        for row in prices.whole():
            if isinstance(row, Row):
                update = row.update
                rows = listed._first.setdefault(update.development_id, {})
                if rows.setdefault(update.name, row) is row:
                    listed.rows.append(row)
                else:
                    listed.repeated.append(row.unit)
                continue
            if row.rival is not None and row.unit is not None:
                # Which of the two is meant only a person can tell.
                first = listed._first_row(row.unit)
                if first is not None and row.unit not in contradictory:
                    later = Row(first.update, row.table, row.line, row.cells)
                    listed.broken.append(contradicted(first, later))
                contradictory.add(row.unit)
            listed.broken.append(row)
        if contradictory:
            listed.rows = [row for row in listed.rows if row.unit not in contradictory]
        listed.digest = prices.digest()
        listed.not_units = prices.not_units
        listed.is_part = prices.is_part
        return listed

    def part(self, shard: Shard | None) -> Listed:
        """Return a part of the list."""
        if shard is None:
            return self
        return Listed(
            [row for row in self.rows if is_in(shard, row.unit)],
            [row for row in self.broken if is_in(shard, row.unit)],
            [unit for unit in self.repeated if is_in(shard, unit)],
            self.is_part,
            self.digest,
            self.not_units if is_in(shard, None) else [],
        )

    def known(self, entries: Mapping[Unit, Entry]) -> list[Entry | None]:
        """Return what is known of the unit of each good row."""
        return [*map(entries.get, map(_unit_of, [row.update for row in self.rows]))]

    def seen(
        self, known: Sequence[Entry | None], entries: Mapping[Unit, Entry], source: str
    ) -> list[Unit]:
        """Return the units that were last seen in another list, or whose absence is confirmed."""
        # The units of a list of failures belong to the list that it comes from.
        if self.is_part:
            return []
        seen = [
            row.unit
            for row, entry in zip(self.rows, known, strict=True)
            if entry is not None and entry.source != source
        ]
        broken = (row.unit for row in self.broken if row.unit is not None)
        return seen + [one for one in broken if one in entries and entries[one].source != source]

    def others(
        self, known: Sequence[Entry | None], entries: Mapping[Unit, Entry]
    ) -> dict[Unit, Entry]:
        """Return what is known of units that have no good row."""
        if sum(map(bool, known)) == len(entries):
            # As each week, when nothing was added and nothing is gone.
            return {}
        broken = {row.unit for row in self.broken}
        return {
            unit: entry
            for unit, entry in entries.items()
            if self._first_row(unit) is None or unit in broken
        }

    def missing(self, others: Mapping[Unit, Entry], source: str) -> list[Unit]:
        """Return the units that this list had before, or another list of their development."""
        if self.is_part:
            return []
        broken = {row.unit for row in self.broken}
        missing = [
            unit
            for unit, entry in others.items()
            if unit not in broken
            # What never got through may not be there at all.
            and entry.acknowledged_at is not None
            # That another list has it is confirmed once. That this one had it counts each time.
            and (entry.source == source or not entry.is_missed)
        ]
        # A line that cannot be read at all may be any of them.
        unreadable = sum(row.unit is None for row in self.broken)
        return missing if len(missing) > unreadable else []

    def _first_row(self, unit: Unit) -> Row | None:
        development_id, name = unit
        return self._first.get(development_id, {}).get(name)


def developments_of(prices: PriceList) -> set[str]:
    """Return the developments of a list. It reads the list."""
    units = (
        row.update.development_id if isinstance(row, Row) else row.unit and row.unit[0]
        for row in prices.whole()
    )
    return {development_id for development_id in units if development_id}
