"""`propq plan`, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, NAMES, PROPQ, lines
from tests.helpers.lists import ENGLISH, SPANISH, text_list, unit, workbook


def test_a_plan_names_the_lines_that_are_no_units(emulator: PropQEmulator, propq: Any) -> None:
    del emulator  # it has made the directory
    text_list(Path("x.csv"), unit("A-101"), ["", "TOTAL", "", "250000", ""])
    said = propq("plan", "x.csv")
    lines(said.out, r"^Not units\n  - x\.csv, line 3: a total")


def test_a_plan_for_people(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    first = propq("plan", "x.csv", "--list", "2")
    assert (first.status, first.err) == (Exit.UNCONFIRMED, "")
    lines(
        first.out,
        r"^x\.csv: 30 rows \(utf-8, columns by commas\)$",
        rf"^for client 1 of {emulator.url}, by the ledger /.*/data/propq-async/ledger\.sqlite3$",
        r"^  new to us  30$",
        r"^  SOLD       30 units  7,500,000 EUR$",
        r"^  all        30 units  7,500,000 EUR$",
        r"^New to us\n  4711  A-101  SOLD  250,000 EUR  N S\n  4711  A-102",
        r"^  and 28 more \(--list 30 shows all\)$",
        r"^If it is meant\n  - propq push asks for a yes; where nobody can be asked, "
        r"--accept unknown-to-ledger is one\n\Z",
    )
    assert emulator.calls == 0
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    assert propq("plan", "x.csv").status == Exit.DONE
    assert "If it is meant" not in propq("plan", "x.csv").out
    asked = propq("plan", "x.csv", "--all", "--trust-hours", "0")
    lines(asked.out, r"^  sent again  30  acknowledged long ago")
    text_list(
        Path("x.csv"),
        unit(NAMES[0], 300_000, status="RESERVED", directions="W"),
        unit(" A-102", 500_000),
        unit("A-103", "?"),
        *LIST[3:-1],
        unit("A-104"),
    )
    second = propq("plan", "x.csv", "--list", "1")
    assert (second.status, second.err) == (Exit.UNCONFIRMED, "")
    lines(
        second.out,
        r"^  changed     2$",
        r"^  repeated    1  the same as an earlier row$",
        r"^Changed, or to be sent again\n"
        r"  4711  A-101  SOLD -> RESERVED  250,000 EUR -> 300,000 EUR \(\+20\.0%\)  N S -> W\n",
        r"^Broken, and not sent\n  - x\.csv, line 4, column price: found '\?'; expected a",
        r"^Worth a look\n  - x\.csv, line 3: column name: ' A-102' has space around it",
        r"^Likely a mistake\n  - 4711 A-102 changes its price by \+100\.0%: "
        r"250,000 EUR -> 500,000 EUR\n"
        r"  - and 1 more$",
    )


@pytest.mark.usefixtures("emulator")
def test_a_plan_says_first_which_columns_it_is_made_from(propq: Any) -> None:
    header = [*ENGLISH, "m2", "", "Notas"]
    text_list(Path("x.csv"), [*unit(), 85, "", ""], header=header)
    lines(
        propq("plan", "x.csv").out,
        r"^development_id = development_id \(A\), name = name \(B\), status = status \(C\), "
        r"price = price \(D\), directions = directions \(E\); not read: m2, Notas$",
    )
    plan = json.loads(propq("plan", "x.csv", "--json").out)
    assert list(plan["columns"]) == list(ENGLISH)
    price = {"heading": "price", "letter": "D", "hidden": False, "settled_by": "heading"}
    assert plan["columns"]["price"] == price
    assert plan["not_read"] == ["m2", "Notas"]
    said = {"columns": plan["columns"], "not_read": plan["not_read"]}
    assert plan["tables"] == [{"sheet": None, "line": 1, **said}]
    same: list[list[Any]] = [["Vivienda", *SPANISH[2:]], ["A", "Vendido", 5, "N"]]
    workbook(
        Path("x.xlsx"),
        A=same,
        B=[same[0], ["B", "Vendido", 5, "N"]],
        C=[["Ref", *SPANISH[2:]], ["C", "Vendido", 5, "N"]],
    )
    lines(
        propq("plan", "x.xlsx", "--development", "4711").out,
        r"^sheet A, B: name = Vivienda \(A\), status = Estado \(B\), price = Precio \(€\) \(C\), "
        r"directions = Orientación \(D\)$",
        r"^sheet C: name = Ref \(A\), ",
    )


def test_a_plan_for_programs(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), unit("A-101", "199500.50"), unit("B"), unit("C", 0), unit(" D"))
    said = propq("plan", "x.csv", "--json", "--list", "0")
    assert (said.status, said.err) == (Exit.UNCONFIRMED, "")
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
        "filled": {},
        "before": {"status": "SOLD", "price": 250000, "directions": ["N", "S"]},
        "price_change_percent": pytest.approx(-20.1998),
    }
    assert (new["before"], new["price_change_percent"]) == (None, None)
    (row,) = plan["broken"]
    assert (row["line"], row["development_id"], row["name"]) == (4, "4711", "C")
    assert row["problems"][0]["value"] == "0"
    assert plan["totals"]["SOLD"] == {"units": 3, "value": 699500.5}
    assert [one["kind"] for one in plan["warnings"]] == ["unknown-to-ledger", "price", "missing"]
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
        assert (done.returncode, done.stderr) == (Exit.UNCONFIRMED, b"")
        made = json.loads(done.stdout.decode(encoding))
        assert made["changes"][0]["name"] == "Ático ñ"
        assert made["broken"][0]["name"] == "A\udce9"


@pytest.mark.usefixtures("emulator")
def test_bytes_that_are_no_text_are_shown_as_bytes(propq: Any) -> None:
    Path("x.csv").write_bytes(
        f"{','.join(ENGLISH)}\n4711,ñ,SOLD,1,N\n4711,A".encode() + b"-\xe9\xf1,SOLD,1,N\n"
    )
    lines(
        propq("plan", "x.csv").out, r"line 3, column name: found 'A-\\xe9\\xf1'; expected text in"
    )


@pytest.mark.usefixtures("emulator")
def test_a_long_value_is_not_shown_as_a_whole(propq: Any) -> None:
    text_list(Path("x.csv"), unit("A", "9" * 80 + "x"), unit("B", "9" * 79 + "x"))
    lines(propq("plan", "x.csv").out, r": found '9{80}\.\.\.', '9{79}x'; expected ")
    first, _ = json.loads(propq("plan", "x.csv", "--json").out)["broken"]
    assert first["problems"][0]["value"] == "9" * 80 + "x"


def test_one_is_not_many(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), unit("B"))
    lines(propq("plan", "x.csv").out, r"^x\.csv: 1 row \(", r"^  SOLD +1 unit +250,000 EUR$")
    said = propq("push", "x.csv", FIRST)
    lines(said.out, r"^  all +1 unit ", r"^1 of 1 row is not applied: ")
    lines(said.err, r" 1 of 1 row, ")
    text_list(Path("x.csv"), *LIST[:2])
    emulator.fail_next(401, times=99)
    said = propq("push", "x.csv", FIRST, "--concurrency", "1")
    lines(said.out, r"0 of 2 rows are applied, 2 are still to be sent: ")
