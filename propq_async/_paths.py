"""Paths of files, as users write them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeGuard

from propq_async._messages import tr

from .errors import ConfigurationError

_KINDS: Final = {
    stat.S_IFLNK: tr("a symbolic link"),
    stat.S_IFDIR: tr("a directory"),
    stat.S_IFIFO: tr("a named pipe"),
    stat.S_IFSOCK: tr("a socket"),
    stat.S_IFCHR: tr("a device"),
    stat.S_IFBLK: tr("a device"),
}
_SEPARATORS: Final = tuple(filter(None, (os.sep, os.altsep)))


def is_url(value: object) -> TypeGuard[str]:
    """Return whether it is a URL rather than a path. It may have a password in it."""
    return isinstance(value, str) and "://" in value


def expanded_path(name: str, value: str | os.PathLike[str]) -> Path:
    """Return the path of a file, with `~` and `~user` expanded. No I/O.

    Args:
        name: the setting or variable that it comes from, for the error.
        value: the path as the user wrote it. It may begin with `~`, which shells do not expand in
            `--option=~/file`, and service managers not at all.

    Raises:
        ConfigurationError: no file can have this path. The message names the setting.
    """
    text = os.fspath(value)
    if not isinstance(text, str):
        raise refused_path(name, text, tr("it is no text"))
    if not text.strip():
        raise refused_path(name, text, tr("it is blank"))
    if "\0" in text:
        raise refused_path(name, text, tr("it has a null character"))
    if text.endswith(_SEPARATORS):
        raise refused_path(name, text, tr("it is a directory: name a file in it"))
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise refused_path(
            name, text, tr("no user here has this home directory: write the path without ~")
        ) from None


def absolute_path(name: str, value: str | os.PathLike[str]) -> Path:
    """Return the expanded path, made absolute, since the working directory may change later.

    Raises:
        ConfigurationError: no file can have this path. The message names the setting.
    """
    path = expanded_path(name, value)
    try:
        return path.absolute()
    except FileNotFoundError:
        raise refused_path(
            name, os.fspath(value), tr("the working directory is gone: give an absolute path")
        ) from None


def default_path(name: str, directory: Callable[[], Path], file: str) -> Path | None:
    """Return a file in one of the user's directories, `None` for a user without a home."""
    try:
        return absolute_path(name, directory() / file)
    except (ConfigurationError, RuntimeError):
        # A container may run as a user without an entry in the user database.
        return None


def kind_of_file(mode: int) -> str | None:
    """Return what is there, in words, `None` if it is a regular file."""
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), tr("no regular file"))


def refused_path(name: str, value: object, why: str) -> ConfigurationError:
    """Return the error for a path that cannot be used."""
    return ConfigurationError(
        tr("{name} must name a file, not {value!r}: {why}").format(name=name, value=value, why=why)
    )
