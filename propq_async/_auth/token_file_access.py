"""Who may read and write the token file, and what it asks of the operating system."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from propq_async._paths import kind_of_file
from propq_async._secret import SecretBytes
from propq_async._wire.token_file import is_token_file

MAX_FILE_BYTES: Final = 256 * 1024

# A save takes milliseconds. What is older was left by a process that was killed in the middle.
STALE_SECONDS: Final = 10.0

logger = logging.getLogger("propq_async.token_store")


class UnfitFileError(Exception):
    """Something else is at the path of the token file, or the file is unsafe. It is not used."""


_ELSEWHERE: Final = "; it is left as it is, choose another path for the token file"


def read_if_token_file(path: Path) -> SecretBytes | None:
    """Return the content of the token file, which may be empty, `None` if there is no file."""
    try:
        with open(path, "rb", opener=open_to_read) as file:
            content = SecretBytes(file.read(MAX_FILE_BYTES + 1))
    except FileNotFoundError:
        return None
    check_content(content)
    return content


def _check_kind(status: os.stat_result) -> None:
    kind = kind_of_file(status.st_mode)
    if kind is not None:
        raise UnfitFileError(f"it is {kind}{_ELSEWHERE}")


def open_to_read(path: str, flags: int) -> int:
    """Open a regular file and nothing else."""
    # Before it is opened: a FIFO would wait for a writer, and opening some devices has effects.
    _check_kind(os.lstat(path))
    # Somebody may have replaced it since: no link is followed, and a FIFO does not wait.
    safely = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | safely)
    try:
        _check_kind(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_content(content: SecretBytes) -> None:
    """Refuse a file that is no token file, not even one that was cut short."""
    if not is_token_file(content):
        what = "a database" if content.startswith(b"SQLite format 3") else "no token file"
        raise UnfitFileError(f"it is {what}{_ELSEWHERE}")


def check_use(path: Path, descriptor: int) -> None:
    """Refuse a token file that is too large or another user's, and tighten one open to others."""
    status = os.fstat(descriptor)
    if status.st_size > MAX_FILE_BYTES:
        raise UnfitFileError("it is too large for a token file")
    if not hasattr(os, "geteuid"):
        return
    if status.st_uid != os.geteuid():
        raise UnfitFileError("it belongs to another user")
    if status.st_mode & 0o077:
        with suppress(OSError):
            os.fchmod(descriptor, 0o600)
            logger.warning("the token file %s was open to other users; it is 0600 now", path)


def check_lock_file(path: str) -> None:
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        # A lock file is empty. Some ways of locking a file would empty any other.
        if not stat.S_ISREG(status.st_mode) or status.st_size:
            raise UnfitFileError(f"{path} is no lock file: move it away, or choose another path")


def open_to_write(path: str, flags: int) -> int:
    """Open a file that is private from its first byte."""
    return os.open(path, flags, 0o600)


def make_directory(directory: Path) -> None:
    """Make a directory and its parents, each of them private."""
    if directory.is_dir():
        return
    # One by one, since mkdir(parents=True) gives the mode only to the last.
    for place in (*reversed(directory.parents), directory):
        try:
            place.mkdir(mode=0o700)
        except OSError as error:
            # It exists, or somebody else was faster.
            if place.is_dir():
                continue
            if isinstance(error, FileExistsError):  # reading it would raise the other one
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            raise


def replace_file(path: Path, content: bytes) -> None:
    """Replace a token file atomically and durably, and nothing else."""
    directory = path.parent
    read_if_token_file(path)
    make_directory(directory)
    _sweep(path)
    temporary = directory / f".{path.name}.{os.urandom(8).hex()}.tmp"
    try:
        with open(temporary, "xb", opener=open_to_write) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(directory)


def remove_file(path: Path) -> None:
    """Remove a token file, or a file that begins like one, if it is there and can be removed."""
    with suppress(OSError, UnfitFileError):
        if read_if_token_file(path) is not None:
            path.unlink()


def _sweep(path: Path) -> None:
    now = time.time()
    for left in path.parent.glob(".*.tmp"):
        if not left.name.startswith(f".{path.name}."):
            continue
        with suppress(OSError):
            if now - left.lstat().st_mtime > STALE_SECONDS:
                left.unlink()


def sync_directory(directory: Path) -> None:
    """Make the names in a directory outlive a power cut. Windows neither can nor needs to."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
