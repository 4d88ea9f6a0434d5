"""`propq ledger show`: what the ledger knows of each unit."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from propq_async import UnitStatus
from propq_async._comparison import alike
from propq_async._messages import joined, tr
from propq_async.ledger import Account, Entry, Ledger
from propq_async.pricelist._money import money

from .exit_codes import Exit
from .phrases import and_more, counted
from .plan_json import dump
from .screen import Screen, report
from .signals import interruptible

__all__ = ["show"]


async def show(
    path: str | None, unit: str | None, development: str | None, listed: int, *, as_json: bool
) -> Exit:
    """Show what the ledger knows of a unit, or of all."""
    return await interruptible(_show(path, unit, development, listed, as_json=as_json))


async def _show(
    path: str | None, unit: str | None, development: str | None, listed: int, *, as_json: bool
) -> Exit:
    async with Ledger(path) as ledger:
        known = await ledger.everything()
        generation = await ledger.generation()
    found = {
        account: chosen
        for account, entries in (known or {}).items()
        if (
            chosen := [
                one
                for one in entries.values()
                if development in (None, one.development_id)
                and (unit is None or alike(one.name) == alike(unit))
            ]
        )
    }
    if as_json:
        made = {
            "ledger": ledger.location,
            "exists": known is not None,
            "generation": generation,
            "accounts": [
                {
                    "base_url": account.base_url,
                    "client_id": account.client_id,
                    "units": [_entry_json(one) for one in entries],
                }
                for account, entries in found.items()
            ],
        }
        sys.stdout.write(dump(made) + "\n")
    elif known is None:
        report(
            lambda screen: screen.sentence(
                tr("there is no ledger {location}").format(location=ledger.location)
            )
        )
    elif not found:
        what = tr("any unit") if unit is None and development is None else tr("such a unit")
        report(
            lambda screen: screen.sentence(
                tr("the ledger {location} does not know {what}").format(
                    location=ledger.location, what=what
                )
            )
        )
    else:
        report(lambda screen: _show_accounts(screen, ledger.location, found, listed))
    return Exit.DONE if found else Exit.ROWS_FAILED


def _show_accounts(
    screen: Screen, path: str, found: dict[Account, list[Entry]], listed: int
) -> None:
    screen.sentence(tr("the ledger {path}").format(path=path))
    for account, entries in found.items():
        doubtful = sum(one.is_in_doubt for one in entries)
        title = tr("Client {client_id} at {base_url}: {units}, {doubtful:,} in doubt").format(
            client_id=account.client_id,
            base_url=account.base_url,
            units=counted(len(entries), "unit"),
            doubtful=doubtful,
        )
        screen.section(title, [_cells(one) for one in entries[:listed]], right=[3])
        if len(entries) > listed:
            more = and_more(len(entries) - listed)
            screen.sentence(
                tr("  {more} (--list {count} shows all)").format(more=more, count=len(entries))
            )


def _cells(entry: Entry) -> tuple[str, ...]:
    at = entry.acknowledged_at
    state = [
        tr("in doubt") if entry.is_in_doubt else "",
        tr("known to be in no list") if _is_in_no_list(entry) else "",
    ]
    return (
        entry.development_id,
        entry.name,
        tr("never acknowledged") if entry.status is None else entry.status.name,
        "" if entry.price is None else money(entry.price, None),
        " ".join(entry.directions),
        "" if at is None else f"{_time(at).astimezone():%Y-%m-%d %H:%M}",
        entry.source or "",
        joined(", ", filter(None, state)),
    )


def _is_in_no_list(entry: Entry) -> bool:
    # With a list, it is known that others do not have it.
    return entry.is_missed and entry.source is None


def _entry_json(entry: Entry) -> dict[str, Any]:
    at = entry.acknowledged_at
    return {
        "development_id": entry.development_id,
        "name": entry.name,
        "status": None if entry.status is None else UnitStatus(entry.status).name,
        "price": entry.price,
        "directions": list(entry.directions),
        "acknowledged_at": None if at is None else _time(at).isoformat(),
        "in_doubt": entry.is_in_doubt,
        "list": entry.source,
        "known_to_be_in_no_list": _is_in_no_list(entry),
    }


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
