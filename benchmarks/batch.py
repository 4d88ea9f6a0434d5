"""A batch of a million: what `update_many` takes of memory and time as the input grows.

`python -m benchmarks.batch` runs a minimal server in a process of its own, and one client after
another, each in a new process, so that the peak of its memory is its own. The server's count is
compared with the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from propq_async import AsyncPropQ, Credentials, UnitStatus, UnitUpdate

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
CONCURRENCY: Final = 100
UNITS: Final = 20_000
MIB: Final = 1024 * 1024


# --- the client's process ---------------------------------------------------------------------


def updates(rows: int) -> Iterator[UnitUpdate]:
    """Yield a price list of 20,000 units, again and again, each row a new object."""
    for row in range(rows):
        yield UnitUpdate(
            development_id="4711",
            name=f"A-{row % UNITS}",
            status=UnitStatus.SOLD,
            price=100_000 + row,
            directions=["N", "S"],
        )


def rss_bytes() -> int:
    """Return the memory of this process that is resident now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


async def push(url: str, rows: int) -> dict[str, Any]:
    """Push so many rows, and return what it took."""
    propq = AsyncPropQ(Credentials(1, "secret"), base_url=url, token_store=None)
    async with propq.session() as session:
        # Connections and token are there before it begins.
        async for _ in session.units.update_many(updates(CONCURRENCY)):
            pass
        before = rss_bytes()
        began, cpu_began = time.perf_counter(), time.process_time()
        ok = 0
        async for outcome in session.units.update_many(updates(rows), concurrency=CONCURRENCY):
            ok += outcome.ok
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        applied = (await session.request("GET", "/count"))["applied"]
    return {
        "rows": rows,
        "ok": ok,
        "applied": applied - CONCURRENCY,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "before_mib": before / MIB,
        # Linux counts it in KiB.
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB,
    }


# --- the server's process ---------------------------------------------------------------------


def answer(body: bytes) -> bytes:
    """Return a whole answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


class Server(asyncio.Protocol):
    """As little as a server can do: find the end of each request, count it, and say yes."""

    applied = 0
    token = answer(b'{"token_type":"Bearer","expires_in":86400,"access_token":"token"}')
    done = answer(b"{}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer whatever has arrived as a whole."""
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            if not found or len(rest) < size:
                return
            self._buffer = rest[size:]
            if head.startswith(b"POST /oauth/token"):
                self._transport.write(self.token)
            elif head.startswith(b"GET /count"):
                self._transport.write(answer(b'{"applied":%d}' % Server.applied))
                Server.applied = 0
            else:
                Server.applied += 1
                self._transport.write(self.done)


async def serve() -> None:
    """Serve until stdin is closed."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


# --- the whole --------------------------------------------------------------------------------


@contextmanager
def serving() -> Iterator[str]:
    """Run the server, and give its URL."""
    command = [sys.executable, "-m", "benchmarks.batch", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Leaving closes the server's stdin, which ends it; so does the death of this process.
        yield process.stdout.readline().decode().strip()


def measure(url: str, rows: int) -> dict[str, Any]:
    """Push so many rows in a new process."""
    command = [sys.executable, "-m", "benchmarks.batch", "--push", url, "--rows", str(rows)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(run.stdout)
    return figures


def main() -> None:
    """Print the table, or be one of the processes behind it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="sizes of the input")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--push", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
        return
    if arguments.push:
        print(json.dumps(asyncio.run(push(arguments.push, *arguments.rows))))
        return
    print("| updates | ok / applied | seconds | updates a second | RSS before | RSS at the peak |")
    print("|" + "".join(repeat(" --- |", 6)))
    with serving() as url:
        for rows in arguments.rows:
            figures = measure(url, rows)
            print(
                f"| {rows:,} | {figures['ok']:,} / {figures['applied']:,} "
                f"| {figures['seconds']:.1f} | {rows / figures['seconds']:,.0f} "
                f"| {figures['before_mib']:.1f} MiB | {figures['peak_mib']:.1f} MiB |",
                flush=True,
            )
    versions = ", ".join(f"{name} {version(name)}" for name in ("propq-async", "aiohttp"))
    print(f"\n{datetime.now(UTC):%Y-%m-%d}; Python {platform.python_version()}; {versions}.")


if __name__ == "__main__":
    main()
