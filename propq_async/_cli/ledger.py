"""`propq ledger`: looking after the file that knows what the server has acknowledged."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from propq_async import UnitStatus
from propq_async._comparison import alike
from propq_async._messages import joined, tr
from propq_async._settings import base_url_from_env
from propq_async.config import BASE_URL
from propq_async.ledger import Account, Entry, Ledger, Unit
from propq_async.pricelist._money import money

from .account import find_client_id
from .exit_codes import CommandError, Exit
from .language import decimal_sign
from .phrases import and_more, counted, first
from .plan_json import dump
from .question import ask
from .screen import Screen, ledger_warnings, report
from .signals import interruptible

__all__ = ["backup", "check", "forget", "import_", "show"]

_UNCHANGED = tr("nothing was changed")


async def _account() -> Account:
    """Return whose units are meant. It needs no secret."""
    return Account(base_url_from_env() or BASE_URL, await find_client_id())


# --- show -----------------------------------------------------------------------------------------


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
        "" if entry.price is None else money(entry.price, decimal_sign()),
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


# --- backup and check -----------------------------------------------------------------------------


async def backup(path: str | None, target: Path) -> Exit:
    """Copy the ledger to a new file."""
    return await interruptible(_backup(path, target))


async def _backup(path: str | None, target: Path) -> Exit:
    async with Ledger(path) as ledger:
        await ledger.backup(target)
    report(
        lambda screen: screen.sentence(
            tr("copied the ledger {location} to {target}").format(
                location=ledger.location, target=target
            )
        )
    )
    return Exit.DONE


async def check(path: str | None) -> Exit:
    """Say whether the ledger is whole, and who may use and who holds it."""
    return await interruptible(_check(path))


async def _check(path: str | None) -> Exit:
    async with Ledger(path) as ledger:
        health = await ledger.check()
    facts = [(tr("ledger"), health.location)]
    if health.size_bytes is not None:
        facts.append((tr("size"), tr("{count:,} bytes").format(count=health.size_bytes)))
    facts += [
        (
            tr("client {client_id}").format(client_id=account.client_id),
            tr("{units} at {base_url}").format(
                units=counted(count, "unit"), base_url=account.base_url
            ),
        )
        for account, count in health.units.items()
    ]
    facts.append((tr("in doubt"), counted(health.in_doubt, "unit")))
    facts.append((tr("in use"), health.holder or tr("by nobody")))
    warning = health.warning

    def tell(screen: Screen) -> None:
        screen.section("", facts)
        screen.sentence("")
        if warning is not None:
            screen.sentence(tr("warning: {warning}").format(warning=warning))
        for problem in health.problems:
            screen.sentence(problem, "bold red")
        if not health.problems:
            screen.sentence(tr("The ledger is whole."), "green")

    report(tell)
    return Exit.UNUSABLE if health.problems else Exit.DONE


# --- forget and import ----------------------------------------------------------------------------


async def forget(path: str | None, names: list[str], development: str | None, *, yes: bool) -> Exit:
    """Forget units, so that they are new."""
    with ledger_warnings():
        return await interruptible(_forget(path, names, development, yes=yes))


async def _forget(
    path: str | None, names: list[str], development: str | None, *, yes: bool
) -> Exit:
    account = await _account()
    async with Ledger(path) as ledger:
        units = await ledger.named(account, names, development)
        _refuse_unclear(ledger, names, units)
        # Before the question, so that a push that is at work is told at once.
        async with ledger.exclusive(account):
            _confirm(account, units, yes=yes)
            await ledger.forget(account, units)
    said = tr("forgot {units} of client {client_id} in {location}").format(
        units=counted(len(units), "unit"), client_id=account.client_id, location=ledger.location
    )
    report(lambda screen: screen.sentence(said))
    return Exit.DONE


def _refuse_unclear(ledger: Ledger, names: list[str], units: list[Unit]) -> None:
    """Refuse names that the ledger does not know, or knows in several developments."""
    for name in names:
        developments = sorted(
            {one for one, known in units if known == name or alike(known) == alike(name)}
        )
        if not developments:
            raise CommandError(
                tr("the ledger {location} does not know the unit {name!r}: {unchanged}").format(
                    location=ledger.location, name=name, unchanged=_UNCHANGED
                ),
                Exit.ROWS_FAILED,
            )
        if len(developments) > 1:
            raise CommandError(
                tr("{name!r} is a unit of {names}: say which with --development").format(
                    name=name, names=", ".join(developments)
                ),
                Exit.USAGE,
            )


def _confirm(account: Account, units: list[Unit], *, yes: bool) -> None:
    if yes:
        return
    shown = joined(
        ", ",
        first(
            [
                tr("{name} of {development}").format(name=name, development=development)
                for development, name in units
            ],
            20,
        ),
    )
    what = tr(
        "client {client_id}: {shown}: the next push sends what its list says of "
        "them, and compares it with nothing"
    ).format(client_id=account.client_id, shown=shown)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            tr("{what}; if that is meant, use --yes").format(what=what), Exit.UNCONFIRMED
        )
    Screen(sys.stderr).sentence(what)
    if not ask(tr("Forget {units}? [y/N] ").format(units=counted(len(units), "unit")), _UNCHANGED):
        raise CommandError(_UNCHANGED, Exit.UNCONFIRMED)


async def import_(path: str | None, source: str | None, from_client: int | None) -> Exit:
    """Add what another ledger, or another client in it, knows."""
    if source is None and from_client is None:
        raise CommandError(
            tr(
                "name the ledger to import from, or the client whose memory this one "
                "continues: --from-client 42"
            ),
            Exit.USAGE,
        )
    with ledger_warnings():
        return await interruptible(_import(path, source, from_client))


async def _import(path: str | None, source: str | None, from_client: int | None) -> Exit:
    accounts = None
    if from_client is not None:
        account = await _account()
        accounts = {Account(account.base_url, from_client): account}
        if source is None and from_client == account.client_id:
            raise CommandError(
                tr(
                    "client {from_client} is the present one (PROPQ_CLIENT_ID): name the "
                    "client that it was before"
                ).format(from_client=from_client),
                Exit.USAGE,
            )
    async with Ledger(path) as ledger:
        if source is None or _is_same(source, ledger):
            if accounts is None:
                raise CommandError(
                    tr("{source} is this ledger itself").format(source=source), Exit.USAGE
                )
            changed = await ledger.merge(ledger, accounts)
        else:
            async with Ledger(source) as other:
                changed = await ledger.merge(other, accounts)
    said = tr("{units} changed in the ledger {location}").format(
        units=counted(changed, "unit"), location=ledger.location
    )
    report(lambda screen: screen.sentence(said))
    return Exit.DONE


def _is_same(source: str, ledger: Ledger) -> bool:
    other = Ledger(source)
    return os.path.realpath(other.location) == os.path.realpath(ledger.location)
