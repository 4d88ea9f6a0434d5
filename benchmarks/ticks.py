"""A steady rhythm in an event loop, by a timer of the kernel.

The timers of event loops are late by up to a millisecond, which is longer than most calls take.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["ticking"]

# Of <time.h> and <sys/timerfd.h>, since Python has no timerfd before 3.13.
_CLOCK_MONOTONIC: Final = 1
_TFD_TIMER_ABSTIME: Final = 1


@contextmanager
def ticking(per_second: float, tick: Callable[[float], object]) -> Iterator[None]:
    """Call `tick` at even distances with the moment, by the monotonic clock, at which it was due.

    If the event loop is late, `tick` is called for each moment that has passed.
    """
    distance = round(1e9 / per_second)
    due = time.monotonic_ns() + distance
    libc = ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC)
    first = struct.pack("@4q", *divmod(distance, 10**9), *divmod(due, 10**9))
    if timer < 0 or libc.timerfd_settime(timer, _TFD_TIMER_ABSTIME, first, None) < 0:
        raise OSError(ctypes.get_errno(), "no timer")

    def look() -> None:
        nonlocal due
        for _ in range(int.from_bytes(os.read(timer, 8), sys.byteorder)):
            tick(due / 1e9)
            due += distance

    loop = asyncio.get_running_loop()
    loop.add_reader(timer, look)
    try:
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)
