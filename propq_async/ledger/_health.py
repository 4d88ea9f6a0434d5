"""Where a ledger is kept, and who may use it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import tr

from ._advice import access_problem
from ._entries import Account

__all__ = ["Health", "file_problems", "files_of", "network_file_system", "on_network"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
# https://www.sqlite.org/wal.html: all who use a log must be on one computer.
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|ncpfs|afs|ceph|lustre|gpfs|beegfs|ocfs2|gfs2|glusterfs|"
    r"fuse\.(sshfs|glusterfs|rclone|s3fs|davfs2?|ceph|smbnetfs)"
)
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@attrs.frozen
class Health:
    """What `Ledger.check` has found.

    Args:
        location: the file of the ledger, or its server.
        size_bytes: its size, `None` if there is no ledger.
        units: how many units it knows, for each account.
        in_doubt: how many of them are in doubt.
        holder: who holds it, in words, `None` if nobody does or it cannot be known.
        file_system: the network file system that it is on, `None` if none is known of.
        problems: what is wrong, each with what to do.
    """

    location: str
    size_bytes: int | None
    units: dict[Account, int]
    in_doubt: int
    holder: str | None
    file_system: str | None
    problems: tuple[str, ...]

    @property
    def warning(self) -> str | None:
        """Return what is to be known of its file system, `None` if nothing is."""
        return None if self.file_system is None else on_network(self.location, self.file_system)


def files_of(path: Path) -> Iterator[Path]:
    """Return the files of a ledger that are there."""
    real = Path(os.path.realpath(path))
    for suffix in ("", "-wal", "-shm", ".lock"):
        file = Path(f"{real}{suffix}")
        if file.exists():
            yield file


def file_problems(path: Path) -> Iterator[str]:
    """Return who may not use the files of a ledger and should, and who may and should not."""
    for file in files_of(path):
        if not os.access(file, os.R_OK | os.W_OK):
            yield access_problem(file)
        elif os.name == "posix" and file.stat().st_mode & _OTHERS_WRITE:
            yield tr("others may write to {file}: chmod go-w {file}").format(file=file)
    directory = Path(os.path.realpath(path)).parent
    if not os.access(directory, os.W_OK | os.X_OK):
        yield tr(
            "this user may not write to {directory}, where a push makes more files: give access"
        ).format(directory=directory)


def on_network(location: str, file_system: str) -> str:
    """Return what is to be known of a ledger on a network file system."""
    return tr(
        "the ledger {location} is on a network file system ({file_system}): use it "
        "from one computer only, or better move it to a disk of this one, since "
        "two at once can damage it unnoticed"
    ).format(location=location, file_system=file_system)


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the network file system that a path is on, `None` if it is on none that is known."""
    try:
        device = Path(os.path.realpath(path)).parent.stat().st_dev
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        # Not Linux, or nothing is there yet.
        return None
    for line in lines:
        # 36 35 98:0 /root /mnt rw,noatime master:1 - nfs4 server:/export rw
        before, _, after = line.partition(" - ")
        if before.split()[2] == f"{os.major(device)}:{os.minor(device)}":
            kind = after.split()[0]
            return kind if _NETWORK.fullmatch(kind) else None
    return None
