"""`propq doctor`: each thing that can be wrong, and whether it is. No secret is shown."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

import attrs

from propq_async import ConfigurationError, Credentials, PropQError, __version__
from propq_async._environment import ACCOUNT_VARIABLE
from propq_async._messages import joined, os_reason, tr, trn
from propq_async._paths import default_path
from propq_async._settings import base_url_from_env
from propq_async._waiting import in_thread
from propq_async.config import BASE_URL
from propq_async.ledger import Ledger

from .account import (
    NoCredentialsError,
    chosen,
    find_credentials,
    named_on_command_line,
    variables_in_use,
)
from .doctor_files import token_file_finding
from .doctor_findings import CHECKS, Finding, ok, unknown, wrong
from .doctor_server import Server, examine_server
from .exit_codes import Exit
from .language import said
from .plan_json import dump
from .screen import Screen, report
from .signals import interruptible

__all__ = ["doctor"]

_STYLES: Final = {"ok": "green", "wrong": "bold red", "not checked": "yellow"}
_STATES: Final = {"ok": tr("ok"), "wrong": tr("wrong"), "not checked": tr("not checked")}


async def doctor(*, ledger: str | None, no_proxy: bool, as_json: bool) -> Exit:
    """Examine everything, and say what was found."""
    return await interruptible(_doctor(ledger, no_proxy=no_proxy, as_json=as_json))


async def _doctor(ledger: str | None, *, no_proxy: bool, as_json: bool) -> Exit:
    credentials, found = await _credentials()
    address, about_address = _address()
    findings = [_versions(), found, about_address]
    if credentials is None or address is None:
        missing = tr("credentials") if credentials is None else tr("base URL")
        findings += [
            unknown(name, tr("it needs the {missing}").format(missing=missing))
            for name in Server.CHECKS
        ]
    else:
        findings += await examine_server(credentials, no_proxy=no_proxy)
    if credentials is None or address is None:
        findings.append(
            unknown("token", tr("its file has the client id and the base URL in its name"))
        )
    else:
        findings.append(await token_file_finding(credentials.client_id))
    findings.append(await _ledger(ledger))
    findings = [
        attrs.evolve(one, text=_without_home(one.text if as_json else said(one.text)))
        for one in findings
    ]
    status = _status_of(findings)
    is_well = status is Exit.DONE
    if as_json:
        checks = [{"check": one.check, "state": one.state, "text": one.text} for one in findings]
        sys.stdout.write(dump({"ok": is_well, "checks": checks}) + "\n")
    else:
        report(lambda screen: _show(screen, findings))
    return status


def _status_of(findings: list[Finding]) -> Exit:
    """Return how the command ends: only a server or a network that fails is to be waited for."""
    found = {one.status for one in findings if one.state == "wrong"}
    if len(found) == 1:
        return found.pop()
    return Exit.DONE if all(one.state == "ok" for one in findings) else Exit.UNUSABLE


def _show(screen: Screen, findings: list[Finding]) -> None:
    screen.section("", [(_STATES[one.state], CHECKS[one.check], one.text) for one in findings])
    screen.sentence("")
    states = [one.state for one in findings]
    told = []
    if failed := states.count("wrong"):
        told.append(trn("{count:,} check failed", "{count:,} checks failed", failed))
    if unmade := states.count("not checked"):
        told.append(
            trn("{count:,} check could not be made", "{count:,} checks could not be made", unmade)
        )
    if told:
        text = tr("{told}: see above").format(told=joined(", ", told))
        screen.sentence(text, _STYLES["wrong" if failed else "not checked"])
    else:
        screen.sentence(tr("All is well."), _STYLES["ok"])


def _versions() -> Finding:
    parts = [
        f"propq-async {__version__}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"aiohttp {version('aiohttp')}",
        f"{platform.system()} {platform.release()} {platform.machine()}",
    ]
    return ok("versions", ", ".join(parts))


async def _credentials() -> tuple[Credentials | None, Finding]:
    account = chosen()
    try:
        credentials = await find_credentials()
    except NoCredentialsError as error:
        ways = joined(tr("; or "), error.ways)
        return None, wrong("credentials", joined(": ", (error.what, ways)))
    except ConfigurationError as error:
        return None, wrong("credentials", str(error))
    if account is not None:
        said_by = "--account" if named_on_command_line() else ACCOUNT_VARIABLE
        where: str = tr("the account {account!r} of the keyring ({said_by})").format(
            account=account, said_by=said_by
        )
    else:
        where = ", ".join(variables_in_use()) or tr("the account 'default' of the keyring")
    return credentials, ok(
        "credentials",
        tr("client {client_id}, from {where}").format(client_id=credentials.client_id, where=where),
    )


def _address() -> tuple[str | None, Finding]:
    try:
        address = base_url_from_env()
    except ConfigurationError as error:
        return None, wrong("base URL", str(error))
    if address is None:
        return BASE_URL, ok("base URL", tr("{base_url}, the default").format(base_url=BASE_URL))
    return address, ok("base URL", tr("{address}, from PROPQ_BASE_URL").format(address=address))


async def _ledger(named: str | None) -> Finding:
    try:
        async with Ledger(named) as ledger:
            health = await ledger.check()
    except PropQError as error:
        return wrong("ledger", str(error))
    where = health.location
    if health.size_bytes is None:
        return await in_thread(lambda: _ledger_to_be(where))
    if health.problems:
        return wrong("ledger", joined(": ", (where, joined("; ", health.problems))))
    if health.holder is not None:
        return wrong(
            "ledger",
            tr("{where} is in use by {holder}: a push would not start now").format(
                where=where, holder=health.holder
            ),
        )
    if health.warning is not None:
        return wrong("ledger", health.warning)
    units = sum(health.units.values())
    return ok(
        "ledger",
        tr("{where}, whole, {units:,} units, {in_doubt:,} in doubt").format(
            where=where, units=units, in_doubt=health.in_doubt
        ),
    )


def _ledger_to_be(where: str) -> Finding:
    """Return whether the first push can make a ledger."""
    if "://" in where:
        return ok(
            "ledger", tr("none yet: the first push makes its tables in {where}").format(where=where)
        )
    place = next(one for one in Path(where).parents if one.exists())
    try:
        # Only a trial tells: root may write everywhere, and yet there are no files in /proc.
        Path(tempfile.mkdtemp(prefix=".propq-", dir=place)).rmdir()
    except OSError as error:
        return wrong(
            "ledger",
            tr(
                "there is none, and {where} cannot be made ({reason}): give access to {place}, or "
                "name another file in PROPQ_LEDGER"
            ).format(where=where, reason=os_reason(error), place=place),
        )
    return ok("ledger", tr("none yet: the first push makes {where}").format(where=where))


def _without_home(text: str) -> str:
    """Return the text without the name of the user, which is in most paths."""
    home = default_path("the home directory", Path.home, ".")
    plain = None if home is None else str(home)
    return text if plain in (None, os.sep) else text.replace(f"{plain}{os.sep}", f"~{os.sep}")
