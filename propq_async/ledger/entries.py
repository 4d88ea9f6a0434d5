"""What the ledger knows of a unit, and how that is written down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

import attrs

from propq_async.errors import PropQError
from propq_async.models import UnitStatus, UnitUpdate

__all__ = [
    "Account",
    "Entry",
    "LedgerBusyError",
    "LedgerError",
    "Unit",
    "alike",
    "dump_directions",
    "dump_price",
    "each_alike_once",
    "entry_of",
    "exact",
]

Unit: TypeAlias = tuple[str, str]
"""A development id and the name of a unit."""


class LedgerError(PropQError):
    """The ledger cannot be used. The message says what to do."""


class LedgerBusyError(LedgerError):
    """Another push is at work with the ledger.

    `process_id` is the process, `None` if it is not known.
    """

    def __init__(self, message: str, *, process_id: int | None) -> None:
        super().__init__(message)
        self.process_id = process_id


@attrs.frozen
class Account:
    """Whose units they are: one client at one server."""

    base_url: str
    client_id: int


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
        source: the list that it was last pushed from.
        is_missed: whether somebody knows that it is in no list any more.
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
        return (
            self.status is update.status
            and self.price == exact(update.price)
            and self.directions == update.directions
        )


_STATES: dict[int | None, UnitStatus] = {status.value: status for status in UnitStatus}


def alike(name: str) -> str:
    """Return what names have in common that differ only by case or spaces."""
    return "".join(name.casefold().split())


def each_alike_once(updates: list[UnitUpdate]) -> Iterator[list[UnitUpdate]]:
    """Split updates, so that no group has two whose names may be one to the server."""
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
def _load_directions(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(json.loads(text))


def exact(price: float | Decimal) -> Decimal:
    """Return a price so that it compares and prints by what is written, which a float does not."""
    return Decimal(str(price) if isinstance(price, float) else price)


def dump_price(price: float | Decimal) -> str:
    """Return a price as text."""
    return f"{exact(price):f}"


def entry_of(row: Sequence[Any]) -> Entry:
    """Return a row of the table as an entry."""
    status = row[2]
    return Entry(
        row[0],
        row[1],
        _STATES.get(status),
        None if row[3] is None else Decimal(row[3]),
        _load_directions(row[4]),
        row[5],
        row[6] is not None,
        row[7],
        row[8] is not None,
    )
