"""How a list is read, as the options of a command say."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, PROPQ, lines
from tests.helpers.lists import ENGLISH, text_list, unit, workbook


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
    assert said.status == Exit.UNCONFIRMED
    lines(said.out, r"4711  A-101  RESERVED  1\.234 EUR  S$")


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
        (["plan", "x.csv", "--trust-hours", "inf"], "--trust-hours: "),
        (["push", "x.csv", "--max-calls-per-second", "inf"], "--max-calls-per-second: "),
        (["push", "x.csv", "--max-outage-seconds", "inf"], "--max-outage-seconds: "),
        (["plan"], "PATH is missing"),
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
                "S-W": "--directions: found 'S-W'; expected SW if it is one direction, S/W if",
                "Norte, Sur-Oeste": "; expected SW if it is one direction, S/W if it is two",
                "Norte foo": "--directions: found 'Norte foo'; expected directions such as N, "
                '"N S" or SO; others are sent as they are, with commas between them, such as NNE,N',
                "NNE N": "--directions: found 'NNE N'; expected directions such as N",
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


def is_no_file(path: str) -> str:
    return (
        f"propq: {path} is no file: a price list is read more than once, which a pipe cannot be; "
        "save it as a file, and name that\n"
    )


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("command", [["plan"], ["emulate", "--units"]])
def test_a_list_that_comes_through_a_pipe_is_refused(command: list[str]) -> None:
    text_list(Path("x.csv"), *LIST)
    process = subprocess.run(
        [*PROPQ, *command, "/dev/stdin"],
        input=Path("x.csv").read_text(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stdout) == (Exit.USAGE, "")
    assert process.stderr == is_no_file("/dev/stdin")


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("command", ["plan", "push"])
@pytest.mark.parametrize("path", ["-", "fifo"])
def test_a_list_that_is_a_pipe_is_refused(command: str, path: str, propq: Any) -> None:
    os.mkfifo("fifo")
    said = propq(command, path)
    assert (said.status, said.out, said.err) == (Exit.USAGE, "", is_no_file(path))


@pytest.mark.usefixtures("emulator")
def test_a_list_may_be_called_as_a_pipe_is(propq: Any) -> None:
    text_list(Path("-"), *LIST)
    assert propq("plan", "./-").status == Exit.UNCONFIRMED
    assert propq("plan", str(Path("-").absolute())).status == Exit.UNCONFIRMED


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
            assert propq("push", "x.csv", FIRST).status == Exit.DONE
    # Nothing that was pushed is forgotten by it.
    text_list(Path("x.csv"), *LIST[:-1])
    assert propq("push", "x.csv").status == Exit.UNCONFIRMED
    assert emulator.applied == len(LIST)
