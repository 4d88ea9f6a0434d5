"""What a call costs when the token is at hand."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping
from itertools import repeat
from typing import Any, Final

__all__ = ["CALLS_TRACED", "kept_bytes", "microseconds_above_empty"]

ROUNDS: Final = 41
SLICE_SECONDS: Final = 0.02
CALLS_TRACED: Final = 100_000

Call = Callable[[], Awaitable[Any]]


async def _empty() -> None:
    pass


async def _seconds_per_call(call: Call, calls: int) -> float:
    start = time.perf_counter()
    for _ in repeat(None, calls):
        await call()
    return (time.perf_counter() - start) / calls


async def microseconds_above_empty(subjects: Mapping[str, Call]) -> dict[str, list[float]]:
    """Return for each subject what a call took above awaiting an empty coroutine, in each round.

    In each round every subject has its turn, and the empty coroutine as well, so that what the
    machine does meanwhile meets them all.
    """
    calls = {}
    for name, call in subjects.items():
        await _seconds_per_call(call, 100)
        calls[name] = max(100, int(SLICE_SECONDS / await _seconds_per_call(call, 1000)))
    above: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    gc.disable()  # as timeit does
    try:
        for _ in range(ROUNDS):
            empty = await _seconds_per_call(_empty, 200_000)
            for name, call in subjects.items():
                above[name].append((await _seconds_per_call(call, calls[name]) - empty) * 1e6)
    finally:
        gc.enable()
    return above


async def kept_bytes(call: Call) -> int:
    """Return how much more memory `CALLS_TRACED` calls leave allocated than empty coroutines do."""
    return await _growth(call) - await _growth(_empty)


async def _growth(call: Call) -> int:
    tracemalloc.start()
    try:
        await _seconds_per_call(call, 1000)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await _seconds_per_call(call, CALLS_TRACED)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before
