"""Runs a command, and turns any error into a message and an exit status."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Final

from cyclopts import CycloptsError, Token, UnknownOptionError

from propq_async import PropQError
from propq_async._messages import os_reason, tr

from .commands import app, spoken_help
from .exit_codes import CommandError, Exit, exit_of
from .language import choose_language
from .list_options import no_pipe
from .streams import WatchedStream, complain, errors_out, prepare_streams, printable, silence
from .usage import usage_error

__all__ = ["run"]

DEBUG: Final = "--debug"


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments, and return its exit status."""
    prepare_streams()
    try:
        spoken = choose_language(arguments)
    except CommandError as error:
        return _explain(error)
    spoken_help.speak()
    stdout = WatchedStream(sys.stdout)
    try:
        with redirect_stdout(stdout):
            status = _run([argument for argument in spoken if argument != DEBUG])
            # Here, where its error can still be reported.
            stdout.flush()
    except KeyboardInterrupt:
        return _complain(tr("interrupted"), Exit.INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # rich makes the latter of the former, for help
        # The reader of the output has gone, and nobody is left to tell.
        silence(sys.stdout)
        return Exit.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - a user wants a sentence
        if DEBUG in arguments:
            _print_traceback()
        if isinstance(error, OSError) and error is stdout.error:
            silence(sys.stdout)
            return _complain(
                tr(
                    "standard output cannot be written, and what it has is not whole: {strerror}"
                ).format(strerror=os_reason(error)),
                Exit.UNUSABLE,
            )
        return _explain(error)
    return status


def _run(arguments: list[str]) -> int:
    command = app(arguments, exit_on_error=False, print_error=False, backend="asyncio")
    if not asyncio.iscoroutine(command):
        return Exit.DONE
    status: Exit = asyncio.run(command)
    return status


def _explain(error: Exception) -> Exit:
    match error:
        case UnknownOptionError(token=Token(value="-")):
            # Other programs take it for standard input.
            return _explain(no_pipe("-"))
        case CycloptsError():
            return _complain(usage_error(error), Exit.USAGE)
        case CommandError():
            return _complain(str(error), error.status)
        case PropQError():
            return _complain(str(error), exit_of(error))
        case OSError():
            named = "" if error.filename is None else f": {error.filename}"
            return _complain(os_reason(error) + named, Exit.UNUSABLE)
        case _:
            what = f"{type(error).__name__}: {error}"
            return _complain(
                tr("this is a bug of propq: {what} ({debug} shows where)").format(
                    what=what, debug=DEBUG
                ),
                Exit.BUG,
            )


def _print_traceback() -> None:
    for line in traceback.format_exc().splitlines():
        errors_out().write(printable(line) + "\n")


def _complain(message: str, status: Exit) -> Exit:
    complain(message)
    return status
