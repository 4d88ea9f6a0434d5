"""What a command shows: pleasant on a terminal, plain lines anywhere else."""

from __future__ import annotations

import logging
import math
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol, TextIO

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from .wording import counted

__all__ = ["Advance", "Screen", "complain", "printable"]

STYLES = {"server": "magenta", "client": "cyan", "failed": "red", "done": "green"}
LABEL_WIDTH = max(map(len, STYLES))
BESIDE_THE_BAR = 56
TOO_NARROW_FOR_ALL = 74
NARROW = 5
# What Python makes of bytes that are not in the encoding of a text.
_UNDECODABLE = range(0xDC80, 0xDD00)


def printable(text: str) -> str:
    """Return the text with everything escaped that a terminal might take for a command."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if ord(char) in _UNDECODABLE:
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


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


class _Cell(ProgressColumn):
    """In one line whatever it takes: what a terminal cannot wipe away again would stay."""

    def get_table_column(self) -> Column:
        return Column(no_wrap=True)


class _Count(_Cell):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f} of {counted(int(task.total or 0), 'row')}")


class _Bar(BarColumn):
    """Narrow while the server asks to wait, so that there is room to say so."""

    def __init__(self, width: int, waits: Callable[[], float]) -> None:
        super().__init__(width)
        self._width = width
        self._waits = waits

    def render(self, task: Task) -> ProgressBar:
        self.bar_width = min(self._width, NARROW) if self._waits() > 0 else self._width
        return super().render(task)


class _Rate(_Cell):
    def __init__(self, waits: Callable[[], float]) -> None:
        super().__init__()
        self._waits = waits

    def render(self, task: Task) -> Text:
        if self._waits() > 0:
            return Text("")
        speed = task.speed or 0
        if task.finished_time:
            speed = task.completed / task.finished_time
        return Text(f"{speed:,.0f}/s", justify="right")


class _Failures(_Cell):
    def render(self, task: Task) -> Text:
        failed = task.fields["failed"]
        return Text(f"{failed:,} failed", style="red" if failed else "")


class _Left(_Cell):
    """The time left, or how long the server asks to wait."""

    max_refresh = 0.2

    def __init__(self, waits: Callable[[], float], *, is_short: bool) -> None:
        super().__init__()
        self._waits = waits
        self._why = "" if is_short else ": the server asked for it"
        self._remaining = TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        seconds = self._waits()
        if seconds > 0:
            return Text(f"waiting {math.ceil(seconds)} s{self._why}", style="magenta")
        return self._remaining.render(task)


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    widths = [
        max(cell_len(row[place]) for row in rows if place < len(row))
        for place in range(max(map(len, rows), default=0))
    ]
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            gap = " " * (widths[place] - cell_len(cell))
            cells.append(gap + cell if place in right else cell + gap)
        yield "  ".join(cells).rstrip()


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
            of = counted(self.total, "row")
            self.screen.say(f"{done:,} of {of}, {rate:,.0f}/s, {failed:,} failed")


class _LogLines(logging.Handler):
    def __init__(self, screen: Screen, level: int) -> None:
        super().__init__(level)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        warns = record.levelno >= logging.WARNING
        # The command itself will notice that nobody reads any more; whoever logs must not.
        with suppress(BrokenPipeError):
            self._screen.say(("warning: " if warns else "") + record.getMessage(), label="client")


class Screen:
    """Standard output, or another stream: a terminal, or what takes plain lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stdout if stream is None else stream
        # Not rich's own guess, since FORCE_COLOR must not put control characters into a file.
        terminal = stream.isatty()
        self.console = Console(file=stream, force_terminal=terminal, highlight=False)
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

    def section(self, title: str, rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        """Show rows of cells below a title; the columns in `right` are numbers."""
        self._line("")
        if title:
            self._line(title, "bold")
        rows = [[printable(cell) for cell in row] for row in rows]
        if not self.is_live:
            for line in _aligned(rows, right):
                self._line("  " + line)
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=0)
        for place in range(max(map(len, rows), default=0)):
            grid.add_column(justify="right" if place in right else "left", overflow="fold")
        for row in rows:
            grid.add_row("", *map(Text, row))
        self.console.print(grid)

    def lines(self, title: str, texts: Sequence[str], style: str = "") -> None:
        """Show sentences below a title."""
        self._line("")
        self._line(title, style or "bold")
        for text in texts:
            if self.is_live:
                row = Table.grid(padding=(0, 1, 0, 0))
                row.add_row(" -", Text(printable(text), overflow="fold"))
                self.console.print(row)
            else:
                self._line(f"  - {printable(text)}")

    def sentence(self, text: str, style: str = "") -> None:
        """Show a sentence."""
        self._line(printable(text), style)

    def to_copy(self, text: str) -> None:
        """Show a command line. A terminal wraps it itself, so that it is copied as one line."""
        text = "  " + printable(text)
        if self.is_live:
            self.console.print(Text(text), soft_wrap=True)
        else:
            self._line(text)

    def _line(self, text: str, style: str = "") -> None:
        if self.is_live:
            self.console.print(Text(text, style=style))
        else:
            print(text, file=self.console.file, flush=True)

    @contextmanager
    def progress(self, total: int, waits: Callable[[], float] = lambda: 0.0) -> Iterator[Advance]:
        """Show the progress over so many rows while the block runs.

        `waits` tells how many seconds the server still asks to wait.
        """
        if not self.is_live:
            yield _Plain(self, total)
            return
        # Not over the whole width, since the ^C that a terminal shows would begin another line.
        width = self.console.width
        is_short = width < TOO_NARROW_FOR_ALL
        columns: tuple[ProgressColumn, ...] = (
            _Count(),
            _Failures(),
            _Left(waits, is_short=is_short),
        )
        if not is_short:
            bar = _Bar(min(80, max(10, width - BESIDE_THE_BAR)), waits)
            columns = (bar, columns[0], _Rate(waits), *columns[1:])
        with Progress(*columns, console=self.console, speed_estimate_period=5) as progress:
            task: TaskID = progress.add_task("", total=total, failed=0)

            def advance(done: int, failed: int) -> None:
                progress.update(task, completed=done, failed=failed)

            yield advance

    @contextmanager
    def client_log(self, level: int = logging.INFO) -> Iterator[None]:
        """Show what the package logs at this level and above while the block runs."""
        logger = logging.getLogger("propq_async")
        handler, before = _LogLines(self, level), logger.level
        logger.addHandler(handler)
        logger.setLevel(level)
        try:
            yield
        finally:
            logger.setLevel(before)
            logger.removeHandler(handler)
