"""One client in a process of its own: it makes calls when told to, and says what they cost."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs

from .clients import SPANS, Gathered, Took
from .echo import Echo, certificate, running
from .others import CLIENTS

__all__ = ["Cost", "Worker", "cells", "working"]

LOOPS: Final = ("asyncio", "uvloop")

_numbers: Final = itertools.count()


@attrs.frozen
class Cost:
    """What some calls took: CPU of the client's process and time for each, in microseconds."""

    cpu: float
    wall: float
    p50: float
    p99: float
    peak_mib: float


class Worker:
    """A client's process, as seen from outside."""

    def __init__(self, process: subprocess.Popen[str], server: Echo, run: str) -> None:
        self._process = process
        self._server = server
        self._run = run
        self._calls = 0

    def work(self, calls: int, in_flight: int) -> Cost:
        """Have it make so many calls, so many at a time."""
        return self._make(calls, f"drive {in_flight}")

    def work_at(self, calls: int, per_second: float) -> Cost:
        """Have it make so many calls at a steady rate, whose times count from when they are due."""
        return self._make(calls, f"keep_to {per_second}")

    def _make(self, calls: int, how: str) -> Cost:
        """Have it make so many calls, and let the server confirm that it has."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{calls} {how}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._run} has ended")
        self._calls += calls
        counted = self._server.count(self._run)
        if counted != self._calls:
            raise RuntimeError(f"{self._run}: {self._calls} calls, but the server saw {counted}")
        return Cost(**json.loads(line))


@contextmanager
def working(client: str, loop: str, server: Echo) -> Iterator[Worker]:
    """Start a client on an event loop."""
    # By this name the server counts, and the same client may be started again.
    run = f"{client}-{loop}-{next(_numbers)}".replace(" ", "-")
    command = [sys.executable, "-m", "benchmarks.worker", client, loop, server.url, run]
    command += [server.certificate or ""]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Worker(process, server, run)


def cells(names: Sequence[str]) -> Iterator[tuple[str, dict[str, Worker]]]:
    """Start the clients on each event loop, over http and over https. Yields where, and them."""
    for pem in (None, certificate()):
        with ExitStack() as stack:
            server = stack.enter_context(running(pem and stack.enter_context(pem)))
            for loop in LOOPS:
                with ExitStack() as started:
                    yield (
                        f"{loop}, {server.url.partition(':')[0]}",
                        {
                            name: started.enter_context(working(name, loop, server))
                            for name in names
                        },
                    )


# --- in the client's process ------------------------------------------------------------------


async def _serve(client: str, url: str, run: str, certificate: str) -> None:
    (kind,) = (one for one in (*CLIENTS, *SPANS, Gathered) if one.name == client)
    made = 0
    async with kind(url, run, certificate or None) as subject:
        while line := await asyncio.to_thread(sys.stdin.readline):
            count, how, figure = line.split()
            calls = int(count)
            names = (f"A-{number:07}" for number in range(made, made + calls))
            made += calls
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            if how == "drive":
                took = await subject.drive(names, int(figure))
            else:
                took = await subject.keep_to(names, float(figure))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if took.calls != calls:
                raise RuntimeError(f"{took.calls} calls, not {calls}")
            print(json.dumps(_cost(wall / calls, cpu / calls, took)), flush=True)


def _cost(wall: float, cpu: float, took: Took) -> dict[str, Any]:
    percentiles = statistics.quantiles(took.last, n=100)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "cpu": cpu * 1e6,
        "wall": wall * 1e6,
        "p50": percentiles[49] * 1e6,
        "p99": percentiles[98] * 1e6,
        "peak_mib": peak,
    }


def _main(client: str, loop: str, url: str, run: str, certificate: str) -> None:
    if loop == "uvloop":
        import uvloop  # noqa: PLC0415 - the other loop does without

        uvloop.run(_serve(client, url, run, certificate))
    else:
        asyncio.run(_serve(client, url, run, certificate))


if __name__ == "__main__":
    _main(*sys.argv[1:])
