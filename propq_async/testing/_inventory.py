"""The developments and their units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from ._validators import check_bool, check_text, check_unit
from ._values import Unit, UnitValues

__all__ = ["Glance", "Inventory", "Units"]

HISTORY_LENGTH: Final = 1000

_Key = tuple[str, str]


@attrs.frozen
class Glance:
    """A unit at one time. Its history is copied only on demand.

    The first `length` of the values are those that it had at that time.
    """

    key: _Key
    _values: list[UnitValues]
    length: int

    @property
    def now(self) -> UnitValues:
        """Return the values that it had last."""
        return self._values[self.length - 1]

    @property
    def before(self) -> UnitValues | None:
        """Return the values before those, `None` if there are none."""
        return self._values[self.length - 2] if self.length > 1 else None

    @property
    def updates(self) -> int:
        """Return the number of updates that are kept."""
        return min(self.length, HISTORY_LENGTH) - 1

    def unit(self) -> Unit:
        """Return the whole unit."""
        now = self.now
        history = self._values[max(0, self.length - HISTORY_LENGTH) : self.length]
        return Unit(*self.key, now.status, now.price, now.directions, tuple(history))


class Units(Mapping[_Key, Unit]):
    """The units at one time. Each is built when it is read."""

    def __init__(self, glances: Iterable[Glance]) -> None:
        self._glances = {glance.key: glance for glance in glances}

    def __getitem__(self, key: _Key) -> Unit:
        if key not in self._glances:
            raise KeyError(f"no unit {key!r}; a key is (development_id, name)")
        return self._glances[key].unit()

    def __contains__(self, key: object) -> bool:
        return key in self._glances

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._glances)

    def __len__(self) -> int:
        return len(self._glances)

    def __repr__(self) -> str:
        return repr(dict(self))


@attrs.define
class _Entry:
    # Append-only, so that a glance stays valid. At twice the history's length, a new list begins.
    values: list[UnitValues]
    revision: int


@attrs.define
class Inventory:
    """The developments and their units, each with the revision of its latest change."""

    revision: int = attrs.field(default=0, init=False)
    updates: int = attrs.field(default=0, init=False)
    _foreign: dict[str, bool] = attrs.field(factory=dict, init=False)
    _entries: dict[_Key, _Entry] = attrs.field(factory=dict, init=False)
    # For a server that accepts a-101 for A-101.
    _folded: dict[_Key, str] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget all of them, but not the number of revisions."""
        self._foreign.clear()
        self._entries.clear()
        self._folded.clear()
        self.updates = 0
        self.revision += 1

    def add_development(self, development_id: str, *, foreign: bool | None) -> None:
        """Add a development. With `None`, one that exists keeps its client."""
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
        self._entries[key] = _Entry([values], self.revision)
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
        if len(entry.values) == 2 * HISTORY_LENGTH:
            entry.values = entry.values[-HISTORY_LENGTH:]
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

    def glances(self, since: int = -1) -> Iterator[Glance]:
        """Yield the units that have changed after a revision, in the order of their addition."""
        for key, entry in self._entries.items():
            if entry.revision > since:
                yield Glance(key, entry.values, len(entry.values))

    def _unit(self, key: _Key) -> Unit:
        values = self._entries[key].values
        return Glance(key, values, len(values)).unit()
