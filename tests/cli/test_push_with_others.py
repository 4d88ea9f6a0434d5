"""Pushing beside others: a ledger on a server, waiting for its holder, and parts of a list."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from pathlib import Path
from typing import Any, Self

import pytest

from propq_async._cli.commands import app
from propq_async._cli.exit_codes import Exit
from propq_async._cli.screen import Screen
from propq_async.ledger import Account, Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, NAMES, lines
from tests.helpers.ledgers import Place
from tests.helpers.lists import text_list, unit
from tests.helpers.postgres import Server


class Holder:
    """Somebody else who holds a ledger, in a thread."""

    def __init__(self, where: str, account: Account) -> None:
        self._where, self._account = where, account
        self._held, self._free = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._hold()))

    async def _hold(self) -> None:
        async with Ledger(self._where) as ledger, ledger.exclusive(self._account):
            self._held.set()
            await asyncio.to_thread(self._free.wait)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._held.wait(30)
        return self

    def let_go(self) -> None:
        self._free.set()

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self._thread.join()


@pytest.fixture
def prices(emulator: PropQEmulator, tmp_path: Path) -> Path:
    del emulator  # it sets the environment
    return text_list(tmp_path / "list.csv", *LIST)


def account(emulator: PropQEmulator) -> Account:
    return Account(emulator.url, emulator.credentials.client_id)


# --- waiting --------------------------------------------------------------------------------------


def test_a_push_waits_for_another_one(
    emulator: PropQEmulator, prices: Path, place: Place, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = place("x")
    push = ["push", str(prices), "--ledger", where, FIRST]
    with Holder(where, account(emulator)) as holder:
        busy = propq(*push)
        assert busy.status == Exit.BUSY
        assert propq(*push, "--wait", "0.05").err.count("another push is at work") == 2
        assert propq(*push, "--wait", "0.05", "--quiet").err.count("another push is at work") == 1
        say = Screen.say

        def heard(screen: Screen, text: str, **options: Any) -> None:
            say(screen, text, **options)
            holder.let_go()

        monkeypatch.setattr(Screen, "say", heard)
        said = propq(*push, "--wait", "60")
    assert said.status == Exit.DONE, said.err
    lines(said.err, r"wait +another push is at work with .*: wait for its end, for up to 60 s$")
    assert emulator.applied == len(NAMES)


# --- on a server ----------------------------------------------------------------------------------


def test_no_output_of_a_command_has_the_password(
    emulator: PropQEmulator, prices: Path, postgres: Server, propq: Any
) -> None:
    url = postgres.new_database()
    shown = Ledger(url).location
    text_list(prices, *LIST, unit("no such unit"))
    said = propq("push", str(prices), "--ledger", url, FIRST)
    assert said.status == Exit.ROWS_FAILED
    lines(said.out, rf"ledger +{re.escape(shown)}", rf"propq push .* --ledger {re.escape(shown)}")
    out = said.out + said.err
    for command in ("show", "check", "backup"):
        more = ["copy.sqlite3"] if command == "backup" else []
        said = propq("ledger", command, *more, "--ledger", url)
        assert (said.status, said.err) == (Exit.DONE, "")
        out += said.out
    assert "s3cret" not in out
    assert len(emulator.requests) > len(LIST)


def test_a_ledger_is_copied_to_a_server_and_back(
    prices: Path, postgres: Server, propq: Any, tmp_path: Path
) -> None:
    url, back = postgres.new_database(), str(tmp_path / "back")
    assert propq("push", str(prices), FIRST).status == Exit.DONE
    here = str(Ledger().path)
    said = propq("ledger", "copy", here, url)
    assert (said.status, said.err) == (Exit.DONE, "")
    assert said.out == (
        f"copied {len(NAMES)} units to {Ledger(url).location}: name it with PROPQ_LEDGER or "
        "--ledger from now on\n"
    )
    assert propq("ledger", "copy", url, back).status == Exit.DONE
    shown = [json.loads(propq("ledger", "show", "--json", "--ledger", one).out) for one in
             (here, url, back)]  # fmt: skip
    assert shown[0]["accounts"] == shown[1]["accounts"] == shown[2]["accounts"]
    # Nothing is sent again.
    assert "Nothing to send." in propq("push", str(prices), "--ledger", url).out


def test_only_an_empty_ledger_is_copied_to(
    emulator: PropQEmulator, prices: Path, propq: Any, tmp_path: Path
) -> None:
    here, empty = str(Ledger().path), str(tmp_path / "empty")
    said = propq("ledger", "copy", here, empty)
    assert said.err == f"propq: there is nothing in the ledger {here}\n"
    assert not Path(here).exists()
    propq("push", str(prices), FIRST)
    assert propq("ledger", "copy", here, empty).status == Exit.DONE
    said = propq("ledger", "copy", here, empty)
    assert said.status == Exit.UNUSABLE
    assert "knows 30 units already, and nothing was copied: `propq ledger import`" in said.err
    with Holder(here, account(emulator)):
        assert propq("ledger", "copy", here, str(tmp_path / "another")).status == Exit.BUSY


# --- parts ----------------------------------------------------------------------------------------


def test_the_summaries_of_the_parts_add_up(
    emulator: PropQEmulator, prices: Path, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_list(prices, *LIST, unit("no such unit"), unit("broken", "free"), ["4711"])
    monkeypatch.setenv("JOB_COMPLETIONS", "4")
    totals: dict[str, int] = {"applied": 0, "failed": 0, "broken": 0, "rows": 0}
    statuses = []
    for index in range(4):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        said = propq("push", str(prices), "--yes", "--json")
        found = json.loads(said.out)
        statuses.append(said.status)
        assert found["shard"] == [index + 1, 4]
        totals = {what: number + found[what] for what, number in totals.items()}
    rows = len(NAMES) + 3
    assert totals == {"applied": len(NAMES), "failed": 1, "broken": 2, "rows": rows}
    assert emulator.applied == len(NAMES)
    assert set(statuses) == {Exit.DONE, Exit.ROWS_FAILED}
    # What is said on the command line counts more.
    assert json.loads(propq("plan", str(prices), "--shard", "1/1", "--json").out)["rows"] == rows


@pytest.mark.parametrize(
    ("option", "index", "count", "problem"),
    [
        (
            "5/4",
            "",
            "",
            "--shard: expected a number and how many there are, such as 2/5, not",
        ),
        ("0/4", "", "", "--shard: expected"),
        ("x", "", "", "--shard: expected"),
        (None, "0", "", "JOB_COMPLETION_INDEX and JOB_COMPLETIONS: expected a number and how many"),
        (None, "4", "4", "JOB_COMPLETION_INDEX and JOB_COMPLETIONS: expected"),
        (None, "", "4", "the job must be an indexed one"),
        (None, "x", "4", "the job must be an indexed one"),
    ],
)
@pytest.mark.parametrize("command", ["push", "plan"])
def test_a_part_that_is_not_clear_is_refused(
    prices: Path, propq: Any, monkeypatch: pytest.MonkeyPatch,
    command: str, option: str | None, index: str, count: str, problem: str,
) -> None:  # fmt: skip
    """Otherwise each pod of a job would push the whole list."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
    monkeypatch.setenv("JOB_COMPLETIONS", count)
    said = propq(command, str(prices), *([] if option is None else ["--shard", option]))
    assert said.status == Exit.USAGE
    assert problem in said.err


def test_a_plan_of_a_part_is_kept_and_pushed(
    emulator: PropQEmulator, prices: Path, propq: Any
) -> None:
    said = propq("plan", str(prices), "--shard", "2/3", "--out", "plan.json")
    lines(said.out, r"\d+ rows in shard 2 of 3 \(")
    assert json.loads(propq("plan", str(prices), "--shard", "2/3", "--json").out)["shard"] == [2, 3]
    for shard in ("1/3", "2/4"):
        refused = propq("push", "plan.json", FIRST, "--shard", shard)
        assert refused.status == Exit.USAGE
        assert "the plan is for another part of its list than this" in refused.err
    assert propq("push", "plan.json", FIRST, "--shard", "2/3").status == Exit.DONE
    assert 0 < emulator.applied < len(NAMES)


def test_a_part_without_rows_is_no_mistake_but_an_empty_list_is(prices: Path, propq: Any) -> None:
    text_list(prices, unit("A-101"))
    found = [propq("push", str(prices), "--yes", "--shard", f"{n}/3") for n in (1, 2, 3)]
    assert [one.status for one in found] == [Exit.DONE] * 3
    text_list(prices)
    assert propq("push", str(prices), "--shard", "1/3").status == Exit.USAGE


@pytest.mark.parametrize(
    "command",
    [
        "push list.csv --ledger {}", "plan list.csv --ledger {}", "doctor --ledger {}",
        "ledger show --ledger {}", "ledger backup copy --ledger {}", "ledger check --ledger {}",
        "ledger forget A --ledger {}", "ledger import {}", "ledger copy {} x", "ledger copy x {}",
    ],
)  # fmt: skip
def test_no_frame_of_a_command_shows_a_password(command: str) -> None:
    words = command.format("postgresql://me:s3cret@host/db").split()
    _, bound, _ = app.parse_args(words, exit_on_error=False)
    assert "[hidden]" in repr(bound)
    assert "s3cret" not in repr(bound)
    _, bound, _ = app.parse_args(command.format("/a/ledger").split(), exit_on_error=False)
    assert "'/a/ledger'" in repr(bound)
