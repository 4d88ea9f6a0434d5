"""A price list as a whole: each unit once, what cannot be sent, and what is no longer there."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from propq_async.ledger import Entry, Unit
from propq_async.pricelist._reading.reader import PriceList
from propq_async.pricelist._reading.rows import BrokenRow, Row, contradicted

from ._collector import collector_paused
from ._problems import Remark
from ._shards import Shard, is_in

__all__ = ["Listed", "developments_of"]


@attrs.define
class Listed:
    """A list as a whole."""

    rows: dict[Unit, Row] = attrs.field(factory=dict)
    broken: list[BrokenRow] = attrs.field(factory=list)
    repeated: list[Unit] = attrs.field(factory=list)
    is_part: bool = False
    digest: str = ""
    not_units: list[Remark] = attrs.field(factory=list)

    @classmethod
    @collector_paused()
    def of(cls, prices: PriceList) -> Listed:
        listed = cls()
        contradictory: set[Unit] = set()
        for row in prices.whole():
            if isinstance(row, Row):
                unit = row.update.development_id, row.update.name
                if unit in listed.rows or unit in contradictory:
                    listed.repeated.append(unit)
                else:
                    listed.rows[unit] = row
                continue
            if row.rival is not None and row.unit is not None:
                # Which of the two is meant only a person can tell.
                contradictory.add(row.unit)
                first = listed.rows.pop(row.unit, None)
                if first is not None:
                    later = Row(first.update, row.table, row.line, row.cells)
                    listed.broken.append(contradicted(first, later))
            listed.broken.append(row)
        listed.digest = prices.digest()
        listed.not_units = prices.not_units
        listed.is_part = prices.is_part
        return listed

    def part(self, shard: Shard | None) -> Listed:
        """Return a part of the list."""
        if shard is None:
            return self
        return Listed(
            {unit: row for unit, row in self.rows.items() if is_in(shard, unit)},
            [row for row in self.broken if is_in(shard, row.unit)],
            [unit for unit in self.repeated if is_in(shard, unit)],
            self.is_part,
            self.digest,
            self.not_units if is_in(shard, None) else [],
        )

    def seen(self, entries: Mapping[Unit, Entry], source: str) -> list[Unit]:
        """Return the units that were last seen in another list, or whose absence is confirmed."""
        # The units of a list of failures belong to the list that it comes from.
        if self.is_part:
            return []
        units = (*self.rows, *(row.unit for row in self.broken if row.unit is not None))
        return [unit for unit in units if unit in entries and entries[unit].source != source]

    def missing(self, entries: Mapping[Unit, Entry], source: str) -> list[Unit]:
        """Return the units that this list had before, or another list of their development."""
        if self.is_part:
            return []
        broken = {row.unit for row in self.broken}
        missing = [
            unit
            for unit, entry in entries.items()
            if unit not in self.rows
            and unit not in broken
            # What never got through may not be there at all.
            and entry.acknowledged_at is not None
            # That another list has it is confirmed once. That this one had it counts each time.
            and (entry.source == source or not entry.is_missed)
        ]
        # A line that cannot be read at all may be any of them.
        unreadable = sum(row.unit is None for row in self.broken)
        return missing if len(missing) > unreadable else []


def developments_of(prices: PriceList) -> set[str]:
    """Return the developments of a list. It reads the list."""
    units = (
        row.update.development_id if isinstance(row, Row) else row.unit and row.unit[0]
        for row in prices.whole()
    )
    return {development_id for development_id in units if development_id}
