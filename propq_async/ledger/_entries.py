"""What the ledger knows of a unit, and how it is stored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any, Final, TypeAlias

import attrs

from propq_async._comparison import alike, all_alike, exact
from propq_async._update_values import all_of_checked
from propq_async.errors import LedgerBusyError, LedgerError
from propq_async.models import UnitStatus, UnitUpdate

__all__ = [
    "Account",
    "Claim",
    "Entry",
    "LedgerBusyError",
    "LedgerError",
    "Marks",
    "Unit",
    "dump_directions",
    "dump_price",
    "each_alike_once",
    "entry_of",
    "usual_entries",
]

Unit: TypeAlias = tuple[str, str]
"""A development id and the name of a unit."""


@attrs.frozen
class Account:
    """Whose units they are: one client at one server."""

    base_url: str
    client_id: int


@attrs.frozen
class Claim:
    """What somebody keeps others from.

    Args:
        account: the units of an account; `None` for those of all.
        shard: only this part of them: its number from 1 on, and how many there are.
    """

    account: Account | None
    shard: tuple[int, int] | None = None

    def covers(self, other: Claim) -> bool:
        """Return whether whoever has this claim has the other one, too."""
        return (
            self.account is None
            or self == other
            or (self.account == other.account and self.shard is None)
        )


@attrs.frozen
class Entry:
    """What is known of a unit.

    Args:
        development_id: id of the development.
        name: name of the unit.
        status: the last acknowledged status; `None`, like price and directions, if none was.
        price: the last acknowledged price.
        directions: the last acknowledged directions.
        acknowledged_at: when, in seconds since the epoch.
        is_in_doubt: whether something else may have been applied since.
        source: the list that it was last seen in, `None` if the user knows that this one has it no
            longer, or if it was never in one.
        is_missed: whether the user knows that others do not have it.
    """

    development_id: str
    name: str
    status: UnitStatus | None
    price: Decimal | None
    directions: tuple[str, ...]
    acknowledged_at: float | None
    is_in_doubt: bool
    source: str | None
    is_missed: bool

    def holds(self, update: UnitUpdate) -> bool:
        """Return whether the last acknowledged values are those of the update."""
        price = update.price
        return (
            self.status is update.status
            and self.directions == update.directions
            and self.price == (exact(price) if isinstance(price, float) else price)
        )


@attrs.frozen
class Marks:
    """What `mark` has done.

    Args:
        generation: the generation of the ledger since then. It tells a later mark of somebody else.
        new: the units that were not in doubt before.
    """

    generation: int
    new: list[Unit]


_LONGEST_SHOWN: Final = 60
_STATES: dict[int | None, UnitStatus] = {status.value: status for status in UnitStatus}


def each_alike_once(updates: list[UnitUpdate]) -> Iterator[list[UnitUpdate]]:
    """Split updates so that no group has two names that the server may take for one."""
    group: dict[Unit, UnitUpdate] = {}
    for one in updates:
        key = one.development_id, alike(one.name)
        if key in group:
            yield list(group.values())
            group = {}
        group[key] = one
    yield list(group.values())


@lru_cache(maxsize=1024)
def dump_directions(directions: tuple[str, ...]) -> str:
    """Return directions as text."""
    return json.dumps(directions, ensure_ascii=False)


@lru_cache(maxsize=1024)
def _load_directions(text: object) -> tuple[str, ...]:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    return tuple(found) if isinstance(found, list) and all(map(_is_text, found)) else ()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


# As `dump_price` writes it. Decimal itself would accept NaN, and numbers too large to print.
_PRICE: Final = re.compile("[0-9]{1,400}([.][0-9]{1,400})?")


def dump_price(price: float | Decimal) -> str:
    """Return a price as text."""
    return f"{exact(price):f}"


@lru_cache(maxsize=4096)
def _load_price(text: object) -> Decimal | None:
    return Decimal(text) if isinstance(text, str) and _PRICE.fullmatch(text) else None


def usual_entries(rows: Sequence[Sequence[Any]]) -> list[Entry] | None:
    """Return the entries of several rows in a quarter of the time that `entry_of` takes.

    It is `None` unless all were acknowledged and have values that we write.
    """
    ids, names, statuses, prices, directions, times, doubts, sources, missed, alikes = zip(
        *rows, strict=True
    )
    states = [*map(_STATES.get, statuses)]
    amounts, sides = [*map(_load_price, prices)], [*map(_load_directions, directions)]
    if not (
        _are_texts(ids)
        and _are_texts(names)
        and [*alikes] == all_alike(names)
        and all(states)
        and all(amounts)
        and all(sides)
        and _are(times, float)
        and _are(doubts, float, NoneType)
        and _are(sources, str, NoneType)
        and _are(missed, float, NoneType)
    ):
        return None
    return all_of_checked(
        Entry,
        len(rows),
        development_id=ids,
        name=names,
        status=states,
        price=amounts,
        directions=sides,
        acknowledged_at=times,
        is_in_doubt=[one is not None for one in doubts],
        # One text for all that have the same.
        source=map({one: one for one in sources}.get, sources),
        is_missed=[one is not None for one in missed],
    )


def _are(values: Sequence[object], *kinds: type) -> bool:
    return set(map(type, values)).issubset(kinds)


def _are_texts(values: Sequence[object]) -> bool:
    return _are(values, str) and all(values)


def entry_of(row: Sequence[Any]) -> Entry:
    """Return a row of the table as an entry.

    Raises:
        ValueError: a value is one that we never write. People edit the file with other programs.
    """
    development_id, name = row[:2]
    doubt, source, missed = row[6:9]
    if not _is_text(development_id):
        raise _wrong("development_id", development_id)
    if not _is_text(name):
        raise _wrong("name", name)
    # Marks are looked up by this column.
    if row[9] != alike(name):
        raise _wrong("alike", row[9])
    if not (doubt is None or isinstance(doubt, float)):
        raise _wrong("in_doubt_since", doubt)
    if not (source is None or isinstance(source, str)):
        raise _wrong("source", source)
    if not (missed is None or isinstance(missed, float)):
        raise _wrong("missed_at", missed)
    status, price, directions, acknowledged_at = _acknowledged(*row[2:6])
    return Entry(
        development_id,
        name,
        status,
        price,
        directions,
        acknowledged_at,
        doubt is not None,
        source,
        missed is not None,
    )


def _acknowledged(
    status: Any, price: Any, directions: Any, acknowledged_at: Any
) -> tuple[UnitStatus | None, Decimal | None, tuple[str, ...], float | None]:
    if status is price is directions is acknowledged_at is None:
        return None, None, (), None
    state = _STATES.get(status)
    if state is None:
        raise _wrong("status", status)
    amount = _load_price(price)
    if not amount:
        raise _wrong("price", price)
    sides = _load_directions(directions)
    if not sides:
        raise _wrong("directions", directions)
    if not isinstance(acknowledged_at, float):
        raise _wrong("acknowledged_at", acknowledged_at)
    return state, amount, sides, acknowledged_at


def _wrong(column: str, value: object) -> ValueError:
    text = "NULL" if value is None else repr(value)
    text = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    return ValueError(f"{column} is {text}")
