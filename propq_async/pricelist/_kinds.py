"""The kinds of warnings: what a person may say yes to, each by itself."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from propq_async._messages import tr
from propq_async.errors import ConfigurationError

__all__ = ["ALL", "WarningKind", "kinds_named"]

ALL: Final = "all"
"""What accepts every kind of warning."""
# From 0, which anything is, to 1.
_NEAR: Final = 0.5


class WarningKind(StrEnum):
    """What a warning is about."""

    PRICE = "price"
    """A price moves by more than 20%."""
    BELOW_FLOOR = "below-floor"
    """A price is too low for a unit, or far below the rest of the list."""
    SOLD_TO_AVAILABLE = "sold-to-available"
    """A unit that was SOLD becomes AVAILABLE."""
    MOST_CHANGE_STATUS = "most-change-status"
    """More than half of the units change their status."""
    MISSING = "missing"
    """Units that were pushed before are not in the list."""
    ALIKE = "alike"
    """Two names differ only by case or spaces."""
    UNKNOWN_TO_LEDGER = "unknown-to-ledger"
    """The ledger knows nothing of most of the units, so nothing can be compared."""
    HIDDEN = "hidden"
    """Something that the list hides is read: rows or columns."""
    DIRECTIONS = "directions"
    """More than half of the units change their directions, or what they mean is not certain."""


def kinds_named(names: Iterable[str]) -> frozenset[WarningKind]:
    """Return the kinds that have these names.

    Args:
        names: the names, or a single string that has them with commas between them. `"all"` is
            every kind.

    Raises:
        ConfigurationError: there is no such kind. The message names the nearest one.
    """
    texts = names.split(",") if isinstance(names, str) else names
    stated = {str(name).strip() for name in texts}
    known = [*WarningKind, ALL]
    for name in sorted(stated.difference(known)):
        near = get_close_matches(name.casefold().replace("_", "-"), known, 1, _NEAR)
        meant = tr("; did you mean {near}?").format(near=near[0]) if near else ";"
        raise ConfigurationError(
            tr("there is no kind of warning {name!r}{meant} there are {names} and {all}").format(
                name=name, meant=meant, names=", ".join(WarningKind), all=ALL
            )
        )
    return frozenset(kind for kind in WarningKind if stated.intersection((kind, ALL)))
