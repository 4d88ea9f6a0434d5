"""What a TLS connection costs the client: with a handshake in full, and with a session resumed.

In turns, so that what the machine does meanwhile meets both. The server is in a process of its own,
and its certificate stands below an intermediate one, as those of public authorities do.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from propq_async._http.tls import resuming

from .calls import markdown
from .echo import Echo, running

REQUEST: Final = b"GET /count/none HTTP/1.1\r\nHost: localhost\r\n\r\n"
CONNECTIONS: Final = 50
LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
VERSIONS: Final = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
# The keys of the authorities, and of the server.
KEYS: Final = {
    "RSA": ("rsa:4096", "rsa:2048"),
    "ECDSA": ("ec -pkeyopt ec_paramgen_curve:P-384", "ec -pkeyopt ec_paramgen_curve:P-256"),
}


def _chain(directory: Path, authority: str, own: str) -> tuple[Path, Path]:
    """Make a chain of certificates. Returns the files of the server and of the root."""

    def make(name: str, key: str, *options: str) -> Path:
        made = directory / f"{name}.crt"
        command = f"openssl req -x509 -nodes -days 2 -newkey {key} -subj /CN={name}"
        files = ["-keyout", str(made.with_suffix(".key")), "-out", str(made)]
        subprocess.run([*command.split(), *files, *options], check=True, capture_output=True)
        return made

    def under(issuer: Path) -> list[str]:
        return ["-CA", str(issuer), "-CAkey", str(issuer.with_suffix(".key"))]

    authorities = ["-addext", "basicConstraints=critical,CA:true"]
    root = make("root", authority, *authorities)
    middle = make("middle", authority, *authorities, *under(root))
    names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:false"]
    leaf = make("localhost", own, *names, *under(middle))
    chain = directory / "chain.pem"
    parts = (leaf, middle, leaf.with_suffix(".key"))
    chain.write_bytes(b"".join(part.read_bytes() for part in parts))
    return chain, root


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


async def _milliseconds(server: Echo, context: ssl.SSLContext, *, resumed: bool) -> float:
    """Return the CPU time of a connection, after a look at how it came about."""
    began = time.process_time()
    reused = [await _talk(server, context) for _ in range(CONNECTIONS)]
    took = time.process_time() - began
    if reused != [resumed] * CONNECTIONS:
        raise RuntimeError("not all connections came about as they should")
    return took / CONNECTIONS * 1e3


async def _measure(server: Echo, root: Path, version: ssl.TLSVersion, rounds: int) -> list[str]:
    full, again = (ssl.create_default_context(cafile=root) for _ in range(2))
    for context in (full, resuming(again)):
        context.maximum_version = version
        await _talk(server, context)  # the session that all others resume
    pairs = [
        (
            await _milliseconds(server, full, resumed=False),
            await _milliseconds(server, again, resumed=True),
        )
        for _ in range(rounds)
    ]
    saved = [one - other for one, other in pairs]
    return [_median_and_quartiles(column) for column in (*zip(*pairs, strict=True), saved)]


def _median_and_quartiles(values: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    rows: list[Sequence[str]] = [
        ("certificates", "version", "loop", "full: CPU ms", "resumed: CPU ms", "saved: CPU ms")
    ]
    for kind, keys in KEYS.items():
        with tempfile.TemporaryDirectory() as directory:
            chain, root = _chain(Path(directory), *keys)
            with running(chain) as server:
                for name, version in VERSIONS.items():
                    for loop, factory in LOOPS.items():
                        with asyncio.Runner(loop_factory=factory) as runner:
                            figures = runner.run(_measure(server, root, version, rounds))
                        rows.append((kind, name, loop, *figures))
    print(markdown(rows))


if __name__ == "__main__":
    main()
