"""What other processes do in the tests: `python -m tests.processes <job> <arguments as JSON>`.

A job prints "ready" when it is, goes on when a line arrives, and prints its result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from propq_async import (
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    RetryPolicy,
    Token,
    TokenKey,
    TokenManager,
)
from propq_async.ledger import Account, Ledger

NOBODY = 65534
KEY = TokenKey("https://api.propq.com/oauth/token", 7)


def a_token(value: str = "token-1", *, age: float = 0.0, lifetime: float = 3600.0) -> Token:
    issued_at = datetime.now(UTC) - timedelta(seconds=age)
    return Token(value, "Bearer", issued_at + timedelta(seconds=lifetime), issued_at)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _started() -> None:
    _say("ready")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def cold(url: str, path: str, secret: str, client_id: int) -> Any:
    """Get a token, like many others at the same moment."""
    manager = TokenManager(
        Credentials(client_id, secret),
        token_url=url + "/oauth/token",
        store=JsonFileTokenStore(path),
    )
    await _started()
    return (await manager.get_token()).access_token


async def calls(url: str, path: str, secret: str, client_id: int) -> Any:
    """Make one call, wait for the revocation, make 50 at once; return how many failed."""
    propq = AsyncPropQ(
        Credentials(client_id, secret), base_url=url, token_store=JsonFileTokenStore(path)
    )

    async def call() -> None:
        await session.request(
            "POST",
            "/v1/developments/4711/units/update-by-name",
            json={"UntName": "A-101", "UntStatus": 4, "UntPrice": 1, "UntDirections": ["N"]},
        )

    async with propq.session() as session:
        await call()
        await _started()
        results = await asyncio.gather(*(call() for _ in range(50)), return_exceptions=True)
    return sum(isinstance(result, BaseException) for result in results)


async def hold(path: str) -> Any:
    """Hold the lock until killed."""
    async with JsonFileTokenStore(path).lock(KEY) as locked:
        assert locked
        await _started()


async def hold_ledger(path: str) -> Any:
    """Hold a ledger for a push until killed."""
    async with Ledger(path) as ledger, ledger.exclusive():
        await _started()


async def read_ledger(path: str) -> Any:
    """Read a ledger as nobody; return its generation, and the units that it knows of account 7."""

    async def look(place: Path) -> list[Any]:
        async with Ledger(place) as ledger:
            found = await ledger.entries(Account("https://api.propq.com", 7), ["4711"])
            return [await ledger.generation(), sorted(name for _, name in found)]

    # Once as ourselves, so that everything is imported that nobody may not read.
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(Path(path).parent, directory, dirs_exist_ok=True)
        await look(Path(directory) / Path(path).name)
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    return await look(Path(path))


def rewrite(path: str, kills: int) -> Any:
    """Save again and again in a child that is killed, and then in the next."""

    async def save() -> None:
        store = JsonFileTokenStore(path)
        while True:
            for letter in "ab":
                await store.save(KEY, a_token(letter * 2000))

    for number in range(kills):
        child = os.fork()
        if child == 0:
            asyncio.run(save())
        time.sleep(0.01 + number % 23 * 0.0007)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
    return kills


async def unprivileged(path: str, limit: int | None = None) -> Any:
    """Load, lock and save as nobody, perhaps where a file may not grow beyond `limit` bytes."""
    import resource  # noqa: PLC0415 - POSIX

    # Once as ourselves, so that everything is imported that nobody may not read.
    with tempfile.TemporaryDirectory() as directory:
        warm = JsonFileTokenStore(Path(directory) / "token.json")
        async with warm.lock(KEY):
            await warm.save(KEY, a_token())
            await warm.load(KEY)
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    warnings: list[str] = []
    _collect(warnings)
    store = JsonFileTokenStore(path)
    before = await store.load(KEY)
    async with store.lock(KEY) as locked:
        await store.save(KEY, a_token("new"))
    after = await store.load(KEY)
    return {
        "before": before and before.access_token,
        "locked": locked,
        "after": after and after.access_token,
        "warnings": warnings,
    }


def _collect(warnings: list[str]) -> None:
    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                warnings.append(record.getMessage())

    logging.getLogger("propq_async").addHandler(Collector())


def fork(url: str, path: str, secret: str, client_id: int) -> Any:
    """Get a token, fork, and use the same manager on both sides, twice."""
    manager = TokenManager(
        Credentials(client_id, secret),
        token_url=url + "/oauth/token",
        store=JsonFileTokenStore(path),
        retry=RetryPolicy(attempts=1),
    )
    first = asyncio.run(manager.get_token())

    async def again() -> list[str]:
        warm = await manager.get_token()
        manager.invalidate(warm)
        renewed = await manager.get_token()
        return [warm.access_token, renewed.access_token]

    reader, writer = os.pipe()
    child = os.fork()
    mine = asyncio.run(again())
    if child == 0:
        os.write(writer, json.dumps(mine).encode())
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        theirs = json.loads(pipe.read())
    return {"first": first.access_token, "mine": mine, "theirs": theirs, "status": status}


@attrs.define
class Process:
    """A running job."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, job: Callable[..., Any], *arguments: Any, ready: bool = True) -> Process:
        """Start a job of this module, and wait until it says that it is ready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.processes",
            job.__name__,
            json.dumps([str(item) if isinstance(item, Path) else item for item in arguments]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parent.parent,
            # Whoever is killed, or is nobody, has no coverage to write down.
            env={name: v for name, v in os.environ.items() if not name.startswith("COV")},
        )
        started = cls(process)
        if ready:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        return started

    def go(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")

    async def result(self) -> Any:
        """Wait for its end and return its result."""
        output, _ = await self.process.communicate()
        assert self.process.returncode == 0
        return json.loads(output)

    async def kill(self) -> None:
        """Kill it, and wait until it is dead."""
        self.process.kill()
        await self.process.communicate()


def main() -> None:
    job: Callable[..., Any] = globals()[sys.argv[1]]
    result = job(*json.loads(sys.argv[2]))
    if isinstance(result, Awaitable):

        async def run() -> Any:
            return await result

        result = asyncio.run(run())
    _say(json.dumps(result))


if __name__ == "__main__":
    main()
