"""`propq push`, from its list to its summary."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import (
    FIRST,
    LIST,
    NAMES,
    PROPQ,
    Said,
    command_at_the_end,
    lines,
    on_a_terminal,
)
from tests.helpers.lists import ENGLISH, text_list, unit, workbook


def test_a_push_from_its_list_to_the_mended_failures(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST, unit("B"), unit("A-999", "?"))
    said = propq("push", "x.csv", FIRST)
    assert said.status == Exit.ROWS_FAILED
    lines(
        said.out,
        r"^PropQ push of x\.csv$",
        rf"^  to  +{emulator.url} as client 1$",
        r"^  began  +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}, took \d+\.\d s$",
        r"^  to be sent  +31 \(31 new\)$",
        r"^  applied  +30$",
        r"^  failed  +1$",
        r"^  broken  +1$",
        r"^  failures  +x\.failed\.csv$",
        r"^Not applied\n  - x\.csv, line 33, column price: .*\n  - x\.csv, line 32, B: POST .*404 ",
        r"\n\n2 of 32 rows are not applied: correct x\.failed\.csv and push that:\n"
        r"  propq push x\.failed\.csv\n$",
    )
    # Progress is told on stderr, in plain lines.
    lines(said.err, r"^[-+: \d]+  31 of 31 rows, [\d,]+/s, 1 failed$")
    failed = Path("x.failed.csv").read_text("utf-8-sig")
    Path("x.failed.csv").write_text(failed.replace("A-999,SOLD,?", "A-101,SOLD,260000"))
    text = Path("x.failed.csv").read_text()
    Path("x.failed.csv").write_text("".join(text.splitlines(keepends=True)[:2]))
    # Mended, it is pushed without a question, though it has not all units.
    mended = propq("push", "x.failed.csv")
    assert mended.status == Exit.DONE
    lines(
        mended.out, r"^  to be sent  +1 \(1 changed\)$", r"^Everything that was sent is applied\.$"
    )
    assert emulator.unit("4711", "A-101").price == 260_000
    text_list(Path("x.csv"), unit("A-101", 260_000), *LIST[1:])
    nothing = propq("push", "x.csv")
    assert (nothing.status, nothing.err) == (Exit.DONE, "")
    assert nothing.out.endswith("\nNothing to send.\n")
    applied = emulator.applied
    assert propq("push", "x.csv", "--all").status == Exit.DONE
    assert emulator.applied == applied + 30


def test_the_numbers_of_a_summary_add_up(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:5])
    propq("push", "x.csv", FIRST)
    text_list(
        Path("x.csv"), *LIST[:8], LIST[0], LIST[7], unit("B"), unit("A-115", "?"), unit("A-116", 1),
        unit("A-116", 2),
    )  # fmt: skip
    said = propq("push", "x.csv")
    assert said.status == Exit.ROWS_FAILED
    found = {
        name: int(number)
        for name, number in re.findall(r"^  (\w.*?)  +(\d+)", said.out, re.MULTILINE)
    }
    assert found["rows of the list"] == 14
    assert found["unchanged"] + found["to be sent"] + found["broken"] + found["repeated"] == 14
    assert (found["repeated"], found["broken"]) == (2, 3)
    assert found["applied"] + found["failed"] == found["to be sent"] == 4
    assert emulator.applied == 5 + found["applied"]


def test_the_command_for_the_mended_failures_works_as_it_stands(
    emulator: PropQEmulator, propq: Any
) -> None:
    header = ("Ref", "Dev", "Estado", "PVP", "Cara")
    rows = [("A-101", "", "Bajo contrato", "1.234", "Mar"), ("A-102", "", "?", "1.235", "Mar")]
    text_list(Path("-a b.csv"), *rows, header=header, delimiter="~", encoding="cp1252")
    options = [
        "--development", "4711", "--column", "name=Ref", "--column", "directions=Cara",
        "--column", "development_id=Dev", "--status-word", "bajo contrato=reserved",
        "--direction-word", "mar=S", "--decimal", ",", "--delimiter", "~", "--ledger", "my ledger",
        "--concurrency", "7", "--max-calls-per-second", "1000", "--max-outage-seconds", "2.5",
    ]  # fmt: skip
    said = propq("push", "./-a b.csv", *options, "--encoding", "cp1252", "--yes", "--list", "3")
    assert said.status == Exit.ROWS_FAILED
    arguments = command_at_the_end(said.out)
    assert arguments[1:] == ["./-a b.failed.csv", *options]
    failed = Path("-a b.failed.csv")
    failed.write_text(failed.read_text("utf-8").replace("?", "Bajo contrato"))
    mended = propq(*arguments)
    assert (mended.status, mended.err.count("\n")) == (Exit.DONE, 1)
    assert emulator.unit("4711", "A-102").price == 1235
    assert emulator.applied == 2


def test_a_command_repeats_no_more_than_it_must(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROPQ_LEDGER", str(tmp_path / "ledger"))
    text_list(Path("x.csv"), *LIST, unit("B"), delimiter="-")
    said = propq(
        "push", "x.csv", "--delimiter=-", "--trust-hours", "3", "--all", "--encoding=utf8", FIRST
    )
    assert said.status == Exit.ROWS_FAILED
    assert command_at_the_end(said.out) == ["push", "x.failed.csv", "--delimiter=-"]
    assert propq(*command_at_the_end(said.out)).status == Exit.ROWS_FAILED
    assert emulator.calls == 32


def test_what_the_server_is_to_blame_for_is_not_to_be_mended(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("token", "refresh")
    emulator.maintenance()
    said = propq("push", "x.csv", FIRST, "--max-outage-seconds", "0")
    assert said.status == Exit.STOPPED
    lines(
        said.out,
        r"^  failed  +0$",
        r"\n\nStopped: .* 503 .* 0 of 30 rows are applied, 30 are still to be sent: the same "
        r"command goes on from here\.\n\Z",
    )
    assert not Path("x.failed.csv").exists()
    emulator.maintenance(on=False)
    emulator.fail_next(500, times=99, match={"UntName": NAMES[-1]})
    said = propq("push", "x.csv")
    assert said.status == Exit.ROWS_FAILED
    lines(
        said.out,
        r"^  failed  +1, 1 of them may have been applied$",
        r"\n\n1 of 30 rows is not applied: the server is to blame, and the same command tries again"
        r"\.\n\Z",
    )
    emulator.fail_next(422, match={"UntName": NAMES[0]})
    said = propq("push", "x.csv", "--all")
    lines(said.out, r" rows are not applied: correct x\.failed-2\.csv and push that:$")
    lines(
        said.out,
        r"^  failures +x\.failed-2\.csv; x\.failed\.csv is kept, since it may have your correct",
    )


def test_a_terminal_leaves_a_command_in_one_piece(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), unit("B"))
    word = "'a word that is longer than the terminal is wide, and has spaces in it as well'=SOLD"
    status, seen = on_a_terminal(
        "push", "x.csv", "--status-word", shlex.split(word)[0], "--ledger", "my ledger", keys=b"y\n"
    )
    assert status == Exit.ROWS_FAILED
    assert shlex.split(word) == [command_at_the_end(seen)[3]]
    assert emulator.calls == 1


def test_a_workbook_with_many_broken_rows(emulator: PropQEmulator, propq: Any) -> None:
    workbook(Path("x.xlsx"), List=[ENGLISH, *LIST[:1], *[unit("B", "?")] * 22], Notes=[["?"]])
    lines(
        propq("plan", "x.xlsx").out,
        r"^x\.xlsx: 23 rows \(workbook, sheet List\)$",
        r"^sheet Notes is not read: it has no columns of a price list$",
        r"^  - column price \(22 rows of sheet List: 3, .*, 10 and 14 more\): found '\?'; exp",
    )
    said = propq("push", "x.xlsx", FIRST)
    assert said.status == Exit.ROWS_FAILED
    lines(
        said.out,
        r"^  - column price \(22 rows of sheet ",
        r"22 of 23 rows are not applied: correct x\.failed\.xlsx",
    )
    lines(said.out, r"^PropQ push of x\.xlsx\nsheet Notes is not read: it has no columns of a ")
    assert emulator.applied == 1
    assert command_at_the_end(said.out) == ["push", "x.failed.xlsx"]
    assert not Path("x.failed.csv").exists()
    again = propq("push", "x.failed.xlsx")
    lines(again.out, r"22 of 22 rows are not applied: correct x\.failed-2\.xlsx")


@pytest.mark.parametrize("command", ["plan", "push"])
def test_a_sheet_that_seems_to_be_a_price_list_is_not_left_out(
    command: str, emulator: PropQEmulator, propq: Any
) -> None:
    header = ("Promoción", "Vivienda", "Estado", "PVP", "Cara")
    sheets = {"Fase 1": [header, *LIST[:2]], "Fase 2": [ENGLISH, *LIST[2:4]]}
    workbook(Path("x.xlsx"), **sheets)
    said = propq(command, "x.xlsx")
    assert (said.status, said.out, said.err.count("\n")) == (Exit.USAGE, "", 1)
    assert "x.xlsx, sheet Fase 1: no column for directions; " in said.err
    assert "; run propq setup x.xlsx, which asks, or state --column directions=NAME; " in said.err
    assert "; if that sheet is no price list, hide it, or name the one to be read: " in said.err
    assert emulator.applied == 0
    read = propq("push", "x.xlsx", "--column", "directions=Cara", FIRST)
    assert (read.status, emulator.applied) == (Exit.DONE, 4)


def test_bytes_that_are_not_in_the_encoding_end_nothing(emulator: PropQEmulator) -> None:
    """In processes of their own, whose output is what a shell gets."""
    rows = [
        ",".join([*ENGLISH, "S\udce1lida", "notes"]),
        "4711,\udcc1tico,SOLD,5,N,,",
        "4711,A-101,vend\udced,5\udc80,\udcc1,,",
        "4711,A-102,SOLD,5,N,,\udcf1",
        "4711,Nobody,SOLD,5,N,\udcf1,x",
        'a "\udcf1',
        "4711,A-103,SOLD,5,N,,Ático",
    ]
    path = Path("pre\udced.csv")
    path.write_bytes("\r\n".join(rows).encode("utf-8", "surrogateescape"))

    def said(*arguments: str, encoding: str = "utf-8") -> Said:
        done = subprocess.run(
            [*PROPQ, *arguments],
            capture_output=True,
            check=False,
            env=os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"},
        )
        return Said(done.returncode, done.stdout.decode(), done.stderr.decode())

    for arguments in (("plan", str(path)), ("push", str(path), "--dry-run")):
        shown = said(*arguments)
        assert (shown.status, shown.err) == (Exit.UNCONFIRMED, "")
        lines(
            shown.out,
            r"found '\\xc1tico'; expected",
            r"column status: found 'vend\\xed'; ",
            r"Nobody",
        )
    for encoding in ("utf-8", "ascii"):
        made = said("plan", str(path), "--json", encoding=encoding)
        assert (made.status, made.err) == (Exit.UNCONFIRMED, "")
        broken = [one for row in json.loads(made.out)["broken"] for one in row["problems"]]
        assert [one["value"] for one in broken] == [
            "\udcc1tico", "vend\udced", "5\udc80", "\udcc1", None,
        ]  # fmt: skip
    pushed = said("push", str(path), "--yes")
    assert pushed.status == Exit.ROWS_FAILED
    lines(pushed.out, r"^  - pre\\xed\.csv, line 2, column name: ", r"^4 of 6 rows are not applied")
    assert emulator.applied == 2
    # What is there is what was there.
    failed = Path("pre\udced.failed.csv").read_bytes()
    for row in rows[1:3] + rows[4:5]:
        # What begins like a number has an apostrophe before it.
        written = row.replace(",5\udc80", ",'5\udc80")
        assert written.encode("utf-8", "surrogateescape") in failed
    again = said("push", "pre\udced.failed.csv", "--yes")
    assert (again.status, emulator.applied) == (Exit.ROWS_FAILED, 2)
    lines(again.out, r"^4 of 4 rows are not applied")


def test_what_is_suspicious_needs_a_yes(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), *(unit(name, 100_000) for name in NAMES[:-1]))
    applied = emulator.applied
    said = propq("push", "x.csv", "--list", "1")
    assert said.status == Exit.UNCONFIRMED
    # It may be mailed.
    lines(
        said.out,
        r"^Likely a mistake\n  - 4711 A-101 changes its price by -60\.0%: "
        r"250,000 EUR -> 100,000 EUR\n"
        r"  - and 29 more\n",
    )
    lines(
        said.err,
        r"^propq: nothing was sent, since the above needs a yes: if it is meant, push with "
        r"--accept price,missing \(or with --yes, for whatever it may be\)$",
    )
    assert emulator.applied == applied
    agreed = propq("push", "x.csv", "--yes", "--list", "7")
    assert agreed.status == Exit.DONE
    lines(agreed.out, r"^Confirmed for client 1\n  - 4711 A-101", r"^  - and 23 more$")
    assert emulator.unit("4711", "A-101").price == 100_000
    # That A-130 is gone was agreed to as well.
    assert json.loads(propq("plan", "x.csv", "--json").out)["warnings"] == []


def test_units_that_vanished_need_a_yes_with_nothing_to_send(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:3])
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), *LIST[:1])
    for command in (["plan"], ["plan", "--json"], ["push", "--dry-run"]):
        planned = propq(*command, "x.csv")
        assert (planned.status, planned.err) == (Exit.UNCONFIRMED, "")
        assert "2 units of 4711 pushed before and not in the list: A-102, A-103 " in planned.out
    assert propq("plan", "x.csv", "--all").status == Exit.UNCONFIRMED
    # Asked twice: a push without a yes must not count as one.
    for _ in range(2):
        said = propq("push", "x.csv")
        assert said.status == Exit.UNCONFIRMED
        assert said.out.startswith("\nLikely a mistake\n  - 2 units of 4711 pushed before and not")
        lines(said.out, r"^  - 2 units of 4711 .* not in the list: A-102, A-103 ")
    agreed = propq("push", "x.csv", "--yes")
    assert agreed.status == Exit.DONE
    lines(agreed.out, r"^  - 2 units of 4711 ", r"^Nothing to send\.$")
    assert propq("plan", "x.csv").status == Exit.DONE
    assert propq("push", "x.csv").status == Exit.DONE
    assert emulator.applied == 3


def test_a_development_that_vanished_as_a_whole_needs_a_yes(
    emulator: PropQEmulator, propq: Any
) -> None:
    for name in NAMES:
        emulator.add_unit("4800", name)
    other = [unit(name, development="4800") for name in NAMES]
    text_list(Path("x.csv"), *LIST, *other)
    propq("push", "x.csv", FIRST)
    applied = emulator.applied
    text_list(Path("x.csv"), *LIST)
    text_list(Path("y.csv"), *LIST)
    (warning,) = json.loads(propq("plan", "x.csv", "--json").out)["warnings"]
    assert warning["kind"] == "missing"
    said = propq("push", "x.csv")
    assert said.status == Exit.UNCONFIRMED
    lines(said.out, r"^  - 30 units of 4800 pushed before and not in the list: A-101, A-102, ")
    # As many rows as before, all of them of the one that is new to the list.
    text_list(Path("x.csv"), *other)
    lines(propq("push", "x.csv").out, r"^  - 30 units of 4711 pushed before and not in the list: ")
    # Of a list with another name nobody knows what was in it.
    assert propq("push", "y.csv").status == Exit.DONE
    # It was seen there, and is that list's from now on.
    assert propq("push", "x.csv").status == Exit.DONE
    assert emulator.applied == applied


def test_a_push_on_a_terminal(emulator: PropQEmulator) -> None:
    emulator.throttle(10, 1)
    text_list(Path("x.csv"), *LIST, unit("B"))
    status, seen = on_a_terminal("push", "x.csv", keys=b"y\n")
    assert status == Exit.ROWS_FAILED
    assert "━" in seen
    assert "waiting 1 s: the server asked for it" in seen
    assert "31 of 31 rows" in seen
    assert re.search(r"\n - x\.csv, line 32, B: POST .*\r\n   \S", seen)
    status, seen = on_a_terminal("plan", "x.csv", keys=b"")
    assert status == Exit.CHANGES
    assert re.search(r"4711  B  SOLD  250,000 EUR  N S  in doubt", seen)


def test_progress_takes_one_line_of_a_narrow_terminal(emulator: PropQEmulator) -> None:
    emulator.throttle(10, 1)
    text_list(Path("x.csv"), *LIST)
    status, seen = on_a_terminal("push", "x.csv", keys=b"y\n", columns=38)
    assert status == Exit.DONE
    # The plan, of which a row does not fit, is shown before the question.
    frames = re.split(r"[\r\n]+", seen.partition("[y/N]")[2])
    assert re.search(r"\d+ of 30 rows 0 failed waiting 1 s$", "\n".join(frames), re.MULTILINE)
    assert any(frame.startswith("30 of 30 rows 0 failed 0:00:0") for frame in frames)
    assert not any(frame.strip() == "rows" for frame in frames)
    assert max(map(len, frames)) <= 38
