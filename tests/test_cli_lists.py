"""`propq plan`, `push`, `update` and `token`, as a user runs them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from propq_async import __main__
from propq_async.cli import app, plan, push, reading
from propq_async.cli.app import run
from propq_async.cli.ending import CommandError, Exit
from propq_async.cli.output import Screen
from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator, run_in_thread
from tests.lists import ENGLISH, text_list, unit, workbook
from tests.processes import Process, hold_ledger

PROPQ = [sys.executable, "-m", "propq_async"]
NAMES = [f"A-{number}" for number in range(101, 131)]
LIST = [unit(name) for name in NAMES]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PropQEmulator]:
    with run_in_thread(PropQEmulator()) as emulator:
        for name in NAMES:
            emulator.add_unit("4711", name)
        monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
        monkeypatch.chdir(tmp_path)
        yield emulator


class Said:
    """What a command printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err
        assert "Traceback" not in err


@pytest.fixture
def propq(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: str) -> Said:
        status = run(arguments)
        return Said(status, *capsys.readouterr())

    return command


def lines(text: str, *wanted: str) -> None:
    for pattern in wanted:
        assert re.search(pattern, text, re.MULTILINE), (pattern, text)


# --- plan ---------------------------------------------------------------------------------------


def test_a_plan_for_people(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    first = propq("plan", "x.csv", "--list", "2")
    assert (first.status, first.err) == (Exit.CHANGES, "")
    lines(
        first.out,
        r"^x\.csv: 30 rows \(utf-8, columns by commas\)$",
        rf"^for client 1 of {emulator.url}, by the ledger /.*/data/propq-async/ledger\.sqlite3$",
        r"^  new to us  30$",
        r"^  SOLD       30 units  7,500,000$",
        r"^  all        30 units  7,500,000$",
        r"^New to us\n  4711  A-101  SOLD  250,000  N S\n  4711  A-102",
        r"^  and 28 more \(--list 30 shows all\)$",
    )
    assert emulator.calls == 0
    assert propq("push", "x.csv").status == Exit.DONE
    assert propq("plan", "x.csv").status == Exit.DONE
    asked = propq("plan", "x.csv", "--all", "--trust-hours", "0")
    lines(asked.out, r"^  sent again  30  acknowledged long ago")
    text_list(
        Path("x.csv"),
        unit(NAMES[0], 300_000, status="RESERVED", directions="O"),
        unit(" A-102", 500_000),
        unit("A-103", "?"),
        *LIST[3:-1],
        unit("A-104"),
    )
    second = propq("plan", "x.csv", "--list", "1")
    assert (second.status, second.err) == (Exit.ROWS_FAILED, "")
    lines(
        second.out,
        r"^  changed     2$",
        r"^  repeated    1  the same as an earlier row$",
        r"^Changed, or to be sent again\n"
        r"  4711  A-101  SOLD -> RESERVED  250,000 -> 300,000 \(\+20\.0%\)  N S -> W\n",
        r"^Broken, and not sent\n  - x\.csv, line 4, column price: expected a price above zero",
        r"^Worth a look\n  - x\.csv, line 3: column name: ' A-102' has space around it",
        r"^Likely a mistake\n  - 4711 A-102 changes its price by \+100\.0%: 250,000 -> 500,000\n"
        r"  - and 1 more$",
    )


def test_a_plan_for_programs(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv")
    text_list(Path("x.csv"), unit("A-101", "199500.50"), unit("B"), unit("C", 0), unit(" D"))
    said = propq("plan", "x.csv", "--json", "--list", "0")
    assert (said.status, said.err) == (Exit.ROWS_FAILED, "")
    plan = json.loads(said.out)
    assert plan["base_url"] == emulator.url
    assert (plan["rows"], plan["unchanged"], plan["repeated"]) == (4, 0, 0)
    changed, new, _ = plan["changes"]
    assert changed == {
        "sheet": None,
        "line": 2,
        "development_id": "4711",
        "name": "A-101",
        "reason": "changed",
        "status": "SOLD",
        "price": 199500.5,
        "directions": ["N", "S"],
        "before": {"status": "SOLD", "price": 250000, "directions": ["N", "S"]},
        "price_change_percent": pytest.approx(-20.1998),
    }
    assert (new["before"], new["price_change_percent"]) == (None, None)
    (row,) = plan["broken"]
    assert (row["line"], row["development_id"], row["name"]) == (4, "4711", "C")
    assert row["problems"][0]["value"] == "0"
    assert plan["totals"]["SOLD"] == {"units": 3, "value": 699500.5}
    assert [one["kind"] for one in plan["warnings"]] == ["price", "missing"]
    assert len(plan["missing"]) == 29
    assert len(plan["remarks"]) == 1


@pytest.mark.usefixtures("emulator")
def test_a_broken_row_whose_unit_is_not_known_has_none(propq: Any) -> None:
    text_list(Path("x.csv"), unit("", 1), ["4711", "A"])
    broken = json.loads(propq("plan", "x.csv", "--json").out)["broken"]
    assert [(row["development_id"], row["name"]) for row in broken] == [(None, None)] * 2


@pytest.mark.usefixtures("emulator")
def test_a_plan_is_json_whatever_the_output_can_encode() -> None:
    Path("x.csv").write_bytes(
        f"{','.join(ENGLISH)}\n4711,Ático ñ,SOLD,1,N\n4711,A".encode() + b"\xe9,SOLD,1,N\n"
    )
    for encoding in ("ascii", "cp1252", "utf-8"):
        done = subprocess.run(
            [*PROPQ, "plan", "x.csv", "--json"], capture_output=True, timeout=60, check=False,
            env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (Exit.ROWS_FAILED, b"")
        made = json.loads(done.stdout.decode(encoding))
        assert made["changes"][0]["name"] == "Ático ñ"
        assert made["broken"][0]["name"] == "A\udce9"


@pytest.mark.usefixtures("emulator")
def test_bytes_that_are_no_text_are_shown_as_bytes(propq: Any) -> None:
    Path("x.csv").write_bytes(
        f"{','.join(ENGLISH)}\n4711,ñ,SOLD,1,N\n4711,A".encode() + b"-\xe9\xf1,SOLD,1,N\n"
    )
    lines(propq("plan", "x.csv").out, r"line 3, column name: .*, not 'A-\\xe9\\xf1'$")


@pytest.mark.usefixtures("emulator")
def test_a_long_value_is_not_shown_as_a_whole(propq: Any) -> None:
    text_list(Path("x.csv"), unit("A", "9" * 80 + "x"), unit("B", "9" * 79 + "x"))
    lines(propq("plan", "x.csv").out, r", not '9{80}\.\.\.'$", r", not '9{79}x'$")
    first, _ = json.loads(propq("plan", "x.csv", "--json").out)["broken"]
    assert first["problems"][0]["value"] == "9" * 80 + "x"


def test_one_is_not_many(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), unit("B"))
    lines(propq("plan", "x.csv").out, r"^x\.csv: 1 row \(", r"^  SOLD +1 unit +250,000$")
    said = propq("push", "x.csv")
    lines(said.out, r"^  all +1 unit ", r"^1 of 1 row is not applied: ")
    lines(said.err, r" 1 of 1 row, ")
    text_list(Path("x.csv"), *LIST[:2])
    emulator.fail_next(401, times=99)
    said = propq("push", "x.csv", "--concurrency", "1")
    lines(said.out, r"0 of 2 rows are applied, 2 are still to be sent: ")


@pytest.mark.usefixtures("emulator")
def test_how_a_list_is_read_can_be_stated(propq: Any) -> None:
    Path("x.csv").write_bytes(
        "Ref|Estado|PVP|Cara\nA-101|Bajo contrato|1.234|Mar\n".encode("cp1252")
    )
    arguments = [
        "x.csv", "--development", "4711", "--column", "name=Ref", "--column", "directions=Cara",
        "--status-word", "bajo contrato=reserved", "--direction-word", "mar=S",
        "--delimiter", "|", "--encoding", "cp1252",
    ]  # fmt: skip
    (problem,) = json.loads(propq("plan", *arguments, "--json").out)["broken"]
    assert "--decimal" in problem["problems"][0]["expected"]
    said = propq("push", *arguments, "--decimal", ",", "--dry-run")
    assert said.status == Exit.CHANGES
    lines(said.out, r"4711  A-101  RESERVED  1,234  S$")


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["plan", "nope.csv"], "cannot read nope.csv: No such file or directory"),
        (["push", "nope.csv"], "cannot read nope.csv: No such file or directory"),
        (["plan", "."], "propq: . is a directory: name the file of a price list\n"),
        (["plan", "x.csv", "--column", "name"], "--column: expected KEY=VALUE, not 'name'"),
        (["plan", "x.csv", "--column", "nom=x"], "no field 'nom': a column is one of"),
        (["plan", "x.csv", "--status-word", "a=b"], "--status-word: expected WORD=STATUS with one"),
        (["push", "x.csv", "--concurrency", "0"], "concurrency"),
        (["plan", "x.csv", "--trust-hours", "inf"], "for --trust-hours"),
        (["push", "x.csv", "--max-calls-per-second", "inf"], "for --max-calls-per-second"),
        (["push", "x.csv", "--max-outage-seconds", "inf"], "for --max-outage-seconds"),
        (["plan"], "requires an argument"),
        (["update", "1", "A", "--status", "x", "--price", "1", "--directions", "N"], "--status: "),
        (
            ["update", "1", "A", "--status", "1", "--price", "1.234", "--directions", "N"],
            "--price: '1.234' can be read in two ways; state which with --decimal . or --decimal ,",
        ),
        (
            ["update", "1", "A", "--status", "1", "--price", "250.0000", "--directions", "N"],
            "--price: expected a price with at most two decimals, not '250.0000'; write it without",
        ),
        *(
            (
                ["update", "1", "A", "--status", "1", "--price", "5", "--directions", directions],
                problem,
            )
            for directions, problem in {
                "S-W": "--directions: expected SW if it is one direction, S/W if it is two, not",
                "Norte, Sur-Oeste": "--directions: expected SW if it is one direction, S/W if it",
                "Norte foo": '--directions: expected directions such as N, "N S" or SO; others are '
                "sent as they are, with commas between them, such as NNE,N, not 'Norte foo'",
                "NNE N": "with commas between them, such as NNE,N, not 'NNE N'",
                "N?": "with commas between them",
                "N,": "with commas between them",
                "": "with commas between them",
            }.items()
        ),
        (
            ["update", "1", "A", "--status", "1", "--price", "x", "--directions", "N"],
            "--price: exp",
        ),
        (["update", "1", "A", "--status", "1", "--price", "0", "--directions", "N"], "above zero"),
    ],
)
def test_wrong_usage(arguments: list[str], problem: str, propq: Any) -> None:
    text_list(Path("x.csv"), unit())
    said = propq(*arguments)
    assert (said.status, said.out) == (Exit.USAGE, "")
    assert problem in said.err


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize(
    ("command", "path"),
    [
        (["plan"], "-"),
        (["push"], "-"),
        (["plan"], "/dev/stdin"),
        (["push"], "fifo"),
        (["emulate", "--units"], "/dev/stdin"),
    ],
)
def test_a_list_that_comes_through_a_pipe_is_refused(command: list[str], path: str) -> None:
    text_list(Path("x.csv"), *LIST)
    os.mkfifo("fifo")
    process = subprocess.run(
        [*PROPQ, *command, path],
        input=Path("x.csv").read_text(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stdout) == (Exit.USAGE, "")
    assert process.stderr == (
        f"propq: {path} is no file: a price list is read more than once, which a pipe cannot be; "
        "save it as a file, and name that\n"
    )


@pytest.mark.usefixtures("emulator")
def test_a_list_may_be_called_as_a_pipe_is(propq: Any) -> None:
    text_list(Path("-"), *LIST)
    assert propq("plan", "./-").status == Exit.CHANGES
    assert propq("plan", str(Path("-").absolute())).status == Exit.CHANGES


# --- push ---------------------------------------------------------------------------------------


def test_a_push_from_its_list_to_the_mended_failures(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST, unit("B"), unit("A-999", "?"))
    said = propq("push", "x.csv")
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
        r"\n\n2 of 32 rows are not applied: mend x\.failed\.csv and push that:\n"
        r"  propq push x\.failed\.csv\n$",
    )
    # Progress is told on stderr, in plain lines.
    lines(said.err, r"^ +31 of 31 rows, [\d,]+/s, 1 failed$")
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
    propq("push", "x.csv")
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


def command_at_the_end(out: str) -> list[str]:
    words = shlex.split(out.replace("\r", "").splitlines()[-1])
    assert words[:2] == ["propq", "push"]
    return words[1:]


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
    said = propq("push", "x.csv", "--delimiter=-", "--trust-hours", "3", "--all", "--encoding=utf8")
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
    said = propq("push", "x.csv", "--max-outage-seconds", "0")
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
    lines(said.out, r" rows are not applied: mend x\.failed-2\.csv and push that:$")


def test_a_terminal_leaves_a_command_in_one_piece(emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), unit("B"))
    word = "'a word that is longer than the terminal is wide, and has spaces in it as well'=SOLD"
    status, seen = on_a_terminal(
        "push", "x.csv", "--status-word", shlex.split(word)[0], "--ledger", "my ledger", keys=b""
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
        r"^  - x\.xlsx, sheet List, line 3, column price: ",
    )
    said = propq("push", "x.xlsx")
    assert said.status == Exit.ROWS_FAILED
    lines(said.out, r"^  - and 2 more$", r"22 of 23 rows are not applied: mend x\.failed\.csv")
    lines(said.out, r"^PropQ push of x\.xlsx\nsheet Notes is not read: it has no columns of a ")
    assert emulator.applied == 1


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
    assert "--column directions=NAME; or name the one sheet to be read: --sheet NAME; " in said.err
    assert emulator.applied == 0
    read = propq("push", "x.xlsx", "--column", "directions=Cara")
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
        assert (shown.status, shown.err) == (Exit.ROWS_FAILED, "")
        lines(shown.out, r"not '\\xc1tico'$", r"column status: .*, not 'vend\\xed'", r"Nobody")
    for encoding in ("utf-8", "ascii"):
        made = said("plan", str(path), "--json", encoding=encoding)
        assert (made.status, made.err) == (Exit.ROWS_FAILED, "")
        broken = [one for row in json.loads(made.out)["broken"] for one in row["problems"]]
        assert [one["value"] for one in broken] == [
            "\udcc1tico", "vend\udced", "5\udc80", "\udcc1", None,
        ]  # fmt: skip
    pushed = said("push", str(path))
    assert pushed.status == Exit.ROWS_FAILED
    lines(pushed.out, r"^  - pre\\xed\.csv, line 2, column name: ", r"^4 of 6 rows are not applied")
    assert emulator.applied == 2
    # What is there is what was there.
    failed = Path("pre\udced.failed.csv").read_bytes()
    for row in rows[1:3] + rows[4:5]:
        assert row.encode("utf-8", "surrogateescape") in failed
    again = said("push", "pre\udced.failed.csv")
    assert (again.status, emulator.applied) == (Exit.ROWS_FAILED, 2)
    lines(again.out, r"^4 of 4 rows are not applied")


def test_what_is_suspicious_needs_a_yes(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv")
    text_list(Path("x.csv"), *(unit(name, 5) for name in NAMES[:-1]))
    applied = emulator.applied
    said = propq("push", "x.csv", "--list", "1")
    assert said.status == Exit.UNCONFIRMED
    # It may be mailed.
    lines(
        said.out,
        r"^Likely a mistake\n  - 4711 A-101 changes its price by -100\.0%: 250,000 -> 5\n"
        r"  - and 29 more\n",
    )
    lines(
        said.err,
        r"^propq: nothing was sent, since the above needs a yes: if it is meant, push with --yes$",
    )
    assert emulator.applied == applied
    agreed = propq("push", "x.csv", "--yes", "--list", "7")
    assert agreed.status == Exit.DONE
    lines(agreed.out, r"^Confirmed for client 1\n  - 4711 A-101", r"^  - and 23 more$")
    assert emulator.unit("4711", "A-101").price == 5
    # That A-130 is gone was agreed to as well.
    assert json.loads(propq("plan", "x.csv", "--json").out)["warnings"] == []


def test_units_that_vanished_need_a_yes_with_nothing_to_send(
    emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:3])
    propq("push", "x.csv")
    text_list(Path("x.csv"), *LIST[:1])
    for command in (["plan"], ["plan", "--json"], ["push", "--dry-run"]):
        planned = propq(*command, "x.csv")
        assert (planned.status, planned.err) == (Exit.UNCONFIRMED, "")
        assert "2 units of 4711 pushed before and not in the list: A-102, A-103 " in planned.out
    assert propq("plan", "x.csv", "--all").status == Exit.CHANGES
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
    propq("push", "x.csv")
    applied = emulator.applied
    text_list(Path("x.csv"), *LIST)
    text_list(Path("y.csv"), *LIST)
    (warning,) = json.loads(propq("plan", "x.csv", "--json").out)["warnings"]
    assert warning["kind"] == "missing"
    said = propq("push", "x.csv")
    assert said.status == Exit.UNCONFIRMED
    lines(said.out, r"^  - 30 units of 4800 pushed before and not in the list: A-101, A-102, ")
    # Of a list with another name nobody knows what was in it.
    assert propq("push", "y.csv").status == Exit.DONE
    # As many rows as before, all of them of the one that is new to the list.
    text_list(Path("x.csv"), *other)
    lines(propq("push", "x.csv").out, r"^  - 30 units of 4711 pushed before and not in the list: ")
    assert emulator.applied == applied


@pytest.mark.parametrize("rows", [[], [["", "", "", "", ""]]])
@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--json"], ["push"], ["push", "--yes"]])
def test_a_list_without_rows_is_refused(
    rows: list[list[str]], arguments: list[str], emulator: PropQEmulator, propq: Any
) -> None:
    command, *options = arguments
    for is_known in (False, True):
        text_list(Path("x.csv"), *rows)
        workbook(Path("x.xlsx"), Fase=[ENGLISH, *rows])
        for path in ("x.csv", "x.xlsx"):
            said = propq(command, path, *options)
            assert (said.status, said.out) == (Exit.USAGE, "")
            assert said.err.startswith(f"propq: {path}: the list has no rows: nothing was sent; ")
        if not is_known:
            text_list(Path("x.csv"), *LIST)
            assert propq("push", "x.csv").status == Exit.DONE
    # Nothing that was pushed is forgotten by it.
    text_list(Path("x.csv"), *LIST[:-1])
    assert propq("push", "x.csv").status == Exit.UNCONFIRMED
    assert emulator.applied == len(LIST)


def on_a_terminal(
    *arguments: str, keys: bytes | signal.Signals, columns: int = 80
) -> tuple[int, str]:
    """Run a command on a terminal, and type when it asks."""
    ours, theirs = pty.openpty()
    seen = b""
    with subprocess.Popen(
        [*PROPQ, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": str(columns), "PYTHONFAULTHANDLER": "1"},
        preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread of the child is running yet
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            with suppress(OSError):  # how a terminal says that nobody is there any more
                while chunk := os.read(ours, 65536):
                    seen += chunk
                    if b"[y/N]" in seen and keys:
                        if isinstance(keys, bytes):
                            os.write(ours, keys)
                        else:
                            process.send_signal(keys)
                        keys = b""
            status = process.wait(60)
        finally:
            if process.poll() is None:  # the test has failed: what it had said, and where it is
                process.send_signal(signal.SIGABRT)
                with suppress(OSError):
                    while chunk := os.read(ours, 65536):
                        seen += chunk
                sys.stdout.write(seen.decode())
            process.kill()
    os.close(ours)
    return status, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415 - POSIX
    import termios  # noqa: PLC0415 - POSIX

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [
        (b"y\n", Exit.DONE, "Everything that was sent is applied."),
        (b"\n", Exit.UNCONFIRMED, "propq: nothing was sent"),
        (b"\x04", Exit.UNCONFIRMED, "[y/N] \r\npropq: nothing was sent\r\n"),
        (signal.SIGTERM, Exit.INTERRUPTED, "[y/N] \r\npropq: interrupted: nothing was sent\r\n"),
        (b"\x03", Exit.INTERRUPTED, "propq: interrupted: nothing was sent"),
    ],
)
def test_a_terminal_is_asked(
    keys: bytes | signal.Signals, status: Exit, said: str, emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:1])
    propq("push", "x.csv")
    text_list(Path("x.csv"), unit(price=5))
    found, seen = on_a_terminal("push", "x.csv", keys=keys)
    assert found == status
    assert "Push all the same (1 to be sent)? [y/N]" in seen
    assert said in seen
    assert "Traceback" not in seen
    assert emulator.unit("4711", "A-101").price == (5 if status == Exit.DONE else 250_000)


class _Keyboard:
    """A terminal's input of which nobody may read before something was typed."""

    def __init__(self) -> None:
        self.end, self.typed = os.pipe()

    def fileno(self) -> int:
        return self.end

    def readline(self) -> str:
        assert select.select([self.end], [], [], 0)[0], "it would wait, and see no Ctrl-C"
        return os.read(self.end, 100).decode()


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Keyboard]:
    keyboard = _Keyboard()
    monkeypatch.setattr(sys, "stdin", keyboard)
    yield keyboard
    os.close(keyboard.end)
    os.close(keyboard.typed)


@pytest.mark.parametrize(("typed", "answer"), [(b"yes\n", True), (b"\n", False)])
def test_the_answer_is_read_when_it_is_there(
    keyboard: _Keyboard, typed: bytes, *, answer: bool
) -> None:
    typing = threading.Timer(0.05, os.write, (keyboard.typed, typed))
    typing.start()
    assert push._ask("Sure? ") is answer
    typing.join()


@pytest.mark.usefixtures("keyboard")
def test_a_ctrl_c_that_comes_just_before_the_answer_is_waited_for_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = signal.getsignal(signal.SIGINT)

    def just_before(*arguments: Any) -> Any:
        # The signal is here, and Python has not looked at it when the waiting begins.
        signal.signal(signal.SIGINT, lambda *_: None)
        os.kill(os.getpid(), signal.SIGINT)
        ready = select_(*arguments)
        signal.default_int_handler(signal.SIGINT, None)
        return ready

    select_ = select.select
    monkeypatch.setattr(select, "select", just_before)
    with pytest.raises(CommandError, match="interrupted: nothing was sent"):
        push._ask("Sure? ")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("keyboard")
def test_a_ctrl_c_that_comes_as_soon_as_the_question_is_there_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flush() -> None:
        # Another thread takes the signal, and Python does not look at it before the waiting begins.
        asks = signal.signal(signal.SIGINT, lambda *_: None)
        os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, asks)

    def wait(reading: list[Any], writing: list[Any], failing: list[Any]) -> Any:
        ready = select_(reading, writing, failing, 0)
        assert any(ready), "it would wait, and has seen no Ctrl-C"
        return ready

    select_ = select.select
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(select, "select", wait)
    monkeypatch.setattr(sys.stderr, "flush", flush)
    with pytest.raises(CommandError, match="interrupted: nothing was sent"):
        push._ask("Sure? ")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_push_on_a_terminal(emulator: PropQEmulator) -> None:
    emulator.throttle(10, 1)
    text_list(Path("x.csv"), *LIST, unit("B"))
    status, seen = on_a_terminal("push", "x.csv", keys=b"")
    assert status == Exit.ROWS_FAILED
    assert "━" in seen
    assert "waiting 1 s: the server asked for it" in seen
    assert "31 of 31 rows" in seen
    assert re.search(r"\n - x\.csv, line 32, B: POST .*\r\n   \S", seen)
    status, seen = on_a_terminal("plan", "x.csv", keys=b"")
    assert status == Exit.CHANGES
    assert re.search(r"4711  B  SOLD  250,000  N S  in doubt", seen)


def test_progress_takes_one_line_of_a_narrow_terminal(emulator: PropQEmulator) -> None:
    emulator.throttle(10, 1)
    text_list(Path("x.csv"), *LIST)
    status, seen = on_a_terminal("push", "x.csv", keys=b"", columns=38)
    assert status == Exit.DONE
    frames = re.split(r"[\r\n]+", seen)
    assert re.search(r"\d+ of 30 rows 0 failed waiting 1 s$", "\n".join(frames), re.MULTILINE)
    assert any(frame.startswith("30 of 30 rows 0 failed 0:00:0") for frame in frames)
    assert not any(frame.strip() == "rows" for frame in frames)
    assert max(map(len, frames)) <= 38


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROPQ, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen[str], mark: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if mark in line:
            return
    raise AssertionError(f"it ended without {mark!r}")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_says_where_it_stands_and_the_next_one_goes_on(
    times: int, emulator: PropQEmulator, propq: Any
) -> None:
    emulator.latency_seconds = 2.0 if times == 1 else 100.0
    text_list(Path("x.csv"), *LIST)
    with started("push", "x.csv", "--concurrency", "3") as process:
        while emulator.in_flight < 2:
            time.sleep(0.01)  # another process works
        process.send_signal(signal.SIGINT)
        wait_for(process, "finishing what is in flight; Ctrl-C once more cuts it off")
        if times > 1:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (Exit.INTERRUPTED, False)
    applied = "[1-3]" if times == 1 else "0"
    lines(
        out,
        rf"^  applied  +{applied}$",
        r"^  not sent +2[78]$"
        if times == 1
        else r"^  cut off  +[1-3], [1-3] of them may have been",
        rf"^Interrupted\. {applied} of 30 rows (is|are) applied, \d+ are still to be sent: "
        r"the same command goes on from here\.$",
    )
    emulator.latency_seconds = 0.0
    assert propq("push", "x.csv").status == Exit.DONE
    assert {unit.price for unit in emulator.units.values()} == {250_000}


@pytest.mark.parametrize("why", ["asks to wait", "does not answer"])
def test_ctrl_c_waits_for_nothing_that_is_not_in_flight(
    why: str, emulator: PropQEmulator, propq: Any
) -> None:
    if why == "asks to wait":
        emulator.throttle(5, 200)
    else:
        emulator.fail_next(502, times=1_000_000)
    text_list(Path("x.csv"), *LIST)
    with started("push", "x.csv", "--concurrency", "3") as process:
        wait_for(process, f"the server {why}")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    lines(
        out,
        rf"^  applied  +{emulator.applied}$",
        r"^  cut off  +[1-3], [0-3] of them may have been applied$",
        r"^Interrupted\. \d of 30 rows are applied, \d+ are still to be sent: ",
    )
    emulator.reset()
    for name in NAMES:
        emulator.add_unit("4711", name)
    assert propq("push", "x.csv", "--all").status == Exit.DONE


def test_ctrl_c_before_anything_is_sent(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*_)

    real = reading.open_list
    text_list(Path("x.csv"), *LIST)
    for module, said in ((push, "interrupted: nothing was sent"), (plan, "interrupted")):
        monkeypatch.setattr(module, "open_list", interrupt)
        stopped = propq(module.__name__.rpartition(".")[2], "x.csv")
        assert (stopped.status, stopped.err) == (Exit.INTERRUPTED, f"propq: {said}\n")
    assert emulator.calls == 0


@pytest.mark.parametrize(
    "module",
    ["cyclopts", "rich", "propq_async.cli.lists", "aiohttp", "sqlite3", "propq_async.session"],
)
def test_ctrl_c_while_it_is_still_being_imported(module: str, emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST)
    command = [sys.executable, "-X", "importtime", "-m", "propq_async", "push", "x.csv"]
    # Not measured: that would import things before the command does.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        # The interpreter tells each module when it is there.
        wait_for(process, f" {module}\n")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == Exit.INTERRUPTED
    assert "".join(said) in ("propq: interrupted\n", "propq: interrupted: nothing was sent\n")
    assert emulator.applied == 0


@pytest.mark.parametrize("interrupted", [False, True])
def test_ctrl_c_while_the_interpreter_ends_is_not_seen(*, interrupted: bool) -> None:
    # As late as it gets: the interpreter waits for its threads, and then runs this.
    code = (
        "import atexit, os, signal, sys\n"
        "from propq_async import __main__\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "def run():\n"
        f"    if {interrupted}: raise KeyboardInterrupt\n"
        "    return 2\n"
        "__main__._run = run\n"
        "__main__.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    status = Exit.INTERRUPTED if interrupted else Exit.CHANGES
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == ("propq: interrupted\n" if interrupted else "")


@pytest.mark.usefixtures("_keeps_sigint")
def test_ctrl_c_before_anything_can_be_said_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "_run", interrupted)
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == Exit.INTERRUPTED
    assert capsys.readouterr().err == "propq: interrupted\n"


def test_credentials_server_and_ledger_stop_a_push(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text_list(Path("x.csv"), *LIST)
    broken = tmp_path / "no ledger"
    broken.write_bytes(b"nothing of the kind " * 100)
    for command in ("plan", "push"):
        said = propq(command, "x.csv", "--ledger", str(broken))
        assert said.status == Exit.STOPPED
        assert "no ledger cannot be used: file is not a database" in said.err
        assert broken.read_bytes() == b"nothing of the kind " * 100
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    said = propq("push", "x.csv")
    assert said.status == Exit.STOPPED
    lines(said.out, r"^Stopped: .*invalid_client.*\. 0 of 30 rows are applied, 30 are still")
    monkeypatch.delenv("PROPQ_CLIENT_ID")
    for command in ("plan", "push"):
        said = propq(command, "x.csv")
        assert said.status == Exit.STOPPED
        assert said.err.startswith("propq: the environment variable PROPQ_CLIENT_ID is not set")
    assert emulator.applied == 0


NO_LEDGER = {
    "x.csv": "file is not a database, and so no ledger; name with --ledger one that propq has "
    "made, or a file that is not there yet",
    "a place": "it is a directory; name a file in it, such as "
    "--ledger '{here}/a place/ledger.sqlite3'",
    "x.csv/a/ledger": "Not a directory; make room or give access to {here}/x.csv/a, or name "
    "another --ledger",
    "/proc/1/ledger": "unable to open database file; make room or give access to /proc/1, or name "
    "another --ledger",
}


@pytest.mark.parametrize(("ledger", "advice"), NO_LEDGER.items())
def test_what_can_be_no_ledger_is_told_with_what_to_do(
    ledger: str, advice: str, emulator: PropQEmulator, propq: Any, tmp_path: Path
) -> None:
    text_list(Path("x.csv"), *LIST)
    Path("a place").mkdir()
    said = propq("push", "x.csv", "--ledger", ledger)
    assert (said.status, said.out) == (Exit.STOPPED, "")
    assert said.err == (
        f"propq: the ledger {tmp_path / ledger} cannot be used: {advice.format(here=tmp_path)} "
        "(whatever is not in it is sent again)\n"
    )
    assert emulator.calls == 0


@pytest.mark.usefixtures("emulator")
async def test_two_pushes_at_once(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    text_list(Path("x.csv"), *LIST)
    holder = await Process.start(hold_ledger, ledger)
    with started("push", "x.csv", "--ledger", str(ledger)) as process:
        out, err = await asyncio.to_thread(process.communicate)
    # Whoever only looks is let in.
    with started("plan", "x.csv", "--ledger", str(ledger)) as planning:
        shown, _ = await asyncio.to_thread(planning.communicate)
    await holder.kill()
    assert planning.returncode == Exit.CHANGES
    assert "new to us  30" in shown
    assert (process.returncode, out) == (Exit.STOPPED, "")
    assert err.startswith(f"propq: another push is at work with the ledger {ledger} (process ")


def break_ledger(trigger: str) -> None:
    """Let the default ledger refuse something."""
    with closing(sqlite3.connect(Ledger().path)) as db:
        db.executescript(f"CREATE TRIGGER no {trigger} BEGIN SELECT raise(FAIL, 'no room'); END")


@pytest.mark.parametrize("server", ["up", "down"])
def test_a_ledger_that_fails_at_the_end_hides_nothing(
    server: str, emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:4])
    assert propq("push", "x.csv").status == Exit.DONE
    break_ledger("BEFORE UPDATE OF missed_at ON unit")
    text_list(Path("x.csv"), *LIST[:2], unit("A-105"), unit("B"))
    if server == "down":
        emulator.maintenance()
    said = propq("push", "x.csv", "--yes", "--max-outage-seconds", "0")
    assert said.status == Exit.STOPPED
    if server == "up":
        lines(
            said.out,
            r"^  applied  +1$",
            r"^Stopped: the ledger .* cannot be used: no room; .*\. 1 of 4 rows is not applied: "
            r"mend x\.failed\.csv and push that:\n"
            r"  propq push x\.failed\.csv --max-outage-seconds 0\n\Z",
        )
        assert "B,SOLD," in Path("x.failed.csv").read_text("utf-8-sig")
    else:
        lines(
            said.out,
            r"^  applied  +0$",
            r"^  failed  +0$",
            r"^  cut off  +2, 0 of them may have been applied$",
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


def test_ctrl_c_at_the_end_does_not_say_that_nothing_was_sent(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(*_: Any) -> None:
        for _time in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    text_list(Path("x.csv"), *LIST[:2])
    propq("push", "x.csv")
    text_list(Path("x.csv"), unit(price=260_000))
    monkeypatch.setattr(Ledger, "note_missing", interrupt)
    said = propq("push", "x.csv", "--yes")
    assert said.status == Exit.DONE
    lines(said.out, r"^  applied  +1$", r"^Everything that was sent is applied\.$")
    assert emulator.applied == 3


@pytest.mark.parametrize(
    ("closed", "told"), [("<&-", "out err"), (">&-", "err"), ("2>&-", "out"), ("<&- >&- 2>&-", "")]
)
def test_a_push_whose_streams_are_closed(closed: str, told: str, emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST)
    done = subprocess.run(
        f"{shlex.join(PROPQ)} push x.csv {closed}", shell=True,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == Exit.DONE
    assert done.stdout.startswith("PropQ push of" if "out" in told else "")
    assert bool(done.stdout) is ("out" in told)
    assert bool(done.stderr) is ("err" in told)
    assert "Traceback" not in done.stderr
    assert emulator.applied == 30


def test_failures_that_cannot_be_written_stop_nothing(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), unit("B"), *LIST)
    long = Path("z" * 245 + ".csv")
    Path("x.csv").rename(long)
    said = propq("push", str(long))
    assert said.status == Exit.ROWS_FAILED
    lines(said.out, r"^  failures  +could not be written: .*File name too long", r"not applied\.$")
    assert emulator.applied == 30


def test_a_push_that_is_killed_goes_on(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv")
    emulator.throttle(4, 30)
    text_list(Path("y.csv"), *(unit(name, 260_000) for name in NAMES))
    with started("push", "y.csv", "--concurrency", "2") as process:
        wait_for(process, "the server asks to wait")
        process.kill()
        process.communicate()
    emulator.throttle(1000, 1)
    # The list goes back to what it was: whatever may have been sent is sent again.
    assert propq("push", "x.csv").status == Exit.DONE
    assert {unit.price for unit in emulator.units.values()} == {250_000}


# --- update -------------------------------------------------------------------------------------


def test_one_unit(emulator: PropQEmulator, propq: Any) -> None:
    values = ["--status", "vendido", "--price", "199.500,50 €", "--directions", "Norte-Sur"]
    said = propq("update", "4711", "A-101", *values)
    assert (said.status, said.err) == (Exit.DONE, "")
    assert said.out == "applied: A-101 of 4711 is SOLD, 199,500.50, N S\n"
    assert emulator.unit("4711", "A-101").price == 199_500.5
    # The ledger knows of it.
    text_list(Path("x.csv"), unit("A-101", "199500.50"))
    assert propq("plan", "x.csv").status == Exit.DONE
    unknown = propq("update", "4711", "B", *values)
    assert (unknown.status, unknown.out) == (Exit.ROWS_FAILED, "")
    assert "must match exactly" in unknown.err
    odd = propq("update", "4711", "A-101", *values[:4], "--directions", "NNE,N")
    assert odd.out.endswith("NNE N\n")
    several = propq("update", "4711", "A-101", *values[:4], "--directions", "Mar, Norte-Sur, S/W")
    assert several.out.endswith(", Mar N S W\n")
    emulator.fail_next(500, times=9)
    assert propq("update", "4711", "A-101", *values).status == Exit.STOPPED


VALUES = ["--status", "SOLD", "--price", "260000", "--directions", "N"]


@pytest.mark.parametrize(
    ("path", "standing"),
    [
        ("/oauth/token", "nothing was sent"),
        (
            "/v1/developments/4711/units/update-by-name",
            "the update may have been applied; the same command sets the values again",
        ),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_update_says_what_became_of_it(
    number: signal.Signals, path: str, standing: str, emulator: PropQEmulator
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def hold(_: object) -> bool:
        asked.set()
        return not ended.wait(60)

    emulator.fail_next(503, path=path, match=hold)
    with started("update", "4711", "A-101", *VALUES) as process:
        assert asked.wait(60)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    ended.set()
    assert (process.returncode, out) == (Exit.INTERRUPTED, "")
    assert err == f"propq: interrupted: {standing}\n"


def test_an_update_that_is_interrupted_too_late_says_that_it_is_applied(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await real(*arguments)

    real = Ledger.acknowledge
    monkeypatch.setattr(Ledger, "acknowledge", interrupt)
    said = propq("update", "4711", "A-101", *VALUES)
    assert (said.status, said.err) == (
        Exit.INTERRUPTED,
        "propq: interrupted: the update is applied\n",
    )
    assert emulator.unit("4711", "A-101").price == 260_000
    text_list(Path("x.csv"), unit("A-101", 260_000, directions="N"))
    assert propq("plan", "x.csv").status == Exit.DONE


# --- token --------------------------------------------------------------------------------------


def test_the_token_is_shown_without_its_value(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    none = propq("token", "show")
    assert (none.status, none.err) == (Exit.DONE, "")
    assert re.fullmatch(
        r"no token for client 1 in /.*/token-1-\w+\.json: the next call fetches one\n", none.out
    )
    fetched = propq("token", "refresh")
    shown = propq("token", "show")
    for said in (fetched, shown):
        assert (said.status, said.err) == (Exit.DONE, "")
        lines(
            said.out,
            rf"^  client   1 at {emulator.url}/oauth/token$",
            r"^  file     /.*\.json$",
            r"^  type     Bearer$",
            r"^  issued   \d{4}-",
            r"^  expires  .*, in 29 days, 23:59:\d\d$",
        )
        for token in tmp_path.rglob("token-*.json"):
            assert json.loads(token.read_text())["access_token"] not in said.out
    assert emulator.token_requests == 1
    assert re.fullmatch(r"forgot the token of client 1 in /.*\n", propq("token", "clear").out)
    assert propq("token", "clear").out.startswith("there was no token of client 1 in /")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path / "mine.json"))
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    refused = propq("token", "refresh")
    assert refused.status == Exit.STOPPED
    assert "invalid_client" in refused.err
    assert str(tmp_path / "mine.json") in propq("token", "show").out


def test_a_new_token_that_cannot_be_kept_is_told(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path))
    said = propq("token", "refresh")
    assert (said.status, said.out) == (Exit.STOPPED, "")
    assert f"propq: fetched a new access token, but {tmp_path} does not hold it: " in said.err
    assert emulator.token_requests == 1


# --- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["plan"], ["push"], ["update"], ["token"], ["token", "show"], ["token", "refresh"]],
)
def test_help_says_what_there_is(arguments: list[str], propq: Any) -> None:
    said = propq(*arguments, "--help")
    assert (said.status, said.err) == (0, "")
    assert f"Usage: propq {' '.join(arguments)}" in said.out
    assert "default: False" not in said.out
    assert "default: []" not in said.out


def test_shells_can_complete() -> None:
    for shell in ("bash", "zsh", "fish"):
        script = app.app.generate_completion(shell=shell)
        assert "push" in script
        assert "trust-hours" in script


def unwatched(code: str) -> None:
    """Run it without the measurement of coverage, which has imports of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.DEVNULL, env=env
    )


def test_help_imports_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys\nfrom propq_async.cli.app import run\nassert run(['--help']) == 0\n"
        "unwanted = {'sqlite3', 'python_calamine', 'propq_async.pricelist', 'propq_async.ledger',"
        "'propq_async.testing'}\nassert not unwanted & set(sys.modules), unwanted"
    )
    unwatched(code)


def test_the_core_imports_neither_lists_nor_the_ledger() -> None:
    code = (
        "import sys, propq_async\npropq_async.AsyncPropQ\n"
        "assert not {'propq_async.pricelist', 'propq_async.ledger', 'sqlite3'} & set(sys.modules)\n"
        "from propq_async import pricelist\npricelist.read"
    )
    unwatched(code)


def test_columns_are_aligned_by_their_width_on_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen().section("", [("日本", "1"), ("a", "10"), ("b",)], right=[1])
    Screen().section("nothing", [])
    assert capsys.readouterr().out == "\n  日本   1\n  a     10\n  b\n\nnothing\n"


def test_a_ledger_is_where_the_system_keeps_data(tmp_path: Path) -> None:
    assert Ledger().path.is_relative_to(tmp_path / "data")
