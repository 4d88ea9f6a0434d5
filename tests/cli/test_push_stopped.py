"""What stops `propq push`, and what it can go on from."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async._cli.push_summary import Summary
from propq_async._cli.screen import Screen
from propq_async.ledger import Account
from propq_async.pricelist import Plan, Standing
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, NAMES, PROPQ, break_ledger, lines, started, wait_for
from tests.helpers.lists import text_list, unit
from tests.helpers.processes import Process, hold_ledger


def test_credentials_server_and_ledger_stop_a_push(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text_list(Path("x.csv"), *LIST)
    broken = tmp_path / "no ledger"
    broken.write_bytes(b"nothing of the kind " * 100)
    for command in ("plan", "push"):
        said = propq(command, "x.csv", "--ledger", str(broken))
        assert said.status == Exit.UNUSABLE
        assert "no ledger cannot be used: file is not a database" in said.err
        assert broken.read_bytes() == b"nothing of the kind " * 100
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    said = propq("push", "x.csv", FIRST)
    assert said.status == Exit.UNUSABLE
    lines(said.out, r"^Stopped: .*invalid_client.*\. 0 of 30 rows are applied, 30 are still")
    monkeypatch.delenv("PROPQ_CLIENT_ID")
    for command in ("plan", "push"):
        said = propq(command, "x.csv")
        assert said.status == Exit.UNUSABLE
        assert said.err.startswith("propq: the environment variable PROPQ_CLIENT_ID is not set")
    assert emulator.applied == 0


NO_LEDGER = {
    "x.csv": "file is not a database, so it is no ledger; name the file of your ledger with "
    "--ledger",
    "a place": "it is a directory; name a file in it, such as "
    "--ledger '{here}/a place/ledger.sqlite3'",
    "x.csv/a/ledger": "Not a directory; make room or give access to {here}/x.csv/a"
    ", or name another file in PROPQ_LEDGER",
    "/proc/1/ledger": "unable to open database file; make room or give access to /proc/1, or name "
    "another file in PROPQ_LEDGER",
}


@pytest.mark.parametrize(("ledger", "advice"), NO_LEDGER.items())
def test_what_can_be_no_ledger_is_told_with_what_to_do(
    ledger: str, advice: str, emulator: PropQEmulator, propq: Any, tmp_path: Path
) -> None:
    text_list(Path("x.csv"), *LIST)
    Path("a place").mkdir()
    said = propq("push", "x.csv", FIRST, "--ledger", ledger)
    assert (said.status, said.out) == (Exit.UNUSABLE, "")
    assert said.err == (
        f"propq: the ledger {tmp_path / ledger} cannot be used: {advice.format(here=tmp_path)}\n"
    )
    assert emulator.calls == 0


@pytest.mark.usefixtures("emulator")
async def test_two_pushes_at_once(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    text_list(Path("x.csv"), *LIST)
    holder = await Process.start(hold_ledger, ledger)
    with started("push", "x.csv", FIRST, "--ledger", str(ledger)) as process:
        out, err = await asyncio.to_thread(process.communicate)
    # Whoever only looks is let in.
    with started("plan", "x.csv", "--ledger", str(ledger)) as planning:
        shown, _ = await asyncio.to_thread(planning.communicate)
    await holder.kill()
    assert planning.returncode == Exit.UNCONFIRMED
    assert "new to us  30" in shown
    assert (process.returncode, out) == (Exit.BUSY, "")
    assert err.startswith(f"propq: another push is at work with the ledger {ledger} (process ")


@pytest.mark.parametrize("server", ["up", "down"])
def test_a_ledger_that_fails_at_the_end_hides_nothing(
    server: str, emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:4])
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    break_ledger("BEFORE UPDATE OF missed_at ON unit")
    text_list(Path("x.csv"), *LIST[:2], unit("A-105"), unit("B"))
    if server == "down":
        emulator.maintenance()
    said = propq("push", "x.csv", FIRST, "--yes", "--max-outage-seconds", "0")
    assert said.status == (Exit.UNUSABLE if server == "up" else Exit.STOPPED)
    if server == "up":
        lines(
            said.out,
            r"^  applied  +1$",
            r"^Stopped: the ledger .* cannot be used: no room; .*\. 1 of 4 rows is not applied: "
            r"correct x\.failed\.csv and push that:\n"
            r"  propq push x\.failed\.csv --max-outage-seconds 0\n\Z",
        )
        assert "B,SOLD," in Path("x.failed.csv").read_text("utf-8-sig")
    else:
        lines(
            said.out,
            r"^  applied  +0$",
            r"^  failed  +0$",
            r"^  not sent +2$",
            r"\. 0 of 2 rows are applied, 2 are still to be sent: the same command goes on from "
            r"here\.$",
        )
        assert not list(Path().glob("*.failed*"))
        # Which is what kept the rows from being sent, and goes first.
        lines(said.out, r"^Stopped: .* 503 ")
        assert "no room" not in said.out
    # It was not noted, so it is asked again.
    (warning,) = json.loads(propq("plan", "x.csv", "--json").out)["warnings"]
    assert warning["kind"] == "missing"


@pytest.mark.parametrize(
    ("closed", "told"), [("<&-", "out err"), (">&-", "err"), ("2>&-", "out"), ("<&- >&- 2>&-", "")]
)
def test_a_push_whose_streams_are_closed(closed: str, told: str, emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST)
    done = subprocess.run(
        f"{shlex.join(PROPQ)} push x.csv {FIRST} {closed}", shell=True,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == Exit.DONE
    assert done.stdout.startswith("PropQ push of" if "out" in told else "")
    assert bool(done.stdout) is ("out" in told)
    assert bool(done.stderr) is ("err" in told)
    # The summary is written where it can be.
    assert ("PropQ push of" in done.stderr) is (closed == ">&-")
    assert "Traceback" not in done.stderr
    assert emulator.applied == 30


def test_a_push_that_is_killed_goes_on(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv", FIRST)
    emulator.throttle(4, 30)
    text_list(Path("y.csv"), *(unit(name, 260_000) for name in NAMES))
    with started("push", "y.csv", FIRST, "--concurrency", "2") as process:
        wait_for(process, "the server asks to wait")
        process.kill()
        process.communicate()
    emulator.throttle(1000, 1)
    # The list goes back to what it was: whatever may have been sent is sent again.
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    assert {unit.price for unit in emulator.units.values()} == {250_000}


@pytest.mark.parametrize(
    ("unsure", "told"),
    [
        (2, ["  cut off           3, 2 of them may have been applied", "  not sent          2"]),
        (0, ["  not sent          5"]),
    ],
)
def test_what_was_cut_off_before_it_went_out_was_not_sent(
    unsure: int, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    account = Account("https://api.propq.com", 1)
    plan = Plan(Path("x.csv"), [], account, [], 0, [], 0, [], [], [], [], {}, 0, "")
    standing = Standing(5, cut_off=3, cut_off_unsure=unsure)
    Summary(plan, "ledger", standing, 10, {}, str).show(Screen())
    out = capsys.readouterr().out
    assert [one for one in out.splitlines() if "cut off" in one or "not sent" in one] == told
