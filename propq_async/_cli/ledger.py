"""`propq ledger`: looking after the file that knows what the server has acknowledged."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from propq_async._comparison import alike
from propq_async._messages import joined, tr
from propq_async._settings import base_url_from_env
from propq_async.config import BASE_URL
from propq_async.ledger import Account, Ledger, Unit

from .account import find_client_id
from .exit_codes import CommandError, Exit
from .phrases import counted, first
from .question import ask
from .screen import Screen, ledger_warnings, report
from .signals import interruptible

__all__ = ["backup", "check", "forget", "import_"]

_UNCHANGED = tr("nothing was changed")


async def _account() -> Account:
    """Return whose units are meant. It needs no secret."""
    return Account(base_url_from_env() or BASE_URL, await find_client_id())


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
