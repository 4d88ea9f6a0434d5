"""What is asked of an open ledger, in the SQL that SQLite and PostgreSQL have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import attrs

from propq_async._comparison import alike
from propq_async._messages import tr
from propq_async.models import UnitUpdate

from ._advice import PUT_BACK
from ._backend import Rows, Session, as_given
from ._entries import Account, Entry, LedgerError, Unit, entry_of, usual_entries
from ._merging import StoredUnit

__all__ = [
    "ADD_ACCOUNT",
    "account_number",
    "alike_to",
    "columns_of",
    "entries",
    "everything",
    "generation",
    "generation_of",
    "is_outdated",
    "named",
    "spoiled_values",
    "stored_units",
    "these",
    "touched",
    "units_of",
]

# As `entry_of` takes them.
_COLUMNS: Final = (
    "development_id",
    "name",
    "status",
    "price",
    "directions",
    "acknowledged_at",
    "in_doubt_since",
    "source",
    "missed_at",
    "alike",
)

_unit_of = itemgetter(0, 1)

# So many rows are looked at together.
_AT_ONCE: Final = 500

ADD_ACCOUNT: Final = (
    "INSERT INTO account (base_url, client_id) VALUES (:base_url, :client_id) "
    "ON CONFLICT DO NOTHING"
)


def alike_to(
    db: Session, which: str, values: Mapping[str, object], *more: str
) -> dict[Unit, Sequence[Any]]:
    """Return the units that are alike to the given ones and meet a condition.

    They are given with `development_id`, `name` and `alike`. Each has the values of `more`.
    """
    found = db.rows(
        ["unit.development_id", "unit.name", *more],
        f"{db.given('development_id', 'name', 'alike')} AS given {db.alike} WHERE {which}",
        values,
    )
    return {(development_id, name): rest for development_id, name, *rest in found}


def these(db: Session) -> str:
    """Return the condition for the given units alone."""
    names = "development_id", "name"
    given = f"SELECT {', '.join(names)} FROM {db.given(*names)} AS given"  # noqa: S608 - constants
    return f"({', '.join(names)}) IN ({given})"


def units_of(updates: list[UnitUpdate]) -> str:
    """Return the units of updates as they are given to `alike_to`."""
    return as_given((one.development_id, one.name, alike(one.name)) for one in updates)


def account_number(db: Session, account: Account) -> int | None:
    """Return the number of an account, `None` if it has no units."""
    found = db.execute(
        "SELECT id FROM account WHERE base_url = :base_url AND client_id = :client_id",
        attrs.asdict(account),
    ).fetchone()
    return None if found is None else int(found[0])


def columns_of(found: Rows) -> list[str]:
    """Return the names of the columns of what was found."""
    return [column[0] for column in found.description or ()]


def entries(
    db: Session, account: Account, development_ids: list[str], source: str | None
) -> dict[Unit, Entry]:
    """Return what is known of the units of these developments, or of a list."""
    number = account_number(db, account)
    if number is None:
        return {}
    found: dict[Unit, Entry] = {}
    known = f"SELECT development_id FROM {db.given('development_id')} AS given"  # noqa: S608
    these = f"development_id IN ({known}) ORDER BY development_id, name"
    others = f"source = :source AND development_id NOT IN ({known})"
    values = {
        "account": number,
        "source": source,
        "given": as_given((one,) for one in development_ids),
    }
    for which in (these,) if source is None else (these, others):
        cursor = db.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM unit WHERE account = :account AND {which}",  # noqa: S608
            values,
        )
        while rows := cursor.fetchmany(_AT_ONCE):
            made = usual_entries(rows) or [_entry_of(db, row) for row in rows]
            found.update(zip(map(_unit_of, rows), made, strict=True))
    return found


def _entry_of(db: Session, row: Sequence[Any]) -> Entry:
    try:
        return entry_of(row)
    except ValueError as error:
        raise _spoiled(db, row, str(error)) from None


def _spoiled(db: Session, row: Sequence[object], what: str) -> LedgerError:
    """Return the error for a row that somebody else has changed."""
    # Not treated as unknown: a new unit is sent without the warnings that a known one raises.
    return LedgerError(
        tr(
            "the ledger {location} holds a value that propq never writes, for the unit "
            "{name!r} of {development_id!r}: {what}; put it right there, or make it a new unit "
            "with `propq ledger forget`"
        ).format(location=db.location, name=row[1], development_id=row[0], what=what)
    )


def generation(db: Session, account: Account | None) -> int:
    """Return a number that changes with each change of an account, or of any; 0 if none was."""
    if account is None:
        return _generation(db, "TRUE", None)
    return generation_of(db, account_number(db, account))


def generation_of(db: Session, number: int | None) -> int:
    """Return the same of the account with this number."""
    return _generation(db, db.state, number)


def _generation(db: Session, which: str, number: int | None) -> int:
    found = db.execute(f"SELECT generation FROM state WHERE {which}", {"account": number})  # noqa: S608
    rows = found.fetchall()
    if not all(isinstance(one, int) for (one,) in rows) or (db.state == "TRUE" and len(rows) != 1):
        raise LedgerError(
            tr(
                "the ledger {location} is damaged: its table `state` must have one row "
                "with a whole number as its generation; {put_back}"
            ).format(location=db.location, put_back=PUT_BACK)
        )
    return sum(one for (one,) in rows)


def is_outdated(db: Session, account: Account, since: int) -> bool:
    """Return whether each plan of this generation is out of date, or from another ledger."""
    found = db.execute(
        "SELECT coalesce(outdated, 0) > :since OR :since > 0 AND coalesce(first, 0) > :since"  # noqa: S608
        f" FROM state WHERE {db.state}",
        {"account": account_number(db, account), "since": since},
    ).fetchone()
    return found is None or bool(found[0])


def touched(db: Session, account: Account, updates: list[UnitUpdate], since: int) -> list[Unit]:
    """Return which of these units, or of those alike to them, were marked since a generation."""
    values = {
        "account": account_number(db, account),
        "since": since,
        "given": units_of(updates),
    }
    return list(alike_to(db, "unit.marked > :since", values))


def named(
    db: Session, account: Account, names: list[str], development_id: str | None
) -> list[Unit]:
    """Return the units with one of these names, whatever their case and spaces."""
    wanted = f"SELECT name FROM {db.given('name')} AS given"  # noqa: S608
    rows = db.execute(
        # The name itself, too: a viewer may have left another value in the other column.
        f"SELECT development_id, name FROM unit WHERE account = :account "  # noqa: S608
        f"AND (alike IN ({wanted}) OR name IN ({wanted})) "
        "AND development_id = coalesce(:development_id, development_id) "
        "ORDER BY development_id, name",
        {
            "account": account_number(db, account),
            "given": as_given((one,) for one in (*names, *map(alike, names))),
            "development_id": development_id,
        },
    )
    return [(development, name) for development, name in rows]


def everything(db: Session) -> dict[Account, dict[Unit, Entry]]:
    """Return what is known of all units of all accounts."""
    found: dict[Account, dict[Unit, Entry]] = {}
    for account, _, entry in _units(db):
        if isinstance(entry, LedgerError):
            raise entry
        found.setdefault(account, {})[entry.development_id, entry.name] = entry
    return found


def stored_units(db: Session) -> dict[Account, dict[Unit, StoredUnit]]:
    """Return the same as it is stored, for another ledger."""
    found: dict[Account, dict[Unit, StoredUnit]] = {}
    for account, row, entry in _units(db):
        if isinstance(entry, LedgerError):
            raise entry
        found.setdefault(account, {})[entry.development_id, entry.name] = row
    return found


def spoiled_values(db: Session) -> list[str]:
    """Return what is wrong with the values in a ledger."""
    return [str(entry) for _, _, entry in _units(db) if isinstance(entry, LedgerError)]


def _units(db: Session) -> Iterator[tuple[Account, StoredUnit, Entry | LedgerError]]:
    found = db.execute(
        "SELECT account.base_url, account.client_id, unit.* FROM unit "
        "JOIN account ON account.id = unit.account ORDER BY account, development_id, name"
    )
    # What the columns are is known with the first row.
    first = found.fetchone()
    columns = columns_of(found)
    for values in () if first is None else chain((first,), found):
        row: dict[str, Any] = dict(zip(columns, values, strict=True))
        account = Account(row.pop("base_url"), row.pop("client_id"))
        cells = [row[column] for column in _COLUMNS]
        entry: Entry | LedgerError
        try:
            entry = _entry_of(db, cells)
        except LedgerError as error:
            entry = error
        yield account, row, entry
