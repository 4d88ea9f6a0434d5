"""`--report`: the page for people who do not read terminals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST
from tests.helpers.lists import text_list, unit


@pytest.fixture
def prices(emulator: PropQEmulator) -> Path:
    del emulator  # it has made the directory
    return text_list(Path("prices.csv"), unit("A-101"), unit("A-102"))


def page() -> str:
    return Path("report.html").read_text(encoding="utf-8")


def test_a_plan_is_written(prices: Path, propq: Any) -> None:
    assert propq("plan", str(prices), "--report", "report.html").status == Exit.UNCONFIRMED
    assert "<h1>PropQ plan of prices.csv</h1>" in page()


def test_a_push_is_written(prices: Path, propq: Any, emulator: PropQEmulator) -> None:
    emulator.fail_next(422, match={"UntName": "A-102"})
    said = propq("push", str(prices), FIRST, "--report", "report.html")
    assert said.status == Exit.ROWS_FAILED
    assert "<h1>PropQ push of prices.csv</h1>" in page()
    assert ">applied<" in page()
    assert ">failed<" in page()


def test_a_push_that_needs_a_yes_shows_what_for(prices: Path, propq: Any) -> None:
    assert propq("push", str(prices), "--report", "report.html").status == Exit.UNCONFIRMED
    assert "<h1>PropQ plan of prices.csv</h1>" in page()
    assert "First push" in page()
    assert "mistake" not in page()


def test_a_dry_run_writes_the_plan(prices: Path, propq: Any) -> None:
    assert propq("push", str(prices), "--dry-run", "--report", "report.html").status == 4
    assert "<h1>PropQ plan of prices.csv</h1>" in page()


@pytest.mark.parametrize("command", ["plan", "push"])
def test_a_slip_does_not_overwrite_the_list(prices: Path, propq: Any, command: str) -> None:
    before = prices.read_bytes()
    said = propq(command, str(prices), "--report", str(prices))
    assert said.status == Exit.USAGE
    assert said.err == "propq: --report prices.csv: name a file that ends with .html\n"
    assert prices.read_bytes() == before


def test_nothing_is_sent_if_it_cannot_be_written(
    prices: Path, propq: Any, emulator: PropQEmulator
) -> None:
    said = propq("push", str(prices), FIRST, "--report", "no/report.html")
    assert said.status == Exit.UNUSABLE
    assert said.err.endswith(
        "--report no/report.html: cannot be written: No such file or directory: nothing was sent\n"
    )
    assert emulator.calls == 0


def test_a_disk_that_fills_up_does_not_change_how_a_push_ended(
    prices: Path, propq: Any, emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_request: object) -> None:
        Path("report.html").unlink(missing_ok=True)
        Path("report.html").symlink_to("/dev/full")

    monkeypatch.setattr(emulator, "on_request", fill)
    said = propq("push", str(prices), FIRST, "--report", "report.html")
    assert said.status == Exit.DONE
    assert "Everything that was sent is applied." in said.out
    assert "propq: --report report.html: cannot be written: No space left" in said.err
    assert said.err.endswith("it shows the plan and not the push\n")
