"""The signals that ask a command to end."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from propq_async._cli.signals import interrupts, on_interrupt


async def test_each_signal_counts_and_handlers_are_restored() -> None:
    calls: list[None] = []
    before = signal.getsignal(signal.SIGTERM)
    with on_interrupt(lambda: calls.append(None)):
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert len(calls) == 2
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has none")
async def test_a_terminal_that_is_gone_counts_once() -> None:
    """The shell says so, and so does the system."""
    calls: list[None] = []
    # Pytest itself may run under nohup.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with on_interrupt(lambda: calls.append(None)):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGHUP)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        assert len(calls) == 1
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert interrupts() == [signal.SIGINT, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)
