"""Reading, planning and pushing a price list of 100,000 rows: `python -m benchmarks.pricelist`."""

from __future__ import annotations

import argparse
import asyncio
import csv
import gc
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl

from propq_async import AsyncPropQ, Credentials, UnitUpdate, pricelist
from propq_async._cli.demo_units import make_units
from propq_async._cli.emulator_process import emulator_process
from propq_async.ledger import Ledger

WORDS = {"AVAILABLE": "Disponible", "HOLD": "Bloqueado", "SOLD": "Vendido", "RESERVED": "Reservado"}
ENGLISH = ["development_id", "name", "status", "price", "directions"]
SPANISH = ["Promoción", "Vivienda", "Estado", "Precio (€)", "Orientación"]
TURNS = 5
PLANNED = 200_000


def updates(count: int) -> Iterator[UnitUpdate]:
    """Return the rows."""
    return make_units(count)


def plain_csv(path: Path, count: int) -> None:
    """Write the plainest list."""
    pricelist.write(path, updates(count))


def spanish_csv(path: Path, count: int) -> None:
    """Write a list as Excel does in Spain."""
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(SPANISH)
        for one in updates(count):
            price = f"{one.price:,}".replace(",", ".") + ",50 €"
            name = f"Ático {one.name}"
            directions = "/".join(one.directions)
            writer.writerow([one.development_id, name, WORDS[one.status.name], price, directions])


def workbook(path: Path, count: int) -> None:
    """Write a workbook."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("List")
    sheet.append(ENGLISH)
    for one in updates(count):
        price = float(one.price)
        sheet.append([one.development_id, one.name, one.status.value, price, one.directions[0]])
    book.save(path)


def json_lines(path: Path, count: int) -> None:
    """Write JSON lines."""
    with path.open("w") as file:
        for one in updates(count):
            values = [one.development_id, one.name, one.status, one.price, one.directions]
            file.write(json.dumps(dict(zip(ENGLISH, values, strict=True))) + "\n")


FORMATS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "CSV, plain": ("plain.csv", plain_csv),
    "CSV, cp1252, 1.234,50 €": ("spanish.csv", spanish_csv),
    "XLSX": ("book.xlsx", workbook),
    "JSON lines": ("lines.jsonl", json_lines),
}


def read_all(path: Path) -> int:
    """Return how many good rows the list has."""
    return sum(isinstance(row, pricelist.Row) for row in pricelist.read(path))


def resident_mib() -> float:
    """Return the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mib() -> float:
    """Return the most memory that this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 2**10


async def _plans(directory: Path, path: Path) -> str:
    few = directory / "few.csv"
    plain_csv(few, 20)
    propq = AsyncPropQ(Credentials(1, "secret"), base_url="http://127.0.0.1:9", token_store=None)
    async with propq, Ledger(directory / "none.sqlite3") as ledger:
        # All that is imported on the way is there before.
        await pricelist.plan(pricelist.read(few), propq, ledger)
        before = resident_mib()
        plan = await pricelist.plan(pricelist.read(path), propq, ledger)
        gc.collect()
        assert len(plan.changes) == PLANNED
        return f"{peak_mib() - before:.1f}, {resident_mib() - before:.1f}"


def memory_of_plan(directory: Path, path: Path) -> str:
    """Return what a plan adds to the memory of this process: at the most, and in the end."""
    return asyncio.run(_plans(directory, path))


def shown(times: list[tuple[float, float]]) -> str:
    """Return the least processor time of several runs, and the median of the time by the clock."""
    processor, clock = zip(*times, strict=True)
    return f"{min(processor):.2f} s, {statistics.median(clock):.2f} s"


async def timed(job: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Return how much time it takes the processor, and how much passes."""
    processor, clock = time.process_time(), time.perf_counter()
    await job()
    return time.process_time() - processor, time.perf_counter() - clock


async def measure(directory: Path, count: int) -> dict[str, str]:
    """Return the figures by their names."""
    found: dict[str, str] = {}
    for name, (file, write) in FORMATS.items():
        write(directory / file, count)

        async def read(path: Path = directory / file) -> None:
            assert read_all(path) == count

        found[f"read: {name}"] = shown([await timed(read) for _ in range(TURNS)])
    path = directory / "plain.csv"
    async with emulator_process(path, directory / "log") as child:
        propq = AsyncPropQ(child.credentials, base_url=child.url, token_store=None)
        async with propq, Ledger(directory / "ledger.sqlite3") as ledger:

            async def plan() -> None:
                await pricelist.plan(pricelist.read(path), propq, ledger)

            times = [await timed(plan) for _ in range(TURNS)]
            found["plan: everything is new"] = shown(times)
            found |= await push(path, propq, ledger)
            times = [await timed(plan) for _ in range(TURNS)]
            found["plan: nothing has changed"] = shown(times)
    return found


async def push(path: Path, propq: AsyncPropQ, ledger: Ledger) -> dict[str, str]:
    """Push the list, and look at the memory on the way."""
    made = await pricelist.plan(pricelist.read(path), propq, ledger)
    tenth, memory = len(made.changes) // 10, []
    began = time.perf_counter()
    async with pricelist.push(made, propq, ledger, accept="all") as outcomes:
        async for outcome in outcomes:
            assert outcome.ok
            if outcomes.standing.done % tenth == 0:
                memory.append(resident_mib())
    seconds = time.perf_counter() - began
    return {
        "push: rows a second, with ledger": f"{len(made.changes) / seconds:,.0f}",
        "push: MiB of the process after a tenth, at the end": f"{memory[0]:.1f}, {memory[-1]:.1f}",
        "push: MiB, the most that any tenth added": (f"{max(max(memory[1:]) - memory[0], 0):.1f}"),
    }


async def bare(path: Path, directory: Path) -> str:
    """Return how many rows a second `update_many` sends without a ledger."""
    rows = [row.update for row in pricelist.read(path) if isinstance(row, pricelist.Row)]
    async with emulator_process(path, directory / "log") as child:
        propq = AsyncPropQ(child.credentials, base_url=child.url, token_store=None)
        async with propq.session() as session:
            began = time.perf_counter()
            async for outcome in session.units.update_many(rows):
                assert outcome.ok
            return f"{len(rows) / (time.perf_counter() - began):,.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="propq-bench-") as name:
        directory = Path(name)
        plain_csv(directory / "long.csv", PLANNED)
        # In a process of its own, since what others have freed is used again.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory = pool.apply(memory_of_plan, (directory, directory / "long.csv"))
        found = asyncio.run(measure(directory, options.rows))
        found["push: rows a second, update_many alone"] = asyncio.run(
            bare(directory / "plain.csv", directory)
        )
    found[f"plan of {PLANNED:,} rows: MiB at the most, in the end"] = memory
    if options.markdown:
        print("| case | figure |\n| --- | --- |")
    for case, figure in found.items():
        print(f"| {case} | {figure} |" if options.markdown else f"{case:<55} {figure}")


if __name__ == "__main__":
    main()
