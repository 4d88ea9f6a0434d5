"""How close a batch comes to the least possible time against an emulator that throttles."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from typing import Final

from propq_async import AsyncPropQ, UnitStatus, UnitUpdate
from propq_async.testing import PropQEmulator, run_in_thread

CONNECTIONS: Final = 100
# Calls, in so many seconds, and how many windows a batch needs.
CASES: Final = ((5, 1, 10), (60, 1, 10), (500, 1, 10), (50, 5, 4), (300, 5, 4), (60, 10, 3))


def _rows(count: int) -> Iterator[UnitUpdate]:
    for number in range(count):
        yield UnitUpdate("4711", f"unit-{number}", UnitStatus.SOLD, 1 + number, ["N"])


async def _push(emulator: PropQEmulator, rows: int) -> float:
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with propq.session() as session:
        await propq.tokens.get_token()
        began = time.perf_counter()
        async for outcome in session.units.update_many(_rows(rows), concurrency=CONNECTIONS):
            assert outcome.ok, outcome.error
        return time.perf_counter() - began


def _play(emulator: PropQEmulator, calls: int, per_seconds: int, windows: int) -> str:
    rows = calls * windows
    emulator.reset()
    for update in _rows(rows):
        emulator.add_unit(update.development_id, update.name)
    emulator.throttle(calls, per_seconds=per_seconds)
    seconds = asyncio.run(_push(emulator, rows))
    assert emulator.applied == rows
    refused = emulator.calls - rows
    # The first window ends before anybody can know of it; the wait after it is in whole seconds.
    least = math.ceil(rows / calls) * per_seconds - per_seconds
    return (
        f"| {calls} in {per_seconds} s | {rows} | {least} s | {seconds:.2f} s "
        f"| {seconds / least:.2f} | {refused} | {0.03 * rows + CONNECTIONS:.0f} |"
    )


def main() -> None:
    """Print one row for each case."""
    print("| limit | rows | least time | taken | ratio | refused | 3% of the rows + 100 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with run_in_thread(PropQEmulator()) as emulator:
        for case in CASES:
            print(_play(emulator, *case), flush=True)


if __name__ == "__main__":
    main()
