"""When two names may be one unit, and two prices are one price."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal


def alike(name: str) -> str:
    """Return what all names of one unit have in common: neither case nor spaces count.

    Whether the server tells such names apart is not known, so we never treat them as two units.
    """
    return "".join(name.casefold().split())


def all_alike(names: Sequence[str]) -> list[str]:
    """Return the same of several names, which are not empty, in a quarter of the time."""
    folded = " ".join(names).casefold().split()
    # Each name has at least one word, so if there are as many, none has a space in it.
    return folded if len(folded) == len(names) else [*map(alike, names)]


def exact(price: float | Decimal) -> Decimal:
    """Return a price so that it compares and prints by what is written, which a float does not."""
    return Decimal(str(price) if isinstance(price, float) else price)
