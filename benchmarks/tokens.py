"""Tokens: what a warm call costs, and what a herd does, beside what else one could use."""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Final

import aiohttp

from . import herd, warm
from .peers import HERD_PEERS, PEERS
from .server import Plan, Step, running

Row = Sequence[str]

WANTED_MICROSECONDS: Final = 0.5


async def _warm_rows(server: str) -> list[Row]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        subjects = {}
        for peer_class in PEERS:
            plan = await Plan.make(server, session, [Step(expires_in=24 * 3600)])
            peer = peer_class(plan.url)
            stack.push_async_callback(peer.aclose)
            await peer.get()
            subjects[peer.name] = peer.get
        above = await warm.microseconds_above_empty(subjects)
        kept = [await warm.kept_bytes(get) for get in subjects.values()]
    return [
        [
            "warm, one call: microseconds above an empty coroutine (quartiles)",
            f"< {WANTED_MICROSECONDS}",
            *map(_median_and_quartiles, above.values()),
        ],
        [f"warm, {warm.CALLS_TRACED:,} calls: bytes kept", "0", *map(str, kept)],
    ]


def _median_and_quartiles(values: list[float]) -> str:
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def _herd_rows(server: str) -> list[Row]:
    # A loop for each cell: what a peer leaves running ends with it.
    return [
        [
            case.title,
            case.wanted,
            *(asyncio.run(herd.run(case, peer_class, server)) for peer_class in HERD_PEERS),
        ]
        for case in herd.CASES
    ]


def _plain(rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _markdown(rows: Sequence[Row]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    render = _markdown if parser.parse_args().markdown else _plain

    # What the peers log about failures that are wanted would go to stderr.
    logging.getLogger().addHandler(logging.NullHandler())
    with running() as server:
        head = ["case", "wanted", *(peer.name for peer in PEERS)]
        rows = [head, *asyncio.run(_warm_rows(server)), *_herd_rows(server)]
    print(render(rows))
    used = [peer.name for peer in PEERS] + ["aiohttp", "httpx", "azure-core"]
    print("\nblocks: the fetch blocks the event loop, so that nobody waits who could be cancelled.")
    print(f"Python {platform.python_version()};", ", ".join(f"{n} {version(n)}" for n in used))


if __name__ == "__main__":
    main()
