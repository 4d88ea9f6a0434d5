"""The front page: its programs run, and its command lines do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from propq_async import UnitStatus
from propq_async._cli.app import run as cli
from propq_async.testing import PropQEmulator
from tests.helpers.pages import README, ROOT, block, blocks, execute


def command_lines() -> list[str]:
    return [line for b in blocks(README) if b.language == "bash" for line in b.text.splitlines()]


def test_one_update(emulator: PropQEmulator) -> None:
    execute(block(README, "AsyncPropQ"), README)
    unit = emulator.unit("4711", "A-101")
    assert (unit.status, unit.price, unit.directions) == (UnitStatus.SOLD, 250_000, ("N", "S"))


def test_a_price_list(emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    Path("prices.csv").write_text(block(README, "development_id,name", "csv"), encoding="utf-8")
    commands = [line for line in command_lines() if re.match("propq (plan|push)", line)]
    assert [cli(shlex.split(line)[1:]) for line in commands] == [4, 1]
    assert "mend prices.failed.csv and push that" in capsys.readouterr().out
    assert emulator.unit("4711", "A-102").price == 199_500.5
    assert emulator.applied == 2


def test_the_two_commands_are_those_that_ci_runs() -> None:
    commands = command_lines()
    assert commands[0] == (
        "python3 -m venv .venv && .venv/bin/pip install '.[cli]' && .venv/bin/propq demo"
    )
    assert commands[1] == (
        "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest "
        "-n 2 --dist worksteal"
    )
    assert "grep '^python3 -m venv' README.md" in (ROOT / ".ci" / "run").read_text()


def test_no_block_of_the_front_page_is_forgotten() -> None:
    assert [b.language for b in blocks(README)] == ["bash", "python", "csv", "bash", "bash"]
    # The last one is run with those of the page about the emulator.
    assert command_lines()[2:] == [
        "propq plan prices.csv",
        "propq push prices.csv --accept unknown-to-ledger",
        "propq emulate --port 8099 --units prices.csv",
    ]
