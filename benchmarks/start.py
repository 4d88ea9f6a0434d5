"""What it takes to begin: importing, `propq --help`, and entering and leaving a session."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from typing import Final

from propq_async import AsyncPropQ, Credentials

ROUNDS: Final = 21
SESSIONS: Final = 2000


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def _median_and_quartiles(values: list[float], digits: int = 0) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _imports() -> None:
    commands = {
        "nothing": ("-c", "pass"),
        "import aiohttp": ("-c", "import aiohttp"),
        "import propq_async": ("-c", "import propq_async"),
        "propq --help": ("-m", "propq_async", "--help"),
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        # All in each round, so that what the machine does meanwhile meets them all.
        for name, arguments in commands.items():
            took[name].append(_seconds(*arguments) * 1000)
    for name, values in took.items():
        print(f"{name}: {_median_and_quartiles(values)} ms")
    # Above the bare interpreter, of which nobody is free.
    trios = zip(*(took[name] for name in list(commands)[:3]), strict=True)
    more = [(ours - theirs) / (theirs - bare) * 100 for bare, theirs, ours in trios]
    print(f"import propq_async above import aiohttp: {_median_and_quartiles(more)} %")


async def _sessions() -> None:
    took = []
    async with AsyncPropQ(Credentials(1, "secret"), token_store=None) as propq:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _session in range(SESSIONS):
                async with propq.session():
                    pass
            took.append((time.perf_counter() - began) / SESSIONS * 1e6)
    print(f"a session, made, entered and left: {_median_and_quartiles(took, 1)} us")


if __name__ == "__main__":
    asyncio.run(_sessions())
    _imports()
