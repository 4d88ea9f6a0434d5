"""Credentials in files, as Docker, Kubernetes and systemd mount them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import tr

from ._paths import kind_of_file
from ._secret import NamedSource, SecretBytes, SecretStr, UnusableSecretError

MAX_FILE_BYTES: Final = 64 * 1024


@attrs.frozen
class SecretFile(NamedSource):
    """A file with one value, read on each call: a `SecretSource`.

    Kubernetes replaces such a file by renaming a link to its directory. It is opened once for each
    reading, so what is read is whole: the old content or the new one.

    Args:
        variable: the environment variable that names it, for the errors.
        path: where it is; links are followed.
    """

    variable: str
    path: Path

    def __str__(self) -> str:
        return tr("the secret in {path} ({variable})").format(
            path=self.path, variable=self.variable
        )

    def __call__(self) -> SecretStr:
        """Return what the file has, without one line break at its end.

        Raises:
            UnusableSecretError: it cannot be read, or has no text. The message names the variable
                and the path.
        """
        try:
            content = self._content()
        except OSError as error:
            problem = tr("cannot be read: {strerror}").format(
                strerror=error.strerror or type(error).__name__
            )
            raise self._unusable(problem) from None
        if len(content) > MAX_FILE_BYTES:
            raise self._unusable(
                tr("is larger than {most} KiB").format(most=MAX_FILE_BYTES // 1024)
            )
        text = _text(content)
        if text is None:
            del content
            raise self._unusable(tr("has no text in UTF-8"))
        if not text.strip():
            raise self._unusable(tr("is blank") if text else tr("is empty"))
        return text

    def _content(self) -> SecretBytes:
        # Before it is opened: a FIFO would wait for a writer, and opening some devices has effects.
        self._check(self.path.stat())
        # Somebody may have replaced it since.
        with open(self.path, "rb", opener=_without_waiting) as file:
            self._check(os.fstat(file.fileno()))
            return SecretBytes(file.read(MAX_FILE_BYTES + 1))

    def _check(self, status: os.stat_result) -> None:
        kind = kind_of_file(status.st_mode)
        if kind is not None:
            raise self._unusable(
                tr("is {kind}, not a file that can be read again and again").format(kind=kind)
            )
        # Windows shows no such rights here.
        if hasattr(os, "geteuid") and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise self._unusable(
                tr("may be written to by other users: chmod go-w {path}").format(path=self.path)
            )

    def _unusable(self, problem: str) -> UnusableSecretError:
        return UnusableSecretError(
            tr("the file in {variable}, {path}, {problem}").format(
                variable=self.variable, path=self.path, problem=problem
            )
        )


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _text(content: SecretBytes) -> SecretStr | None:
    """Return the text in a file, `None` if it is none."""
    try:
        # Editors of Windows begin a file with a mark.
        text = SecretStr(content.decode("utf-8-sig"))
    except UnicodeDecodeError:  # it holds the content
        return None
    return None if "\0" in text else SecretStr(text.removesuffix("\n").removesuffix("\r"))
