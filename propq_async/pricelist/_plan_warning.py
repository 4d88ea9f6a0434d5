"""A warning of a plan, what a price may do without one, and which warnings still need a yes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import joined, tr
from propq_async.errors import UnconfirmedError

from ._kinds import WarningKind, kinds_named
from ._money import money

__all__ = [
    "MAX_CHANGE",
    "MIN_PRICE",
    "Limits",
    "PlanWarning",
    "by_title",
    "check_accepted",
    "unaccepted",
]

MAX_CHANGE: Final = 0.2
MIN_PRICE: Final = 1_000
# How many warnings an error quotes. It has all of them as values.
_QUOTED: Final = 3


@attrs.frozen
class Limits:
    """What a price may do without a question.

    Args:
        max_change: by how much it may move, 0.2 for 20%.
        min_price: the lowest price of a unit, in euro.
        decimal: what stands before decimals in texts, `None` for what the language has there.
    """

    max_change: Decimal
    min_price: Decimal
    decimal: str | None = None

    def money(self, value: float | Decimal) -> str:
        """Return an amount as the list writes it."""
        return money(value, self.decimal)


@attrs.frozen
class PlanWarning:
    """Something that is likely a mistake, so that a person should confirm it before a push.

    Args:
        kind: what it is about.
        text: what it says, for people.
        is_first_push: whether it only says that nothing was pushed from here before.
    """

    kind: WarningKind
    text: str
    is_first_push: bool = False

    def __str__(self) -> str:
        return self.text


def by_title(warnings: Sequence[PlanWarning]) -> Iterator[tuple[str, list[PlanWarning]]]:
    """Yield warnings below their titles: that a push is the first one is no mistake."""
    for title, is_first in ((tr("First push"), True), (tr("Likely a mistake"), False)):
        found = [one for one in warnings if one.is_first_push is is_first]
        if found:
            yield title, found


def unaccepted(warnings: Iterable[PlanWarning], accept: Iterable[str]) -> list[PlanWarning]:
    """Return the warnings that still need a yes.

    Args:
        warnings: the warnings.
        accept: the kinds that somebody has said yes to, as `kinds_named` takes them.

    Raises:
        ConfigurationError: `accept` names a kind that does not exist.
    """
    accepted = kinds_named(accept)
    return [one for one in warnings if one.kind not in accepted]


def check_accepted(path: Path, warnings: Sequence[PlanWarning], accept: Iterable[str]) -> None:
    """Check that somebody has said yes to each warning of a plan.

    Raises:
        UnconfirmedError: nobody has.
        ConfigurationError: `accept` names a kind that does not exist.
    """
    if not (left := unaccepted(warnings, accept)):
        return
    kinds: dict[str, list[str]] = {}
    for one in left:
        kinds.setdefault(str(one.kind), []).append(one.text)
    more = len(left) - _QUOTED
    quoted = joined("; ", (one.text for one in left[:_QUOTED]))
    if more > 0:
        quoted += tr("; and {more:,} more").format(more=more)
    raise UnconfirmedError(
        tr(
            "{path}: nothing was sent, since this needs a yes: {quoted}; if it is "
            "meant, push with accept={names!r}"
        ).format(path=path, quoted=quoted, names=",".join(kinds)),
        warnings=kinds,
    )
