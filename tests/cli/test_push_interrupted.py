"""`propq push` and Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from propq_async import __main__
from propq_async._cli import list_options, plan, push
from propq_async._cli.exit_codes import Exit
from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, NAMES, lines, started, wait_for
from tests.helpers.lists import text_list, unit


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_says_where_it_stands_and_the_next_one_goes_on(
    times: int, emulator: PropQEmulator, propq: Any
) -> None:
    emulator.latency_seconds = 2.0 if times == 1 else 100.0
    text_list(Path("x.csv"), *LIST)
    with started("push", "x.csv", FIRST, "--concurrency", "3") as process:
        while emulator.in_flight < 2:
            time.sleep(0.01)  # another process works
        process.send_signal(signal.SIGINT)
        wait_for(process, "finishing what is in flight; Ctrl-C once more cuts it off")
        if times > 1:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (Exit.INTERRUPTED, False)
    applied = "[1-3]" if times == 1 else "0"
    lines(
        out,
        rf"^  applied  +{applied}$",
        r"^  not sent +2[78]$"
        if times == 1
        else r"^  cut off  +[1-3], [1-3] of them may have been",
        rf"^Interrupted\. {applied} of 30 rows (is|are) applied, \d+ are still to be sent: "
        r"the same command goes on from here\.$",
    )
    emulator.latency_seconds = 0.0
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    assert {unit.price for unit in emulator.units.values()} == {250_000}


@pytest.mark.parametrize("why", ["asks to wait", "does not answer"])
def test_ctrl_c_waits_for_nothing_that_is_not_in_flight(
    why: str, emulator: PropQEmulator, propq: Any
) -> None:
    if why == "asks to wait":
        emulator.throttle(5, 200)
    else:
        emulator.fail_next(502, times=1_000_000)
    text_list(Path("x.csv"), *LIST)
    with started("push", "x.csv", FIRST, "--concurrency", "3") as process:
        wait_for(process, f"the server {why}")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED
    lines(
        out,
        rf"^  applied  +{emulator.applied}$",
        r"^  (cut off  +[1-3], [1-3] of them may have been applied|not sent +\d+)$",
        r"^Interrupted\. \d of 30 rows are applied, \d+ are still to be sent: ",
    )
    emulator.reset()
    for name in NAMES:
        emulator.add_unit("4711", name)
    assert propq("push", "x.csv", FIRST, "--all").status == Exit.DONE


def test_ctrl_c_before_anything_is_sent(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*_)

    real = list_options.open_list
    text_list(Path("x.csv"), *LIST)
    for module, said in ((push, "interrupted: nothing was sent"), (plan, "interrupted")):
        monkeypatch.setattr(module, "open_list", interrupt)
        stopped = propq(module.__name__.rpartition(".")[2], "x.csv")
        assert (stopped.status, stopped.err) == (Exit.INTERRUPTED, f"propq: {said}\n")
    assert emulator.calls == 0


@pytest.mark.parametrize(
    "module",
    [
        "cyclopts",
        "rich",
        "propq_async._cli.commands",
        "aiohttp",
        "sqlite3",
        "propq_async._client.call",
    ],
)
def test_ctrl_c_while_it_is_still_being_imported(module: str, emulator: PropQEmulator) -> None:
    text_list(Path("x.csv"), *LIST)
    command = [sys.executable, "-X", "importtime", "-m", "propq_async", "push", "x.csv", FIRST]
    # Not measured: that would import things before the command does.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        # The interpreter tells each module when it is there.
        wait_for(process, f" {module}\n")
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert process.returncode == Exit.INTERRUPTED
    assert "".join(said) in ("propq: interrupted\n", "propq: interrupted: nothing was sent\n")
    assert emulator.applied == 0


@pytest.mark.parametrize("interrupted", [False, True])
def test_ctrl_c_while_the_interpreter_ends_is_not_seen(*, interrupted: bool) -> None:
    # As late as it gets: the interpreter waits for its threads, and then runs this.
    code = (
        "import atexit, os, signal, sys\n"
        "from propq_async import __main__\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "def run():\n"
        f"    if {interrupted}: raise KeyboardInterrupt\n"
        "    return 2\n"
        "__main__._run = run\n"
        "__main__.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    status = Exit.INTERRUPTED if interrupted else Exit.CHANGES
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == ("propq: interrupted\n" if interrupted else "")


@pytest.mark.usefixtures("_keeps_sigint")
def test_ctrl_c_before_anything_can_be_said_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "_run", interrupted)
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == Exit.INTERRUPTED
    assert capsys.readouterr().err == "propq: interrupted\n"


def test_ctrl_c_at_the_end_does_not_say_that_nothing_was_sent(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupt(*_: Any) -> None:
        for _time in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    text_list(Path("x.csv"), *LIST[:2])
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), unit(price=260_000))
    monkeypatch.setattr(Ledger, "note_missing", interrupt)
    said = propq("push", "x.csv", FIRST, "--yes")
    assert said.status == Exit.DONE
    lines(said.out, r"^  applied  +1$", r"^Everything that was sent is applied\.$")
    assert emulator.applied == 3
