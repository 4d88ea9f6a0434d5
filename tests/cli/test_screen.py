"""What is shown on a terminal and anywhere else."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from propq_async._cli.screen import Screen
from propq_async._cli.streams import complain, errors_out, printable


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "dumb")
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert not Screen().is_live
    os.close(ours)


def test_nothing_that_is_shown_can_steer_the_terminal() -> None:
    assert printable("Ático\x1b[2J\r\u202e\n") == "Ático\\x1b[2J\\r\\u202e\\n"
    assert printable("Ñ\udce9\ud800") == "Ñ\\xe9\\ud800"


def test_an_error_on_a_terminal_is_wrapped_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "30")
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        complain("a sentence that is longer than a line\nand one that is not")
    out = b""
    with suppress(OSError):  # what Linux says at the end of a terminal
        # One read may return no more than one line.
        while chunk := os.read(ours, 1000):
            out += chunk
    os.close(ours)
    lines = out.decode().replace("\r\n", "|")
    assert lines == "propq: a sentence that is|  longer than a line|  and one that is not|"


def test_columns_are_aligned_by_their_width_on_the_screen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen().section("", [("日本", "1"), ("a", "10"), ("b",)], right=[1])
    Screen().section("nothing", [])
    assert capsys.readouterr().out == "\n  日本   1\n  a     10\n  b\n\nnothing\n"


def test_stderr_that_is_full_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows when it is written, or later, when it is flushed."""
    for text in ("x" * 100_000, "x"):
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            monkeypatch.setattr(sys, "stderr", full)
            stream = errors_out()
            assert stream.write(text) == len(text)
            stream.flush()
            # It leads to nowhere from now on.
            full.write(text)
            full.flush()
