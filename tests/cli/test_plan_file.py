"""`propq plan --out` and the push of what it has kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.pricelist import load_plan, save_plan
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, NAMES, command_at_the_end, lines, on_a_terminal
from tests.helpers.lists import text_list, unit

KEPT = ["plan", "x.csv", "--out", "plan.json"]


@pytest.fixture
def pushed(emulator: PropQEmulator, propq: Any) -> PropQEmulator:
    """A list that was pushed and has two new prices since, and a row that is broken."""
    text_list(Path("x.csv"), *LIST[:4])
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    changed = [unit(name, 260_000) for name in NAMES[:2]]
    text_list(Path("x.csv"), *changed, *LIST[2:4], unit("A-105", "?"))
    return emulator


def test_a_plan_that_is_kept_is_what_is_sent(pushed: PropQEmulator, propq: Any) -> None:
    made = propq(*KEPT)
    assert made.status == Exit.ROWS_FAILED
    assert made.out.endswith("\nKept\n  - propq push plan.json sends exactly that\n")
    said = propq("push", "plan.json")
    assert (said.status, pushed.applied) == (Exit.ROWS_FAILED, 6)
    lines(
        said.out,
        r"^PropQ push of /.*/x\.csv$",
        r"^  to be sent  +2 \(2 changed\)$",
        r"^  applied  +2$",
        r"^  - .*x\.csv, line 6, column price: ",
    )
    assert command_at_the_end(said.out) == ["push", str(Path("x.failed.csv").absolute())]
    assert "A-105,SOLD,?" in Path("x.failed.csv").read_text("utf-8-sig")
    # What it was made for has happened.
    again = propq("push", "plan.json")
    assert (again.status, again.out, pushed.applied) == (Exit.UNUSABLE, "", 6)
    assert "has changed since the plan was made, or is another one: nothing was sent" in again.err


def test_a_list_that_was_edited_after_its_plan_is_not_sent(
    pushed: PropQEmulator, propq: Any
) -> None:
    propq(*KEPT, "--json")
    text_list(Path("x.csv"), unit(NAMES[0], 26_000), *LIST[1:4])
    said = propq("push", "plan.json", "--yes")
    assert (said.status, said.out, pushed.applied) == (Exit.USAGE, "", 4)
    assert "x.csv was edited since the plan plan.json was made of it: nothing was sent" in said.err


def test_a_plan_is_not_pushed_for_another_client(
    pushed: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    propq(*KEPT)
    monkeypatch.setenv("PROPQ_CLIENT_ID", "77")
    said = propq("push", "plan.json", "--yes")
    assert (said.status, said.out, pushed.applied) == (Exit.UNUSABLE, "", 4)
    assert "the plan is for client 1 of " in said.err


def test_the_warnings_of_a_plan_need_a_yes_when_it_is_pushed(
    pushed: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), unit(NAMES[0], 100_000), *LIST[1:4])
    propq(*KEPT)
    said = propq("push", "plan.json")
    assert (said.status, pushed.applied) == (Exit.UNCONFIRMED, 4)
    lines(said.out, r"^  - 4711 A-101 changes its price by -60\.0%: 250,000 EUR -> 100,000 EUR$")
    status, seen = on_a_terminal("push", "plan.json", keys=b"n\n")
    assert (status, pushed.applied) == (Exit.UNCONFIRMED, 4)
    assert "Push all the same (1 to be sent)? [y/N]" in seen
    assert propq("push", "plan.json", "--dry-run").status == Exit.UNCONFIRMED
    dry = propq("push", "plan.json", "--dry-run", "--accept", "price")
    assert dry.status == Exit.CHANGES
    assert propq("push", "plan.json", "--accept", "price").status == Exit.DONE
    assert pushed.applied == 5


def test_a_plan_remembers_how_its_list_is_read(emulator: PropQEmulator, propq: Any) -> None:
    header = ("Ref", "Estado", "PVP", "Cara")
    text_list(Path("x.csv"), ("A-101", "Firmado", "1.234", "Mar"), header=header, delimiter="~")
    options = [
        "--development", "4711", "--column", "name=Ref", "--column", "directions=Cara",
        "--status-word", "Firmado=SOLD", "--direction-word", "Mar=S", "--decimal", ",",
        "--delimiter", "~",
    ]  # fmt: skip
    propq(*KEPT, *options, "--min-price", "5")
    said = propq("push", "plan.json", "--yes")
    assert (said.status, emulator.unit("4711", "A-101").price) == (Exit.DONE, 1234)


@pytest.mark.parametrize(
    "options",
    [["--decimal", ","], ["--all"], ["--trust-hours", "3"], ["--max-change=30"], ["--min-price=5"]],
)
def test_a_plan_says_itself_how_its_list_is_compared(
    options: list[str], pushed: PropQEmulator, propq: Any
) -> None:
    propq(*KEPT)
    said = propq("push", "plan.json", *options)
    assert (said.status, said.out, pushed.applied) == (Exit.USAGE, "", 4)
    assert "plan.json is a plan: how its list is read and compared was stated when" in said.err


def test_a_plan_that_was_edited_is_not_sent(pushed: PropQEmulator, propq: Any) -> None:
    propq(*KEPT)
    path = Path("plan.json")
    path.write_text(path.read_text().replace("260000", "26000"))
    said = propq("push", "plan.json", "--yes")
    assert (said.status, said.out, pushed.applied) == (Exit.USAGE, "", 4)
    assert "plan.json was edited since the plan was made: nothing was sent" in said.err


def test_a_plan_whose_list_another_version_has_read_is_not_sent(
    pushed: PropQEmulator, propq: Any
) -> None:
    propq(*KEPT)
    save_plan(load_plan("plan.json"), "plan.json", reading={"colour": "blue"})
    said = propq("push", "plan.json", "--yes")
    assert (said.status, said.out, pushed.applied) == (Exit.USAGE, "", 4)
    assert "made by another version of propq-async: nothing was sent" in said.err


def test_a_plan_replaces_no_list(pushed: PropQEmulator, propq: Any) -> None:
    before = Path("x.csv").read_bytes()
    said = propq("plan", "x.csv", "--out", "x.csv")
    assert (said.status, Path("x.csv").read_bytes()) == (Exit.USAGE, before)
    assert "propq: --out: x.csv is there, and is no plan: name another file" in said.err
    said = propq("plan", "x.csv", "--json", "--out", "nowhere/plan.json")
    assert "No such file or directory: nowhere/plan.json" in said.err
    assert json.loads(said.out)["rows"] == 5
    assert pushed.applied == 4
