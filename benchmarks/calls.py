"""What a call costs, beside what else one could use: interleaved rounds, ratios to naive aiohttp.

Times on a shared machine are noise, so all clients have their turn in each round, and what counts
is the ratio of naive aiohttp's cost to a client's in the same round.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from .clients import SPANS, Gathered, Naive, Ours, UpdateMany
from .echo import Echo, running
from .load import COMPARED, under_load
from .load import HEAD as LOAD_HEAD
from .others import CLIENTS
from .plot import Bars, draw
from .worker import Cost, Worker, cells, working

Row = Sequence[str]

IN_FLIGHT: Final = (1, 100, 1000)
SECONDS: Final = 0.3
MOST_CALLS: Final = 4000
# What takes longer than this at 100 in flight is left out at 1,000.
SLOW_MICROSECONDS: Final = 1500
LENGTHS: Final = (1_000, 10_000, 100_000, 1_000_000)
# A task for each update takes so much memory that longer ones are left out.
LONGEST_GATHERED: Final = 100_000


def rounds(workers: Mapping[str, Worker], in_flight: int, count: int) -> dict[str, list[Cost]]:
    """Let each worker have its turn in each round."""
    calls = {}
    for name, worker in workers.items():
        # The first calls open the connections, and tell how many fit into a turn.
        worker.work(in_flight + 50, in_flight)
        cost = worker.work(in_flight + 50, in_flight)
        calls[name] = max(2 * in_flight, min(MOST_CALLS, int(SECONDS / (cost.wall * 1e-6))), 100)
    costs: dict[str, list[Cost]] = {name: [] for name in workers}
    for _ in range(count):
        for name, worker in workers.items():
            costs[name].append(worker.work(calls[name], in_flight))
    return costs


def ratios(costs: Mapping[str, list[Cost]], name: str) -> list[float]:
    """Return naive's CPU for a call over that of this client, for each round."""
    pairs = zip(costs[Naive.name], costs[name], strict=True)
    return [naive.cpu / mine.cpu for naive, mine in pairs]


def row(costs: Mapping[str, list[Cost]], name: str, where: str, in_flight: int) -> Row:
    """Return a line of the table."""
    low, middle, high = statistics.quantiles(ratios(costs, name), n=4)
    mine = costs[name]

    def median(field: str) -> float:
        return statistics.median(getattr(cost, field) for cost in mine)

    return [
        where,
        f"{in_flight:,}",
        name,
        f"{middle:.2f} ({low:.2f}-{high:.2f})",
        f"{median('cpu'):.0f}",
        f"{1e6 / median('wall'):,.0f}",
        f"{median('p50') / 1000:.2f}",
        f"{median('p99') / 1000:.2f}",
        f"{max(cost.peak_mib for cost in mine):.0f}",
    ]


def _is_slow(costs: Sequence[Cost]) -> bool:
    return statistics.median(cost.wall for cost in costs) > SLOW_MICROSECONDS


HEAD: Final = (
    "loop, scheme",
    "in flight",
    "client",
    "ratio (quartiles)",
    "CPU us/call",
    "calls/s",
    "p50 ms",
    "p99 ms",
    "peak MiB",
)


def markdown(rows: Sequence[Row]) -> str:
    """Return a table."""
    head, *rest = rows
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def batch_memory(server: Echo, lengths: Sequence[int]) -> dict[str, list[tuple[int, float]]]:
    """Return for each kind of batch its lengths and the memory that they took in MiB."""
    grown: dict[str, list[tuple[int, float]]] = {}
    for kind in (UpdateMany, Gathered):
        for length in lengths:
            if kind is Gathered and length > LONGEST_GATHERED:
                continue
            # A process for each: what it took at its peak is not given back.
            with working(kind.name, "asyncio", server) as worker:
                before = worker.work(500, 100).peak_mib
                after = worker.work(length, 100).peak_mib
            grown.setdefault(kind.name, []).append((length, after - before))
            print(f"a batch of {length:,}, {kind.name}: {after - before:.1f} MiB", flush=True)
    return grown


def memory_rows(memory: Mapping[str, Sequence[tuple[int, float]]]) -> list[Row]:
    """Return a table of the memory, with a column for each kind of batch."""
    kinds = [dict(points) for points in memory.values()]
    lengths = sorted({length for points in kinds for length in points})
    return [
        ("rows", *(f"{name}: MiB" for name in memory)),
        *(
            (f"{length:,}", *(f"{kind[length]:.1f}" if length in kind else "" for kind in kinds))
            for length in lengths
        ),
    ]


def _caption(options: str, rounds: int) -> str:
    packages = sorted({one.package for one in CLIENTS} | {"uvloop"}, key=str.lower)
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    command = " ".join(f"python -m benchmarks {options} --rounds {rounds}".split())
    return f"{time.strftime('%Y-%m-%d')}; {command}; Python {platform.python_version()}; {versions}"


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=None, help="clients beside naive aiohttp")
    parser.add_argument("--in-flight", nargs="*", type=int, default=list(IN_FLIGHT))
    parser.add_argument("--lengths", nargs="*", type=int, default=list(LENGTHS))
    parser.add_argument("--svg", type=Path, help="where to draw the plot")
    parser.add_argument("--load", action="store_true", help="at a steady rate instead")
    given = parser.parse_args()
    if given.load:
        lines = under_load(given.only or COMPARED, given.rounds)
        print(f"\n{markdown([LOAD_HEAD, *lines])}\n\n{_caption('--load', given.rounds)}")
        return
    # Those with spans have a table of their own, so they have to be asked for.
    asked = CLIENTS if given.only is None else (*CLIENTS, *SPANS)
    names = [one.name for one in asked if given.only is None or one.name in given.only]
    names = list(dict.fromkeys([Naive.name, *names]))
    table: list[Row] = [HEAD]
    bars: list[Bars] = []
    for where, workers in cells(names):
        left = workers
        for in_flight in given.in_flight:
            costs = rounds(left, in_flight, given.rounds)
            new = [row(costs, name, where, in_flight) for name in costs]
            print(*("  ".join(line) for line in new), sep="\n", flush=True)
            table += new
            medians = {n: statistics.median(ratios(costs, n)) for n in costs}
            bars.append(Bars(f"{where}, {in_flight:,} in flight", medians))
            left = {n: w for n, w in left.items() if not _is_slow(costs[n])}
    with running() as server:
        memory = batch_memory(server, given.lengths)
    caption = _caption("", given.rounds)
    print(f"\n{markdown(table)}\n\n{markdown(memory_rows(memory))}\n\n{caption}")
    if given.svg is not None:
        given.svg.write_text(draw(bars, memory, Ours.name, caption))
