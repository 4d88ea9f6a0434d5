"""The commands as a user of a container: no home, no name, nothing that may be written."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, read_until
from tests.helpers.containers import USER, Container, why_there_is_none
from tests.helpers.lists import text_list, unit
from tests.helpers.processes import STRANGER, Process, run_as_stranger

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root may become somebody else"
)

UPDATE = ["update", "4711", "A-1", "--status", "SOLD", "--price", "250000", "--directions", "N"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        text_list(Path(directory) / "x.csv", unit("A-1"))
        yield Path(directory)


async def as_stranger(
    emulator: PropQEmulator, place: Path, *commands: list[str], **variables: str
) -> list[Any]:
    emulator.add_unit("4711", "A-1")
    environment = {
        "PROPQ_BASE_URL": emulator.url,
        "PROPQ_CLIENT_ID": str(emulator.credentials.client_id),
        "PROPQ_CLIENT_SECRET": emulator.credentials.client_secret,
        **variables,
    }
    process = await Process.start(
        run_as_stranger, str(place), list(commands), environment, ready=False
    )
    results: list[Any] = await process.result()
    return results


async def test_a_user_without_a_home_is_told_what_to_name(
    emulator: PropQEmulator, place: Path
) -> None:
    commands = [["plan", "x.csv"], ["push", "x.csv"], UPDATE]
    for status, said in await as_stranger(emulator, place, *commands):
        assert status == Exit.UNUSABLE, said
        assert said.endswith(
            "propq: this user has no home directory to keep the ledger in: name its file with "
            "--ledger or PROPQ_LEDGER\n"
        )
    commands = [["token", "show"], ["token", "refresh"], ["token", "clear"]]
    for status, said in await as_stranger(emulator, place, *commands):
        assert status == Exit.UNUSABLE, said
        assert "to keep the token file in: name the file in PROPQ_TOKEN_FILE" in said


async def test_a_user_without_a_home_can_push(emulator: PropQEmulator, place: Path) -> None:
    own = place / "own"
    own.mkdir()
    os.chown(own, STRANGER, STRANGER)
    commands = [["push", "x.csv", FIRST], ["plan", "x.csv"], UPDATE, ["token", "show"]]
    results = await as_stranger(
        emulator, place, *commands, PROPQ_LEDGER=str(own / "l"), PROPQ_TOKEN_FILE=str(own / "t")
    )
    assert [status for status, _ in results] == [Exit.DONE] * 4, results


async def test_a_ledger_that_root_has_made_is_told_with_its_owner(
    emulator: PropQEmulator, place: Path
) -> None:
    own = place / "own"
    own.mkdir()
    os.chown(own, STRANGER, STRANGER)
    ledger = own / "a ledger"
    # Root pushes first, and then the stranger does.
    command = ["push", "x.csv", "--all", "--ledger", str(ledger)]
    ((status, said),) = await as_stranger(emulator, place, command)
    assert status == Exit.UNUSABLE
    assert (
        f"{ledger} belongs to user 0 and has mode 0644; this process is user {STRANGER}: chown "
        f"{STRANGER} '{ledger}'\n"
    ) in said
    # It is his now, but for what is beside it.
    os.chown(ledger, STRANGER, STRANGER)
    ((status, said),) = await as_stranger(emulator, place, command)
    assert status == Exit.UNUSABLE
    assert f"{ledger}.lock belongs to user 0 and has mode 0644; this process is user" in said


# --- in a container -------------------------------------------------------------------------------


NO_PLACE = (
    "propq: no temporary directory can be made (No usable temporary directory found in "
    "['/tmp', '/var/tmp', '/usr/tmp', '/data']): name a directory that can be written to in TMPDIR"
)
SDK = """
import asyncio
from propq_async import AsyncPropQ, ConfigurationError, UnitStatus, UnitUpdate
from propq_async.ledger import Ledger

async def main():
    async with AsyncPropQ.from_env() as propq, propq.session() as session:
        await session.units.update(UnitUpdate("4711", "A-1", UnitStatus.SOLD, 5, ["N"]))
    try:
        Ledger()
    except ConfigurationError as error:
        print(error)

asyncio.run(main())
"""


@pytest.fixture
def container(place: Path) -> Container:
    reason = why_there_is_none()
    if reason is not None:
        pytest.skip(f"this machine lets nobody mount: {reason}")
    root = place / "root"
    for directory in (root, place / "work"):
        directory.mkdir()
    text_list(place / "work" / "x.csv", unit("A-1"), unit("A-2", price="five"))
    return Container(root, place / "work")


def account(emulator: PropQEmulator) -> dict[str, str]:
    emulator.add_unit("4711", "A-1")
    return {
        "PROPQ_BASE_URL": emulator.url,
        "PROPQ_CLIENT_ID": str(emulator.credentials.client_id),
        "PROPQ_CLIENT_SECRET": emulator.credentials.client_secret,
    }


def test_commands_where_nothing_can_be_written(
    container: Container, emulator: PropQEmulator
) -> None:
    """No home, no name, no `/tmp`, a read-only root: each says what to name, and none is a bug."""
    ledger, token = "to keep the ledger in: name its file", "to keep the token file in: name the"
    expected = (
        (["plan", "x.csv"], ledger),
        (["push", "x.csv"], ledger),
        (UPDATE, ledger),
        (["token", "show"], token),
        (["token", "refresh"], token),
        (["token", "clear"], token),
        (["demo", "--units", "5"], NO_PLACE),
        (["demo", "--clean"], NO_PLACE),
        (["emulate"], NO_PLACE),
    )
    results = container.commands(*(command for command, _ in expected), **account(emulator))
    for (command, said), (status, told) in zip(expected, results, strict=True):
        assert (status, said in told) == (Exit.UNUSABLE, True), (command, told)
    ((status, told),) = container.commands(["--help"])
    assert (status, "Usage: propq" in told) == (Exit.DONE, True)
    assert emulator.applied == 0


def test_commands_whose_files_are_read_only(container: Container, emulator: PropQEmulator) -> None:
    """As the above, with the files named, but where the user may not write."""
    named = {"PROPQ_LEDGER": "/data/l", "PROPQ_TOKEN_FILE": "/data/t", **account(emulator)}
    expected = (
        (["plan", "x.csv"], Exit.UNCONFIRMED, "by the ledger /data/l"),
        (["push", "x.csv"], Exit.UNUSABLE, "or name another file in PROPQ_LEDGER\n"),
        (UPDATE, Exit.UNUSABLE, "or name another file in PROPQ_LEDGER\n"),
        (["token", "show"], Exit.ROWS_FAILED, "no token for client 1 in /data/t"),
        (["token", "refresh"], Exit.UNUSABLE, "but /data/t does not hold it"),
        (["token", "clear"], Exit.DONE, "there was no token of client 1 in /data/t"),
    )
    results = container.commands(*(command for command, _, _ in expected), **named)
    for (command, status, said), (found, told) in zip(expected, results, strict=True):
        assert (found, said in told) == (status, True), (command, told)
    assert emulator.applied == 0


def test_commands_with_one_directory_of_their_own(
    container: Container, emulator: PropQEmulator, place: Path
) -> None:
    own = place / "own"
    own.mkdir()
    os.chown(own, USER, USER)
    container = attrs.evolve(container, own=own)
    named = {"PROPQ_LEDGER": "/own/l", "PROPQ_TOKEN_FILE": "/own/t", "TMPDIR": "/own"}
    named |= account(emulator)
    expected = (
        (["push", "x.csv", FIRST], Exit.ROWS_FAILED, "could not be written: Read-only file system"),
        (["plan", "x.csv"], Exit.ROWS_FAILED, "unchanged  1"),
        (UPDATE, Exit.DONE, "applied: A-1 of 4711 is SOLD, 250,000 EUR, N"),
        (["token", "refresh"], Exit.DONE, "Fetched a new access token"),
        (["token", "show"], Exit.DONE, "/own/t"),
        (["token", "clear"], Exit.DONE, "forgot the token of client 1 in /own/t"),
        (["demo", "--units", "5"], Exit.DONE, "every row was applied"),
        (["demo", "--clean"], Exit.DONE, "removed /own/propq-demo-"),
    )
    results = container.commands(*(command for command, _, _ in expected), **named)
    for (command, status, said), (found, told) in zip(expected, results, strict=True):
        assert (found, said in told) == (status, True), (command, told)
    assert emulator.applied == 2
    with container.start("-m", "propq_async", "emulate", **named) as process:
        assert "export PROPQ_LEDGER=/own/propq-emulate-" in read_until(process, "PROPQ_LEDGER")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == Exit.DONE


def test_the_sdk_where_nothing_can_be_written(
    container: Container, emulator: PropQEmulator
) -> None:
    """The token stays in memory; only the ledger needs a place."""
    status, told = container.run("-c", SDK, **account(emulator))
    assert (status, told.count("\n")) == (0, 1), told
    assert told.startswith("this user has no home directory to keep the ledger in: name its file")
    assert emulator.applied == 1
