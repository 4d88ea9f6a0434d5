"""What a call costs a client that is asked for a steady rate, as a service is.

How long a call took is counted from the moment at which it was due, so a client that is late has
all that waited meanwhile held against it. Of all rounds the least counts, since whatever else the
machine does only adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .clients import CONNECTIONS, Naive, Ours
from .others import Httpx, Pyreqwest, Wreq
from .worker import Cost, Worker, cells

__all__ = ["COMPARED", "HEAD", "under_load"]

COMPARED: Final = (Naive.name, Httpx.name, Pyreqwest.name, Wreq.name, Ours.name)
SECONDS: Final = 2.0
# What a client serves is the most that it makes with one of these in flight.
IN_FLIGHT: Final = (1, 10, CONNECTIONS)
CALLS: Final = 400
# The first rate: this part of what the slowest client serves. The second one, in calls a second.
PART: Final = 0.5
STEADY: Final = 2000.0
# A client that serves less than this times a rate is not asked for it.
MARGIN: Final = 1.1

_COSTS: Final = ("CPU us/call", "p50 ms", "p99 ms")
HEAD: Final = (
    "loop, scheme",
    "client",
    "serves: calls/s",
    "calls/s",
    *_COSTS,
    *(f"{STEADY:,.0f} calls/s: {cost}" for cost in _COSTS),
)


def _serves(worker: Worker) -> float:
    """Return how many calls a second it makes at the most, however many are in flight."""
    most = 0.0
    for in_flight in IN_FLIGHT:
        worker.work(in_flight + 50, in_flight)
        most = max(most, *(1e6 / worker.work(CALLS, in_flight).wall for _ in range(2)))
    return most


def _costs(workers: Mapping[str, Worker], per_second: float, rounds: int) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            costs[name].append(worker.work_at(round(per_second * SECONDS), per_second))
    return costs


def _shown(costs: Sequence[Cost]) -> list[str]:
    if not costs:
        return ["", "", ""]
    cpu, p50, p99 = (min(getattr(cost, field) for cost in costs) for field in ("cpu", "p50", "p99"))
    return [f"{cpu:.0f}", f"{p50 / 1000:.2f}", f"{p99 / 1000:.2f}"]


def under_load(names: Sequence[str], rounds: int) -> list[Sequence[str]]:
    """Return the lines of the table."""
    lines = []
    for where, workers in cells(names):
        most = {name: _serves(worker) for name, worker in workers.items()}
        part = PART * min(most.values())
        able = {name: one for name, one in workers.items() if most[name] >= MARGIN * STEADY}
        at_part = _costs(workers, part, rounds)
        steady = _costs(able, STEADY, rounds)
        for name in workers:
            figures = [*_shown(at_part[name]), *_shown(steady.get(name, []))]
            lines.append([where, name, f"{most[name]:,.0f}", f"{part:,.0f}", *figures])
            print("  ".join(lines[-1]), flush=True)
    return lines
