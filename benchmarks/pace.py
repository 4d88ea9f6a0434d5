"""How close a batch comes to what a server bears.

By default, beside the least possible time against an emulator that throttles; with `--servers`, for
real servers before one: what they take and refuse after two minutes. Needs nginx and haproxy.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from propq_async import AsyncPropQ, UnitStatus, UnitUpdate
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.frontends import Frontend, haproxy, nginx

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


# --- real servers ---

LEARNING_SECONDS, MEASURED_SECONDS = 120.0, 30.0
CALL_SECONDS: Final = 0.025

_ZONE: Final = "limit_{0}_zone $binary_remote_addr zone=one:1m{1}; limit_{0}_status 429;"
_STICK_TABLE: Final = """
    stick-table type ip size 1k expire 1m store http_req_rate(1s)
    http-request track-sc0 src if { path_beg /v1 }
    http-request return status 429 if { path_beg /v1 } { sc_http_req_rate(0) gt 100 }
"""

# What each bears in a second, and how it is started.
SERVERS: Final[dict[str, tuple[float, Callable[[Path, str], AbstractContextManager[Frontend]]]]] = {
    "nginx: limit_req 200r/s burst=20": (
        200,
        partial(
            nginx,
            http=_ZONE.format("req", " rate=200r/s"),
            location="limit_req zone=one burst=20 nodelay;",
        ),
    ),
    "nginx: limit_conn 10, calls of 25 ms": (
        10 / CALL_SECONDS,
        partial(nginx, http=_ZONE.format("conn", ""), location="limit_conn one 10;"),
    ),
    "haproxy: 100 in any second": (100, partial(haproxy, frontend=_STICK_TABLE)),
}


async def _watch(emulator: PropQEmulator, url: str) -> tuple[int, int]:
    """Return how many calls were taken and refused after the time to learn."""
    propq = AsyncPropQ(emulator.credentials, base_url=url, token_store=None)

    def updates() -> Iterator[UnitUpdate]:
        for number in count():
            yield UnitUpdate("4711", f"unit-{number % 10_000}", UnitStatus.SOLD, 1 + number, ["N"])

    async with propq.session() as session:
        began, before, ended = time.monotonic(), (0, 0), False
        taken = 0
        async with session.units.update_many(updates(), concurrency=CONNECTIONS) as batch:
            async for outcome in batch:
                assert outcome.ok, outcome.error
                taken += not ended
                elapsed = time.monotonic() - began
                if before == (0, 0) and elapsed >= LEARNING_SECONDS:
                    before = (taken, propq.stats().refused)
                if not ended and elapsed >= LEARNING_SECONDS + MEASURED_SECONDS:
                    ended = True
                    after = (taken, propq.stats().refused)
                    batch.stop()
    return after[0] - before[0], after[1] - before[1]


def _servers() -> None:
    print("| server | bears a second | taken | part | refused |")
    print("| --- | --- | --- | --- | --- |")
    for name, (bears, start) in SERVERS.items():
        with (
            run_in_thread(PropQEmulator(latency_seconds=CALL_SECONDS)) as emulator,
            tempfile.TemporaryDirectory() as folder,
        ):
            for number in range(10_000):
                emulator.add_unit("4711", f"unit-{number}")
            with start(Path(folder), emulator.url) as frontend:
                taken, refused = asyncio.run(_watch(emulator, frontend.url))
        per_second = taken / MEASURED_SECONDS
        print(
            f"| {name} | {bears:.0f} | {per_second:.1f} | {per_second / bears:.0%} "
            f"| {refused / (taken + refused):.1%} |",
            flush=True,
        )


def main() -> None:
    """Print one row for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=__doc__)
    parser.add_argument("--servers", action="store_true", help="real servers, in eight minutes")
    if parser.parse_args().servers:
        _servers()
        return
    print("| limit | rows | least time | taken | ratio | refused | 3% of the rows + 100 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with run_in_thread(PropQEmulator()) as emulator:
        for case in CASES:
            print(_play(emulator, *case), flush=True)


if __name__ == "__main__":
    main()
