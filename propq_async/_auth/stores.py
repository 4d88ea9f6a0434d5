"""What a token store is, the one in memory, and where the default one keeps its file."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from propq_async._paths import default_path
from propq_async._process_bound import Unpicklable
from propq_async._wire.refusal_file import SecretRefusal
from propq_async.config import TIMEOUT_SECONDS
from propq_async.credentials import Token, TokenKey

POLL_SECONDS: Final = 0.02

# The lock is held during a token request, so a caller waits a little longer for it.
LOCK_MARGIN_SECONDS: Final = 5.0
LOCK_TIMEOUT_SECONDS: Final = TIMEOUT_SECONDS + LOCK_MARGIN_SECONDS

# How long a store may take to load or to save. After that the call goes on without it, and a
# cancelled caller leaves.
IO_SECONDS: Final = 5.0


class TokenStore(Protocol):
    """A place for tokens, keyed by `TokenKey`: any object with these four methods."""

    async def load(self, key: TokenKey) -> Token | None:
        """Return the stored token, `None` if there is none that can be used."""
        ...

    async def save(self, key: TokenKey, token: Token) -> None:
        """Store the token in place of what is there."""
        ...

    async def clear(self, key: TokenKey) -> None:
        """Forget the token of this key."""
        ...

    def lock(self, key: TokenKey) -> AbstractAsyncContextManager[bool]:
        """Exclude everyone else who shares the store; yield `False` if that took too long."""
        ...


@runtime_checkable
class FleetTokenStore(TokenStore, Protocol):
    """A store that also counts, for all processes together, how many refused tokens were replaced.

    So it is all of them together, and not each, that ask a few times for another token.
    """

    async def replacements(self, key: TokenKey, within_seconds: float) -> int:
        """Return how many refused tokens were replaced lately."""
        ...

    async def replaced(self, key: TokenKey, within_seconds: float) -> None:
        """Count one. The count begins anew so many seconds after its first one."""
        ...


@runtime_checkable
class RefusalStore(TokenStore, Protocol):
    """A store that also tells all processes which secret the token endpoint refused.

    So a secret that was changed at the server is sent by one of them, and not by each. `save` and
    `clear` forget what was told, since a token has proven it wrong.
    """

    async def load_refusal(self, key: TokenKey) -> SecretRefusal | None:
        """Return what was told last, however old it is, `None` if there is nothing."""
        ...

    async def save_refusal(self, key: TokenKey, refusal: SecretRefusal) -> None:
        """Keep what is told, in place of what was told before."""
        ...


async def polled(
    attempt: Callable[[], Awaitable[bool]],
    timeout_seconds: float,
    poll_seconds: float = POLL_SECONDS,
) -> bool:
    """Try until it works or the time is over, and return whether it worked.

    Neither a lock of threads nor one of processes can wake an event loop, so it is polled.
    """
    deadline = time.monotonic() + timeout_seconds
    while not await attempt():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        await asyncio.sleep(min(remaining, poll_seconds * (0.5 + random.random())))
    return True


def default_token_file(token_url: str, client_id: int) -> Path | None:
    """Return the default place of the token file: one for each token URL and client id.

    `None` if the user has no home directory.
    """
    # Imported here, since a store may be at another place, or in memory.
    from platformdirs import user_cache_path  # noqa: PLC0415

    digest = hashlib.sha256(token_url.encode()).hexdigest()[:12]
    directory = partial(user_cache_path, "propq-async", appauthor=False)
    return default_path("the token file", directory, f"token-{client_id}-{digest}.json")


class MemoryTokenStore(Unpicklable):
    """Tokens in memory, for managers that share this object and nothing else.

    Args:
        lock_timeout_seconds: how long `lock` waits before it yields `False`.
    """

    def __init__(self, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        self._tokens: dict[TokenKey, Token] = {}
        # Locks of threads, since managers in two threads may share the store.
        self._locks: dict[TokenKey, threading.Lock] = {}
        self._process_id = os.getpid()
        self._lock_timeout_seconds = lock_timeout_seconds

    async def load(self, key: TokenKey) -> Token | None:
        """Return the token of this key, `None` if there is none."""
        return self._tokens.get(key)

    async def save(self, key: TokenKey, token: Token) -> None:
        """Keep the token."""
        self._tokens[key] = token

    async def clear(self, key: TokenKey) -> None:
        """Forget the token of this key."""
        self._tokens.pop(key, None)

    @asynccontextmanager
    async def lock(self, key: TokenKey) -> AsyncIterator[bool]:
        """Exclude everyone else who shares this object; yield whether that worked in time."""
        if self._process_id != os.getpid():
            # A fork copies a lock as it is, but not the thread that would release it.
            self._locks, self._process_id = {}, os.getpid()
        lock = self._locks.setdefault(key, threading.Lock())

        async def attempt() -> bool:
            return lock.acquire(blocking=False)

        locked = await polled(attempt, self._lock_timeout_seconds)
        try:
            yield locked
        finally:
            if locked:
                lock.release()
