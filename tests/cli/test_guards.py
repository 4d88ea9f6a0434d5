"""What needs a yes before it is pushed, and how one is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async._cli.push_confirmation import question
from propq_async.pricelist import PlanWarning, WarningKind
from propq_async.testing import PropQEmulator
from tests.helpers.commands import (
    FIRST,
    LIST,
    NAMES,
    command_at_the_end,
    lines,
    on_a_terminal,
)
from tests.helpers.lists import text_list, unit

UNKNOWN = PlanWarning(WarningKind.UNKNOWN_TO_LEDGER, "x")
FIRST_PUSH = PlanWarning(WarningKind.UNKNOWN_TO_LEDGER, "x", is_first_push=True)


def test_a_first_push_without_a_terminal_needs_a_yes_that_says_so(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST, unit("B", "?"))
    said = propq("push", "x.csv")
    assert (said.status, emulator.calls) == (Exit.UNCONFIRMED, 0)
    lines(
        said.out,
        r"^First push\n  - none of these 30 units was ever pushed from here, so check the list \(",
        r"`propq ledger import --from-client ID` ",
        r"^1 row is broken as well: propq plan x\.csv shows it$",
    )
    assert "mistake" not in said.out
    text_list(Path("x.csv"), *LIST)
    assert "broken" not in propq("push", "x.csv").out
    assert "push with --accept unknown-to-ledger (or with --yes" in said.err
    assert propq("push", "x.csv", "--accept", "unknown-to-ledger").status == Exit.DONE
    # Only once.
    text_list(Path("x.csv"), unit(NAMES[0], 260_000), *LIST[1:])
    assert propq("push", "x.csv").status == Exit.DONE
    assert emulator.applied == 31


@pytest.mark.parametrize("moved", ["ledger", "client"])
def test_a_sale_is_not_taken_back_since_a_memory_is_missing(
    moved: str, emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text_list(Path("x.csv"), *LIST[:2])
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    text_list(Path("x.csv"), *(unit(name, 25_000, status="AVAILABLE") for name in NAMES[:2]))
    assert propq("push", "x.csv").status == Exit.UNCONFIRMED
    options = []
    if moved == "ledger":
        options = ["--ledger", "mistyped"]
    else:
        monkeypatch.setenv("PROPQ_CLIENT_ID", "77")
    said = propq("push", "x.csv", *options)
    assert (said.status, emulator.applied) == (Exit.UNCONFIRMED, 2)
    assert "none of these 2 units was ever pushed from here" in said.out


def test_a_yes_to_one_kind_waives_no_other(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:3])
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), unit(NAMES[0], 400_000), unit(NAMES[1], status="AVAILABLE"))
    said = propq("push", "x.csv", "--accept", "price")
    assert said.status == Exit.UNCONFIRMED
    assert "changes its price" not in said.out
    lines(
        said.out, r"^  - 4711 A-102 was SOLD and is AVAILABLE now$", r"^  - 1 unit of 4711 pushed"
    )
    assert "--accept sold-to-available,missing " in said.err
    for part in (["--accept", "price,missing"], ["--accept=price", "--accept=sold-to-available"]):
        assert propq("push", "x.csv", *part).status == Exit.UNCONFIRMED
    assert emulator.applied == 3
    agreed = propq("push", "x.csv", "--accept", "price,missing", "--accept", "sold-to-available")
    assert (agreed.status, emulator.applied) == (Exit.DONE, 5)
    lines(agreed.out, r"^Confirmed for client 1\n  - 4711 A-101 changes its price by \+60\.0%")


def test_what_is_accepted_needs_no_yes_in_a_plan(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:2])
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), *LIST[:1])
    assert propq("plan", "x.csv").status == Exit.UNCONFIRMED
    assert propq("plan", "x.csv", "--accept", "missing").status == Exit.DONE
    assert propq("push", "x.csv", "--dry-run", "--accept", "missing").status == Exit.DONE
    assert propq("plan", "x.csv", "--accept", "price").status == Exit.UNCONFIRMED
    assert emulator.applied == 2


@pytest.mark.parametrize("command", ["plan", "push"])
@pytest.mark.usefixtures("emulator")
def test_a_kind_that_does_not_exist_is_told_with_the_nearest(command: str, propq: Any) -> None:
    """Before anything is read: the list need not even be there."""
    said = propq(command, "x.csv", "--accept", "price,sold_to_availble")
    assert (said.status, said.out) == (Exit.USAGE, "")
    assert said.err.startswith(
        "propq: --accept: there is no kind of warning 'sold_to_availble'; did you mean "
        "sold-to-available? there are price, below-floor, "
    )


def test_how_far_a_price_may_move_and_how_low_it_may_be(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:3])
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), unit(NAMES[0], 320_000), *LIST[1:3], unit("B", 900))
    kinds = {
        (): ["price", "below-floor"],
        ("--max-change", "28"): ["below-floor"],
        ("--max-change=27.9", "--min-price=900"): ["price", "below-floor"],
        ("--max-change=28", "--min-price=10"): ["below-floor"],
    }
    for options, expected in kinds.items():
        made = json.loads(propq("plan", "x.csv", "--json", *options).out)
        assert [one["kind"] for one in made["warnings"]] == expected
    said = propq("push", "x.csv", "--max-change=30", "--min-price=10", "--accept=below-floor")
    assert (said.status, emulator.applied) == (Exit.ROWS_FAILED, 4)
    # The same limits are right for what failed; what was accepted were other rows.
    assert command_at_the_end(said.out) == [
        "push", "x.failed.csv", "--max-change", "30", "--min-price", "10",
    ]  # fmt: skip


def test_a_terminal_is_shown_the_plan_and_asked(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST[:2])
    status, seen = on_a_terminal("push", "x.csv", keys=b"n\n")
    assert (status, emulator.calls) == (Exit.UNCONFIRMED, 0)
    assert "none of these 2 units was ever pushed from here" in seen.replace("\r\n   ", " ")
    assert "Send all 2 units? [y/N]" in seen
    status, seen = on_a_terminal("push", "x.csv", keys=b"y\n")
    assert (status, emulator.applied) == (Exit.DONE, 2)
    text_list(Path("x.csv"), unit(NAMES[0], 260_000), LIST[1])
    status, seen = on_a_terminal("push", "x.csv", keys=b"y\n")
    assert (status, emulator.applied) == (Exit.DONE, 3)
    before, question, after = seen.partition("Push (1 to be sent)? [y/N]")
    assert question
    assert "250,000 EUR -> 260,000 EUR" in before
    assert "Everything that was sent is applied." in after
    # The summary, which may be mailed, says which unit that was.
    assert "A-101  SOLD  250,000 EUR -> 260,000 EUR (+4.0%)" in after


@pytest.mark.parametrize(
    ("warnings", "count", "asked"),
    [
        ([], 2, "Push (2 to be sent)? [y/N] "),
        ([UNKNOWN], 2, "Push all the same (2 to be sent)? [y/N] "),
        ([FIRST_PUSH], 2, "Send all 2 units? [y/N] "),
        ([FIRST_PUSH], 1, "Send 1 unit? [y/N] "),
        ([FIRST_PUSH, UNKNOWN], 1, "Push all the same (1 to be sent)? [y/N] "),
    ],
)
def test_what_is_asked_names_what_is_sent(
    warnings: list[PlanWarning], count: int, asked: str
) -> None:
    assert question(warnings, count) == asked


def test_a_terminal_is_not_asked_about_nothing(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:2])
    propq("push", "x.csv", FIRST)
    status, seen = on_a_terminal("push", "x.csv", keys=b"")
    assert (status, emulator.applied) == (Exit.DONE, 2)
    assert "Nothing to send." in seen
    status, seen = on_a_terminal("push", "x.csv", "--all", "--yes", keys=b"")
    assert (status, emulator.applied) == (Exit.DONE, 4)
    assert "[y/N]" not in seen


def test_a_unit_that_vanishes_twice_is_asked_about_twice(
    emulator: PropQEmulator, propq: Any
) -> None:
    """Seen is seen, though nothing is sent of it."""
    text_list(Path("x.csv"), *LIST[:2])
    propq("push", "x.csv", FIRST)
    for _ in range(2):
        text_list(Path("x.csv"), *LIST[:1])
        said = propq("push", "x.csv")
        assert said.status == Exit.UNCONFIRMED
        lines(said.out, r"^  - 1 unit of 4711 pushed before and not in the list: A-102 ")
        assert propq("push", "x.csv", "--accept", "missing").status == Exit.DONE
        assert propq("push", "x.csv").status == Exit.DONE
        text_list(Path("x.csv"), *LIST[:2])
        back = propq("push", "x.csv")
        assert back.status == Exit.DONE
        assert back.out.endswith("\nNothing to send.\n")
    assert emulator.applied == 2


@pytest.mark.parametrize("again", [(), ("--trust-hours", "0")])
def test_two_files_of_one_development_are_asked_about_once(
    again: tuple[str, ...], emulator: PropQEmulator, propq: Any
) -> None:
    """Not again after the hours of trust, when all of them is sent once more."""
    text_list(Path("a.csv"), *LIST[:3])
    text_list(Path("b.csv"), *LIST[3:6])
    assert propq("push", "a.csv", FIRST).status == Exit.DONE
    lines(
        propq("push", "b.csv", FIRST).out,
        r"^  - 3 units of 4711 pushed before from a\.csv and not in the list: A-101, A-102, A-103 ",
    )
    assert propq("push", "b.csv", FIRST, "--accept=missing").status == Exit.DONE
    assert propq("push", "a.csv", "--accept=missing").status == Exit.DONE
    for name in ("a.csv", "b.csv", "a.csv", "b.csv"):
        assert propq("push", name, *again).status == Exit.DONE
    # A unit that is gone from its own file does not go unnoticed.
    text_list(Path("a.csv"), *LIST[:2])
    assert propq("push", "b.csv", *again).status == Exit.DONE
    said = propq("push", "a.csv", *again)
    assert said.status == Exit.UNCONFIRMED
    lines(said.out, r"^  - 1 unit of 4711 pushed before and not in the list: A-103 ")
    assert propq("push", "a.csv", *again, "--accept=missing").status == Exit.DONE
    assert propq("push", "a.csv", *again).status == Exit.DONE
    assert propq("push", "b.csv", *again).status == Exit.DONE
    # One that moves to the other file belongs to that.
    text_list(Path("b.csv"), *LIST[2:6])
    assert propq("push", "b.csv", *again).status == Exit.DONE
    text_list(Path("b.csv"), *LIST[3:6])
    assert propq("push", "b.csv", *again).status == Exit.UNCONFIRMED
    assert emulator.applied >= 6


def test_a_list_with_another_name_is_compared_by_development(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("may.csv"), *LIST[:3])
    propq("push", "may.csv", FIRST)
    text_list(Path("june.csv"), *LIST[:2])
    said = propq("push", "june.csv")
    assert said.status == Exit.UNCONFIRMED
    lines(said.out, r"^  - 1 unit of 4711 pushed before from may\.csv and not in the list: A-103 ")
    assert propq("push", "june.csv", "--accept=missing").status == Exit.DONE
    text_list(Path("july.csv"), *LIST[:2])
    assert propq("push", "july.csv").status == Exit.DONE
    # What the last one had counts.
    text_list(Path("july.csv"), *LIST[:1])
    lines(propq("push", "july.csv").out, r"^  - 1 unit of 4711 pushed before and not .*: A-102 ")
    assert emulator.applied == 3
