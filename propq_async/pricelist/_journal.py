"""A file that has whole entries only, whatever happens while it is written."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Journal", "replaced", "sync"]

# Of what is no regular file, or of a file system without it.
_NO_FSYNC: Final = (errno.EINVAL, errno.ENOTSUP)


class Journal:
    """A file that entries are appended to, each of which is in it as a whole or not at all.

    An entry is there when `append` returns, also if the process is killed.

    Args:
        path: the file.
        is_new: whether the file must not be there yet. If so, it is removed again if not even the
            first entry can be written.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, *, is_new: bool) -> None:
        # Without a buffer, which would keep what could not be written and try it again.
        self._file = io.FileIO(path, "x" if is_new else "w")
        self._path = path
        self._is_new = is_new
        # Up to where the file has whole entries.
        self._end = 0

    @property
    def is_empty(self) -> bool:
        """Return whether it has no entry yet."""
        return not self._end

    @property
    def is_gone(self) -> bool:
        """Return whether it was removed, since not even the first entry could be written."""
        return self._file.closed

    def append(self, entry: bytes) -> None:
        """Write an entry.

        Raises:
            OSError: it cannot be written. What was written of it is cut off again.
        """
        try:
            rest = memoryview(entry)
            while rest:
                # A disk that is nearly full takes a part of it.
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._cut_off()
            raise
        self._end += len(entry)

    def _cut_off(self) -> None:
        # What cannot be cut off ends without a line break, and is refused when it is read.
        with suppress(OSError):
            self._file.truncate(self._end)
            self._file.seek(self._end)
        if self.is_empty and self._is_new:
            # Without an entry it would be in the way, and tell nothing.
            self._file.close()
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close it.

        Raises:
            OSError: the disk does not have all of it. A network drive may tell only now.
        """
        if not self._file.closed:
            with self._file:
                sync(self._file)


def sync(file: io.FileIO | io.BufferedWriter) -> None:
    """Wait until the disk has what was written, where it is one.

    Raises:
        OSError: it does not have all of it.
    """
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def replaced(path: Path, content: bytes, is_whole: Callable[[Path], bool]) -> bool:
    """Make a file, or put it in the place of another, when a draft of it has proven to be whole.

    Returns:
        Whether it was.

    Raises:
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".propq-") as directory:
        draft = Path(directory) / path.name
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            sync(file)
        if is_whole(draft):
            draft.replace(path)
            return True
    return False
