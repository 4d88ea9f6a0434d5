"""What a command shows: styled on a terminal, plain lines anywhere else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from propq_async._messages import os_reason, tr

from .language import said
from .progress import Advance, PlainProgress, progress_bar
from .streams import complain, errors_out, is_closed, printable, silence

__all__ = ["Screen", "ledger_warnings", "report", "store_warnings"]

STYLES: Final = {"server": "magenta", "client": "cyan", "failed": "red", "done": "green"}
LABEL_WIDTH: Final = max(map(len, STYLES))


class _LogLines(logging.Handler):
    def __init__(self, screen: Screen, level: int) -> None:
        super().__init__(level)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        warns = record.levelno >= logging.WARNING
        # The command itself will notice the error; the code that logs must not.
        with suppress(OSError):
            # English, as all that is logged.
            self._screen.say(("warning: " if warns else "") + record.getMessage(), label="client")


class Screen:
    """Standard output or another stream, which may be a terminal."""

    def __init__(self, stream: TextIO | None = None, *, is_timed: bool = False) -> None:
        output = sys.stdout if stream is None else stream
        # Not rich's own guess: FORCE_COLOR must not put control characters into a file.
        terminal = output.isatty()
        self.console = Console(file=output, force_terminal=terminal, highlight=False)
        # The lines of a log have times.
        self._is_timed = is_timed
        self.is_live = terminal and not self.console.is_dumb_terminal

    def say(self, text: str, *, label: str = "") -> None:
        """Show a line, with a label that says what it is about."""
        text = printable(text)
        if not self.is_live:
            time = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}  " if self._is_timed else ""
            line = f"{time}{label:<{LABEL_WIDTH}}  {text}".rstrip()
            # Flushed line by line, so that a log is up to date.
            print(line, file=self.console.file, flush=True)
            return
        if not label:
            # The terminal wraps it, so that a long path can be copied.
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
        shown = {said(name): said(value) for name, value in facts.items()}
        width = max(map(len, shown))
        for name, value in shown.items():
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
        """Show a command line. The terminal wraps it, so that it can be copied as one line."""
        text = "  " + printable(text)
        if self.is_live:
            self.console.print(Text(text), soft_wrap=True)
        else:
            self._line(text)

    def _line(self, text: str, style: str = "") -> None:
        text = said(text)
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
            yield PlainProgress(self.say, total)
            return
        with progress_bar(self.console, total, waits) as advance:
            yield advance

    @contextmanager
    def client_log(self, level: int = logging.INFO, name: str = "propq_async") -> Iterator[None]:
        """Show what this logger says at this level and above while the block runs."""
        logger = logging.getLogger(name)
        handler, before = _LogLines(self, level), logger.level
        logger.addHandler(handler)
        logger.setLevel(level)
        try:
            yield
        finally:
            logger.setLevel(before)
            logger.removeHandler(handler)


def store_warnings() -> AbstractContextManager[None]:
    """Show on stderr what is wrong with the token file; errors of calls are told at the end."""
    return Screen(errors_out()).client_log(logging.WARNING, "propq_async.token_store")


def ledger_warnings() -> AbstractContextManager[None]:
    """Show on stderr what is to be known of the ledger's place."""
    return Screen(errors_out()).client_log(logging.WARNING, "propq_async.ledger")


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


def report(show: Callable[[Screen], None]) -> None:
    """Show a result, on stderr if stdout is closed or cannot be written. Never fails."""
    if is_closed(sys.stdout):
        show(Screen(errors_out()))
        return
    try:
        show(Screen())
    except OSError as error:
        silence(sys.stdout)
        complain(
            tr("standard output cannot be written: {strerror}").format(strerror=os_reason(error))
        )
        show(Screen(errors_out()))
