"""The updates of a client in the ledger: many calls at once share a transaction.

Each call waits until its mark is on the disk, then is sent, and then waits until its
acknowledgement is written. While a transaction runs, the notes of other calls gather for the next
one. So a disk that takes a millisecond for each transaction does not limit calls to a thousand a
second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final, TypeAlias

from propq_async.models import UnitUpdate

from ._entries import LedgerError, Marks

__all__ = ["AccountMemory"]

_Write: TypeAlias = Callable[
    [list[tuple[UnitUpdate, Marks]], list[tuple[UnitUpdate, Marks]], list[UnitUpdate]],
    list[Marks],
]


class _What(Enum):
    MARK = auto()
    ACKNOWLEDGE = auto()
    TAKE_BACK = auto()


class Note:
    """One thing that is to be written: a mark, or what becomes of it.

    Attributes:
        update: the update.
        mark: the mark that it is about.
        marks: of a mark, what it has become; `None` until it is written.
        error: why it could not be written.
    """

    def __init__(
        self, memory: AccountMemory, what: _What, update: UnitUpdate, mark: Note | None = None
    ) -> None:
        self.what: Final = what
        self.update: Final = update
        self.mark: Final = mark or self
        self.marks: Marks | None = None
        self.error: LedgerError | None = None
        self._memory = memory
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()

    async def written(self) -> None:
        """Wait until it is written.

        Raises:
            LedgerError: it cannot be written.
        """
        await self._done
        if self.error is not None:
            raise self.error

    async def acknowledge(self) -> None:
        """Note that the server has acknowledged the update of this mark.

        Raises:
            LedgerError: it cannot be written.
        """
        note = Note(self._memory, _What.ACKNOWLEDGE, self.update, self)
        self._memory.add(note)
        await note.written()

    def take_back(self) -> None:
        """Take this mark back, since its update was certainly not applied."""
        self._memory.add(Note(self._memory, _What.TAKE_BACK, self.update, self))

    def settle(self) -> None:
        """Let the call go on. In the thread of the ledger."""
        with suppress(RuntimeError):  # its event loop is closed
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        if not self._done.done():
            self._done.set_result(None)


class AccountMemory:
    """Notes the updates of one account, for any number of calls, event loops and threads."""

    def __init__(self, write: _Write, submit: Callable[[Callable[[], None]], None]) -> None:
        self._write = write
        self._submit = submit
        self._notes: deque[Note] = deque()
        self._is_scheduled = False

    def mark(self, update: UnitUpdate) -> Note:
        """Mark a unit in doubt, before its update may be sent.

        Raises:
            RuntimeError: the ledger is not open.
        """
        mark = Note(self, _What.MARK, update)
        self.add(mark)
        return mark

    def add(self, note: Note) -> None:
        """Write a note, with those that come while another transaction runs.

        Raises:
            RuntimeError: the ledger is not open.
        """
        self._notes.append(note)
        if not self._is_scheduled:
            self._is_scheduled = True
            try:
                self._submit(self._write_all)
            except RuntimeError:
                self._is_scheduled = False
                self._notes.clear()
                raise

    def _write_all(self) -> None:
        # First of all, so that no note is added without being seen here or scheduling this again.
        self._is_scheduled = False
        notes: list[Note] = []
        while self._notes:
            notes.append(self._notes.popleft())
        new = [note for note in notes if note.what is _What.MARK]
        try:
            marks = self._write(
                _with_marks(notes, _What.ACKNOWLEDGE),
                _with_marks(notes, _What.TAKE_BACK),
                [note.update for note in new],
            )
            for note, one in zip(new, marks, strict=True):
                note.marks = one
        except LedgerError as error:
            for note in notes:
                note.error = error
        for note in notes:
            note.settle()


def _with_marks(notes: list[Note], what: _What) -> list[tuple[UnitUpdate, Marks]]:
    # A mark that is not written yet leaves the unit in doubt, which does no harm.
    return [
        (note.update, note.mark.marks)
        for note in notes
        if note.what is what and note.mark.marks is not None
    ]
