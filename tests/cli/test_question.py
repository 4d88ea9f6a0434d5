"""The question before a push, on a terminal."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import CommandError, Exit
from propq_async._cli.question import ask
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, on_a_terminal
from tests.helpers.lists import text_list, unit


class _Keyboard:
    """A terminal's input of which nobody may read before something was typed."""

    def __init__(self) -> None:
        self.end, self.typed = os.pipe()

    def fileno(self) -> int:
        return self.end

    def readline(self) -> str:
        assert select.select([self.end], [], [], 0)[0], "it would wait, and see no Ctrl-C"
        return os.read(self.end, 100).decode()


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Keyboard]:
    keyboard = _Keyboard()
    monkeypatch.setattr(sys, "stdin", keyboard)
    yield keyboard
    os.close(keyboard.end)
    os.close(keyboard.typed)


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [
        (b"y\n", Exit.DONE, "Everything that was sent is applied."),
        (b"\n", Exit.UNCONFIRMED, "propq: nothing was sent"),
        (b"\x04", Exit.UNCONFIRMED, "[y/N] \r\npropq: nothing was sent\r\n"),
        (signal.SIGTERM, Exit.INTERRUPTED, "[y/N] \r\npropq: interrupted: nothing was sent\r\n"),
        (b"\x03", Exit.INTERRUPTED, "propq: interrupted: nothing was sent"),
    ],
)
def test_a_terminal_is_asked(
    keys: bytes | signal.Signals, status: Exit, said: str, emulator: PropQEmulator, propq: Any
) -> None:
    text_list(Path("x.csv"), *LIST[:1])
    propq("push", "x.csv", FIRST)
    text_list(Path("x.csv"), unit(price=5))
    found, seen = on_a_terminal("push", "x.csv", keys=keys)
    assert found == status
    assert "Push all the same (1 to be sent)? [y/N]" in seen
    assert said in seen
    assert "Traceback" not in seen
    assert emulator.unit("4711", "A-101").price == (5 if status == Exit.DONE else 250_000)


@pytest.mark.parametrize(("typed", "answer"), [(b"yes\n", True), (b"\n", False)])
def test_the_answer_is_read_when_it_is_there(
    keyboard: _Keyboard, typed: bytes, *, answer: bool
) -> None:
    typing = threading.Timer(0.05, os.write, (keyboard.typed, typed))
    typing.start()
    assert ask("Sure? ") is answer
    typing.join()


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_just_before_the_wait_for_an_answer_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = signal.getsignal(signal.SIGINT)

    def just_before(*arguments: Any) -> Any:
        # The signal is here, and Python has not looked at it when the waiting begins.
        signal.signal(signal.SIGINT, lambda *_: None)
        os.kill(os.getpid(), signal.SIGINT)
        ready = select_(*arguments)
        signal.default_int_handler(signal.SIGINT, None)
        return ready

    select_ = select.select
    monkeypatch.setattr(select, "select", just_before)
    with pytest.raises(CommandError, match="interrupted: nothing was sent"):
        ask("Sure? ")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_as_soon_as_the_question_is_there_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flush() -> None:
        # Another thread takes the signal, and Python does not look at it before the waiting begins.
        asks = signal.signal(signal.SIGINT, lambda *_: None)
        os.kill(os.getpid(), signal.SIGINT)
        signal.signal(signal.SIGINT, asks)

    def wait(reading: list[Any], writing: list[Any], failing: list[Any]) -> Any:
        ready = select_(reading, writing, failing, 0)
        assert any(ready), "it would wait, and has seen no Ctrl-C"
        return ready

    select_ = select.select
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(select, "select", wait)
    monkeypatch.setattr(sys.stderr, "flush", flush)
    with pytest.raises(CommandError, match="interrupted: nothing was sent"):
        ask("Sure? ")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
