"""What other processes do in the tests: `python -m tests.helpers.processes <job> <JSON>`.

A job prints "ready" when it is, goes on when a line arrives, and prints its result as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import logging
import os
import pkgutil
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

import propq_async
from propq_async import (
    APIError,
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    LedgerError,
    RetryPolicy,
    Token,
    TokenKey,
    TokenManager,
    TokenRefusedError,
    TokenStore,
    UnitStatus,
    UnitUpdate,
)
from propq_async._auth import json_file, token_file_access
from propq_async.ledger import Account, Ledger

NOBODY = 65534
STRANGER = 12345
KEY = TokenKey("https://api.propq.com/oauth/token", 7)


def a_token(value: str = "token-1", *, age: float = 0.0, lifetime: float = 3600.0) -> Token:
    issued_at = datetime.now(UTC) - timedelta(seconds=age)
    return Token(value, "Bearer", issued_at + timedelta(seconds=lifetime), issued_at)


def _store(place: str) -> TokenStore:
    """Return the store at a path, or at the URL of a Redis."""
    if "://" not in place:
        return JsonFileTokenStore(place)
    from propq_async.redis import RedisTokenStore  # noqa: PLC0415 - most jobs do without

    return RedisTokenStore(place)


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
        store=_store(path),
    )
    await _started()
    return (await manager.get_token()).access_token


async def cold_with_lock(
    url: str, place: str, secret: str, client_id: int, lock_seconds: float
) -> Any:
    """Get a token under a lock in Redis that outlives its holder by so many seconds."""
    from propq_async.redis import RedisTokenStore  # noqa: PLC0415 - most jobs do without

    store = RedisTokenStore(place, lock_seconds=lock_seconds)
    manager = TokenManager(
        Credentials(client_id, secret), token_url=url + "/oauth/token", store=store
    )
    await _started()
    return (await manager.get_token()).access_token


async def insist(url: str, place: str, secret_file: str, client_id: int) -> Any:
    """Ask for a token again and again, until there is one."""
    manager = TokenManager(
        Credentials(client_id, lambda: Path(secret_file).read_text()),
        token_url=url + "/oauth/token",
        store=_store(place),
    )
    await _started()
    refused = 0
    while True:
        try:
            await manager.get_token()
        except TokenRefusedError:
            refused += 1
            await asyncio.sleep(0.05)
        else:
            return {"refused": refused, "healed_at": time.time()}


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


async def rounds(url: str, path: str, secret: str, client_id: int, count: int) -> Any:
    """Make so many calls at once for each line that arrives, and say what became of them."""
    warnings: list[str] = []
    _collect(warnings)
    propq = AsyncPropQ(Credentials(client_id, secret), base_url=url, token_store=_store(path))
    body = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 1, "UntDirections": ["N"]}
    path = "/v1/developments/4711/units/update-by-name"
    loop = asyncio.get_running_loop()
    async with propq.session() as session:
        _say("ready")
        while await loop.run_in_executor(None, sys.stdin.readline):
            calls = (session.request("POST", path, json=body) for _ in range(count))
            results = await asyncio.gather(*calls, return_exceptions=True)
            failed = sum(isinstance(result, BaseException) for result in results)
            _say(json.dumps({"failed": failed, "warnings": warnings}))
            warnings.clear()
    return "done"


async def share(
    url: str,
    redis_url: str,
    secret: str,
    client_id: int,
    number: int,
    count: int,
    rows: int,
    left_alone_seconds: float,
    max_calls_per_second: float | None = None,
) -> Any:
    """Update each `count`-th row at the pace of a fleet; return how many were not applied."""
    from propq_async._throttling import leases  # noqa: PLC0415 - most do without
    from propq_async.redis import RedisLimiter, _connection  # noqa: PLC0415 - most do without

    for module in (_connection, leases):
        setattr(module, "LEFT_ALONE_SECONDS", left_alone_seconds)  # noqa: B010 - it is Final
    propq = AsyncPropQ(
        Credentials(client_id, secret),
        base_url=url,
        token_store=_store(redis_url),
        shared_limiter=RedisLimiter(redis_url),
        max_calls_per_second=max_calls_per_second,
    )
    updates = (
        UnitUpdate("4711", f"A-{row}", UnitStatus.SOLD, 1000 + row, ["N"])
        for row in range(number, rows, count)
    )
    async with propq.session() as session:
        await _started()
        async with session.units.update_many(updates) as batch:
            return sum([not outcome.ok async for outcome in batch])


async def leave(url: str, path: str, secret: str, client_id: int, hanging: str) -> Any:
    """Leave a session while a function of the token file hangs for good."""
    reached, never = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        reached.set()
        never.wait()

    setattr(json_file if hasattr(json_file, hanging) else token_file_access, hanging, hang)
    propq = AsyncPropQ(
        Credentials(client_id, secret), base_url=url, token_store=JsonFileTokenStore(path)
    )
    async with propq.session() as session:
        call = asyncio.create_task(session.request("GET", "/v1/anything"))
        await asyncio.to_thread(reached.wait)
        call.cancel()
    return "left"


async def hold(path: str) -> Any:
    """Hold the lock until killed."""
    async with JsonFileTokenStore(path).lock(KEY) as locked:
        assert locked
        await _started()


async def hold_ledger(path: str) -> Any:
    """Hold a ledger for a push until killed."""
    async with Ledger(path) as ledger, ledger.exclusive():
        await _started()


async def remembered(url: str, client_id: int, secret: str, ledger_path: str, path: str) -> Any:
    """Plan a push under the lock, wait, and push; return what became of the rows."""
    from propq_async import pricelist  # noqa: PLC0415 - it is slow to import

    propq = AsyncPropQ(Credentials(client_id, secret), base_url=url, token_store=None)
    async with propq, Ledger(ledger_path) as ledger, ledger.exclusive():
        made = await pricelist.plan(pricelist.read(path), propq, ledger)
        await _started()
        try:
            async with pricelist.push(made, propq, ledger, accept="all") as outcomes:
                return sorted([[one.change.update.name, one.ok] async for one in outcomes])
        except LedgerError as error:
            return str(error)


async def write_ledger(path: str) -> Any:
    """Begin a push: one update is acknowledged, and another one is marked. Then wait."""
    account = Account("https://api.propq.com", 7)
    done, begun = (
        UnitUpdate("4711", name, UnitStatus.SOLD, 250_000, ["N"]) for name in ("A-101", "A-102")
    )
    async with Ledger(path) as ledger, ledger.exclusive():
        await ledger.mark(account, [done])
        await ledger.acknowledge(account, [done])
        await ledger.mark(account, [begun])
        await _started()


async def read_ledger(path: str) -> Any:
    """Read a ledger as nobody; return its generation, and the units that it knows of account 7."""

    async def look(place: Path) -> list[Any]:
        async with Ledger(place) as ledger:
            found = await ledger.entries(Account("https://api.propq.com", 7), ["4711"])
            return [await ledger.generation(), sorted(name for _, name in found)]

    # First as ourselves, to import everything: the other user cannot read the packages.
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(Path(path).parent, directory, dirs_exist_ok=True)
        await look(Path(directory) / Path(path).name)
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    return await look(Path(path))


def run_as_stranger(directory: str, commands: list[list[str]], variables: dict[str, str]) -> Any:
    """Run commands as an unknown user; return the status of each, and what it said."""
    from propq_async._cli import app  # noqa: PLC0415 - it is slow to import

    for module in pkgutil.walk_packages(propq_async.__path__, "propq_async."):
        if module.name not in ("propq_async.__main__", "propq_async.testing.plugin"):
            importlib.import_module(module.name)

    def run_all() -> list[Any]:
        results: list[Any] = []
        for command in commands:
            raw = io.BytesIO()
            said = io.TextIOWrapper(raw, encoding="utf-8")
            with redirect_stdout(said), redirect_stderr(said):
                status = app.run(command)
                said.flush()
            results.append([status, raw.getvalue().decode()])
        return results

    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    # First as ourselves, to import everything: the stranger cannot read the packages.
    with tempfile.TemporaryDirectory() as warm:
        os.environ.update(PROPQ_LEDGER=f"{warm}/l", PROPQ_TOKEN_FILE=f"{warm}/t")
        run_all()
    os.environ.clear()
    os.environ.update(variables)
    os.setgroups([])
    os.setgid(STRANGER)
    os.setuid(STRANGER)
    return run_all()


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

    # First as ourselves, to import everything: the other user cannot read the packages.
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


async def steady(
    url: str, path: str, secret: str, client_id: int, per_second: float, seconds: float
) -> Any:
    """Make single calls at a steady rate; return when those ended that got through."""
    propq = AsyncPropQ(
        Credentials(client_id, secret), base_url=url, token_store=JsonFileTokenStore(path)
    )
    times: list[float] = []

    async def call() -> None:
        with suppress(APIError):
            await session.request(
                "POST",
                "/v1/developments/4711/units/update-by-name",
                json={"UntName": "A-101", "UntStatus": 4, "UntPrice": 1, "UntDirections": ["N"]},
            )
            times.append(time.monotonic())

    async with propq.session() as session, asyncio.TaskGroup() as group:
        await propq.tokens.get_token()
        await _started()
        for _ in range(int(per_second * seconds)):
            group.create_task(call())
            await asyncio.sleep(1 / per_second)
    return times


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
    async def start(
        cls, job: Callable[..., Any], *arguments: Any, ready: bool = True, on: Sequence[str] = ()
    ) -> Process:
        """Start a job of this module, and wait until it says that it is ready.

        `on`: what goes before the command, to run it on another host.
        """
        process = await asyncio.create_subprocess_exec(
            *on,
            sys.executable,
            "-m",
            "tests.helpers.processes",
            job.__name__,
            json.dumps([str(item) if isinstance(item, Path) else item for item in arguments]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            # A killed process, or one of another user, cannot write its coverage.
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

    async def line(self) -> Any:
        """Return what it says next."""
        assert self.process.stdout is not None
        return json.loads(await self.process.stdout.readline())

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
