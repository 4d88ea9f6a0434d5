"""A copy of the ledger, whole at any moment, in a file that nobody had before."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from propq_async._messages import os_reason, tr

from ._changes import add
from ._entries import Account, LedgerError, Unit
from ._merging import StoredUnit
from ._sqlite_session import SqliteSession, open_for_writing

__all__ = ["copy", "write"]

_WITHOUT_LOG = "PRAGMA journal_mode = DELETE"


def copy(location: str, target: Path, db: SqliteSession) -> None:
    """Copy an open file to a new one.

    Raises:
        LedgerError: there is something at its path, or it cannot be written.
    """
    with _new_file(location, target) as made, closing(sqlite3.connect(made)) as new:
        db.db.backup(new)
        new.execute(_WITHOUT_LOG)


def write(
    location: str,
    target: Path,
    known: Mapping[Account, Mapping[Unit, StoredUnit]],
) -> None:
    """Write all that a server knows to a new file.

    Raises:
        LedgerError: there is something at its path, or it cannot be written.
    """
    with _new_file(location, target) as made, closing(open_for_writing(made)) as new:
        with new.transaction():
            for account, units in known.items():
                # Nothing in it is merged with anything, so the time does not matter.
                add(new, account, units, now=0.0)
        new.execute(_WITHOUT_LOG)


@contextmanager
def _new_file(location: str, target: Path) -> Iterator[Path]:
    """Return a file that gets its name when it is whole."""
    made = None
    try:
        # Beside it, so that it gets its name at once.
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        made = Path(name)
        yield made
        _name(made, target)
    except (sqlite3.Error, OSError) as error:
        why = os_reason(error) if isinstance(error, OSError) else str(error)
        raise LedgerError(
            tr("the ledger {location} cannot be copied to {target}: {why}").format(
                location=location, target=target, why=why
            )
        ) from error
    finally:
        if made is not None:
            made.unlink(missing_ok=True)


def _name(made: Path, target: Path) -> None:
    try:
        # Unlike a rename, it replaces nothing.
        os.link(made, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:
        # Not every file system has links.
        if os.path.lexists(target):
            raise _exists(target) from None
        made.rename(target)


def _exists(target: Path) -> LedgerError:
    return LedgerError(
        tr("{target} exists already: name a file that does not").format(target=target)
    )
