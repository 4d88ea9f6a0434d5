"""What the server has acknowledged: an SQLite file that a price list is compared with.

There is no way to read units back, so this is the only memory of what the server has. It must never
claim more than is certain, whatever is killed at whatever moment:

    unknown ──mark──▶ in doubt ──acknowledge──▶ acknowledged ──mark──▶ in doubt ...

A unit is marked in doubt, durably, before an update of it may be sent. Only an acknowledged update
clears the mark; or whoever set it takes it back, being certain that nothing was sent. So if A is
acknowledged, B is sent and the process dies, the ledger says "A, in doubt", and A is sent again
although nobody ever saw B acknowledged.

Whether the server tells names apart that differ only by case or spaces is not known. A mark of one
is a mark of all of these, and an acknowledgement of one leaves the others in doubt.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from platformdirs import user_data_path

from propq_async.aio import finish
from propq_async.config import Clock
from propq_async.models import UnitUpdate

from .database import Database
from .entries import Account, Entry, LedgerBusyError, LedgerError, Unit, alike, exact

__all__ = ["Account", "Entry", "Ledger", "LedgerBusyError", "LedgerError", "Unit", "alike", "exact"]

_T = TypeVar("_T")

LEDGER_VARIABLE: Final = "PROPQ_LEDGER"


class Ledger:
    """The ledger in a file; `async with Ledger(path) as ledger:`.

    All of SQLite runs in one thread of its own, so that the event loop never waits for a disk. The
    file is made when something is first written, and whoever only reads changes nothing.

    Args:
        path: the file; by default the one that the environment variable `PROPQ_LEDGER` names, or
            `ledger.sqlite3` in the user's data directory. It is the one of the commands, too.
        clock: where the time comes from.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        self.path: Final = (default_path() if path is None else Path(path)).absolute()
        self._wall = clock.wall
        self._database = Database(self.path, clock.wall)
        self._thread: ThreadPoolExecutor | None = None
        self._owner: asyncio.Task[Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    async def __aenter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("this ledger is open already")
        self._thread = ThreadPoolExecutor(1, "propq_async ledger")
        return self

    async def __aexit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await finish(self._end(thread))

    async def _end(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(thread, self._database.close)
        await loop.run_in_executor(None, thread.shutdown)

    def now(self) -> float:
        """Return the time of day by the ledger's clock, in seconds since the epoch."""
        return self._wall()

    # --- what is asked of it ----------------------------------------------------------------------

    async def entries(
        self, account: Account, development_ids: Iterable[str], source: str | None = None
    ) -> dict[Unit, Entry]:
        """Return what is known of the units of these developments, or last pushed from `source`.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._database.entries, account, list(development_ids), source)

    async def generation(self) -> int:
        """Return a number that is another one after each mark.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        return await self._run(self._database.generation)

    async def mark(self, account: Account, updates: Iterable[UnitUpdate]) -> list[Unit]:
        """Mark units in doubt, before their updates may be sent. It outlives a power cut.

        Returns:
            The units that were not in doubt before.

        Raises:
            LedgerError: nothing was marked.
        """
        return await self._run(self._database.mark, account, list(updates))

    async def unmark(
        self, account: Account, updates: Iterable[UnitUpdate], marked: Iterable[Unit]
    ) -> None:
        """Take back the marks of updates of which it is certain that none was sent.

        Args:
            account: whose units they are.
            updates: the updates.
            marked: what `mark` has returned. What was in doubt before stays in doubt.

        Raises:
            LedgerError: nothing was taken back.
        """
        await self._run(self._database.unmark, account, list(updates), list(marked))

    async def acknowledge(
        self, account: Account, updates: Iterable[UnitUpdate], source: str | None = None
    ) -> None:
        """Note that the server has acknowledged these updates; it outlives the process.

        Raises:
            LedgerError: nothing was noted.
        """
        await self._run(self._database.acknowledge, account, list(updates), source)

    async def note_missing(self, account: Account, units: Iterable[Unit]) -> None:
        """Note that somebody knows that these units are in no list any more.

        Raises:
            LedgerError: nothing was noted.
        """
        await self._run(self._database.note_missing, account, list(units))

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep others from pushing with this ledger. The system lets go if this process dies.

        A task that has it may ask for it again; another one, in this process or not, may not.

        Raises:
            LedgerBusyError: another push is at work with it.
            LedgerError: the ledger cannot be locked.
        """
        here = asyncio.current_task()
        if self._owner is here:
            yield
            return
        await self._run(self._database.acquire)
        self._owner = here
        try:
            yield
        finally:
            self._owner = None
            await self._run(self._database.release)

    # --- in the thread ----------------------------------------------------------------------------

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        if self._thread is None:
            raise RuntimeError("this ledger is not open: use `async with Ledger(path) as ledger:`")
        call = partial(self._tell, function, *arguments)
        # To its end in any case: a transaction that runs on behind the caller's back would be
        # overtaken.
        return await finish(asyncio.get_running_loop().run_in_executor(self._thread, call))

    def _tell(self, function: Callable[..., _T], *arguments: object) -> _T:
        try:
            return function(*arguments)
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise LedgerError(
                    f"the ledger {self.path} is kept locked by another program, such as a viewer "
                    "of databases: close it there, and do this again"
                ) from error
            raise LedgerError(
                f"the ledger {self.path} cannot be used: {_advice(self.path, error)} (whatever is "
                "not in it is sent again)"
            ) from error


def _advice(path: Path, error: Exception) -> str:
    """Return what is wrong with the file, and what to do."""
    if path.is_dir():
        example = shlex.quote(str(path / "ledger.sqlite3"))
        return f"it is a directory; name a file in it, such as --ledger {example}"
    if "not a database" in str(error):
        return (
            f"{error}, and so no ledger; name with --ledger one that propq has made, or a file "
            "that is not there yet"
        )
    why = (error.strerror if isinstance(error, OSError) else None) or error
    return f"{why}; make room or give access to {path.parent}, or name another --ledger"


def default_path() -> Path:
    """Return where the environment, or else the system, wants the ledger."""
    named = os.environ.get(LEDGER_VARIABLE)
    if named:
        return Path(named)
    return user_data_path("propq-async", appauthor=False) / "ledger.sqlite3"
