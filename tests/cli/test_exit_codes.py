"""How a command ends: one status for each thing that a job can do about it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from propq_async import RateLimitError, ServerError, TokenRefusedError, TokenUnavailableError
from propq_async._cli.exit_codes import Exit, exit_of, table
from propq_async.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    LedgerBusyError,
    LedgerError,
    PropQError,
    UnexpectedResponseError,
)
from propq_async.testing import PropQEmulator
from tests.helpers.commands import LIST
from tests.helpers.lists import text_list, unit

CALL: dict[str, Any] = {"method": "POST", "url": "https://api.propq.com/x"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TokenUnavailableError("down"), Exit.STOPPED),
        (APIConnectionError("down", **CALL), Exit.STOPPED),
        (APITimeoutError("late", **CALL), Exit.STOPPED),
        (ServerError("down", status=503, **CALL), Exit.STOPPED),
        (RateLimitError("later", status=429, **CALL), Exit.STOPPED),
        (UnexpectedResponseError("a page", status=200, **CALL), Exit.STOPPED),
        (LedgerBusyError("another push", process_id=1), Exit.BUSY),
        (LedgerError("damaged"), Exit.UNUSABLE),
        (ConfigurationError("missing"), Exit.UNUSABLE),
        (TokenRefusedError("wrong", status=401), Exit.UNUSABLE),
        (AuthenticationError("no", status=401, **CALL), Exit.UNUSABLE),
    ],
)
def test_an_error_says_whether_to_wait_or_to_call_somebody(error: PropQError, status: Exit) -> None:
    assert exit_of(error) is status


def test_numbers_that_jobs_rely_on_stay() -> None:
    assert {status.name: status.value for status in Exit} == {
        "DONE": 0,
        "ROWS_FAILED": 1,
        "CHANGES": 2,
        "STOPPED": 3,
        "UNCONFIRMED": 4,
        "BUSY": 5,
        "UNUSABLE": 6,
        "USAGE": 64,
        "BUG": 70,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
    }


def test_the_help_has_the_table_of_statuses() -> None:
    # In a process of its own: what prints the help keeps the standard output of its first use.
    code = "import sys; from propq_async._cli.app import run; "
    code += "[(run([*words.split(), '--help']), print('end of a page')) for words in sys.argv[1:]]"
    commands = ["", "plan", "push", "update", "token show"]
    done = subprocess.run(
        [sys.executable, "-c", code, *commands],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        check=True,
        text=True,
    )
    *pages, _ = done.stdout.split("end of a page")
    assert len(pages) == len(commands)
    for command, page in zip(commands, pages, strict=True):
        out = " ".join(page.split())
        assert f"Usage: propq {command}".rstrip() in out
        for status in Exit:
            assert f" {status.value} {status.meaning.replace('`', '')}" in out, command


def test_the_documentation_has_the_table_of_statuses() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
    assert table() in page.read_text(encoding="utf-8")


def _jump(name: str) -> list[Any]:
    return unit(name, 500_000)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([_jump("A-101"), *LIST[1:4]], Exit.UNCONFIRMED),
        ([_jump("A-101"), *LIST[1:4], unit("B", "?")], Exit.UNCONFIRMED),
        (LIST[:3], Exit.UNCONFIRMED),
        ([*LIST[:5], unit("B", "?")], Exit.ROWS_FAILED),
        (LIST[:5], Exit.CHANGES),
        (LIST[:4], Exit.DONE),
    ],
)
@pytest.mark.usefixtures("emulator")
def test_a_plan_says_what_a_push_would(rows: list[Any], status: Exit, propq: Any) -> None:
    text_list(Path("x.csv"), *LIST[:4])
    assert propq("push", "x.csv", "--yes").status == Exit.DONE
    text_list(Path("x.csv"), *rows)
    assert propq("plan", "x.csv").status == status
    assert propq("push", "x.csv", "--dry-run").status == status
    pushed = propq("push", "x.csv").status
    assert (pushed == Exit.UNCONFIRMED) is (status == Exit.UNCONFIRMED)


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (lambda emulator: emulator.maintenance(), Exit.STOPPED),
        (lambda emulator: emulator.fail_next(401, times=99), Exit.UNUSABLE),
        (lambda emulator: emulator.fail_next(429, times=99, retry_after=500), Exit.STOPPED),
    ],
)
def test_what_stops_a_push_or_an_update_has_one_status(
    trouble: Callable[[PropQEmulator], None], status: Exit, emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST)
    propq("token", "refresh")
    trouble(emulator)
    assert propq("push", "x.csv", "--yes", "--max-outage-seconds", "0").status == status
    values = ("--status", "SOLD", "--price", "5000", "--directions", "N")
    assert propq("update", "4711", "A-101", *values).status == status
