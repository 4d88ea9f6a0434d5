"""Python's garbage collector, which looks for cycles, and finds none among rows."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector for a short job that makes many objects, and keeps them.

    It would go through all of them again and again, which takes as long as a third of the job. What
    is no part of a cycle is freed all the same.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
