"""`propq push` as a job runs it: one JSON document, silence, and times in its log."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.ledger import _sqlite as sqlite
from propq_async.testing import PropQEmulator
from tests.helpers.commands import LIST, PROPQ, break_ledger, lines, started
from tests.helpers.lists import text_list, unit
from tests.helpers.processes import Process, hold_ledger

JSON = ("push", "x.csv", "--json", "--yes")
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"


# --- JSON -----------------------------------------------------------------------------------------


def test_a_push_for_programs(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:3], unit("B"), unit("C", 0))
    said = propq(*JSON, "--list", "0")
    assert said.status == Exit.ROWS_FAILED
    told = json.loads(said.out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", told.pop("began"))
    assert 0 <= told.pop("seconds") < 600
    broken, failed = told.pop("failures")
    assert (broken["kind"], broken["line"], broken["name"]) == ("broken", 6, "C")
    assert broken["problems"][0]["value"] == "0"
    assert failed.pop("message").startswith(f"POST {emulator.url}/v1/developments/4711/units/")
    assert failed == {
        "kind": "failed",
        "sheet": None,
        "line": 5,
        "development_id": "4711",
        "name": "B",
        "error": "NotFoundError",
        "status": 404,
        "attempts": 1,
        "may_have_been_applied": False,
    }
    assert told.pop("ledger").endswith("ledger.sqlite3")
    # What needed a yes depends on the guards.
    assert isinstance(told.pop("warnings"), list)
    assert told.pop("totals")["SOLD"] == {"units": 4, "value": 1_000_000}
    assert told == {
        "exit_status": 1,
        "exit_meaning": Exit.ROWS_FAILED.meaning,
        "message": "2 of 5 rows are not applied: correct x.failed.csv and push that: "
        "propq push x.failed.csv",
        "list": "x.csv",
        "base_url": emulator.url,
        "client_id": 1,
        "shard": None,
        "rows": 5,
        "unchanged": 0,
        "repeated": 0,
        "to_be_sent": 4,
        "applied": 3,
        "failed": 1,
        "failed_unsure": 0,
        "cut_off": 0,
        "cut_off_unsure": 0,
        "not_sent": 0,
        "broken": 1,
        "interrupted": False,
        "stopped_by": None,
        "failures_file": "x.failed.csv",
        "failures_file_is_whole": True,
        "push_the_mended": "propq push x.failed.csv",
    }
    # The progress is where it was.
    lines(said.err, r" 4 of 4 rows, ")


def test_what_stopped_a_push_is_in_its_document(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("token", "refresh")
    emulator.maintenance()
    said = propq(*JSON, "--max-outage-seconds", "0")
    told = json.loads(said.out)
    assert told["exit_status"] == said.status == Exit.STOPPED
    assert told["stopped_by"]["error"] == "ServerError"
    assert told["stopped_by"]["status"] == 503
    assert (told["applied"], told["cut_off"] + told["not_sent"]) == (0, 30)
    emulator.maintenance(on=False)
    propq(*JSON)
    text_list(Path("x.csv"), *LIST[:29])
    break_ledger("BEFORE UPDATE OF missed_at ON unit")
    said = propq(*JSON)
    told = json.loads(said.out)
    assert told["exit_status"] == said.status == Exit.UNUSABLE
    stopped = told["stopped_by"]
    assert (stopped["error"], stopped["status"], stopped["attempts"]) == ("LedgerError", None, None)


def test_a_push_that_needs_a_yes_says_so_in_its_document(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv", "--yes")
    text_list(Path("x.csv"), unit("A-101", 1_000_000), *LIST[1:])
    said = propq("push", "x.csv", "--json")
    told = json.loads(said.out)
    assert told["exit_status"] == said.status == Exit.UNCONFIRMED
    assert (told["sent"], told["to_be_sent"]) == (0, 1)
    assert [one["kind"] for one in told["warnings"]] == ["price"]
    assert told["message"].startswith("nothing was sent")
    # For the people who read the log.
    assert "A-101 changes its price" in said.err
    assert emulator.applied == 30


@pytest.mark.usefixtures("emulator")
async def test_a_push_that_never_begins_has_a_document_too(tmp_path: Path) -> None:
    text_list(Path("x.csv"), *LIST)
    holder = await Process.start(hold_ledger, tmp_path / "held")
    with started(*JSON, "--ledger", "held") as process:
        out, err = await asyncio.to_thread(process.communicate)
    await holder.kill()
    told = json.loads(out)
    assert told["exit_status"] == process.returncode == Exit.BUSY
    assert told["message"].startswith("another push is at work with the ledger ")
    assert err == f"propq: {told['message']}\n"


@pytest.mark.parametrize("path", ["x.csv", "none.csv"])
def test_a_push_without_settings_or_list_has_a_document_too(
    path: str, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROPQ_CLIENT_ID", raising=False)
    text_list(Path("x.csv"), *LIST)
    said = propq("push", path, "--json")
    told = json.loads(said.out)
    assert told == {
        "exit_status": said.status,
        "exit_meaning": (Exit.UNUSABLE if path == "x.csv" else Exit.USAGE).meaning,
        "message": told["message"],
        "sent": 0,
    }
    # On stderr the lines after the first are indented.
    assert said.err == "propq: " + told["message"].replace("\n", "\n  ") + "\n"


def test_an_interrupted_push_has_a_document_too(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST)
    emulator.fail_next(429, times=99, retry_after=500)
    with started(*JSON, "--max-outage-seconds", "900") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "asks to wait" in line:
                break
        process.terminate()
        out, _ = process.communicate(timeout=60)
    told = json.loads(out)
    assert told["exit_status"] == process.returncode == Exit.INTERRUPTED
    assert told["interrupted"]
    assert told["message"].startswith("Interrupted. 0 of 30 rows are applied, 30 are still to be")


@pytest.mark.usefixtures("emulator")
def test_a_dry_run_for_programs_is_a_plan(propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    plan, dry = propq("plan", "x.csv", "--json"), propq(*JSON, "--dry-run")
    assert (dry.status, dry.out, dry.err) == (plan.status, plan.out, "")


def test_a_document_that_cannot_be_written_goes_to_stderr(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*PROPQ, *JSON, "--quiet"], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == Exit.DONE
    complaint, _, document = done.stderr.partition("\n")
    assert complaint == f"propq: standard output cannot be written: {os.strerror(28)}"
    assert json.loads(document)["applied"] == emulator.applied == 30


# --- quiet ----------------------------------------------------------------------------------------


def test_a_quiet_push_says_nothing_on_stderr_if_nothing_is_wrong(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is tried again is not wrong, nor is a place for the ledger."""
    monkeypatch.setattr(sqlite, "network_file_system", lambda _: "nfs4")
    text_list(Path("x.csv"), *LIST)
    emulator.fail_next(429, times=2, retry_after=1)
    said = propq("push", "x.csv", "--yes", "--quiet")
    assert (said.status, said.err) == (Exit.DONE, "")
    lines(said.out, r"^  applied  +30$")
    emulator.fail_next(429, times=2, retry_after=1)
    loud = propq("push", "x.csv", "--yes", "--all")
    lines(loud.err, "the server asks to wait", r"is on a network file system \(nfs4\)")


def test_a_quiet_push_says_what_is_wrong(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text_list(Path("x.csv"), *LIST, unit("B"))
    said = propq("push", "x.csv", "--yes", "--quiet")
    assert said.status == Exit.ROWS_FAILED
    # Even if the summary goes where nobody looks.
    assert said.err == (
        "propq: x.csv: 1 of 31 rows is not applied: correct x.failed.csv and push that: "
        "propq push x.failed.csv\n"
    )
    text_list(Path("x.csv"), *LIST)
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path))
    said = propq("push", "x.csv", "--yes", "--all", "--quiet")
    assert said.status == Exit.DONE
    lines(said.err, rf"^{TIME}  client  warning: the token file .* is not used: ")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    said = propq("push", "x.csv", "--yes", "--all", "--quiet")
    assert said.status == Exit.UNUSABLE
    lines(said.err, r"^propq: x\.csv: Stopped: .*invalid_client")
    assert emulator.applied == 60


# --- the log --------------------------------------------------------------------------------------


def test_the_lines_of_the_log_have_times(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    emulator.fail_next(429, retry_after=1)
    said = propq("push", "x.csv", "--yes")
    assert said.err
    for line in said.err.splitlines():
        assert re.match(rf"{TIME}  (client  warning: |        \d+ of 30 rows, )", line), line
