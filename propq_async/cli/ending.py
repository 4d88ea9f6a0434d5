"""How a command ends: its exit statuses, the error that says why, the signals that ask for it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

__all__ = ["CommandError", "Exit", "on_interrupt"]


class Exit(IntEnum):
    """The exit statuses."""

    DONE = 0
    ROWS_FAILED = 1
    CHANGES = 2
    STOPPED = 3
    UNCONFIRMED = 4
    USAGE = 64
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CommandError(Exception):
    """What stops a command. The message is for the user, `status` for the shell."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def on_interrupt(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in the running event loop on Ctrl-C and on SIGTERM, each time."""
    loop = asyncio.get_running_loop()

    # Not loop.add_signal_handler, which Windows has not.
    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(act)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
