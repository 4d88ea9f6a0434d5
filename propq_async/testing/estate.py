"""The developments and their units."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from .checks import check_bool, check_text, check_unit
from .values import Unit, UnitValues

__all__ = ["Estate"]

HISTORY_LENGTH: Final = 1000

_Key = tuple[str, str]


@attrs.define
class _Entry:
    values: deque[UnitValues]
    revision: int


@attrs.define
class Estate:
    """The developments and their units, each with the revision of its latest change."""

    revision: int = attrs.field(default=0, init=False)
    updates: int = attrs.field(default=0, init=False)
    _foreign: dict[str, bool] = attrs.field(factory=dict, init=False)
    _entries: dict[_Key, _Entry] = attrs.field(factory=dict, init=False)
    # For a server that takes a-101 for A-101.
    _folded: dict[_Key, str] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget them all, but not the number of revisions."""
        self._foreign.clear()
        self._entries.clear()
        self._folded.clear()
        self.updates = 0
        self.revision += 1

    def add_development(self, development_id: str, *, foreign: bool | None) -> None:
        """Add a development; `None` leaves one that is there with the client that it has."""
        check_text("development_id", development_id)
        if foreign is None:
            self._foreign.setdefault(development_id, False)
            return
        check_bool("foreign", foreign)
        self._foreign[development_id] = foreign

    def is_known(self, development_id: str) -> bool:
        """Return whether there is such a development."""
        return development_id in self._foreign

    def is_foreign(self, development_id: str) -> bool:
        """Return whether the development belongs to another client."""
        return self._foreign.get(development_id, False)

    def add_unit(
        self, development_id: str, name: str, status: int, price: float, directions: Sequence[str]
    ) -> Unit:
        """Add a unit, or replace it."""
        check_unit(name, status, price, directions)
        self.add_development(development_id, foreign=None)
        key = (development_id, name)
        values = UnitValues(int(status), price, tuple(directions))
        self.revision += 1
        self._entries[key] = _Entry(deque([values], maxlen=HISTORY_LENGTH), self.revision)
        self._folded.setdefault((development_id, name.casefold()), name)
        return self._unit(key)

    def find(self, development_id: str, name: str, *, exactly: bool) -> _Key | None:
        """Return the key of a unit, `None` if there is none of that name."""
        key = (development_id, name)
        if key in self._entries:
            return key
        folded = None if exactly else self._folded.get((development_id, name.casefold()))
        return None if folded is None else (development_id, folded)

    def update(self, key: _Key, values: UnitValues) -> None:
        """Give a unit new values."""
        entry = self._entries[key]
        entry.values.append(values)
        self.revision += 1
        entry.revision = self.revision
        self.updates += 1

    def unit(self, development_id: str, name: str) -> Unit:
        """Return a unit as it is now.

        Raises:
            KeyError: there is no such development or unit.
        """
        key = (development_id, name)
        if key in self._entries:
            return self._unit(key)
        if development_id not in self._foreign:
            raise KeyError(f"no development {development_id!r}")
        raise KeyError(f"no unit {name!r} in the development {development_id!r}")

    def units(self, since: int = -1) -> Iterator[Unit]:
        """Yield the units that have changed after a revision, in the order of their addition."""
        for key, entry in self._entries.items():
            if entry.revision > since:
                yield self._unit(key)

    def _unit(self, key: _Key) -> Unit:
        values = self._entries[key].values
        now = values[-1]
        return Unit(*key, now.status, now.price, now.directions, tuple(values))
