"""Commands whose output cannot be written, and whose terminal is gone."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from propq_async._cli.app import run
from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.commands import FIRST
from tests.helpers.lists import text_list, unit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full, SIGHUP")

PROPQ = [sys.executable, "-m", "propq_async"]
ROWS = 60
NOT_WHOLE = "standard output cannot be written, and what it has is not whole"
UPDATE = ["update", "4711", "A-1", "--status", "SOLD", "--price", "5000", "--directions", "N"]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PropQEmulator]:
    with run_in_thread(PropQEmulator()) as emulator:
        for number in range(ROWS):
            emulator.add_unit("4711", f"A-{number}")
        monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
        monkeypatch.chdir(tmp_path)
        text_list(Path("x.csv"), *(unit(f"A-{number}") for number in range(ROWS)))
        yield emulator


@pytest.fixture
def full() -> Iterator[IO[bytes]]:
    with Path("/dev/full").open("wb") as stream:
        yield stream


@pytest.fixture
def unread() -> Iterator[int]:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def propq(*arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        [*PROPQ, *arguments], text=True, timeout=60, check=False,
        **({"stdin": subprocess.DEVNULL} | pipes | streams),
    )  # fmt: skip


@contextmanager
def leading_to(end: IO[bytes] | int, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a standard stream of this process lead to a file or pipe while the block runs."""
    number = end if isinstance(end, int) else end.fileno()
    with os.fdopen(os.dup(number), "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, name, stream)
        yield


@pytest.mark.parametrize("to", ["full", "unread"])
def test_progress_that_cannot_be_written_ends_no_push(
    to: str, emulator: PropQEmulator, request: pytest.FixtureRequest
) -> None:
    done = propq("push", "x.csv", FIRST, "--concurrency", "4", stderr=request.getfixturevalue(to))
    assert done.returncode == Exit.DONE
    assert "Everything that was sent is applied." in done.stdout
    assert emulator.applied == ROWS


@pytest.mark.parametrize("to", ["full", "unread"])
def test_a_summary_goes_to_stderr_if_stdout_cannot_take_it(
    to: str, emulator: PropQEmulator, request: pytest.FixtureRequest
) -> None:
    text_list(Path("x.csv"), unit("A-1"), unit("nobody"))
    done = propq("push", "x.csv", FIRST, stdout=request.getfixturevalue(to))
    assert done.returncode == Exit.ROWS_FAILED
    why = "No space left on device" if to == "full" else "Broken pipe"
    assert f"propq: standard output cannot be written: {why}\n" in done.stderr
    assert "PropQ push of x.csv" in done.stderr
    assert "1 of 2 rows is not applied: correct x.failed.csv" in done.stderr
    assert emulator.applied == 1


@pytest.mark.parametrize("to", ["full", "unread"])
def test_a_push_that_can_say_nothing_still_has_its_status(
    to: str,
    emulator: PropQEmulator,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = request.getfixturevalue(to)
    assert propq("push", "x.csv", FIRST, stdout=stream, stderr=stream).returncode == Exit.DONE
    assert emulator.applied == ROWS
    text_list(Path("x.csv"), *(unit(f"A-{n}", status="AVAILABLE") for n in range(ROWS)))
    for path, status in (("x.csv", Exit.UNCONFIRMED), ("nope.csv", Exit.USAGE)):
        with leading_to(stream, "stdout", monkeypatch), leading_to(stream, "stderr", monkeypatch):
            assert run(["push", path, FIRST]) == status


def test_what_is_done_is_done_though_stdout_is_full(
    emulator: PropQEmulator,
    full: IO[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command, said in (
        (UPDATE, "applied: A-1 of 4711 is SOLD, 5,000 EUR, N"),
        (["token", "refresh"], "Fetched a new access token"),
        (["token", "clear"], "forgot the token of client 1"),
    ):
        with leading_to(full, "stdout", monkeypatch):
            assert run(command) == Exit.DONE, command
        told = capsys.readouterr().err
        assert told.startswith("propq: standard output cannot be written: No space left")
        assert said in told
    assert emulator.applied == 1


@pytest.mark.parametrize("command", [["plan", "x.csv", "--json"], ["--help"], ["--version"]])
def test_a_process_that_only_shows_something_fails_if_it_cannot(
    command: list[str], emulator: PropQEmulator, full: IO[bytes], unread: int
) -> None:
    """With all that Python itself writes and says at the end of a process."""
    done = propq(*command, stdout=full)
    assert (done.returncode, done.stderr) == (
        Exit.UNUSABLE,
        f"propq: {NOT_WHOLE}: No space left on device\n",
    )
    done = propq(*command, stdout=unread)
    assert (done.returncode, "Traceback" in done.stderr) == (Exit.BROKEN_PIPE, False)
    assert emulator.applied == 0


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "x.csv"],
        ["push", "x.csv", "--dry-run"],
        ["token", "show"],
        ["emulate"],
        ["demo", "--units", "5"],
    ],
)
def test_what_only_shows_something_fails_if_it_cannot(
    command: list[str],
    emulator: PropQEmulator,
    full: IO[bytes],
    unread: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with leading_to(full, "stdout", monkeypatch):
        assert run(command) == Exit.UNUSABLE
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == f"propq: {NOT_WHOLE}: No space left on device"
    with leading_to(unread, "stdout", monkeypatch):
        assert run(command) == Exit.BROKEN_PIPE
    assert "Traceback" not in capsys.readouterr().err
    assert emulator.applied == 0


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_plan_that_a_full_disk_cuts_off_says_so(unbuffered: str, emulator: PropQEmulator) -> None:
    """Part of it is in the file, so the file alone does not show that the disk was full."""
    command = shlex.join([*PROPQ, "plan", "x.csv", "--json"])
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 8; exec {command} > plan.json"],
        capture_output=True, text=True, timeout=60, check=False,
        # Not measured: the figures could not be written either.
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")}
        | {"PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        Exit.UNUSABLE,
        f"propq: {NOT_WHOLE}: File too large\n",
    )
    text = Path("plan.json").read_text(encoding="utf-8")
    assert len(text) == 4096
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    assert emulator.applied == 0


@pytest.mark.parametrize(("rows", "buffering"), [(1, -1), (2000, -1), (1, 0)])
def test_output_that_is_full_is_told_from_other_errors(
    rows: int,
    buffering: int,
    emulator: PropQEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It shows while it is written, or at the end, when it is flushed."""
    text_list(Path("x.csv"), *(unit(f"A-{number}") for number in range(rows)))
    with Path("/dev/full").open("wb", buffering) as full:
        stream = io.TextIOWrapper(full, encoding="utf-8", write_through=not buffering)
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(["plan", "x.csv", "--json"]) == Exit.UNUSABLE
        # What follows leads to nowhere, so that nothing fails once more.
        sys.stdout.write("more")
        sys.stdout.flush()
    assert capsys.readouterr().err == f"propq: {NOT_WHOLE}: No space left on device\n"
    assert emulator.applied == 0


def test_an_error_that_cannot_be_written_keeps_its_status(
    full: IO[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["plan", "nope.csv"], ["plan", "nope.csv", "--debug"], ["nonsense"]):
        with leading_to(full, "stderr", monkeypatch):
            assert run(arguments) == Exit.USAGE
    assert propq("plan", "nope.csv", stderr=full).returncode == Exit.USAGE


def test_a_terminal_that_is_gone_ends_a_push_with_its_summary(emulator: PropQEmulator) -> None:
    emulator.latency_seconds = 0.5
    with subprocess.Popen(
        [*PROPQ, "push", "x.csv", FIRST, "--concurrency", "4"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        # The tests may run under nohup themselves.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    ) as process:  # fmt: skip
        while emulator.in_flight < 2:
            time.sleep(0.01)  # another process works
        # The shell says so, and the system.
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, err
    assert "Interrupted." in out
    assert "cut off" not in out
    assert 0 < emulator.applied < ROWS


def test_a_push_under_nohup_goes_on(emulator: PropQEmulator) -> None:
    emulator.latency_seconds = 0.05
    with subprocess.Popen(
        ["nohup", *PROPQ, "push", "x.csv", FIRST, "--concurrency", "4"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while emulator.in_flight < 2:
            time.sleep(0.01)  # another process works
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == Exit.DONE
    assert emulator.applied == ROWS


def test_json_for_programs_holds_no_command_for_a_terminal(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["Ático", "\x9b31m", "\u202egnp", "\U0001f3e0"]
    text_list(Path("x.csv"), *(unit(f"A{name}Z") for name in names))
    run(["plan", "x.csv", "--json"])
    out = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in out)
    plan = json.loads(out)
    # A control character is no part of a name.
    assert [change["name"] for change in plan["changes"]] == [
        "AÁticoZ",
        "A\u202egnpZ",
        "A\U0001f3e0Z",
    ]
    assert [row["line"] for row in plan["broken"]] == [3]
    run(["plan", "x.csv"])
    out = capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in out)
    assert emulator.applied == 0


@pytest.mark.parametrize("command", [["demo", "--units", "5"], ["emulate"]])
def test_without_a_temporary_directory_one_is_asked_for(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert run(command) == Exit.UNUSABLE
    assert capsys.readouterr().err == (
        "propq: no temporary directory can be made (No such file or directory): name a directory "
        "that can be written to in TMPDIR\n"
    )


def test_a_reader_that_has_gone_ends_a_command_in_silence(
    unread: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with os.fdopen(os.dup(unread), "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(["--version"]) == Exit.BROKEN_PIPE
    assert capsys.readouterr().err == ""


def test_a_closed_stream_leads_to_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert run(["--version"]) == Exit.DONE
    assert sys.stdout.name == os.devnull
    sys.stdout.close()
