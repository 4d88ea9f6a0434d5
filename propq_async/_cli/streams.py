"""The standard streams: safe text for a terminal, and what happens if they cannot be written."""

from __future__ import annotations

import io
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO, cast

from .language import said

__all__ = [
    "WatchedStream",
    "complain",
    "errors_out",
    "is_closed",
    "prepare_streams",
    "printable",
    "silence",
]

# What Python decodes undecodable bytes to.
_UNDECODABLE: Final = range(0xDC80, 0xDD00)


def prepare_streams() -> None:
    """Open closed streams, buffer stdout, and escape what an encoding lacks."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The shell has closed it (`>&-`).
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, nowhere)
    if isinstance(sys.stdout.buffer, io.RawIOBase):
        # PYTHONUNBUFFERED is set. An unbuffered stream drops the rest of a short write unnoticed.
        sys.stdout = open(  # noqa: SIM115 - for good
            sys.stdout.fileno(), "w", buffering=1, encoding=sys.stdout.encoding, closefd=False
        )
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding lacks is shown escaped.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # of a TextIOWrapper


def is_closed(stream: TextIO) -> bool:
    """Return whether the shell had closed this stream, so that `prepare_streams` opened it."""
    return getattr(stream, "name", None) == os.devnull  # a stream of a test has none


def printable(text: str) -> str:
    """Return the text in the language of the command, with control characters escaped."""
    text = said(text)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if ord(char) in _UNDECODABLE:
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


class _Wrapped:
    """Delegates to another stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Forgiving(_Wrapped):
    """Drops everything after the first error."""

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            silence(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream)


class WatchedStream(_Wrapped):
    """Remembers its last error, so that it can be told apart from that of a file."""

    error: OSError | None = None

    def write(self, text: str) -> int:
        with self._watched():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._watched():
            self._stream.flush()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error
            raise


def silence(stream: TextIO) -> None:
    """Redirect a stream that cannot be written to the null device, with what its buffer holds.

    Otherwise the interpreter would flush it at exit, fail, and set a status of its own.
    """
    with suppress(OSError):  # a stream of a test has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def errors_out() -> TextIO:
    """Return a stderr that never raises, even if its disk is full or its terminal is gone."""
    return cast("TextIO", _Forgiving(sys.stderr))


def complain(message: str) -> None:
    """Write an error to stderr. On a terminal it is wrapped between words."""
    for number, line in enumerate(said(message).splitlines()):
        text = ("  " if number else "propq: ") + printable(line)
        if sys.stderr.isatty():
            text = textwrap.fill(
                text,
                shutil.get_terminal_size().columns,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        print(text, file=errors_out(), flush=True)
