"""What is written to an open ledger, in the SQL that SQLite and PostgreSQL have in common."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from propq_async._comparison import alike
from propq_async.models import UnitUpdate

from ._backend import Session, as_given
from ._entries import Account, Marks, Unit, dump_directions, dump_price, each_alike_once
from ._merging import StoredUnit, merged
from ._queries import (
    account_number,
    alike_to,
    columns_of,
    generation_of,
    stored_units,
    these,
    units_of,
)

__all__ = [
    "acknowledge",
    "add",
    "forget",
    "mark",
    "note_missing",
    "note_seen",
    "number_of",
    "outdate_plans",
    "unmark",
]


def mark(db: Session, account: Account, updates: list[UnitUpdate], now: float) -> Marks:
    """Mark units in doubt."""
    number = number_of(db, account)
    values: dict[str, object] = {"account": number, "given": units_of(updates), "now": now}
    known = alike_to(db, "TRUE", values, "unit.in_doubt_since")
    units = dict.fromkeys((*((one.development_id, one.name) for one in updates), *known))
    values["given"] = as_given((*unit, alike(unit[1])) for unit in units)
    _move_on(db, values)
    db.execute(
        "INSERT INTO unit (account, development_id, name, alike, in_doubt_since, marked) "  # noqa: S608
        "SELECT :account, development_id, name, alike, :now, "
        f"(SELECT generation FROM state WHERE {db.state}) "
        f"FROM {db.given('development_id', 'name', 'alike')} AS given WHERE TRUE {_REPLACE} "
        "in_doubt_since = coalesce(unit.in_doubt_since, excluded.in_doubt_since), "
        "marked = excluded.marked",
        values,
    )
    made = generation_of(db, number)
    return Marks(made, [unit for unit in units if known.get(unit, (None,))[0] is None])


def unmark(
    db: Session,
    account: Account,
    updates: list[UnitUpdate],
    marked: list[Unit],
    until: int | None = None,
) -> None:
    """Take marks back, and with them the units of which nothing else is known.

    `until`: the generation of the marks. Those that somebody else has marked since are left.
    """
    wanted = {(one.development_id, alike(one.name)) for one in updates}
    ours = [unit for unit in marked if (unit[0], alike(unit[1])) in wanted]
    values = {"account": number_of(db, account), "given": as_given(ours), "until": until}
    which = f"account = :account AND {these(db)} AND coalesce(marked <= :until, TRUE)"
    db.execute(f"UPDATE unit SET in_doubt_since = NULL WHERE {which}", values)  # noqa: S608
    db.execute(f"DELETE FROM unit WHERE acknowledged_at IS NULL AND {which}", values)  # noqa: S608
    _move_on(db, values)


def acknowledge(
    db: Session,
    account: Account,
    updates: list[UnitUpdate],
    source: str | None,
    now: float,
    until: dict[Unit, int] | None = None,
) -> None:
    """Note what the server has acknowledged.

    `until`: the generation of the mark of each update, where it is known. A unit that somebody else
    has marked since stays in doubt, for both: nobody knows which of the two was applied last.
    """
    values = {"account": number_of(db, account), "source": source, "now": now}
    generations = until or {}
    columns = "development_id", "name", "alike", "status", "price", "directions", "generation"
    noted = ", ".join(columns[:6])
    replaced = ", ".join(f"{one} = excluded.{one}" for one in (*columns[2:6], "acknowledged_at"))
    for group in each_alike_once(updates):
        values["given"] = as_given(
            (
                one.development_id,
                one.name,
                alike(one.name),
                one.status.value,
                dump_price(one.price),
                dump_directions(tuple(map(str, one.directions))),
                generations.get((one.development_id, one.name)),
            )
            for one in group
        )
        if others := alike_to(db, "unit.name <> given.name", values):
            db.execute(
                "UPDATE unit SET in_doubt_since = coalesce(in_doubt_since, :now) "  # noqa: S608
                f"WHERE account = :account AND {these(db)}",
                {**values, "given": as_given(others)},
            )
        db.execute(
            f"INSERT INTO unit (account, {noted}, acknowledged_at, source, marked) "  # noqa: S608
            f"SELECT :account, {noted}, :now, :source, generation "
            f"FROM {db.given(*columns)} AS given WHERE TRUE {_REPLACE} {replaced}, "
            # A unit that is updated by itself still belongs to its list.
            "source = coalesce(excluded.source, unit.source), "
            # As long as its list is the same, that others do not have it stays known.
            "missed_at = CASE WHEN unit.source = coalesce(excluded.source, unit.source) "
            "THEN unit.missed_at END, "
            "in_doubt_since = CASE WHEN unit.marked > excluded.marked "
            "THEN excluded.acknowledged_at END, "
            # One more, so that the other one notices as well when it acknowledges.
            "marked = unit.marked + CASE WHEN unit.marked > excluded.marked THEN 1 ELSE 0 END",
            values,
        )
    _move_on(db, values)


_REPLACE = "ON CONFLICT (account, development_id, name) DO UPDATE SET"
_NOTED = (
    "alike",
    "status",
    "price",
    "directions",
    "acknowledged_at",
    "source",
    "missed_at",
    "in_doubt_since",
    "marked",
)


def note_missing(
    db: Session, account: Account, units: list[Unit], source: str | None, now: float
) -> None:
    """Note that these are known not to be in a list, or in none."""
    values = {
        "account": number_of(db, account),
        "given": as_given(units),
        "source": source,
        "now": now,
    }
    # What another list has stays with that, and is missed as soon as that has it no longer.
    left = "NULL" if source is None else "nullif(source, :source)"
    db.execute(
        f"UPDATE unit SET missed_at = :now, source = {left} "  # noqa: S608
        f"WHERE account = :account AND {these(db)}",
        values,
    )
    _move_on(db, values)


def note_seen(db: Session, account: Account, units: list[Unit], source: str) -> None:
    """Note that these are in a list, although nothing of them was sent."""
    values = {"account": number_of(db, account), "given": as_given(units), "source": source}
    db.execute(
        "UPDATE unit SET missed_at = NULL, source = :source "  # noqa: S608
        f"WHERE account = :account AND {these(db)}",
        values,
    )
    _move_on(db, values)


def forget(db: Session, account: Account, units: list[Unit]) -> None:
    """Forget these units."""
    values = {"account": number_of(db, account), "given": as_given(units)}
    db.execute(f"DELETE FROM unit WHERE account = :account AND {these(db)}", values)  # noqa: S608
    _move_on(db, values)


def add(db: Session, account: Account, theirs: Mapping[Unit, StoredUnit], now: float) -> int:
    """Add what another ledger, or another account, knows. Return how many units change."""
    number = number_of(db, account)
    changes = merged(stored_units(db).get(account, {}), theirs, now)
    if changes:
        _move_on(db, {"account": number})
    looked = db.execute("SELECT * FROM unit LIMIT 0")
    looked.fetchall()
    columns = columns_of(looked)
    # As if all were marked now: the numbers of another ledger say nothing here.
    new = {"account": number, "marked": generation_of(db, number)}
    db.execute_many(
        f"INSERT INTO unit ({', '.join(columns)}) VALUES ({', '.join(map(':{}'.format, columns))}) "  # noqa: S608
        f"{_REPLACE} {', '.join(map('{0} = excluded.{0}'.format, _NOTED))}",
        ({column: {**row, **new}.get(column) for column in columns} for row in changes.values()),
    )
    return len(changes)


def outdate_plans(db: Session, account: Account) -> None:
    """Note that each plan that was made before is out of date, whatever units it has."""
    db.execute(
        f"UPDATE state SET outdated = generation WHERE {db.state}",  # noqa: S608
        {"account": account_number(db, account)},
    )


def number_of(db: Session, account: Account) -> int:
    """Return the number of an account, and keep others from changing it meanwhile.

    It is made if it has none.
    """
    number = db.enter(account)
    if number is None:
        db.add_account(account)
        number = db.enter(account)
        assert number is not None  # noqa: S101 - for the type checker
    return number


def _move_on(db: Session, values: Mapping[str, object]) -> None:
    """Give the account, or the ledger, another generation."""
    # From a random number on: one that was lost and made anew is not taken for the same.
    db.execute(
        "UPDATE state SET first = CASE generation WHEN 0 THEN :first ELSE first END, "  # noqa: S608
        "generation = CASE generation WHEN 0 THEN :first ELSE generation + 1 END "
        f"WHERE {db.state}",
        {**values, "first": 1 + secrets.randbelow(2**52)},
    )
