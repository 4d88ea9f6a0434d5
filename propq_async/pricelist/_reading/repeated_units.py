"""What rows say beside those before them: units that come twice, or under names that are alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

import attrs

from propq_async._comparison import alike, all_alike
from propq_async._messages import tr
from propq_async.ledger import Unit
from propq_async.pricelist._kinds import WarningKind

from .evidence import same_units
from .rows import BrokenRow, Row, beside, contradicted, differing_column, with_remark
from .word_lookup import FIELDS

__all__ = ["Seen"]


class Seen:
    """The units that came before.

    Of each name it knows a hash alone. If a row is needed, all are read once more.

    Args:
        read_columns: the names of the columns that are read.
        again: reads the rows once more.
    """

    def __init__(
        self, read_columns: Collection[str], again: Callable[[], Iterable[Row | BrokenRow]]
    ) -> None:
        self._read_columns = read_columns
        self._again = again
        self._rows: list[Row] = []
        # The number of the first row of all names that are alike, once the rows are there.
        self._firsts: dict[Unit, int] = {}
        # The numbers of rows that count for nothing, since a broken one came before.
        self._contradicted: set[int] = set()
        self._count = 0
        # The first row of each development.
        self._developments: dict[str, Row] = {}
        # Of development and name, of which neither case nor spaces count.
        self._hashes: set[int] = set()
        # The numbers of the first rows of those that are alike to another one and not the same.
        self._twins: dict[Unit, int] = {}
        self._broken: dict[Unit, BrokenRow] = {}

    def look_at_new(self, rows: Sequence[Row | BrokenRow]) -> Sequence[Row] | None:
        """Return several rows with what is to be said of them, in a third of the time of `look_at`.

        It is `None`, and they were not looked at, unless all are good, and of new units.
        """
        if self._broken or self._rows:
            return None
        good = [row for row in rows if isinstance(row, Row)]
        updates = [row.update for row in good]
        ids = [update.development_id for update in updates]
        names = all_alike([update.name for update in updates])
        hashes = {*map(hash, zip(ids, names, strict=True))}
        if len(hashes) < len(rows) or not self._hashes.isdisjoint(hashes):
            return None
        self._hashes |= hashes
        self._count += len(rows)
        if self._developments.keys() >= {*ids}:
            return good
        return [
            row if own in self._developments else self._first_of_its(row)
            for own, row in zip(ids, good, strict=True)
        ]

    def look_at(self, row: Row) -> Row | BrokenRow:
        """Return the row with what is to be said of it beside those before."""
        number = self._count
        self._count += 1
        update = row.update
        development_id, name = update.development_id, update.name
        if self._broken and (broken := self._broken.get((development_id, name))) is not None:
            self._contradicted.add(number)
            return contradicted(row, broken)
        key = development_id, alike(name)
        hashed = hash(key)
        first = self._first(key, number) if hashed in self._hashes else None
        if first is None:
            self._hashes.add(hashed)
            if self._rows:
                self._firsts[key] = number
            return row if development_id in self._developments else self._first_of_its(row)
        twin = self._row(first)
        if twin.update.name == name:
            return self._repeated(row, twin)
        first = self._twins.setdefault((development_id, name), number)
        if first != number:
            return self._repeated(row, self._row(first))
        return with_remark(
            row,
            tr("{name!r} differs from {other!r} in {beside} only by case or spaces").format(
                name=name, other=twin.update.name, beside=beside(twin, row)
            ),
            WarningKind.ALIKE,
        )

    def look_at_broken(self, row: BrokenRow, unit: Unit | None) -> BrokenRow:
        """Return a broken row with the row that says of its unit what can be read."""
        if unit is None:
            return row
        self._broken.setdefault(unit, row)
        development_id, name = unit
        key = development_id, alike(name)
        first = self._first(key, self._count) if hash(key) in self._hashes else None
        if first is not None and self._row(first).update.name != name:
            first = self._twins.get(unit)
        return row if first is None else attrs.evolve(row, unit=unit, rival=self._row(first))

    def _first(self, key: Unit, before: int) -> int | None:
        """Return the number of the first row whose name is alike.

        It is `None` if there is none, since names that differ may have one hash.
        """
        if not self._rows:
            self._rows = [row for row in self._again() if isinstance(row, Row)]
            for number, row in enumerate(self._rows[:before]):
                if number not in self._contradicted:
                    its = row.update.development_id, alike(row.update.name)
                    self._firsts.setdefault(its, number)
        return self._firsts.get(key)

    def _row(self, number: int) -> Row:
        return self._rows[number]

    def _repeated(self, row: Row, before: Row) -> Row | BrokenRow:
        update = row.update
        if before.update != update:
            return contradicted(row, before)
        column = differing_column(row, before, self._read_columns)
        if column is not None:
            return contradicted(row, before, column)
        if before.table is not row.table and not _say_developments(before, row):
            # The other one may be a unit of another development.
            raise same_units(before.table, row.table, [update.name])
        return with_remark(
            row,
            tr("{name} is in {beside} already").format(
                name=update.name, beside=beside(before, row)
            ),
        )

    def _first_of_its(self, row: Row) -> Row:
        """Return the first row of a development, with a remark if its id has another form.

        Of several, a `Residencial Mirador` beside a `4711` is most likely a name.
        """
        own = row.update.development_id
        first = next(iter(self._developments.values()), row)
        self._developments[own] = row
        other = first.update.development_id
        if _form(own) == _form(other):
            return row
        where = beside(first, row)
        text = tr(
            "development {own!r} is not an id like {other!r} in {where}: one may be a name"
        ).format(own=own, other=other, where=where)
        return with_remark(row, text)


def _say_developments(*rows: Row) -> bool:
    return all(FIELDS[0] in row.table.columns for row in rows)


def _form(development_id: str) -> tuple[bool, bool]:
    """Return what tells an id from a name: whether it is a number, and whether it is words."""
    return development_id.isdecimal(), " " in development_id
