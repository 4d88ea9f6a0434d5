"""The emulator in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from propq_async._cli import emulator_process
from propq_async._cli.exit_codes import CommandError

pytestmark = pytest.mark.usefixtures("temporary_directory")


async def test_why_the_emulator_did_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"did not start; it said:\npropq: cannot read .*nope"):
        async with emulator_process.emulator_process(tmp_path / "nope.csv", tmp_path / "log"):
            pass


async def test_an_emulator_that_ended_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(CommandError, match="did not start; it said nothing"):
        async with emulator_process.emulator_process(tmp_path / "nope.csv", tmp_path / "log"):
            pass


@pytest.mark.parametrize("impatient", [False, True])
async def test_an_emulator_that_hangs_is_killed(
    impatient: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf = "import signal as s; s.signal(s.SIGTERM, s.SIG_IGN); print(flush=True); s.pause()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", deaf, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    monkeypatch.setattr(emulator_process, "END_SECONDS", 60 if impatient else 0.01)
    ending = asyncio.create_task(emulator_process._end(process))
    await asyncio.sleep(0)
    if impatient:
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
    else:
        await ending
    assert process.returncode == -signal.SIGKILL
