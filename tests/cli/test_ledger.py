"""`propq ledger`: show, backup, check, forget and import."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from propq_async import UnitUpdate
from propq_async._cli.exit_codes import Exit
from propq_async.ledger import Account, Ledger
from propq_async.ledger import _sqlite as sqlite
from propq_async.testing import PropQEmulator
from tests.helpers.commands import LIST, PROPQ, lines, on_a_terminal, started
from tests.helpers.ledgers import spoil
from tests.helpers.lists import text_list, unit
from tests.helpers.processes import Process, hold_ledger
from tests.helpers.support import an_update

ME = Account("https://api.propq.com", 42)


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the ledger of these commands is. There is no server and no secret."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROPQ_CLIENT_SECRET", raising=False)
    monkeypatch.setenv("PROPQ_CLIENT_ID", "42")
    monkeypatch.setenv("PROPQ_LEDGER", str(tmp_path / "ledger.sqlite3"))
    return tmp_path / "ledger.sqlite3"


def known(path: Path, *updates: UnitUpdate, account: Account = ME) -> Path:
    """Let a ledger know these units; the last one is in doubt."""

    async def make() -> None:
        async with Ledger(path) as ledger:
            await ledger.acknowledge(account, updates, "/lists/prices.csv")
            await ledger.mark(account, updates[-1:])

    asyncio.run(make())
    return path


def units_of(path: Path, account: Account = ME) -> list[tuple[str, str]]:
    async def look() -> list[tuple[str, str]]:
        async with Ledger(path) as ledger:
            return list(((await ledger.everything()) or {}).get(account, {}))

    return asyncio.run(look())


# --- show -----------------------------------------------------------------------------------------


def test_what_the_ledger_knows_is_shown_to_people(
    path: Path, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(path, an_update(), an_update("A-102", 199500.5), an_update("A-103"))
    monkeypatch.delenv("PROPQ_CLIENT_ID")
    said = propq("ledger", "show", "--list", "2")
    assert (said.status, said.err) == (Exit.DONE, "")
    lines(
        said.out,
        rf"^the ledger {path}$",
        r"^Client 42 at https://api\.propq\.com: 3 units, 1 in doubt$",
        r"^  4711  A-101  SOLD     250,000 EUR  N S  [-\d]{10} \d\d:\d\d  /lists/prices\.csv$",
        r"^  4711  A-102  SOLD  199,500\.50 EUR  N S ",
        r"^  and 1 more \(--list 3 shows all\)$",
    )
    spanish = propq("ledger", "show", "--lang", "es").out
    lines(spanish, r"SOLD     250\.000 EUR  N S", r"SOLD  199\.500,50 EUR  N S")
    one = propq("ledger", "show", " a-103")
    assert one.out.count("A-1") == 1
    lines(one.out, r"/lists/prices\.csv  in doubt$")


def test_what_the_ledger_knows_is_shown_to_programs(path: Path, propq: Any) -> None:
    known(path, an_update(), an_update(development_id="900"))
    said = propq("ledger", "show", "A-101", "--development", "900", "--json")
    assert (said.status, said.err) == (Exit.DONE, "")
    told = json.loads(said.out)
    assert (told["ledger"], told["exists"]) == (str(path), True)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT generation FROM state").fetchall() == [(told["generation"],)]
    (account,) = told["accounts"]
    assert (account["base_url"], account["client_id"]) == (ME.base_url, ME.client_id)
    (shown,) = account["units"]
    assert shown.pop("acknowledged_at").endswith("+00:00")
    assert shown == {
        "development_id": "900",
        "name": "A-101",
        "status": "SOLD",
        "price": 250000,
        "directions": ["N", "S"],
        "in_doubt": True,
        "list": "/lists/prices.csv",
        "known_to_be_in_no_list": False,
    }


def test_a_unit_that_was_only_marked_is_shown_as_such(path: Path, propq: Any) -> None:
    async def mark() -> None:
        async with Ledger(path) as ledger:
            await ledger.mark(ME, [an_update()])

    asyncio.run(mark())
    lines(propq("ledger", "show").out, r"^  4711  A-101  never acknowledged +in doubt$")
    (account,) = json.loads(propq("ledger", "show", "--json").out)["accounts"]
    assert account["units"][0]["status"] is None
    assert account["units"][0]["acknowledged_at"] is None


def test_what_there_is_not_is_no_success(path: Path, propq: Any) -> None:
    none = propq("ledger", "show")
    assert (none.status, none.out) == (Exit.ROWS_FAILED, f"there is no ledger {path}\n")
    none = propq("ledger", "show", "--json")
    assert (none.status, json.loads(none.out)["exists"]) == (Exit.ROWS_FAILED, False)
    known(path, an_update())
    unknown = propq("ledger", "show", "B")
    assert unknown.status == Exit.ROWS_FAILED
    assert unknown.out == f"the ledger {path} does not know such a unit\n"
    assert propq("ledger", "forget", "A-101", "--yes").status == Exit.DONE
    assert propq("ledger", "show").out == f"the ledger {path} does not know any unit\n"


# --- backup and check -----------------------------------------------------------------------------


def test_looking_is_possible_during_a_push_and_changing_is_not(path: Path, propq: Any) -> None:
    known_here = known(path, an_update())
    with asyncio.Runner() as runner:
        holder = runner.run(Process.start(hold_ledger, path))
        for arguments, status in (
            (("show",), Exit.DONE),
            (("check",), Exit.DONE),
            (("backup", "copy"), Exit.DONE),
            (("forget", "A-101", "--yes"), Exit.BUSY),
            (("import", "copy"), Exit.BUSY),
        ):
            said = propq("ledger", *arguments)
            assert said.status == status, said.err
            if arguments[0] == "check":
                pid = holder.process.pid
                lines(said.out, rf"^  in use +another push \(process {pid}, since ")
            if status == Exit.BUSY:
                busy = f"propq: another push is at work with the ledger {path} (proc"
                assert said.err.startswith(busy)
        runner.run(holder.kill())
    assert units_of(known_here) == [("4711", "A-101")]


def test_a_killed_push_can_be_copied_and_gone_on_with(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With a backup as with a plain copy of the file: nothing is taken for new."""
    text_list(Path("x.csv"), *LIST)
    assert propq("push", "x.csv", "--yes").status == Exit.DONE
    text_list(Path("x.csv"), *(unit(row[1], 260_000) for row in LIST))
    with started("push", "x.csv", "--yes", "--concurrency", "2") as process:
        emulator.on_request = lambda _: process.kill()
        process.communicate()
    emulator.on_request = None
    original = Ledger().path
    shutil.copyfile(original, "plain")
    assert propq("ledger", "backup", "whole").status == Exit.DONE
    original.unlink()
    for copy in ("plain", "whole"):
        monkeypatch.setenv("PROPQ_LEDGER", str(tmp_path / copy))
        made = json.loads(propq("plan", "x.csv", "--json").out)
        assert {change["reason"] for change in made["changes"]} <= {"changed", "in doubt"}
        assert len(made["changes"]) == len(LIST)
        assert propq("ledger", "check").status == Exit.DONE


def test_a_backup_says_where_it_is(path: Path, propq: Any, tmp_path: Path) -> None:
    known(path, an_update())
    said = propq("ledger", "backup", "copy")
    assert (said.status, said.err) == (Exit.DONE, "")
    assert said.out == f"copied the ledger {path} to copy\n"
    again = propq("ledger", "backup", "copy")
    assert (again.status, again.out) == (Exit.UNUSABLE, "")
    assert again.err == f"propq: {tmp_path / 'copy'} exists already: name a file that does not\n"
    assert units_of(tmp_path / "copy") == [("4711", "A-101")]


def test_a_check_says_what_is_wrong(
    path: Path, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = propq("ledger", "check")
    assert missing.status == Exit.UNUSABLE
    lines(missing.out, rf"^there is no ledger {path}: it is elsewhere, or nothing was pushed with")
    known(path, an_update())
    monkeypatch.setattr(sqlite, "network_file_system", lambda _: "nfs4")
    whole = propq("ledger", "check")
    assert (whole.status, whole.err) == (Exit.DONE, "")
    lines(
        whole.out,
        rf"^  ledger +{path}$",
        r"^  size +[\d,]+ bytes$",
        r"^  client 42 +1 unit at https://api\.propq\.com$",
        r"^  in doubt +1 unit$",
        r"^  in use +by nobody$",
        r"^warning: the ledger .* is on a network file system \(nfs4\): ",
        r"^The ledger is whole\.$",
    )
    asyncio.run(spoil(path, "UPDATE unit SET price = 'x'"))
    spoiled = propq("ledger", "check")
    assert spoiled.status == Exit.UNUSABLE
    said = "price is 'x'; put it right there, or make it a new unit with `propq ledger forget`\n"
    assert said in spoiled.out
    assert propq("ledger", "show").err.endswith(said)


def test_the_commands_in_the_documentation_work(path: Path, propq: Any) -> None:
    known(path, an_update(), an_update("B"))
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "ledger.md").read_text(encoding="utf-8")
    commands = text.split("```bash\n")[1].split("```")[0].splitlines()
    assert len(commands) == 6
    for command in commands:
        said = propq(*shlex.split(command)[1:])
        assert (said.status, said.err) == (Exit.DONE, ""), command
    # What was forgotten comes back from the copy.
    assert units_of(path) == [("4711", "A-101"), ("4711", "B")]


# --- forget ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [
        (b"y\n", Exit.DONE, "forgot 1 unit of client 42 in "),
        (b"\n", Exit.UNCONFIRMED, "propq: nothing was changed"),
        (b"\x03", Exit.INTERRUPTED, "propq: interrupted: nothing was changed"),
    ],
)
def test_forgetting_asks(keys: bytes, status: Exit, said: str, path: Path) -> None:
    known(path, an_update(), an_update("B"))
    found, seen = on_a_terminal("ledger", "forget", "a-101", keys=keys, columns=200)
    assert (found, said in seen) == (status, True), seen
    assert "client 42: A-101 of 4711: the next push sends what its list says of them" in seen
    assert units_of(path) == [("4711", "A-101")] * (status != Exit.DONE) + [("4711", "B")]


def test_forgetting_without_a_terminal_needs_a_yes(path: Path) -> None:
    known(path, an_update())
    command = [*PROPQ, "ledger", "forget", "A-101"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (Exit.UNCONFIRMED, "")
    assert done.stderr.endswith("; if that is meant, use --yes\n")
    assert units_of(path) == [("4711", "A-101")]


def test_a_unit_that_is_not_clear_is_not_forgotten(path: Path, propq: Any) -> None:
    known(path, an_update(), an_update(development_id="900"))
    before = units_of(path)
    unknown = propq("ledger", "forget", "A-101", "C", "--development", "900", "--yes")
    assert (unknown.status, unknown.out) == (Exit.ROWS_FAILED, "")
    assert (
        unknown.err == f"propq: the ledger {path} does not know the unit 'C': nothing was changed\n"
    )
    unclear = propq("ledger", "forget", "A-101", "--yes")
    assert unclear.status == Exit.USAGE
    assert unclear.err == "propq: 'A-101' is a unit of 4711, 900: say which with --development\n"
    assert units_of(path) == before
    assert propq("ledger", "forget", "A-101", "--development", "900", "--yes").status == Exit.DONE
    assert units_of(path) == [("4711", "A-101")]


def test_a_forgotten_unit_is_new_to_the_next_push(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:3])
    assert propq("push", "x.csv", "--yes").status == Exit.DONE
    assert propq("ledger", "forget", "A-101", "A-102", "--yes").status == Exit.DONE
    assert propq("push", "x.csv", "--yes").status == Exit.DONE
    assert emulator.applied == 5


# --- import ---------------------------------------------------------------------------------------


def test_another_ledger_is_imported(path: Path, propq: Any, tmp_path: Path) -> None:
    other = known(tmp_path / "other", an_update(), an_update("B"), account=Account(ME.base_url, 5))
    said = propq("ledger", "import", "other")
    assert (said.status, said.err) == (Exit.DONE, "")
    assert said.out == f"2 units changed in the ledger {path}\n"
    assert propq("ledger", "import", "other").out.startswith("0 units changed ")
    assert units_of(path, Account(ME.base_url, 5)) == [("4711", "A-101"), ("4711", "B")]
    # One of its clients, for the present one.
    assert propq("ledger", "import", "other", "--from-client", "5").status == Exit.DONE
    assert units_of(path) == units_of(other, Account(ME.base_url, 5))


def test_a_new_client_id_continues_the_memory_of_the_old_one(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_list(Path("x.csv"), *LIST)
    assert propq("push", "x.csv", "--yes").status == Exit.DONE
    monkeypatch.setenv("PROPQ_CLIENT_ID", "77")
    assert json.loads(propq("plan", "x.csv", "--json").out)["unchanged"] == 0
    assert propq("ledger", "import", "--from-client", "1").status == Exit.DONE
    assert json.loads(propq("plan", "x.csv", "--json").out)["unchanged"] == len(LIST)
    assert emulator.applied == len(LIST)


def test_what_cannot_be_imported_is_told(path: Path, propq: Any, tmp_path: Path) -> None:
    for arguments, status, problem in (
        ((), Exit.USAGE, "name the ledger to import from, or the client whose memory this one con"),
        (("--from-client", "42"), Exit.USAGE, "client 42 is the present one (PROPQ_CLIENT_ID): n"),
        (("--from-client", "5"), Exit.UNUSABLE, f"there is no ledger {path}"),
        (("none",), Exit.UNUSABLE, f"there is no ledger {tmp_path / 'none'}"),
    ):
        said = propq("ledger", "import", *arguments)
        assert (said.status, said.out) == (status, "")
        assert said.err.startswith(f"propq: {problem}")
    assert not path.exists()
    known(path, an_update())
    Path("link").symlink_to(path)
    assert propq("ledger", "import", "link").err == "propq: link is this ledger itself\n"
    unknown = propq("ledger", "import", "--from-client", "5")
    assert unknown.status == Exit.UNUSABLE
    assert "knows no unit of client 5 at https://api.propq.com, but of: 42 at https" in unknown.err
