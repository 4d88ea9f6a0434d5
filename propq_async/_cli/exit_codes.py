"""How a command ends: its exit statuses, and the error that says why."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

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

    DONE = 0, "done; `plan`: there is nothing to push"
    ROWS_FAILED = 1, "rows are broken or were refused: mend them; `show`: there is nothing"
    CHANGES = 2, "`plan` only: there are changes to push"
    STOPPED = 3, "the server or the network failed: try again later"
    UNCONFIRMED = 4, "a yes is needed; `plan`: a push would need one"
    BUSY = 5, "another push is at work with the ledger: leave it to that one"
    UNUSABLE = 6, "credentials, settings, ledger or a file are missing or refused: call somebody"
    USAGE = 64, "wrong usage, or a price list that cannot be read"
    BUG = 70, "a bug of propq"
    INTERRUPTED = 130, "interrupted; the same command goes on from there"
    BROKEN_PIPE = 141, "whoever read the output has gone"


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


def table() -> str:
    """Return the exit statuses as a table in Markdown."""
    rows = [f"| {status.value} | {status.meaning} |" for status in Exit]
    return "\n".join(("| Exit status | Meaning |", "| ---: | --- |", *rows))
