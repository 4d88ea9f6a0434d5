"""Commands as a user runs them, in processes of their own, and what they print."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from propq_async.ledger import Ledger
from tests.helpers.lists import unit

PROPQ = [sys.executable, "-m", "propq_async"]
HEADER = "development_id,name,status,price,directions"
NAMES = [f"A-{number}" for number in range(101, 131)]
LIST = [unit(name) for name in NAMES]
# What a first push needs, of which the ledger knows nothing.
FIRST = "--accept=unknown-to-ledger"


@contextmanager
def propq(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process: subprocess.Popen[str]
    with subprocess.Popen([*PROPQ, *arguments], text=True, **(pipes | options)) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(process: subprocess.Popen[str], mark: str) -> str:
    """Return what the process printed up to the line with the mark."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if mark in line:
            return "".join(lines)
    raise AssertionError(f"it ended without {mark!r}: {lines}")


def emulator_pid(out: str) -> int:
    found = re.search(r"process (\d+)", out)
    assert found, out
    return int(found[1])


@contextmanager
def must_end(pid: int) -> Iterator[None]:
    """Wait at the end of the block until the process, which need not be a child, is gone."""
    handle = os.pidfd_open(pid)
    try:
        yield
        assert select.select([handle], [], [], 30)[0], f"process {pid} still runs"
    finally:
        os.close(handle)


def price_list(path: Path, *rows: bytes | str) -> Path:
    lines = [row if isinstance(row, bytes) else row.encode() for row in (HEADER, *rows)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


class Said:
    """What a command printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err
        assert "Traceback" not in err


def lines(text: str, *wanted: str) -> None:
    for pattern in wanted:
        assert re.search(pattern, text, re.MULTILINE), (pattern, text)


def command_at_the_end(out: str) -> list[str]:
    words = shlex.split(out.replace("\r", "").splitlines()[-1])
    assert words[:2] == ["propq", "push"]
    return words[1:]


def on_a_terminal(
    *arguments: str, keys: bytes | signal.Signals, columns: int = 80
) -> tuple[int, str]:
    """Run a command on a terminal, and type when it asks."""
    return in_dialogue(*arguments, answers=[(b"[y/N]", keys)], columns=columns)


def in_dialogue(
    *arguments: str, answers: Sequence[tuple[bytes, bytes | signal.Signals]], columns: int = 80
) -> tuple[int, str]:
    """Run a command on a terminal. To each of the questions, type the answer or send the signal."""
    left = list(answers)
    ours, theirs = pty.openpty()
    seen = b""
    with subprocess.Popen(
        [*PROPQ, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": str(columns), "PYTHONFAULTHANDLER": "1"},
        preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread of the child is running yet
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            with suppress(OSError):  # how a terminal says that nobody is there any more
                while chunk := os.read(ours, 65536):
                    seen += chunk
                    if left and left[0][0] in seen:
                        _, keys = left.pop(0)
                        if isinstance(keys, bytes):
                            os.write(ours, keys)
                        else:
                            process.send_signal(keys)
            status = process.wait(60)
        finally:
            if process.poll() is None:  # the test has failed: what it had said, and where it is
                process.send_signal(signal.SIGABRT)
                with suppress(OSError):
                    while chunk := os.read(ours, 65536):
                        seen += chunk
                sys.stdout.write(seen.decode())
            process.kill()
    os.close(ours)
    return status, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415 - POSIX
    import termios  # noqa: PLC0415 - POSIX

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROPQ, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(process: subprocess.Popen[str], mark: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if mark in line:
            return
    raise AssertionError(f"it ended without {mark!r}")


def break_ledger(trigger: str) -> None:
    """Let the default ledger refuse something."""
    with closing(sqlite3.connect(Ledger().path)) as db:
        db.executescript(f"CREATE TRIGGER no {trigger} BEGIN SELECT raise(FAIL, 'no room'); END")


def unwatched(code: str) -> None:
    """Run it without the measurement of coverage, which has imports of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, stdout=subprocess.DEVNULL, env=env
    )


def talk_on_a_terminal(*arguments: str, answers: Sequence[str]) -> tuple[int, str]:
    """Run a command on a terminal, and answer its questions one after the other."""
    ours, theirs = pty.openpty()
    left, seen, asked = list(answers), "", 0
    with subprocess.Popen(
        [*PROPQ, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=os.environ | {"TERM": "dumb", "COLUMNS": "200"},
        preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread of the child is running yet
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            with suppress(OSError):  # how a terminal says that nobody is there any more
                while select.select([ours], [], [], 60)[0] and (chunk := os.read(ours, 65536)):
                    seen += chunk.decode(errors="replace")
                    if seen[asked:].endswith(("> ", "[y/N] ", "[s/N] ")):
                        asked = len(seen)
                        answer = left.pop(0)
                        os.write(ours, (answer if answer == "\x04" else f"{answer}\n").encode())
            status = process.wait(60)
        finally:
            process.kill()
    os.close(ours)
    return status, seen.replace("\r", "")
