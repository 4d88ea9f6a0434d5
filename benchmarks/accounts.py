"""What one of many accounts costs: a factory that was made, and one that was entered."""

from __future__ import annotations

import asyncio
import statistics
import time
import tracemalloc
from pathlib import Path
from typing import Final

from propq_async import AsyncPropQ, Credentials, MemoryTokenStore

ACCOUNTS: Final = 2000
ROUNDS: Final = 11


def make(count: int) -> list[AsyncPropQ]:
    """Return factories as a service of an integrator makes them."""
    tokens = MemoryTokenStore()
    return [
        AsyncPropQ(Credentials(client_id, lambda: "secret"), token_store=tokens)
        for client_id in range(1, count + 1)
    ]


def _kept_bytes(count: int) -> float:
    make(1)  # what is imported and cached once
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    made = make(count)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(made)


def sockets() -> int:
    """Return how many descriptors this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


async def _entered() -> None:
    made = make(ACCOUNTS)
    tasks, descriptors = len(asyncio.all_tasks()), sockets()
    took = []
    for one in made:
        began = time.perf_counter()
        await one.__aenter__()
        took.append((time.perf_counter() - began) * 1e6)
    print(
        f"entering one: {statistics.median(took):.1f} us; {ACCOUNTS:,} entered: "
        f"{len(asyncio.all_tasks()) - tasks} tasks, {sockets() - descriptors} sockets"
    )
    for one in made:
        await one.__aexit__()


def main() -> None:
    """Print what factories cost."""
    print(f"one factory keeps {_kept_bytes(ACCOUNTS) / 1024:.1f} KiB")
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        make(ACCOUNTS)
        took.append((time.perf_counter() - began) / ACCOUNTS * 1e3)
    print(f"making one: {statistics.median(took):.3f} ms")
    asyncio.run(_entered())


if __name__ == "__main__":
    main()
