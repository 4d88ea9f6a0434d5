"""How a command ends: its exit statuses, and the error that says why."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Self

from propq_async._messages import tr
from propq_async.errors import (
    AuthenticationError,
    ConfigurationError,
    LedgerBusyError,
    LedgerError,
    PropQError,
    TokenRefusedError,
)

__all__ = ["CommandError", "Exit", "exit_of", "table"]


class Exit(IntEnum):
    """The exit statuses, each for something else that a job has to do about it."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Return the status with what it means, for the help and the documentation."""
        status = int.__new__(cls, value)
        status._value_ = value
        status.meaning = meaning
        return status

    DONE = 0, tr("done; `plan`: there is nothing to push")
    ROWS_FAILED = 1, tr("rows are broken or were refused: correct them; `show`: there is nothing")
    CHANGES = 2, tr("`plan` only: there are changes to push")
    STOPPED = 3, tr("the server or the network failed: try again later")
    UNCONFIRMED = 4, tr("a yes is needed; `plan`: a push would need one")
    BUSY = 5, tr("another push is at work with the ledger: leave it to that one")
    UNUSABLE = (
        6,
        tr(
            "credentials, settings, ledger or a file are missing or refused: ask your administrator"
        ),
    )
    USAGE = 64, tr("wrong usage, or a price list that cannot be read")
    BUG = 70, tr("a bug of propq")
    INTERRUPTED = 130, tr("interrupted; the same command goes on from there")
    BROKEN_PIPE = 141, tr("whoever read the output has gone")


class CommandError(Exception):
    """What stops a command. The message is for the user, `status` for the shell."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message)
        self.status = status


def exit_of(error: PropQError) -> Exit:
    """Return the exit status of a command that this error has stopped."""
    match error:
        case LedgerBusyError():
            return Exit.BUSY
        case AuthenticationError() | ConfigurationError() | LedgerError() | TokenRefusedError():
            return Exit.UNUSABLE
        case _:
            return Exit.STOPPED


def table(say: Callable[[str], str] = str) -> str:
    """Return the exit statuses as a table in Markdown, with its texts as `say` returns them."""
    rows = [f"| {status.value} | {say(status.meaning)} |" for status in Exit]
    heading = f"| {say(tr('Exit status'))} | {say(tr('Meaning'))} |"
    return "\n".join((heading, "| ---: | --- |", *rows))
