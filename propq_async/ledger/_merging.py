"""What two ledgers know together. Pure: rows in, rows out.

Neither may claim more than is certain, and so must the outcome. Of one unit the newer
acknowledgement wins, and what is in doubt in either stays in doubt: nobody knows whether that
update was applied before or after what the other one has acknowledged.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from ._entries import Unit

__all__ = ["StoredUnit", "merged"]

StoredUnit: TypeAlias = dict[str, Any]
"""A row of the table `unit`, by the names of its columns."""

_VALUES: Final = ("status", "price", "directions")


def merged(
    mine: Mapping[Unit, StoredUnit], theirs: Mapping[Unit, StoredUnit], now: float
) -> dict[Unit, StoredUnit]:
    """Return the units of `mine` that change, as they are once `theirs` are added."""
    both = {**mine, **{unit: _newer(mine.get(unit), row) for unit, row in theirs.items()}}
    my_names, their_names = _alike(mine), _alike(theirs)
    for group, names in their_names.items():
        known = my_names.get(group, names)
        # To the server these may be one unit, and neither ledger has seen all that was sent to it.
        for unit in names | known if names != known else ():
            if both[unit]["in_doubt_since"] is None:
                both[unit] = {**both[unit], "in_doubt_since": now}
    return {unit: row for unit, row in both.items() if row != mine.get(unit)}


def _alike(rows: Mapping[Unit, StoredUnit]) -> dict[Unit, set[Unit]]:
    groups: dict[Unit, set[Unit]] = defaultdict(set)
    for unit, row in rows.items():
        groups[unit[0], row["alike"]].add(unit)
    return groups


def _newer(mine: StoredUnit | None, theirs: StoredUnit) -> StoredUnit:
    if mine is None:
        return theirs
    is_newer = _moment(theirs) > _moment(mine)
    newest, other = (theirs, mine) if is_newer else (mine, theirs)
    doubt = _earliest(row["in_doubt_since"] for row in (mine, theirs))
    if doubt is None and _moment(mine) == _moment(theirs):
        # Of two values that were acknowledged at the same moment, either may be the last.
        differ = any(mine[column] != theirs[column] for column in _VALUES)
        doubt = mine["acknowledged_at"] if differ else None
    return {**newest, "in_doubt_since": doubt, "source": newest["source"] or other["source"]}


def _moment(row: StoredUnit) -> float:
    at = row["acknowledged_at"]
    return -math.inf if at is None else float(at)


def _earliest(moments: Iterable[float | None]) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)
