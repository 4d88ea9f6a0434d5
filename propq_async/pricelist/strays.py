"""Separators of columns that were meant to group digits.

In a CSV with commas, an unquoted `250,000` is two cells. Mostly the row then has a cell too many,
or a word stands where none belongs. But where it is one short otherwise, as exporters leave out
what is empty at the end, all cells have a column, and a price of 250 would go out. A price below
1,000 beside a number is therefore no certain one. One of 1,000 and more is, whatever stands beside
it, unless what follows has no column of its own: then it may be the cents, or the next group of a
price that ends in one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from .numbers import TOO_LARGE, undressed

__all__ = ["torn_price", "whole_from"]

_GROUPING: Final = frozenset(",.' ")
# Of what is longer than a group, the next one has no place behind it.
_SHORTEST: Final = 1000
_FIRST: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_GROUP: Final = re.compile(r"[0-9]{3}", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]+", re.ASCII)
_CENTS: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_BEGINS_WITH_GROUP: Final = re.compile(r"[0-9]{3}.*", re.ASCII)
_ENDS_IN_GROUP: Final = re.compile(r".*[.,' ][0-9]{3}", re.ASCII)


def whole_from(delimiter: str | None, header: Sequence[str], place: int) -> int:
    """Return from what on a price is whole, whatever stands beside it.

    Args:
        delimiter: what separates the columns, `None` where nothing does.
        header: the names of the columns.
        place: of the price.
    """
    if delimiter not in _GROUPING:
        return 0
    is_nameless = place + 1 < len(header) and not header[place + 1]
    return TOO_LARGE if is_nameless else _SHORTEST


def torn_price(
    cells: Sequence[str], place: int, header: Sequence[str], used: Collection[int]
) -> tuple[str, str] | None:
    """Return two cells that may be one number, `None` if the price is certainly whole.

    Args:
        cells: the row.
        place: of the price.
        header: the names of the columns.
        used: the places of the columns that are read.
    """
    price = undressed(cells[place]) or ""
    after = (undressed(cells[place + 1]) or "") if place + 1 < len(cells) else ""
    is_nameless = bool(after) and not header[place + 1]
    if _FIRST.fullmatch(price):
        if _BEGINS_WITH_GROUP.fullmatch(after) or is_nameless:
            return cells[place], cells[place + 1]
        # Or something else was torn, and what stands here belongs elsewhere.
        free = [
            (undressed(cell) or "") if at == place or at not in used else ""
            for at, cell in enumerate(cells)
        ]
        for one, other in pairwise(free):
            if _FIRST.fullmatch(one) and _GROUP.fullmatch(other):
                return one, other
    elif is_nameless and (
        (_WHOLE.fullmatch(price) and _CENTS.fullmatch(after))
        or (
            _ENDS_IN_GROUP.fullmatch(price) and (_GROUP.fullmatch(after) or _CENTS.fullmatch(after))
        )
    ):
        return cells[place], cells[place + 1]
    return None
