"""The front page: its programs run, and its command lines do what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from propq_async import UnitStatus
from propq_async._cli.app import run as cli
from propq_async.testing import PropQEmulator
from tests.helpers.pages import DOCS, README, ROOT, block, blocks, execute

PORT = 8099


def command_lines() -> list[str]:
    return [line for b in blocks(README) if b.language == "bash" for line in b.text.splitlines()]


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Run the emulator as the page says, and set in this terminal what it prints."""
    monkeypatch.chdir(tmp_path)
    Path("prices.csv").write_text(block(README, "development_id,name", "csv"), encoding="utf-8")
    (line,) = [line for line in command_lines() if line.startswith("propq emulate ")]
    # Somebody else may have the port of the page.
    line = line.replace(f"--port {PORT}", "--port 0")
    command = [sys.executable, "-m", "propq_async", *shlex.split(line)[1:]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(5)]
            assert all(one.startswith("export ") for one in lines), lines
            told = dict(re.findall(r"(\w+)=(\S+)", "".join(lines)))
            for name, value in told.items():
                monkeypatch.setenv(name, value)
            yield told
        finally:
            process.terminate()


def test_one_update(emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    execute(block(README, "AsyncPropQ"), README)
    unit = emulator.unit("4711", "A-101")
    assert (unit.status, unit.price, unit.directions) == (UnitStatus.SOLD, 250_000, ("N", "S"))
    assert capsys.readouterr().out == ""


def test_a_price_list_is_tried_on_the_emulator(
    exports: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exports["PROPQ_BASE_URL"].startswith("http://127.0.0.1:")
    assert f"<http://127.0.0.1:{PORT}/>" in section("An emulator")
    assert sorted(exports) == sorted(set(re.findall(r"`(PROPQ_\w+)`", section("An emulator"))))
    commands = [line for line in command_lines() if re.match("propq (plan|push)", line)]
    assert [cli(shlex.split(line)[1:]) for line in commands] == [4, 0]
    out = capsys.readouterr().out
    assert f"for client 1 of {exports['PROPQ_BASE_URL']}, by the ledger " in out
    assert "Everything that was sent is applied." in out
    # From then on only what changed is sent.
    assert cli(["push", "prices.csv"]) == 0
    assert "Nothing to send." in capsys.readouterr().out


def test_the_page_about_the_emulator_starts_the_same_one() -> None:
    page = DOCS / "tutorials" / "emulator.md"
    csv = block(README, "development_id,name", "csv")
    assert block(page, "development_id,name", "text") == csv
    install, emulate = block(page, "propq emulate", "bash").splitlines()
    assert install == "pip install 'propq-async[cli]'"
    assert emulate in command_lines()


def section(heading: str) -> str:
    return README.read_text(encoding="utf-8").split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]


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


def test_each_of_the_two_commands_has_a_block_and_a_sentence() -> None:
    before_demo, demo, before_tests, tests, _ = section("Try it").split("```")
    assert [text.count("\n") for text in (demo, tests)] == [2, 2]
    assert "pushes a price list" in before_demo
    assert "runs the tests" in before_tests


def test_no_block_of_the_front_page_is_forgotten() -> None:
    assert [b.language for b in blocks(README)] == [*["bash"] * 2, "csv", *["bash"] * 2, "python"]
    assert command_lines()[2:] == [
        "source .venv/bin/activate",
        "propq emulate --port 8099 --units prices.csv",
        "propq plan prices.csv",
        "propq push prices.csv --accept unknown-to-ledger",
    ]
