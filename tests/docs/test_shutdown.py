"""The job of the page ends as it says when it gets a real signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from propq_async.testing import PropQEmulator
from tests.helpers.pages import DOCS, block

ROWS = 400
HEAD = "development_id,name,status,price,directions\n"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGTERM")


def started(emulator: PropQEmulator, rows: list[str]) -> subprocess.Popen[str]:
    Path("nightly.py").write_text(block(DOCS / "how-to" / "shutdown.md", "class Job"))
    Path("prices.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    for number in range(ROWS):
        emulator.add_unit("4711", f"B-{number}")
    return subprocess.Popen(
        [sys.executable, "nightly.py", "prices.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def row(number: int) -> str:
    return f"4711,B-{number},SOLD,250000,N S\n"


def test_a_job_that_is_stopped_tells_of_each_row_that_it_began(emulator: PropQEmulator) -> None:
    emulator.latency_seconds = 0.2
    with started(emulator, [row(number) for number in range(ROWS)]) as job:
        assert job.stdout is not None
        first = job.stdout.readline()
        job.send_signal(signal.SIGTERM)
        rest, wrong = job.communicate(timeout=60)
    lines = [first, *rest.splitlines(keepends=True)]
    assert (job.returncode, wrong) == (130, "")
    assert all(line.endswith(" applied\n") for line in lines)
    # Each update that reached the server was told of, and the others were never sent.
    assert len(lines) == len(set(lines)) == emulator.applied < ROWS


def test_a_job_tells_of_bad_rows_by_their_line(emulator: PropQEmulator) -> None:
    rows = [row(0), "4711,B-1,SOLD,no price,N\n", "4711,B-2,SOLDS,1000,N\n", row(3)]
    rows += ["4711,B-4\n", "4711,B-5,SOLD,1000,N,too much\n"]
    with started(emulator, [*rows, "4711,No such unit,HOLD,1000,N\n"]) as job:
        out, wrong = job.communicate(timeout=60)
    assert job.returncode == 1
    said = out.splitlines()
    assert sorted(said)[:2] == ["B-0 applied", "B-3 applied"]
    assert "(unit 'No such unit'): 404" in out
    first, second, short, long = wrong.splitlines()
    assert first == "prices.csv, line 3: price: 'no price' is no number"
    assert second.startswith("prices.csv, line 4: the update is not valid: status: must be one of ")
    assert short == "prices.csv, line 6: price: '' is no number"
    assert long.startswith("prices.csv, line 7: the update is not valid: None: is no field")


def test_a_job_that_is_done_ends_with_zero(emulator: PropQEmulator) -> None:
    with started(emulator, [row(0)]) as job:
        out, _ = job.communicate(timeout=60)
    assert (job.returncode, out) == (0, "B-0 applied\n")
