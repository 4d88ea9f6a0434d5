"""A ledger that is open: its thread, and who may write to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from propq_async._paths import is_url
from propq_async._process_bound import Unpicklable
from propq_async._secret import SecretStr
from propq_async._settings import check_at_least
from propq_async._waiting import finish
from propq_async.clock import Clock

from ._entries import Account, Claim, LedgerBusyError
from ._place import backend_of
from ._records import Records

__all__ = ["OpenLedger", "not_open"]

_T = TypeVar("_T")

# Who waits for a lock looks as often as this whether it is free.
LOOK_SECONDS: Final = 0.2


class OpenLedger(Unpicklable):
    """What `Ledger` does with its database, apart from what is in it."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        if is_url(path):
            path = SecretStr(path)
        self._path, self._backend = backend_of(path)
        self.location: Final = self._backend.location
        self._wall = clock.wall
        self._records = Records(self._backend, clock.wall)
        self._thread: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    @property
    def path(self) -> Path:
        """Return the file.

        Raises:
            AttributeError: the ledger is on a server.
        """
        if self._path is None:
            raise AttributeError(f"the ledger {self.location} is no file: it has no path")
        return self._path

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
        await loop.run_in_executor(thread, self._backend.close)
        await loop.run_in_executor(None, thread.shutdown)

    @asynccontextmanager
    async def exclusive(
        self,
        account: Account | None = None,
        *,
        shard: tuple[int, int] | None = None,
        wait_seconds: float = 0.0,
    ) -> AsyncIterator[None]:
        """Keep others from pushing with this ledger. The lock ends with the process.

        The task that holds it may enter again; any other task gets an error.

        Args:
            account: for which account; by default for all of them. A file has one lock for all.
            shard: for which part of the account, as `(2, 5)`. Those who push other parts, of as
                many, are let in.
            wait_seconds: how long to wait for whoever holds it.

        Raises:
            LedgerBusyError: another push is at work with it.
            LedgerError: the ledger cannot be locked.
        """
        check_at_least("wait_seconds", wait_seconds, 0)
        claim, here = Claim(account, shard), asyncio.current_task()
        if self._backend.holds(claim, here):
            yield
            return
        try:
            await self._acquire(claim, here, wait_seconds)
            yield
        finally:
            # Also if `acquire` fails or is cancelled: it may have taken the lock by then.
            await self._run(self._backend.release, claim, here)

    async def _acquire(self, claim: Claim, owner: object, wait_seconds: float) -> None:
        now = asyncio.get_running_loop().time
        deadline = now() + wait_seconds
        while True:
            try:
                await self._run(self._backend.acquire, claim, owner, self._wall)
            except LedgerBusyError:
                left = deadline - now()
                if left <= 0:
                    raise
            else:
                return
            await asyncio.sleep(min(left, LOOK_SECONDS))

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        if self._thread is None:
            raise not_open()
        call = partial(self._explain, function, *arguments)
        # Even if the caller is cancelled: otherwise its next call could overtake the transaction
        # that still runs.
        return await finish(asyncio.get_running_loop().run_in_executor(self._thread, call))

    def _explain(self, function: Callable[..., _T], *arguments: object) -> _T:
        try:
            return function(*arguments)
        except Exception as error:
            explained = self._backend.explained(error)
            if explained is None:
                raise
        # Not within `except`: what a server's error refers to may hold the password.
        raise explained


def not_open() -> RuntimeError:
    return RuntimeError("this ledger is not open: use `async with Ledger(path) as ledger:`")
