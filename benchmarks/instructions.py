"""User-space instructions of a warm call: a figure that no noise can touch.

Each case runs twice under valgrind's callgrind, with few calls and with more: what the start
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import attrs

from .clients import BelowUnsampled, Client, Naive, Ours, SampledOut, Traced, UpdateMany
from .echo import Echo, certificate, running

FEW, MORE = 200, 500


@attrs.frozen
class Case:
    """A client, and how it calls which server.

    `bound`: the thousands of instructions that a call may take with Python 3.11, where it is ours.
    """

    client: type[Client]
    bound: int | None = None
    scheme: str = "http"
    head: str = "bare"
    in_flight: int = 1

    @property
    def name(self) -> str:
        """Return what stands in the table."""
        head = "" if self.head == "bare" else f", {self.head} head"
        return f"{self.client.name}, {self.scheme}, {self.in_flight} in flight{head}"

    @property
    def run(self) -> str:
        """Return the development that it updates."""
        return re.sub("[^a-z0-9]+", "-", self.name)


CASES: Final = {
    one.name: one
    for one in (
        Case(Naive),
        Case(Naive, scheme="https"),
        Case(Ours, 127),
        Case(Ours, 156, scheme="https"),
        Case(Ours, 172, head="limits"),
        Case(Ours, 115, in_flight=100),
        Case(BelowUnsampled),
        Case(SampledOut),
        Case(Traced),
        Case(UpdateMany, 160),
        Case(UpdateMany, 143, in_flight=100),
    )
}


@contextmanager
def _server(case: Case) -> Iterator[Echo]:
    if case.scheme == "http":
        with running(head=case.head) as server:
            yield server
    else:
        with certificate() as pem, running(pem, case.head) as server:
            yield server


def _instructions(case: Case, server: Echo, calls: int, out: str) -> int:
    child = [sys.executable, "-m", "benchmarks.instructions", "--child", case.name, server.url]
    child += [server.certificate or "", str(calls)]
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *child],
        check=True,
        capture_output=True,
        text=True,
        # The order of hashes must not differ from run to run, nor what is still to be compiled.
        env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"valgrind gave no count: {done.stderr}")
    return int(found[1])


def _per_call(case: Case) -> float:
    """Return the thousands of instructions of one call."""
    with _server(case) as server, tempfile.TemporaryDirectory() as directory:
        few, more = (
            _instructions(case, server, calls, f"{directory}/out") for calls in (FEW, MORE)
        )
        if server.count(case.run) != FEW + MORE:
            raise RuntimeError("the server saw other calls than were made")
    return (more - few) / (MORE - FEW) / 1000


async def _call(case: Case, url: str, pem: str, calls: int) -> None:
    async with case.client(url, case.run, pem or None) as client:
        await client.drive((f"A-{number:04}" for number in range(calls)), case.in_flight)


def main() -> None:
    """Count, print, and fail if one is above its bound."""
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(_call(CASES[sys.argv[2]], sys.argv[3], sys.argv[4], int(sys.argv[5])))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only ours, and fail above a bound")
    parser.add_argument("--only", default="", help="only cases with this in their name")
    given = parser.parse_args()
    cases = [
        case
        for name, case in CASES.items()
        if given.only in name and not (given.check and case.bound is None)
    ]
    too_many = []
    # Side by side, since they wait for valgrind, and no load changes a number of instructions.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for case, thousands in zip(cases, pool.map(_per_call, cases), strict=True):
            print(f"{case.name}: {thousands:.1f} thousand instructions a call", flush=True)
            if case.bound is not None and thousands > case.bound:
                too_many.append(f"{case.name}: at most {case.bound} thousand")
    if given.check and too_many:
        sys.exit("above the bounds (see benchmarks/README.md):\n" + "\n".join(too_many))


if __name__ == "__main__":
    main()
