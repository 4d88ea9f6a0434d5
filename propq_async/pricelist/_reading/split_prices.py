"""Prices that the separator of columns has split.

In a CSV with commas, an unquoted `250,000` is two cells. Usually the row then has a cell too many,
or a cell has a word where none belongs. But exporters leave out empty cells at the end of a row. If
one is missing, each cell has a column, and a price of 250 would be sent. So a price below 1,000
beside a number is in doubt. A price of 1,000 and more is not, unless the column after it has no
name: then the next cell may be its cents or its next group of digits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from .numbers import TOO_LARGE, undressed

__all__ = ["split_price", "whole_from"]

_GROUPING: Final = frozenset(",.' ")
# Of what is longer than a group, the next one cannot stand behind it.
_SHORTEST: Final = 1000
_FIRST: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_GROUP: Final = re.compile(r"[0-9]{3}", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]+", re.ASCII)
_CENTS: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_BEGINS_WITH_GROUP: Final = re.compile(r"[0-9]{3}.*", re.ASCII)
_ENDS_IN_GROUP: Final = re.compile(r".*[.,' ][0-9]{3}", re.ASCII)


def whole_from(delimiter: str | None, header: Sequence[str], index: int) -> int:
    """Return the least price that is certainly whole, whatever the cell beside it holds.

    Args:
        delimiter: what separates the columns, `None` where nothing does.
        header: the names of the columns.
        index: the column of the price, from 0.
    """
    if delimiter not in _GROUPING:
        return 0
    is_nameless = index + 1 < len(header) and not header[index + 1]
    return TOO_LARGE if is_nameless else _SHORTEST


def split_price(
    cells: Sequence[str], index: int, header: Sequence[str], used: Collection[int]
) -> tuple[str, str] | None:
    """Return two cells that may be one number, or `None` if the price is certainly whole.

    Args:
        cells: the row.
        index: the column of the price, from 0.
        header: the names of the columns.
        used: the columns that are read, from 0.
    """
    price = undressed(cells[index]) or ""
    after = (undressed(cells[index + 1]) or "") if index + 1 < len(cells) else ""
    is_nameless = bool(after) and not header[index + 1]
    if _FIRST.fullmatch(price):
        if _BEGINS_WITH_GROUP.fullmatch(after) or is_nameless:
            return cells[index], cells[index + 1]
        # Or another number was split, and what stands here belongs elsewhere.
        free = [
            (undressed(cell) or "") if other_index == index or other_index not in used else ""
            for other_index, cell in enumerate(cells)
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
        return cells[index], cells[index + 1]
    return None
