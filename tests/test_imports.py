"""What an import brings along, and what does not come even in use: in processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

import propq_async
from propq_async import JsonFileTokenStore, TokenManager, UnitStatus
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.lists import text_list, unit

SAY = "; import json, sys; print(json.dumps(list(sys.modules)))"
ALL_OF = "from propq_async{} import *"


def imported_by(code: str, *arguments: str, env: dict[str, str] | None = None) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", code + SAY, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | (env or {}),
    )
    assert (run.returncode, run.stderr) == (0, "")
    return set(json.loads(run.stdout))


@cache
def with_aiohttp() -> frozenset[str]:
    return frozenset(imported_by("import aiohttp"))


def ours(modules: set[str]) -> set[str]:
    """Return the modules of the package and its packages, without its own name."""
    dotted = {name.partition(".") for name in modules}
    return {name.partition(".")[0] for package, _, name in dotted if package == "propq_async"}


@cache
def names_of_extras() -> frozenset[str]:
    """Return the names under which one imports what only an extra installs."""
    extras = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        for requirement in requires("propq-async") or ()
        if "extra ==" in requirement
    }
    assert {"cyclopts", "rich", "python-calamine", "uvloop", "pytest", "httpx"} <= extras
    names = frozenset(
        name
        for name, homes in packages_distributions().items()
        if extras & {home.lower().replace("_", "-") for home in homes}
    )
    assert {"cyclopts", "rich", "python_calamine", "pytest"} <= names
    return names


def of_extras(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules} & names_of_extras()


# What stands above the core, and is no part of it.
ABOVE = {"testing", "_cli", "__main__", "pricelist", "ledger"}
# What needs an extra, and is imported only where it is asked for.
OF_AN_EXTRA = {"opentelemetry", "prometheus", "redis"}
# What the core imports when it is used. A script that sends one update does not wait for it.
WHEN_USED = {"_languages", "_keyring"}


@pytest.mark.parametrize(
    ("package", "own"),
    [
        ("", set()),
        (".ledger", {"ledger"}),
        (".pricelist", {"pricelist", "ledger"}),
        (".testing", {"testing"}),
        ("._cli", {"_cli"}),
        (".__main__", {"__main__"}),
    ],
)
def test_no_part_imports_what_is_above_it_or_an_extra(package: str, own: set[str]) -> None:
    imported = imported_by(ALL_OF.format(package)) - with_aiohttp()
    assert ours(imported) & ABOVE == own
    assert not of_extras(imported)
    assert ("aiohttp.web" in imported) is (package == ".testing")


def test_the_public_names_import_exactly_the_core() -> None:
    here = Path(propq_async.__file__).parent
    core = {path.stem for path in here.glob("*.py")} - {"__init__", "__main__"} - OF_AN_EXTRA
    core |= {path.parent.name for path in here.glob("*/__init__.py")} - ABOVE - OF_AN_EXTRA
    assert ours(imported_by(ALL_OF.format(""))) == core - WHEN_USED | {""}


def test_the_command_line_imports_no_emulator_until_needed() -> None:
    imported = imported_by("import propq_async._cli.app") - with_aiohttp()
    assert of_extras(imported) <= {"cyclopts", "rich"}
    assert ours(imported) & ABOVE == {"_cli"}


USE = """
import asyncio, csv, sys
from propq_async import *
update = UnitUpdate("4711", "A-101", UnitStatus.SOLD, 250_000, [Direction.N])
async def single():
    async with AsyncPropQ.from_env() as propq, propq.session() as session:
        await session.units.update(update)
        try:
            await session.request("GET", "/nowhere")
        except NotFoundError:
            propq.tokens.invalidate(await propq.tokens.get_token())
        async with session.units.update_many([update, update]) as batch:
            assert [outcome.ok async for outcome in batch] == [True, True]
        assert propq.stats().calls == 4
asyncio.run(single())
"""
FIRST_UPDATE = """
import asyncio
from propq_async import *
async def first():
    async with AsyncPropQ.from_env() as propq, propq.session() as session:
        await session.units.update(
            UnitUpdate("4711", "A-101", UnitStatus.SOLD, 250_000, [Direction.N])
        )
asyncio.run(first())
"""
PUSH = """
from propq_async import ledger, pricelist
async def push():
    async with AsyncPropQ.from_env() as propq, ledger.Ledger() as acknowledged:
        plan = await pricelist.plan(pricelist.read(sys.argv[1]), propq, acknowledged)
        async with pricelist.push(plan, propq, acknowledged, accept="all") as outcomes:
            assert [outcome.error async for outcome in outcomes] == [None, None]
asyncio.run(push())
"""


def environment_of(emulator: PropQEmulator) -> dict[str, str]:
    return {
        "PROPQ_BASE_URL": emulator.url,
        "PROPQ_CLIENT_ID": str(emulator.credentials.client_id),
        "PROPQ_CLIENT_SECRET": emulator.credentials.client_secret,
    }


def test_a_first_update_imports_what_it_needs(tmp_path: Path) -> None:
    """All public names, and an update with the token in its file."""
    file = tmp_path / "token.json"
    with run_in_thread(PropQEmulator()) as emulator:
        emulator.add_unit("4711", "A-101")
        tokens = TokenManager(
            emulator.credentials,
            token_url=f"{emulator.url}/oauth/token",
            store=JsonFileTokenStore(file),
        )
        asyncio.run(tokens.get_token())
        env = environment_of(emulator) | {"PROPQ_TOKEN_FILE": str(file)}
        imported = imported_by(FIRST_UPDATE + "0", env=env) - with_aiohttp()
        assert emulator.unit("4711", "A-101").status == UnitStatus.SOLD
    others = {name.partition(".")[0] for name in imported} - sys.stdlib_module_names
    assert others == {"propq_async", "aiofiles", "attrs", "httptools"}
    assert not imported & {
        "html",
        "propq_async._http.plain",
        "propq_async._http.proxies",
        "propq_async._keyring",
        "propq_async._throttling.fleet_cap",
        "propq_async._throttling.leases",
    }


def test_nor_does_anything_else_come_when_all_of_it_is_used(tmp_path: Path) -> None:
    prices = text_list(tmp_path / "prices.csv", unit("A-101", 1000), unit("A-102", 2000))
    with run_in_thread(PropQEmulator()) as emulator:
        for name in ("A-101", "A-102"):
            emulator.add_unit("4711", name)
        env = environment_of(emulator)
        core = imported_by(USE + "0", env=env)
        assert not ours(core) & (ABOVE | OF_AN_EXTRA)
        assert not of_extras(core)
        pushed = imported_by(USE + PUSH + "0", str(prices), env=env)
        assert emulator.unit("4711", "A-102").price == 2000
    assert ours(pushed) & ABOVE == {"pricelist", "ledger"}
    assert not of_extras(pushed)


def test_a_name_is_imported_when_it_is_used() -> None:
    nothing = {"", "_lazy", "_version"}
    errors = nothing | {"errors", "_messages"}
    assert ours(imported_by("import propq_async")) == nothing
    assert ours(imported_by("from propq_async import NotFoundError")) == errors
    assert ours(imported_by("import propq_async; propq_async.errors")) == errors
    assert ours(imported_by("import propq_async.testing")) == nothing | {"testing"}
    # The second time it is there already.
    first = propq_async.AsyncPropQ
    assert vars(propq_async)["AsyncPropQ"] is first
