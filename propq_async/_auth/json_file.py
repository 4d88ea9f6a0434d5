"""The token store in one JSON file, shared by all processes of a user."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from propq_async._paths import absolute_path
from propq_async._secret import SecretBytes
from propq_async._waiting import DAEMON_THREADS, finish, in_thread
from propq_async._wire.refusal_file import SecretRefusal, dump_refusal, parse_refusal
from propq_async._wire.token_file import dump_token, parse_token
from propq_async.clock import Clock
from propq_async.credentials import Token, TokenKey

from .stores import IO_SECONDS, LOCK_TIMEOUT_SECONDS, polled
from .token_file_access import (
    MAX_FILE_BYTES,
    UnfitFileError,
    check_content,
    check_lock_file,
    check_use,
    make_directory,
    open_to_read,
    read_if_token_file,
    remove_file,
    replace_file,
)

logger = logging.getLogger("propq_async.token_store")
_T = TypeVar("_T")
_Part: TypeAlias = Literal["file", "lock"]


class JsonFileTokenStore:
    """One token in one JSON file, shared by every process that can read it.

    The file has mode 0600 from its first byte and is replaced atomically and durably. A token file
    without a usable token of this key (cut short, expired, of another client or user) is a miss,
    and the next `save` replaces it. A token file that others may read is made private.

    Anything else at the path (a link, a device, a directory, a file of something else) is left as
    it is. One warning says so, and the token stays in memory.

    Args:
        path: the file; `~` is expanded, and the path is made absolute at once. The directory is
            made with mode 0700 when needed.
        lock_timeout_seconds: how long `lock` waits before it yields `False`; a little longer than
            a token request may take.
        clock: tells which tokens have expired.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        self.path: Path = absolute_path("the token file", path)
        self._clock = clock
        self._lock_timeout_seconds = lock_timeout_seconds
        # The reasons that were logged, and whether each concerns the file or the lock.
        self._known: dict[str, _Part] = {}

    def __repr__(self) -> str:
        # A traceback with locals also shows an object whose constructor has refused.
        return f"{type(self).__name__}({str(getattr(self, 'path', None))!r})"

    async def load(self, key: TokenKey) -> Token | None:
        """Return the token in the file, `None` if it has none of this key that still lives."""
        token = await self._read(key)
        expired = token is None or token.expires_at.timestamp() <= self._clock.wall()
        return None if expired else token

    async def save(self, key: TokenKey, token: Token) -> None:
        """Write the token. Once begun it runs to its end, even if the caller is cancelled."""

        def job() -> None:
            replace_file(self.path, dump_token(key, token))
            remove_file(self._refusal_path)

        await self._write(job)

    async def clear(self, key: TokenKey) -> None:
        """Remove the token of this key, and what processes were told of its secret."""
        if await self._read(key) is not None:
            await self._write(lambda: self.path.unlink(missing_ok=True))
        if await self.load_refusal(key) is not None:
            await self._write(lambda: remove_file(self._refusal_path))

    async def load_refusal(self, key: TokenKey) -> SecretRefusal | None:
        """Return what another process was told of a secret, `None` if that cannot be read."""
        with suppress(OSError, UnfitFileError):
            content = await _to_its_end(in_thread(lambda: read_if_token_file(self._refusal_path)))
            if content is not None:
                return parse_refusal(content, key, self._clock.wall())
        return None

    async def save_refusal(self, key: TokenKey, refusal: SecretRefusal) -> None:
        """Tell other processes that a secret was refused, if the token file can be used."""
        content = dump_refusal(key, refusal, self._clock.wall())

        def job() -> None:
            read_if_token_file(self.path)
            with suppress(UnfitFileError):
                replace_file(self._refusal_path, content)

        await self._write(job)

    @asynccontextmanager
    async def lock(self, key: TokenKey) -> AsyncIterator[bool]:  # noqa: ARG002 - one file, one key
        """Exclude every process that uses the file, by a lock on `<path>.lock`.

        The lock file is never deleted: two processes could then lock different files of the same
        name. The lock ends with its process.

        Yields:
            Whether it is held. Where a lock cannot be had in time, the caller goes on without.
        """
        # Imported here, since most processes find a token that lives, and need no lock.
        from filelock import FileLock, Timeout  # noqa: PLC0415

        lock = FileLock(
            self._lock_path,
            mode=0o600,
            # Acquired in one thread and released in another.
            thread_local=False,
            # This also rules out a soft lock, which would outlive a killed process.
            preserve_lock_file=True,
        )

        abandoned = False

        def acquire() -> bool:
            make_directory(self.path.parent)
            check_lock_file(self._lock_path)
            with suppress(Timeout):
                lock.acquire(blocking=False)
            if abandoned:
                lock.release()
            return lock.is_locked

        async def attempt() -> bool:
            # In a thread, since even a lock that does not wait touches the disk.
            return await asyncio.shield(in_thread(acquire))

        try:
            yield await self._locked(attempt)
        finally:
            # A cancelled caller may have left an attempt running in its thread. The attempt reads
            # this flag after it has acquired the lock, and we read the lock after we have set the
            # flag: one of us releases it.
            abandoned = True
            if lock.is_locked:
                await asyncio.shield(in_thread(lock.release))

    async def _locked(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        # First, so that no lock file is made beside a file of something else.
        with suppress(OSError):  # a file that cannot be read can still be locked
            try:
                await asyncio.shield(in_thread(lambda: read_if_token_file(self.path)))
            except UnfitFileError as unfit:
                self._trouble("file", "is not used", str(unfit))
                return False
        try:
            locked = await polled(attempt, self._lock_timeout_seconds)
            reason = None if locked else "another process holds the lock for too long"
        except UnfitFileError as unfit:
            locked, reason = False, str(unfit)
        except (OSError, NotImplementedError) as error:
            locked, reason = False, self._reason(error)
        if reason is None:
            self._works("lock")
        else:
            # What keeps the lock from being made keeps the file from being written, most likely.
            instead = "it is used without a lock, if at all; PROPQ_TOKEN_FILE names another"
            self._trouble("lock", "cannot be locked", reason, instead)
        return locked

    @property
    def _lock_path(self) -> str:
        return f"{self.path}.lock"

    @property
    def _refusal_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.refused")

    async def _read(self, key: TokenKey) -> Token | None:
        """Return the token in the file if it is one of this key, expired or not."""
        try:
            content = await _to_its_end(self._content())
        except UnfitFileError as unfit:
            self._trouble("file", "is not used", str(unfit))
            return None
        except OSError as error:
            self._trouble("file", "cannot be read", self._reason(error))
            return None
        if content is None:
            return None
        token = parse_token(content, key)
        if isinstance(token, str):
            self._trouble("file", "is not used", token)
            return None
        return token

    async def _content(self) -> SecretBytes | None:
        import aiofiles  # noqa: PLC0415 - a process without a token file does not wait for it

        try:
            file = await aiofiles.open(
                self.path, "rb", opener=open_to_read, executor=DAEMON_THREADS
            )
        except FileNotFoundError:
            return None
        # Not `async with`, which closes the file in the loop's own executor.
        try:
            content = SecretBytes(await file.read(MAX_FILE_BYTES + 1))
            check_content(content)
            await in_thread(lambda: check_use(self.path, file.fileno()))
        finally:
            await file.close()
        return content

    async def _write(self, job: Callable[[], None]) -> None:
        # One job in a thread, and not a chain of awaits: nothing can cut it between the temporary
        # file and its renaming, not even the end of the loop.
        try:
            await _to_its_end(in_thread(job))
        except UnfitFileError as unfit:
            self._trouble("file", "is not used", str(unfit))
        except OSError as error:
            self._trouble("file", "cannot be written", self._reason(error))
        else:
            self._works("file")

    def _reason(self, error: Exception) -> str:
        # Not str(), which contains the path: sometimes the file's, sometimes the lock's.
        reason = getattr(error, "strerror", None) or type(error).__name__
        path = str(error.filename) if isinstance(error, PermissionError) else None
        # Unlike a directory, these two are ours to replace. Each has a reason of its own, so that
        # the warning about one does not hide the warning about the other.
        if path in (str(self.path), self._lock_path) and os.path.lexists(path):
            reason = (
                f"{reason} ({path} was made by another user, perhaps by root: give it to this user "
                "with chown, or delete it)"
            )
        return reason

    def _trouble(
        self,
        part: _Part,
        what: str,
        reason: str,
        instead: str = "the token stays in memory",
    ) -> None:
        """Warn of each reason once, until the part that it concerns has worked again."""
        level = logging.DEBUG if reason in self._known else logging.WARNING
        self._known.setdefault(reason, part)
        logger.log(level, "the token file %s %s: %s; %s", self.path, what, reason, instead)

    def _works(self, part: _Part) -> None:
        self._known = {
            reason: known for reason, known in list(self._known.items()) if known != part
        }


async def _to_its_end(work: Awaitable[_T]) -> _T:
    """Finish file I/O even if the caller is cancelled, unless the disk hangs."""
    return await finish(work, patience_seconds=IO_SECONDS)
