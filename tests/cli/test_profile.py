"""Plans of lists that have a profile: kept, pushed, and shown as the list writes its prices."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, PROPQ, lines
from tests.helpers.lists import text_list

PROFILE = """
[[list]]
file = "precios*.csv"
development = "4711"
name = "{Bloque}-{Vivienda}"
fill = { directions = "units.csv" }
"""
HEADER = ["Bloque", "Vivienda", "Estado", "PVP"]


@pytest.fixture
def listed(emulator: PropQEmulator) -> Path:
    assert emulator.calls == 0
    text_list(Path("units.csv"), ["A-101", "S"], ["A-102", "N"], header=["name", "directions"])
    Path("other.toml").write_text(PROFILE, encoding="utf-8")
    rows = [["A", "101", "Vendido", "239.900,50"], ["A", "102", "Libre", "250.000,00"]]
    return text_list(Path("precios.csv"), *rows, ["B", "1", "Libre", "?"], header=HEADER)


def test_prices_are_shown_as_the_list_writes_them(listed: Path, propq: Any) -> None:
    said = propq("plan", str(listed), "--profile", "other.toml", "--min-price", "240000")
    lines(
        said.out,
        r"^  SOLD +1 unit +239\.900,50 EUR$",
        r"^  4711  A-101  SOLD +239\.900,50 EUR  S  directions from units\.csv$",
        r"^  - 4711 A-101 costs 239\.900,50 EUR: less than 240\.000 EUR$",
    )


def test_a_kept_plan_is_pushed_with_its_profile(
    listed: Path, emulator: PropQEmulator, propq: Any
) -> None:
    options = ("--profile", "other.toml")
    assert propq("plan", str(listed), *options, "--out", "plan.json").status == Exit.UNCONFIRMED
    said = propq("push", "plan.json", FIRST)
    assert (said.status, emulator.applied) == (Exit.ROWS_FAILED, 2)
    (command,) = (line for line in said.out.splitlines() if "propq push" in line)
    failed, option, profile = command.split()[2:]
    assert (Path(failed).name, option) == ("precios.failed.csv", "--profile")
    assert Path(profile) == Path("other.toml").absolute()
    assert propq("push", "precios.failed.csv", *options).status == Exit.ROWS_FAILED
    propq("plan", str(listed), *options, "--out", "plan.json")
    Path("other.toml").write_text(PROFILE + "min_price = 5\n", encoding="utf-8")
    again = propq("push", "plan.json", FIRST)
    assert (again.status, "other.toml was edited since the plan" in again.err) == (Exit.USAGE, True)


def test_the_same_list_profile_and_ledger_make_the_same_plan(listed: Path) -> None:
    """Whatever the seed of hashes is."""
    plans = []
    for seed in ("1", "2"):
        command = [*PROPQ, "plan", str(listed), "--profile", "other.toml", "--out", f"{seed}.json"]
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
        said = done.stdout.replace(seed.encode() + b".json", b"")
        plans.append((said, Path(f"{seed}.json").read_bytes()))
    assert plans[0] == plans[1]
    assert json.loads(plans[0][1])["plan"]["profile"].endswith("other.toml")
