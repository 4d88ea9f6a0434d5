"""Where tokens are kept, and the lock that lets all who share the place make one token request.

A store is a convenience: whatever goes wrong with it is one warning on the logger, never a failed
call.
"""

from __future__ import annotations

import asyncio
import errno
import glob
import logging
import math
import os
import random
import secrets
import stat
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

import aiofiles
import attrs
from filelock import FileLock, Timeout

from .aio import finish
from .config import Clock
from .errors import ConfigurationError
from .hidden import HiddenBytes
from .models import Token, TokenKey
from .wire import dump_token, parse_token

__all__ = ["JsonFileTokenStore", "MemoryTokenStore", "SafeStore", "TokenStore"]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_Part: TypeAlias = Literal["file", "lock"]

MAX_FILE_BYTES: Final = 256 * 1024
POLL_SECONDS: Final = 0.02
LOCK_TIMEOUT_SECONDS: Final = 35.0
# A save takes milliseconds. What is older was left by a process that was killed in the middle.
STALE_SECONDS: Final = 10.0
# How long a store may take to load or to save, before the call goes on without it.
IO_SECONDS: Final = 5.0
# How long a store that took longer than that is left alone.
HANGING_SECONDS: Final = 60.0


class TokenStore(Protocol):
    """A place for tokens, keyed by `TokenKey`. Anything with these four methods will do."""

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
        """Exclude everyone else who shares the store; `False` if that was not to be had in time."""
        ...


async def _polled(attempt: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
    """Try again and again until it works or the time is over.

    Polled, since neither a lock of threads nor one of processes can wake an event loop.
    """
    deadline = time.monotonic() + timeout_seconds
    while not await attempt():
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False
        await asyncio.sleep(min(remaining, POLL_SECONDS * (0.5 + random.random())))
    return True


class MemoryTokenStore:
    """Tokens in memory, for managers that share this object and nothing else.

    Args:
        lock_timeout_seconds: how long `lock` waits before it yields `False`.
    """

    def __init__(self, *, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        self._tokens: dict[TokenKey, Token] = {}
        # Of threads, since managers in two threads, each with a loop, may share the store.
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
        """Exclude everyone else who shares this object."""
        if self._process_id != os.getpid():
            # After a fork, which copies a lock as it is, but not the thread that would release it.
            self._locks, self._process_id = {}, os.getpid()
        lock = self._locks.setdefault(key, threading.Lock())

        async def attempt() -> bool:
            return lock.acquire(blocking=False)

        locked = await _polled(attempt, self._lock_timeout_seconds)
        try:
            yield locked
        finally:
            if locked:
                lock.release()


class JsonFileTokenStore:
    """One token in one JSON file, shared by every process that can read it.

    The file has mode 0600 from its first byte and is replaced atomically and durably. What is not
    a token file of this key (torn, expired, of another client, a link, a device, another user's) is
    a miss, and the next `save` replaces it. A file that others may read is tightened.

    Args:
        path: the file; `~` is expanded. Its directory is made, with mode 0700, when needed.
        lock_timeout_seconds: how long `lock` waits before it yields `False`. Should be a little
            longer than a token request may take.
        clock: tells what has expired.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        try:
            self.path = Path(path).expanduser()
        except RuntimeError:
            raise ConfigurationError(
                f"the token file {str(path)!r} is in the home directory of nobody known here: give "
                "its path without ~"
            ) from None
        self._clock = clock
        self._lock_timeout_seconds = lock_timeout_seconds
        # What is wrong and has been said: the reason, and whether file or lock is concerned.
        self._known: dict[str, _Part] = {}

    def __repr__(self) -> str:
        # A traceback with locals shows an object whose constructor has refused, too.
        return f"{type(self).__name__}({str(getattr(self, 'path', None))!r})"

    async def load(self, key: TokenKey) -> Token | None:
        """Return the token in the file, `None` if there is none for this key that still lives."""
        token = await self._read(key)
        expired = token is None or token.expires_at.timestamp() <= self._clock.wall()
        return None if expired else token

    async def save(self, key: TokenKey, token: Token) -> None:
        """Write the token. Once begun it runs to its end, even if the caller is cancelled."""
        # One job in a thread, and not a chain of awaits: nothing can cut it between the temporary
        # file and its renaming.
        await self._write(lambda: self._replace(key, token))

    async def clear(self, key: TokenKey) -> None:
        """Remove the file, if it is the one of this key."""
        if await self._read(key) is not None:
            await self._write(lambda: self.path.unlink(missing_ok=True))

    @asynccontextmanager
    async def lock(self, key: TokenKey) -> AsyncIterator[bool]:  # noqa: ARG002 - one file, one key
        """Exclude every process that uses the file, by a lock on `<path>.lock`.

        The lock file is never deleted: two who lock a name that changes hands exclude nobody. The
        lock dies with its process.
        """
        lock = FileLock(
            f"{self.path}.lock",
            mode=0o600,
            # Acquired and released by whichever thread of the executor is free.
            thread_local=False,
            # And with it, no soft lock where there is no other: it would outlive a killed process.
            preserve_lock_file=True,
        )

        abandoned = False

        def acquire() -> bool:
            _make_directory(self.path.parent)
            with suppress(Timeout):
                lock.acquire(blocking=False)
            if abandoned:
                lock.release()
            return lock.is_locked

        async def attempt() -> bool:
            # In a thread, since even a lock that does not wait touches the disk.
            return await asyncio.shield(_in_thread(acquire))

        try:
            yield await self._locked(attempt)
        finally:
            # A cancelled caller may have left an attempt behind in its thread. It looks at this
            # after it has acquired, we look at the lock after we have set it: one of us releases.
            abandoned = True
            if lock.is_locked:
                await asyncio.shield(_in_thread(lock.release))

    async def _locked(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        try:
            locked = await _polled(attempt, self._lock_timeout_seconds)
        except (OSError, NotImplementedError) as error:
            self._trouble("lock", "cannot be locked", _reason(error), "it is used without a lock")
            return False
        if locked:
            self._works("lock")
        else:
            reason = "somebody else holds the lock for too long"
            self._trouble("lock", "cannot be locked", reason, "it is used without a lock")
        return locked

    async def _read(self, key: TokenKey) -> Token | None:
        """Return the token in the file if it is one of this key, expired or not."""
        try:
            # To its end, since a file opened for nobody would be left to the garbage collector.
            content = await finish(self._content())
        except FileNotFoundError:
            return None
        except _Unfit as unfit:
            self._trouble("file", "is not used", str(unfit))
            return None
        except OSError as error:
            self._trouble("file", "cannot be read", _reason(error))
            return None
        token = parse_token(content, key)
        if isinstance(token, str):
            self._trouble("file", "is not used", token)
            return None
        return token

    async def _content(self) -> HiddenBytes:
        async with aiofiles.open(self.path, "rb", opener=_open_to_read) as file:
            content = HiddenBytes(await file.read(MAX_FILE_BYTES + 1))
        if len(content) > MAX_FILE_BYTES:
            raise _Unfit("it is too large for a token file")
        return content

    async def _write(self, job: Callable[[], None]) -> None:
        try:
            await finish(_in_thread(job))
        except OSError as error:
            self._trouble("file", "cannot be written", _reason(error))
        else:
            self._works("file")

    def _trouble(
        self,
        part: _Part,
        what: str,
        reason: str,
        instead: str = "the token stays in memory",
    ) -> None:
        """Warn, but of one reason only once, until what it hindered has worked."""
        level = logging.DEBUG if reason in self._known else logging.WARNING
        self._known.setdefault(reason, part)
        logger.log(level, "the token file %s %s: %s; %s", self.path, what, reason, instead)

    def _works(self, part: _Part) -> None:
        self._known = {reason: known for reason, known in self._known.items() if known != part}

    def _replace(self, key: TokenKey, token: Token) -> None:
        directory = self.path.parent
        _make_directory(directory)
        self._sweep()
        temporary = directory / f".{self.path.name}.{secrets.token_hex(8)}.tmp"
        try:
            with open(temporary, "xb", opener=_open_to_write) as file:
                file.write(dump_token(key, token))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(directory)

    def _sweep(self) -> None:
        now = time.time()
        for left in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.tmp"):
            with suppress(OSError):
                if now - left.lstat().st_mtime > STALE_SECONDS:
                    left.unlink()


def _in_thread(job: Callable[[], _T]) -> asyncio.Future[_T]:
    # A future of the executor, and not a task: the end of the loop cannot cut it in half.
    return asyncio.get_running_loop().run_in_executor(None, job)


def _seen(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()


class _Unfit(Exception):  # noqa: N818 - a reason, and never seen outside
    """Why what stands at the path is not read."""


def _reason(error: Exception) -> str:
    # Not str(), which has the path in it: of the file for one error, of the lock for the next.
    return getattr(error, "strerror", None) or type(error).__name__


def _open_to_read(path: str, flags: int) -> int:
    # Not following links, and not waiting: opening a FIFO would wait for somebody who writes.
    extra = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | extra)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise _Unfit("it is a symbolic link") from None
        if error.errno in (errno.EISDIR, errno.ENXIO):
            raise _Unfit("it is no regular file") from None
        raise
    try:
        _check(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: str, descriptor: int) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _Unfit("it is no regular file")
    if not hasattr(os, "geteuid"):
        return
    if status.st_uid != os.geteuid():
        raise _Unfit("it belongs to another user")
    if status.st_mode & 0o077:
        with suppress(OSError):
            os.fchmod(descriptor, 0o600)
            logger.warning("the token file %s was open to other users; it is 0600 now", path)


def _open_to_write(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_directory(directory: Path) -> None:
    if directory.is_dir():
        return
    # One by one, since mkdir(parents=True) gives the mode only to the last.
    for place in (*reversed(directory.parents), directory):
        try:
            place.mkdir(mode=0o700)
        except OSError as error:
            # It is there, or somebody else was faster.
            if place.is_dir():
                continue
            if isinstance(error, FileExistsError):  # what reading it calls by the other name
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            raise


def _sync_directory(directory: Path) -> None:
    # So that the new name outlives a power cut. Windows cannot open a directory, and needs not.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@attrs.define
class SafeStore:
    """A store that cannot make a call fail: no error and no long delay of it gets past this.

    One that hangs (a disk that is gone, an executor that is full) costs its time once, and is then
    left alone for a while: a load, a save and a lock would each cost it again.
    """

    _store: TokenStore
    _key: TokenKey
    _lock_seconds: float
    _io_seconds: float = IO_SECONDS
    _monotonic: Callable[[], float] = time.monotonic
    _hangs_until: float = attrs.field(default=-math.inf, init=False)
    _troubled: bool = attrs.field(default=False, init=False)

    async def load(self) -> Token | None:
        """Return the stored token, `None` if there is none or no answer."""
        if self._hangs:
            return None
        with self._warned("load"):
            token = await self._in_time(lambda: self._store.load(self._key))
            return None if token is None else self._checked(token)
        return None

    async def save(self, token: Token) -> None:
        """Store the token, if that can be done."""
        if self._hangs:
            return
        with self._warned("save"):
            await self._in_time(lambda: self._store.save(self._key, token))

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[bool]:
        """Hold the lock of the store, or go without it once the time is over."""
        if self._hangs:
            yield False
            return
        async with AsyncExitStack() as stack:
            locked = False
            # In this very task, unlike the others: some locks belong to the task that took them.
            with self._warned("lock"):
                async with asyncio.timeout(self._lock_seconds):
                    locked = bool(await stack.enter_async_context(self._store.lock(self._key)))
            try:
                yield locked
            finally:
                with self._warned("unlock"):
                    async with asyncio.timeout(self._io_seconds):
                        await stack.aclose()

    @property
    def _hangs(self) -> bool:
        return self._monotonic() < self._hangs_until

    def _checked(self, token: Any) -> Token:
        """Return the token of a store that may hand out anything.

        It is sound if it survives the way through the file.
        """
        sound = parse_token(dump_token(self._key, token), self._key)
        if not isinstance(sound, Token):
            raise TypeError("no token")
        return sound

    async def _in_time(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        task = asyncio.ensure_future(work())
        try:
            try:
                await asyncio.wait((task,), timeout=self._io_seconds)
            except asyncio.CancelledError:
                # What has begun may end, so that the lock is not given back before.
                await asyncio.wait((task,), timeout=self._io_seconds)
                raise
        finally:
            # Not awaited: a disk that hangs does not answer to this either.
            task.cancel()
            task.add_done_callback(_seen)
        if not task.done():
            self._hangs_until = self._monotonic() + HANGING_SECONDS
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
            # Without its text, which might show the token.
            logger.log(
                level,
                "the token store failed to %s (%s); the token stays in memory",
                what,
                type(error).__name__,
            )
