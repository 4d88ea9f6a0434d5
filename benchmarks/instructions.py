"""User-space instructions of a warm call: a figure that no noise can touch.

Each client runs twice under valgrind's callgrind, with few calls and with more: what the start
costs falls out of the difference.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from typing import Final

from .clients import Client, Naive, Ours
from .echo import Echo, running

FEW, MORE = 200, 700
# What a call of ours may take, in thousands: 5% above what was measured with Python 3.11.
BOUND: Final = 179
CLIENTS: Final[dict[str, type[Client]]] = {kind.name: kind for kind in (Naive, Ours)}


def _instructions(name: str, server: Echo, calls: int, out: str) -> int:
    child = [sys.executable, "-m", "benchmarks.instructions", "--child", name, server.url]
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *child, str(calls)],
        check=True,
        capture_output=True,
        text=True,
        # The order of hashes must not differ from run to run.
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"valgrind gave no count: {done.stderr}")
    return int(found[1])


def _per_call(name: str, server: Echo) -> float:
    """Return the thousands of instructions of one call."""
    with tempfile.TemporaryDirectory() as directory:
        few, more = (
            _instructions(name, server, calls, f"{directory}/out") for calls in (FEW, MORE)
        )
    if server.count(_run(name)) != FEW + MORE:
        raise RuntimeError("the server saw other calls than were made")
    return (more - few) / (MORE - FEW) / 1000


def _run(name: str) -> str:
    return name.replace(" ", "-")


async def _call(name: str, url: str, calls: int) -> None:
    async with CLIENTS[name](url, _run(name), None) as client:
        await client.drive((f"A-{number:04}" for number in range(calls)), 1)


def main() -> None:
    """Count, print, and fail if it is above the bound."""
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(_call(sys.argv[2], sys.argv[3], int(sys.argv[4])))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only ours, and fail above the bound")
    check = parser.parse_args().check
    with running() as server:
        for name in [Ours.name] if check else CLIENTS:
            thousands = _per_call(name, server)
            print(f"{name}: {thousands:.1f} thousand instructions a call", flush=True)
    if check and thousands > BOUND:
        sys.exit(f"a call may take {BOUND} thousand instructions: see benchmarks/README.md")


if __name__ == "__main__":
    main()
