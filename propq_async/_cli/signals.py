"""The signals that ask a command to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from .exit_codes import CommandError, Exit

__all__ = ["interruptible", "interrupts", "on_interrupt"]


def interrupts() -> list[int]:
    """Return the signals that ask the process to end."""
    numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
    hangup = _hangup()
    # Under nohup it is ignored, and must stay so.
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        numbers.append(hangup)
    return numbers


def _hangup() -> int | None:
    # Windows does not have it.
    return getattr(signal, "SIGHUP", None)


@contextmanager
def on_interrupt(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` in the running event loop on Ctrl-C and on SIGTERM, each time.

    A SIGHUP counts once, since shell and system may both send one when the terminal closes.
    """
    loop = asyncio.get_running_loop()
    hung_up = False

    # Not loop.add_signal_handler, which Windows does not have.
    def handle(number: int, _frame: object) -> None:
        nonlocal hung_up
        if number == _hangup():
            if hung_up:
                return
            hung_up = True
        loop.call_soon_threadsafe(act)

    numbers = interrupts()
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


async def interruptible(command: Coroutine[Any, Any, Exit]) -> Exit:
    """Run a command that can simply be cancelled by a signal."""
    task = asyncio.ensure_future(command)
    with on_interrupt(task.cancel):
        try:
            return await task
        except asyncio.CancelledError:
            raise CommandError("interrupted", Exit.INTERRUPTED) from None
