"""What keeps a ledger: a file, or a database server. Both are asked the same questions in SQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from ._entries import Account, Claim, LedgerError

__all__ = ["NO_VALUES", "Backend", "Rows", "Session", "as_given"]

_T = TypeVar("_T")

NO_VALUES: Final[Mapping[str, object]] = {}


class Rows(Protocol):
    """What a statement has found."""

    @property
    def description(self) -> Sequence[Any] | None: ...

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any: ...

    def fetchmany(self, size: int) -> list[Any]: ...

    def fetchall(self) -> list[Any]: ...


class Session(Protocol):
    """An open ledger. Its statements have named parameters, such as `:account`.

    Attributes:
        location: the file or the server, for messages.
        state: the condition that chooses the row of the table `state` of `:account`.
        alike: what joins to the rows of `given` the units of `:account` that are alike to them.
            Each is looked up by itself: a server that has to guess how many there are would rather
            compare all with all.
    """

    location: str
    state: str
    alike: str

    def given(self, *columns: str) -> str:
        """Return a subquery for the rows that are given as `:given`, made by `as_given`."""
        ...

    def execute(self, statement: str, values: Mapping[str, object] = NO_VALUES) -> Rows:
        """Run a statement."""
        ...

    def execute_many(self, statement: str, values: Iterable[Mapping[str, object]]) -> None:
        """Run a statement for each of these values."""
        ...

    def enter(self, account: Account) -> int | None:
        """Keep others from changing this account until the end of the transaction.

        Returns:
            Its number, `None` if it has none yet.
        """
        ...

    def add_account(self, account: Account) -> None:
        """Give an account a number, unless somebody else has done so."""
        ...

    def rows(
        self, columns: Sequence[str], source: str, values: Mapping[str, object]
    ) -> list[Sequence[Any]]:
        """Return these columns of what a `FROM` clause finds."""
        ...


class Backend(Protocol):
    """What keeps a ledger. It is used in one thread.

    Attributes:
        location: the file or the server, for messages.
    """

    location: str

    def read(self, question: Callable[[Session], _T], nothing: _T) -> _T:
        """Return the answer to a question, or `nothing` if there is no ledger. Writes nothing."""
        ...

    def change(self, *, durably: bool) -> AbstractContextManager[Session]:
        """Return a transaction, in a ledger that is made if there is none.

        Args:
            durably: whether it must survive a power cut, and not only the process.
        """
        ...

    def holds(self, claim: Claim, owner: object) -> bool:
        """Return whether `owner` has this claim."""
        ...

    def in_shard(self, account: Account) -> bool:
        """Return whether a shard of this account is claimed here, so that others have others."""
        ...

    def acquire(self, claim: Claim, owner: object, wall: Callable[[], float]) -> None:
        """Claim for `owner`, and note since when.

        Raises:
            LedgerBusyError: somebody else has a part of it.
        """
        ...

    def release(self, claim: Claim, owner: object) -> None:
        """Give a claim back, if `owner` has it."""
        ...

    def holder(self) -> str | None:
        """Return who holds the ledger, in words, `None` if nobody does or it cannot be known."""
        ...

    def problems(self) -> Iterator[str]:
        """Return what is wrong with the place that the ledger is in, each with what to do."""
        ...

    def damages(self, db: Session) -> list[str]:
        """Return what is wrong with how the ledger is stored."""
        ...

    def size_bytes(self) -> int:
        """Return how large the ledger is."""
        ...

    def file_system(self) -> str | None:
        """Return the network file system that it is on, `None` if none is known of."""
        ...

    def backup(self, target: Path) -> bool:
        """Copy the ledger to a file that does not exist yet. Return whether there is a ledger.

        Raises:
            LedgerError: there is such a file, or it cannot be written.
        """
        ...

    def explained(self, error: Exception) -> LedgerError | None:
        """Return an error of what it is made with as one of ours, `None` if it is no such error."""
        ...

    def close(self) -> None:
        """Close it, if it is open, and release its locks."""
        ...


def as_given(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a session takes them.

    A whole group is one statement. SQLite releases the GIL for each statement, and beside a busy
    event loop it takes milliseconds to get it back; a server is as far away as the network is.
    """
    return json.dumps(list(rows))
