"""What a command shows: pleasant on a terminal, plain lines anywhere else."""

from __future__ import annotations

import logging
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

import attrs
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

__all__ = ["Advance", "Screen", "complain", "printable"]

STYLES = {"server": "magenta", "client": "cyan", "failed": "red", "done": "green"}
LABEL_WIDTH = max(map(len, STYLES))
BESIDE_THE_BAR = 56


def printable(text: str) -> str:
    """Return the text with everything escaped that a terminal might take for a command."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def complain(message: str) -> None:
    """Write an error to stderr, on a terminal without a break inside a word."""
    for number, line in enumerate(message.splitlines()):
        text = ("  " if number else "propq: ") + printable(line)
        if sys.stderr.isatty():
            text = textwrap.fill(
                text,
                shutil.get_terminal_size().columns,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line


class Advance(Protocol):
    """Tells the progress bar where things stand."""

    def __call__(self, done: int, failed: int) -> None:
        """Show that so many rows are done, and so many of them failed."""
        ...


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f} of {task.total or 0:,.0f} rows")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.speed or 0
        if task.finished_time:
            speed = task.completed / task.finished_time
        return Text(f"{speed:,.0f}/s", justify="right")


class _Failures(ProgressColumn):
    def render(self, task: Task) -> Text:
        failed = task.fields["failed"]
        return Text(f"{failed:,} failed", style="red" if failed else "")


@attrs.define
class _Plain:
    """Progress as a line now and then."""

    screen: Screen
    total: int
    began: float = attrs.field(factory=time.monotonic)
    tenths: int = 0

    def __call__(self, done: int, failed: int) -> None:
        tenths = done * 10 // self.total
        if tenths > self.tenths:
            self.tenths = tenths
            rate = done / max(time.monotonic() - self.began, 1e-3)
            self.screen.say(f"{done:,} of {self.total:,} rows, {rate:,.0f}/s, {failed:,} failed")


class _LogLines(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.INFO)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        warns = record.levelno >= logging.WARNING
        # The command itself will notice that nobody reads any more; whoever logs must not.
        with suppress(BrokenPipeError):
            self._screen.say(("warning: " if warns else "") + record.getMessage(), label="client")


class Screen:
    """Standard output: a terminal, or what takes plain lines."""

    def __init__(self) -> None:
        # Not rich's own guess, since FORCE_COLOR must not put control characters into a file.
        terminal = sys.stdout.isatty()
        self.console = Console(file=sys.stdout, force_terminal=terminal, highlight=False)
        self.is_live = terminal and not self.console.is_dumb_terminal

    def say(self, text: str, *, label: str = "") -> None:
        """Show a line, with a label before it that says who or what it is about."""
        text = printable(text)
        if not self.is_live:
            line = f"{label:<{LABEL_WIDTH}}  {text}".rstrip()
            # Line by line, so that a log shows where things stand.
            print(line, file=self.console.file, flush=True)
            return
        if not label:
            # Left to the terminal to wrap, so that a long path can be copied.
            self.console.print(Text(" " * (LABEL_WIDTH + 2) + text), soft_wrap=True)
            return
        # Long lines are wrapped beside the label, not below it.
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=LABEL_WIDTH)
        row.add_column(overflow="fold")
        row.add_row(Text(label, style=STYLES.get(label, "")), Text(text))
        self.console.print(row)

    def facts(self, facts: Mapping[str, str]) -> None:
        """Show names and values."""
        width = max(map(len, facts))
        for name, value in facts.items():
            self.say(f"{name:<{width}}  {value}")

    @contextmanager
    def progress(self, total: int) -> Iterator[Advance]:
        """Show the progress over so many rows while the block runs."""
        if not self.is_live:
            yield _Plain(self, total)
            return
        # Not over the whole width, since the ^C that a terminal shows would begin another line.
        bar = BarColumn(min(80, max(10, self.console.width - BESIDE_THE_BAR)))
        columns = (bar, _Count(), _Rate(), _Failures(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, speed_estimate_period=5) as progress:
            task: TaskID = progress.add_task("", total=total, failed=0)

            def advance(done: int, failed: int) -> None:
                progress.update(task, completed=done, failed=failed)

            yield advance

    @contextmanager
    def client_log(self) -> Iterator[None]:
        """Show what the package logs at INFO and above while the block runs."""
        logger = logging.getLogger("propq_async")
        handler, level = _LogLines(self), logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.setLevel(level)
            logger.removeHandler(handler)
