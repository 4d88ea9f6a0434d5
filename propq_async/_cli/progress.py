"""The progress of many rows: a bar on a terminal, lines anywhere else."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

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
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from propq_async._messages import tr

from .language import said
from .phrases import counted

__all__ = ["Advance", "PlainProgress", "progress_bar"]

BESIDE_THE_BAR: Final = 56
TOO_NARROW_FOR_ALL: Final = 74
NARROW: Final = 5


def _text(text: str, style: str = "") -> Text:
    return Text(said(text), style=style)


class Advance(Protocol):
    """Updates the progress."""

    def __call__(self, done: int, failed: int) -> None:
        """Show how many rows are done, and how many of them failed."""
        ...


class _Cell(ProgressColumn):
    """Stays in one line, since the terminal could not erase a wrapped one."""

    def get_table_column(self) -> Column:
        return Column(no_wrap=True)


class _Count(_Cell):
    def render(self, task: Task) -> Text:
        return _text(
            tr("{done:,.0f} of {rows}").format(
                done=task.completed, rows=counted(int(task.total or 0), "row")
            )
        )


class _Bar(BarColumn):
    """Narrow while the server asks to wait, which leaves room to say so."""

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
        return Text(said(tr("{speed:,.0f}/s").format(speed=speed)), justify="right")


class _Failures(_Cell):
    def render(self, task: Task) -> Text:
        failed = task.fields["failed"]
        return _text(tr("{failed:,} failed").format(failed=failed), style="red" if failed else "")


class _Left(_Cell):
    """The time left, or how long the server asks to wait."""

    max_refresh = 0.2

    def __init__(self, waits: Callable[[], float], *, is_short: bool) -> None:
        super().__init__()
        self._waits = waits
        self._why = "" if is_short else tr(": the server asked for it")
        self._remaining = TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        seconds = self._waits()
        if seconds > 0:
            return _text(
                tr("waiting {seconds} s{why}").format(seconds=math.ceil(seconds), why=self._why),
                style="magenta",
            )
        return self._remaining.render(task)


@attrs.define
class PlainProgress:
    """Progress as a line for each tenth."""

    say: Callable[[str], None]
    total: int
    began: float = attrs.field(factory=time.monotonic)
    tenths: int = 0

    def __call__(self, done: int, failed: int) -> None:
        tenths = done * 10 // self.total
        if tenths > self.tenths:
            self.tenths = tenths
            rate = done / max(time.monotonic() - self.began, 1e-3)
            of = counted(self.total, "row")
            self.say(
                tr("{done:,} of {rows}, {rate:,.0f}/s, {failed:,} failed").format(
                    done=done, rows=of, rate=rate, failed=failed
                )
            )


@contextmanager
def progress_bar(console: Console, total: int, waits: Callable[[], float]) -> Iterator[Advance]:
    """Show a bar on a terminal while the block runs."""
    # Narrower than the terminal, since the ^C that it echoes would start another line.
    width = console.width
    is_short = width < TOO_NARROW_FOR_ALL
    columns: tuple[ProgressColumn, ...] = (
        _Count(),
        _Failures(),
        _Left(waits, is_short=is_short),
    )
    if not is_short:
        bar = _Bar(min(80, max(10, width - BESIDE_THE_BAR)), waits)
        columns = (bar, columns[0], _Rate(waits), *columns[1:])
    with Progress(*columns, console=console, speed_estimate_period=5) as progress:
        task: TaskID = progress.add_task("", total=total, failed=0)

        def advance(done: int, failed: int) -> None:
            progress.update(task, completed=done, failed=failed)

        yield advance
