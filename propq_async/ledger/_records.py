"""What can be done with a ledger, each as one transaction, whatever keeps it.

All of it runs in one thread, never in that of the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from propq_async._messages import tr
from propq_async.models import UnitUpdate

from . import _changes, _queries
from ._backend import Backend, Session
from ._entries import Account, Entry, LedgerError, Marks, Unit, each_alike_once
from ._health import Health
from ._merging import StoredUnit

__all__ = ["Records"]


class Records:
    """The ledger. It is made when something is first written to it."""

    def __init__(self, backend: Backend, wall: Callable[[], float]) -> None:
        self._backend = backend
        self._wall = wall

    # --- read -------------------------------------------------------------------------------------

    def entries(
        self, account: Account, development_ids: list[str], source: str | None
    ) -> dict[Unit, Entry]:
        """Return what is known of the units of these developments, or of a list."""
        question = partial(
            _queries.entries, account=account, development_ids=development_ids, source=source
        )
        return self._backend.read(question, {})

    def generation(self, account: Account | None) -> int:
        """Return a number that changes with each change, 0 if there was none."""
        return self._backend.read(partial(_queries.generation, account=account), 0)

    def everything(self) -> dict[Account, dict[Unit, Entry]] | None:
        """Return all that is known, `None` if there is no ledger."""
        return self._backend.read(_queries.everything, None)

    def stored_units(self) -> dict[Account, dict[Unit, StoredUnit]] | None:
        """Return all that is known as it is stored, `None` if there is no ledger."""
        return self._backend.read(_queries.stored_units, None)

    def named(self, account: Account, names: list[str], development_id: str | None) -> list[Unit]:
        """Return the units with one of these names, whatever their case and spaces."""
        question = partial(
            _queries.named, account=account, names=names, development_id=development_id
        )
        return self._backend.read(question, [])

    def touched(self, account: Account, updates: list[UnitUpdate], since: int) -> list[Unit]:
        """Return which of these units, or of those alike to them, were marked since."""
        with self._backend.change(durably=False) as db:
            return _queries.touched(db, account, updates, since)

    def is_outdated(self, account: Account, since: int) -> bool:
        """Return whether each plan of this generation is out of date, or from another ledger."""
        with self._backend.change(durably=False) as db:
            return _queries.is_outdated(db, account, since)

    def backup(self, target: Path) -> None:
        """Copy the ledger as a whole to a file that does not exist yet."""
        if not self._backend.backup(target):
            raise LedgerError(
                tr("there is no ledger {location}, and so nothing to copy").format(
                    location=self._backend.location
                )
            )

    def check(self) -> Health:
        """Return whether the ledger is whole, and who may use and who holds it."""
        backend = self._backend
        problems = [*backend.problems()]
        damages = backend.read(_damages(backend), None)
        entries: dict[Account, dict[Unit, Entry]] = {}
        if damages is None:
            problems.append(
                tr(
                    "there is no ledger {location}: it is elsewhere, or nothing was pushed with it"
                ).format(location=backend.location)
            )
        elif damages:
            problems += damages
        else:
            self.generation(None)
            entries = self.everything() or {}
        return Health(
            backend.location,
            None if damages is None else backend.size_bytes(),
            {account: len(units) for account, units in entries.items()},
            sum(one.is_in_doubt for units in entries.values() for one in units.values()),
            backend.holder(),
            backend.file_system(),
            tuple(problems),
        )

    # --- written ----------------------------------------------------------------------------------

    def mark(self, account: Account, updates: list[UnitUpdate]) -> Marks:
        """Mark units in doubt, durably."""
        with self._change(account, durably=True) as db:
            return _changes.mark(db, account, updates, self._wall())

    def unmark(self, account: Account, updates: list[UnitUpdate], marked: list[Unit]) -> None:
        """Take marks back, and with them the units of which nothing else is known."""
        # Not durably: a mark that a power cut brings back does no harm.
        with self._change(account, durably=False) as db:
            _changes.unmark(db, account, updates, marked)

    def acknowledge(
        self,
        account: Account,
        updates: list[UnitUpdate],
        source: str | None,
        until: dict[Unit, int] | None,
    ) -> None:
        """Note what the server has acknowledged."""
        # Not durably: what a power cut takes away is sent again, and that is all.
        with self._change(account, durably=False) as db:
            _changes.acknowledge(db, account, updates, source, self._wall(), until)

    def write(
        self,
        account: Account,
        acknowledged: list[tuple[UnitUpdate, Marks]],
        unsent: list[tuple[UnitUpdate, Marks]],
        to_mark: list[UnitUpdate],
    ) -> list[Marks]:
        """Do all of this in one transaction. Return the marks, in the order of their updates."""
        found: list[Marks] = []
        # A plan that has none of these units is as good as before, so plans are not outdated.
        with self._backend.change(durably=bool(to_mark)) as db:
            now = self._wall()
            if acknowledged:
                until: dict[Unit, int] = {}
                for update, marks in acknowledged:
                    unit = update.development_id, update.name
                    # Where a unit is in it twice, two clients overlapped: it stays in doubt.
                    until[unit] = min(marks.generation, until.get(unit, marks.generation))
                updates = [update for update, _ in acknowledged]
                _changes.acknowledge(db, account, updates, None, now, until)
            for update, marks in unsent:
                _changes.unmark(db, account, [update], marks.new, marks.generation)
            for group in each_alike_once(to_mark):
                found += [_changes.mark(db, account, group, now)] * len(group)
        return found

    def note_missing(self, account: Account, units: list[Unit], source: str | None) -> None:
        """Note that these are known not to be in a list, or in none."""
        with self._change(account, durably=False) as db:
            _changes.note_missing(db, account, units, source, self._wall())

    def note_seen(self, account: Account, units: list[Unit], source: str) -> None:
        """Note that these are in a list, although nothing of them was sent."""
        with self._change(account, durably=False) as db:
            _changes.note_seen(db, account, units, source)

    def forget(self, account: Account, units: list[Unit]) -> None:
        """Forget these units."""
        with self._change(account, durably=True) as db:
            _changes.forget(db, account, units)

    def add(self, theirs: Mapping[Account, Mapping[Unit, StoredUnit]]) -> int:
        """Add what another ledger, or another account, knows. Return how many units change."""
        changed = 0
        with self._backend.change(durably=True) as db:
            for account, units in theirs.items():
                changed += _changes.add(db, account, units, self._wall())
                _changes.outdate_plans(db, account)
        return changed

    @contextmanager
    def _change(self, account: Account, *, durably: bool) -> Iterator[Session]:
        with self._backend.change(durably=durably) as db:
            yield db
            # Plans for other shards have none of these units.
            if not self._backend.in_shard(account):
                _changes.outdate_plans(db, account)


def _damages(backend: Backend) -> Callable[[Session], list[str] | None]:
    def question(db: Session) -> list[str] | None:
        return backend.damages(db) or _queries.spoiled_values(db)

    return question
