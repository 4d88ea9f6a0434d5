"""What a TLS connection costs the client: with a handshake in full, and with a session resumed.

In turns, so that what the machine does meanwhile meets both. The server is in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import time
from typing import Final

from propq_async.tls import resuming

from .calls import certificate, markdown
from .echo import Echo, running
from .worker import LOOPS

REQUEST: Final = b"GET /count/none HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS: Final = 50
VERSIONS: Final = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


async def _talk(server: Echo, context: ssl.SSLContext) -> bool:
    """Connect, ask, read and close. Returns whether a session was resumed."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    writer.write(REQUEST)
    answer = await reader.readuntil(b"\r\n\r\n0")
    if not answer.startswith(b"HTTP/1.1 200 OK"):
        raise RuntimeError(f"the server answered {answer!r}")
    writer.close()
    await writer.wait_closed()
    return bool(writer.get_extra_info("ssl_object").session_reused)


async def _microseconds(server: Echo, context: ssl.SSLContext, *, resumed: bool) -> float:
    """Return the CPU time of a connection, after a look at how it came about."""
    began = time.process_time()
    reused = [await _talk(server, context) for _ in range(CONNECTIONS)]
    took = time.process_time() - began
    if reused != [resumed] * CONNECTIONS:
        raise RuntimeError("not all connections came about as they should")
    return took / CONNECTIONS * 1e6


async def _measure(server: Echo, version: ssl.TLSVersion, rounds: int) -> list[str]:
    full, again = (ssl.create_default_context(cafile=server.certificate) for _ in range(2))
    for context in (full, resuming(again)):
        context.maximum_version = version
        await _talk(server, context)  # the session that all others resume
    pairs = [
        (
            await _microseconds(server, full, resumed=False),
            await _microseconds(server, again, resumed=True),
        )
        for _ in range(rounds)
    ]
    saved = [one - other for one, other in pairs]
    columns = (*zip(*pairs, strict=True), saved)
    return [_median_and_quartiles(column) for column in columns]


def _median_and_quartiles(values: list[float] | tuple[float, ...]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rows = [("loop", "version", "full handshake", "session resumed", "saved")]
    with certificate() as pem, running(pem) as server:
        for loop, factory in LOOPS.items():
            for name, version in VERSIONS.items():
                with asyncio.Runner(loop_factory=factory) as runner:
                    figures = runner.run(_measure(server, version, rounds))
                rows.append((loop, name, *figures))
    print(markdown(rows))


if __name__ == "__main__":
    main()
