"""What it takes to begin: imports, `propq --help`, the first update of a script, and sessions."""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from propq_async import AsyncPropQ, Credentials

from .echo import certificate, running

ROUNDS: Final = 21
SESSIONS: Final = 2000

# One update over https, with the token in a file; and what aiohttp by hand takes for it.
_ONE_UPDATE: Final = """
import asyncio, sys
from propq_async import AsyncPropQ, Credentials, JsonFileTokenStore, UnitStatus, UnitUpdate
async def main(url, file):
    store = JsonFileTokenStore(file)
    propq = AsyncPropQ(Credentials(1, "secret"), base_url=url, token_store=store)
    async with propq.session() as session:
        update = UnitUpdate("first", "A-101", UnitStatus.SOLD, 250_000, ["N", "S"])
        await session.units.update(update)
asyncio.run(main(*sys.argv[1:]))
"""
_BY_HAND: Final = """
import asyncio, sys, aiohttp
BODY = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 250_000, "UntDirections": ["N", "S"]}
async def main(url, _):
    async with aiohttp.ClientSession(url) as session:
        path = "/v1/developments/first/units/update-by-name"
        async with session.post(path, json=BODY) as response:
            await response.json()
asyncio.run(main(*sys.argv[1:]))
"""
# Where Debian and others have the authorities: a real file of them, since reading it takes time.
_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def _median_and_quartiles(values: list[float], digits: int = 0) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _imports() -> None:
    commands = {
        "nothing": ("-c", "pass"),
        "import aiohttp": ("-c", "import aiohttp"),
        "import propq_async": ("-c", "import propq_async"),
        "propq --help": ("-m", "propq_async", "--help"),
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        # All in each round, so that what the machine does meanwhile meets them all.
        for name, arguments in commands.items():
            took[name].append(_seconds(*arguments) * 1000)
    for name, values in took.items():
        print(f"{name}: {_median_and_quartiles(values)} ms")
    # Above the bare interpreter, of which nobody is free.
    trios = zip(*(took[name] for name in list(commands)[:3]), strict=True)
    more = [(ours - theirs) / (theirs - bare) * 100 for bare, theirs, ours in trios]
    print(f"import propq_async above import aiohttp: {_median_and_quartiles(more)} %")


async def _sessions() -> None:
    took = []
    async with AsyncPropQ(Credentials(1, "secret"), token_store=None) as propq:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _session in range(SESSIONS):
                async with propq.session():
                    pass
            took.append((time.perf_counter() - began) / SESSIONS * 1e6)
    print(f"a session, made, entered and left: {_median_and_quartiles(took, 1)} us")


def _cpu_seconds(environment: dict[str, str], *arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _first_update() -> None:
    scripts = {
        "one update": _ONE_UPDATE,
        "the same by aiohttp": _BY_HAND,
        "import aiohttp": "import aiohttp",
        "nothing": "pass",
    }
    took: dict[str, list[float]] = {name: [] for name in scripts}
    with certificate() as pem, tempfile.TemporaryDirectory() as folder, running(pem) as server:
        trusted, token = Path(folder, "authorities"), f"{folder}/token"
        trusted.write_bytes(_AUTHORITIES.read_bytes() + pem.read_bytes())
        environment = os.environ | {"SSL_CERT_FILE": str(trusted)}
        _cpu_seconds(environment, "-c", _ONE_UPDATE, server.url, token)  # which fetches the token
        for _ in range(ROUNDS):
            for name, script in scripts.items():
                cpu = _cpu_seconds(environment, "-c", script, server.url, token)
                took[name].append(cpu * 1000)
    for name, values in took.items():
        print(f"a script, {name}: {_median_and_quartiles(values)} ms of CPU")


if __name__ == "__main__":
    # Images of containers often forbid Python to keep what it compiled.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    asyncio.run(_sessions())
    _imports()
    _first_update()
