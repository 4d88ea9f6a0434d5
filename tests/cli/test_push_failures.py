"""The file with the rows that failed, where it cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from propq_async import pricelist
from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, lines
from tests.helpers.lists import text_list, unit


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.usefixtures("emulator")
def test_failures_on_a_disk_that_runs_full_are_not_recommended(
    propq: Any, small_disk: Path
) -> None:
    path = text_list(small_disk / "x.csv", *[unit(f"B-{number}", "?") for number in range(300)])
    said = propq("push", str(path), FIRST)
    assert said.status == Exit.ROWS_FAILED
    failed = small_disk / "x.failed.csv"
    assert failed.read_bytes().endswith(b",N S\r\n")
    missing = 300 - len(list(pricelist.read(failed)))
    lines(
        said.out,
        rf"^  failures  +\S+ is not whole, {missing} missing: No space left on device$",
        r"x\.failed\.csv is not whole, so correct the list itself and push it once more\.\n\Z",
    )


@pytest.mark.usefixtures("emulator")
def test_failures_that_a_network_drive_refuses_at_the_end(
    propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    text_list(Path("x.csv"), unit("B", "?"))
    monkeypatch.setattr(os, "fsync", fsync)
    said = propq("push", "x.csv", FIRST)
    lines(
        said.out,
        r"^  failures  +x\.failed\.csv, which may not be whole: Disk quota exceeded$",
        r"x\.failed\.csv is not whole, so correct the list itself and push it once more\.\n\Z",
    )


def test_failures_that_cannot_be_written_stop_nothing(emulator: PropQEmulator, propq: Any) -> None:
    text_list(Path("x.csv"), unit("B"), *LIST)
    long = Path("z" * 245 + ".csv")
    Path("x.csv").rename(long)
    said = propq("push", str(long), FIRST)
    assert said.status == Exit.ROWS_FAILED
    lines(
        said.out,
        r"^  failures  +could not be written: .*File name too long",
        r"not applied: correct the list itself and push it once more\.$",
    )
    assert emulator.applied == 30
