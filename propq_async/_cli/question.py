"""A question on the terminal, which a signal ends at once."""

from __future__ import annotations

import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from propq_async._messages import tr

from .exit_codes import CommandError, Exit
from .language import said
from .signals import interrupts
from .streams import errors_out

__all__ = ["ask", "ended_by_signals"]

_NOT_SENT: Final = tr("nothing was sent")


@contextmanager
def ended_by_signals(standing: str) -> Iterator[None]:
    """Let a signal end the block at once: it blocks the event loop, which would handle it.

    `standing` is what is true if somebody interrupts it.
    """
    numbers = interrupts()
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    try:
        yield
    except KeyboardInterrupt:
        errors_out().write("\n")
        raise CommandError(
            tr("interrupted: {standing}").format(standing=standing), Exit.INTERRUPTED
        ) from None
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def ask(question: str, standing: str = _NOT_SENT) -> bool:
    """Ask for a yes on the terminal."""
    return is_yes(ask_text(question, standing))


def is_yes(answer: str) -> bool:
    """Return whether an answer is a yes, in whatever language."""
    return answer.strip().casefold() in ("y", "yes", "s", "si", "sí")


def ask_text(question: str, standing: str) -> str:
    """Ask on the terminal. It blocks the event loop, which has nothing else to do.

    `standing` is what is true if somebody interrupts it, or has no more to say.
    """
    woken, wakes = socket.socketpair()
    stderr = errors_out()
    with woken, wakes:
        wakes.settimeout(0)  # as set_wakeup_fd wants it
        # Before the question can be seen, and therefore answered.
        woke_before = signal.set_wakeup_fd(wakes.fileno())
        try:
            with ended_by_signals(standing):
                stderr.write(said(question))
                stderr.flush()
                _wait_for_input(woken)
                answer = sys.stdin.readline()
                if not answer.endswith("\n"):
                    stderr.write("\n")
        finally:
            signal.set_wakeup_fd(woke_before)
    return answer


def _wait_for_input(woken: socket.socket) -> None:
    """Wait for a line or a signal. A plain read would miss a signal that came just before it."""
    is_woken = False
    # On Windows only sockets can be waited for.
    with suppress(OSError):
        ready, _, _ = select.select([sys.stdin, woken], [], [])
        is_woken = woken in ready
    # The handler may not have run: another thread may have taken the signal.
    if is_woken:
        raise KeyboardInterrupt
