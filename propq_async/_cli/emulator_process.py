"""The emulator in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from propq_async.credentials import Credentials

from .emulate import EXPORT
from .exit_codes import CommandError, Exit

__all__ = ["Child", "emulator_process"]

STEER_SECONDS: Final = 10.0
END_SECONDS: Final = 5.0

# In a process group of its own, so that Ctrl-C on the terminal reaches the client only.
_OWN_GROUP: Final = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


@attrs.frozen
class Child:
    """A running emulator."""

    process: Process
    url: str
    credentials: Credentials
    http: aiohttp.ClientSession

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Cancel the current task if the emulator ends while the block runs."""
        task = asyncio.current_task()
        watcher = asyncio.create_task(self.process.wait())

        def ended(_: object) -> None:
            if inside and task is not None:
                task.cancel()

        watcher.add_done_callback(ended)
        inside = True
        try:
            yield
        finally:
            inside = False
            watcher.cancel()

    async def steer(self, name: str, **arguments: Any) -> None:
        """Make the emulator do something: `revoke_tokens`, `throttle` and so on."""
        async with self.http.post(f"{self.url}/_emulator/{name}", json=arguments) as answer:
            answer.raise_for_status()

    async def state(self) -> dict[str, int] | None:
        """Return the emulator's counters, `None` if it is gone."""
        try:
            async with self.http.get(f"{self.url}/_emulator/state") as answer:
                state: dict[str, int] = await answer.json()
                return state
        except (aiohttp.ClientError, TimeoutError):
            return None


@asynccontextmanager
async def emulator_process(units: Path, log: Path) -> AsyncIterator[Child]:
    """Run `propq emulate` while the block runs."""
    command = (sys.executable, "-m", "propq_async", "emulate", "--end-with-stdin", "--quiet")
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command, "--units", str(units),
            stdin=PIPE, stdout=PIPE, stderr=stderr,
            start_new_session=True, creationflags=_OWN_GROUP,
        )  # fmt: skip
    try:
        url, credentials = await _read_address(process, log)
        timeout = aiohttp.ClientTimeout(total=STEER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield Child(process, url, credentials, http)
    finally:
        await _end(process)


async def _read_address(process: Process, log: Path) -> tuple[str, Credentials]:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    variables: dict[str, str] = {}
    while "PROPQ_CLIENT_SECRET" not in variables:
        line = (await process.stdout.readline()).decode().strip()
        if not line:
            raise CommandError(f"the emulator did not start; {_last_words(log)}", Exit.STOPPED)
        name, _, value = line.removeprefix(EXPORT).partition("=")
        variables[name] = value
    return variables["PROPQ_BASE_URL"], Credentials.from_env(variables)


def _last_words(log: Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    return f"it said:\n{said}" if said else "it said nothing"


async def _end(process: Process) -> None:
    # If this process is killed first, the child ends because its standard input does.
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
