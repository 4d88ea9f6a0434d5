"""The folder of a demo: kept to be looked at, until `propq demo --clean` removes it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from .temporary import temporary

__all__ = [
    "EMULATOR_LOG",
    "LEDGER_FILE",
    "PRICE_LIST",
    "TOKEN_FILE",
    "demo_folder",
    "in_use",
    "remove_earlier",
]

PREFIX: Final = "propq-demo-"
PRICE_LIST: Final = "prices.csv"
TOKEN_FILE: Final = "token.json"  # noqa: S105 - a name
LEDGER_FILE: Final = "ledger.sqlite3"
EMULATOR_LOG: Final = "emulator.log"
LOCK_FILE: Final = "demo.lock"
MARK_FILE: Final = "about.txt"

# Only these are removed, so that a user's own files in the folder are safe.
OWN_FILES: Final = (
    PRICE_LIST,
    TOKEN_FILE,
    f"{TOKEN_FILE}.lock",
    LEDGER_FILE,
    f"{LEDGER_FILE}-journal",
    f"{LEDGER_FILE}-shm",
    f"{LEDGER_FILE}-wal",
    f"{LEDGER_FILE}.lock",
    EMULATOR_LOG,
)


@contextmanager
def demo_folder() -> Iterator[Path]:
    """Make a folder that `--clean` leaves alone while the block runs."""
    with temporary():
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    with FileLock(folder / LOCK_FILE):
        # Written under the lock, because a folder without this mark may not be locked yet.
        (folder / MARK_FILE).write_text("`propq demo` made this folder; `--clean` removes it.\n")
        yield folder


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep `--clean` from removing an earlier demo's folder while the block runs."""
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    is_locked = False
    if _is_ours(folder):
        try:
            lock.acquire()
            is_locked = True
        except Timeout:
            pass  # its own demo still runs
    try:
        yield
    finally:
        if is_locked:
            lock.release()


def remove_earlier() -> Iterator[tuple[Path, str | None]]:
    """Remove the folders of earlier demos. Yield each, with the reason if it was left."""
    with temporary():
        place = Path(tempfile.gettempdir())
    for folder in sorted(place.glob(f"{PREFIX}*")):
        if _is_ours(folder):
            yield folder, _remove(folder)


def _is_ours(folder: Path) -> bool:
    """Return whether a demo of this user made the folder, and it is no symbolic link."""
    try:
        about, mark = folder.lstat(), (folder / MARK_FILE).lstat()
    except OSError:
        return False
    user = getattr(os, "geteuid", lambda: about.st_uid)()  # Windows has none
    return (
        folder.name.startswith(PREFIX)
        and stat.S_ISDIR(about.st_mode)
        and stat.S_ISREG(mark.st_mode)
        and about.st_uid == user
    )


def _remove(folder: Path) -> str | None:
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            known = {*OWN_FILES, LOCK_FILE, MARK_FILE}
            others = sorted({item.name for item in folder.iterdir()} - known)
            if others:
                return f"it has {others[0]}, which is not of the demo"
            for name in OWN_FILES:
                (folder / name).unlink(missing_ok=True)
        # After the lock is closed, since Windows cannot remove an open file. The mark is last: a
        # later run only finishes folders that still have it.
        for name in (LOCK_FILE, MARK_FILE):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except Timeout:
        return "a demo is using it"
    except OSError as error:
        return error.strerror or str(error)
    return None
