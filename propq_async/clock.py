"""The source of time, which a test can replace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import attrs

__all__ = ["Clock"]


@attrs.frozen
class Clock:
    """The source of time, so that a test can use its own.

    Args:
        wall: the time of day, in seconds since the epoch.
        monotonic: seconds that never go backwards.
        sleep: wait for so many seconds.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
