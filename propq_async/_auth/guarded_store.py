"""A store that may hang or fail, and never costs a call more than a little time."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar, cast

import attrs

from propq_async._waiting import finish, seen
from propq_async._wire.refusal_file import SecretRefusal
from propq_async._wire.token_file import dump_token, parse_token
from propq_async.credentials import Token, TokenKey
from propq_async.errors import PropQError

from .refusals import REFUSED_AT_ONCE
from .stores import IO_SECONDS, FleetTokenStore, RefusalStore, TokenStore

logger = logging.getLogger("propq_async.token_store")
_T = TypeVar("_T")

# How long a store that took longer than `IO_SECONDS` in one refresh is left alone.
HANGING_SECONDS: Final = 60.0


@attrs.define(eq=False, repr=False)
class GuardedStore:
    """A store that cannot make a call fail: this stops its errors and its long delays.

    A store that hangs (a disk that is gone, an executor that is full) is waited for once, and then
    left alone for a while. A slow one has `io_seconds` for all that a refresh asks of it.
    """

    store: TokenStore
    key: TokenKey
    lock_seconds: float
    io_seconds: float = IO_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    _hangs_until: float = attrs.field(default=-math.inf, init=False)
    _troubled: bool = attrs.field(default=False, init=False)
    # What is left of `io_seconds` for this refresh.
    _left_seconds: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a refresh, with all of the time that the store may take for it."""
        self._left_seconds = self.io_seconds

    async def load(self) -> Token | None:
        """Return the stored token, `None` if there is none or no answer."""

        async def load() -> Token | None:
            token = await self.store.load(self.key)
            return None if token is None else self._checked(token)

        return await self._asked("load", load)

    async def save(self, token: Token) -> None:
        await self._asked("save", lambda: self.store.save(self.key, token))

    async def may_replace(self, interval_seconds: float) -> bool:
        """Return whether one more refused token may be replaced, as far as others are concerned.

        They may replace `REFUSED_AT_ONCE` of them in as many intervals.
        """
        store = self.store
        if not isinstance(store, FleetTokenStore):
            return True
        within_seconds = REFUSED_AT_ONCE * interval_seconds
        count = await self._asked("count", lambda: store.replacements(self.key, within_seconds))
        return count is None or count < REFUSED_AT_ONCE

    async def replaced(self, interval_seconds: float) -> None:
        store = self.store
        if isinstance(store, FleetTokenStore):
            within_seconds = REFUSED_AT_ONCE * interval_seconds
            await self._asked("count", lambda: store.replaced(self.key, within_seconds))

    @property
    def shares_refusals(self) -> bool:
        """Return whether processes can tell each other which secret was refused."""
        return not self._hangs and isinstance(self.store, RefusalStore)

    async def refusal(self) -> SecretRefusal | None:
        """Return what was told last of a refused secret, `None` if there is nothing."""
        store = self.store
        if not isinstance(store, RefusalStore):
            return None

        async def load() -> SecretRefusal | None:
            found: Any = await store.load_refusal(self.key)
            if found is None or isinstance(found, SecretRefusal):
                return found
            raise TypeError("not a refusal")

        return await self._asked("load", load)

    async def tell_refusal(self, refusal: SecretRefusal) -> None:
        """Tell others that a secret was refused, if the store `shares_refusals`."""
        store = cast("RefusalStore", self.store)
        await self._asked("save", lambda: store.save_refusal(self.key, refusal))

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[bool]:
        """Hold the lock of the store, or go on without it when the time is over."""
        if self._hangs:
            yield False
            return
        async with AsyncExitStack() as stack:
            locked = False
            # In this task, unlike load and save: some locks belong to the task that took them.
            with self._warned("lock"):
                async with asyncio.timeout(self.lock_seconds):
                    locked = bool(await stack.enter_async_context(self.store.lock(self.key)))
            try:
                yield locked
            finally:
                with self._warned("unlock"):
                    async with asyncio.timeout(self.io_seconds):
                        await stack.aclose()

    @property
    def _hangs(self) -> bool:
        return self.monotonic() < self._hangs_until

    def _checked(self, token: Any) -> Token:
        """Return the token of a store that may hand out anything.

        It is sound if the file format can express it.
        """
        sound = parse_token(dump_token(self.key, token), self.key)
        if not isinstance(sound, Token):
            raise TypeError("not a usable token")
        return sound

    async def _asked(self, what: str, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T | None:
        """Return what the store answers, `None` if it fails, takes too long or is left alone."""
        if not self._hangs:
            with self._warned(what):
                return await self._in_time(work)
        return None

    async def _in_time(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        task = asyncio.ensure_future(work())
        loop = asyncio.get_running_loop()
        left, began = self._left_seconds, loop.time()
        try:
            # Work that has begun may end, so that the lock is not released before it.
            await finish(asyncio.wait((task,), timeout=left), patience_seconds=left)
        finally:
            self._left_seconds = max(0.0, left - (loop.time() - began))
            # Not awaited: work that hangs on a disk does not react to this either.
            task.cancel()
            task.add_done_callback(seen)
        if not task.done():
            self._hangs_until = self.monotonic() + HANGING_SECONDS
            raise TimeoutError
        return task.result()

    @contextmanager
    def _warned(self, what: str) -> Iterator[None]:
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:  # a user's store may raise anything
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            level = logging.DEBUG if self._troubled else logging.WARNING
            self._troubled = True
            # Other errors than ours might show the token in their text.
            reason = str(error) if isinstance(error, PropQError) else type(error).__name__
            logger.log(
                level,
                "the token store failed to %s (%s); the token stays in memory",
                what,
                reason,
            )
