"""Numbers in a column of states.

The API has four of them: 1, 2, 4 and 8. But other systems have codes of their own, in which a 4 may
be for sale; and that all of a column are 1, 2, 4 or 8 does not tell whose they are. So numbers are
read where the list is written for the API: its heading is the API's own (`UntStatus`), or its
columns have the names of our own fields. Elsewhere the column asks what its numbers mean.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from propq_async._messages import tr
from propq_async.models import UnitStatus

from .word_lookup import FIELDS, fold

__all__ = ["unknown_codes"]

_OF_API: Final = frozenset({"untstatus", "unt status"})
# What is longer is no code, but a price in a row with a cell too many.
_NUMBER: Final = re.compile(r"[0-9]{1,3}(?:[.,]0)?", re.ASCII)
_OURS: Final = frozenset(str(int(status)) for status in UnitStatus)
_SHOWN: Final = 12


def unknown_codes(
    texts: Collection[str],
    header: Sequence[str],
    index: int,
    stated: Mapping[str, UnitStatus],
) -> str | None:
    """Return what a column of states asks about its numbers, `None` if they are certain.

    Args:
        texts: the different texts of the column.
        header: the names of all columns.
        index: the column, from 0.
        stated: what the user states of words.
    """
    if fold(header[index]) in _OF_API or set(FIELDS) <= set(header):
        return None
    codes = {text.strip() for text in texts if _NUMBER.fullmatch(text.strip())}
    unknown = {code for code in codes if fold(code) not in stated}
    # Without one of ours nothing would be read wrong: these rows are broken one by one.
    if unknown.isdisjoint(_OURS):
        return None
    first = sorted(unknown, key=lambda code: (len(code), code))[:_SHOWN]
    more = (
        tr(" and {count:,} more").format(count=len(unknown) - _SHOWN)
        if len(unknown) > _SHOWN
        else ""
    )
    options = " ".join(f"--status-word {code}=STATUS" for code in first)
    states = ", ".join(status.name for status in UnitStatus)
    return tr(
        "{names}{more}: numbers, and each system has its own; state what each "
        "means: {options} (STATUS is one of {states})"
    ).format(names=", ".join(map(repr, first)), more=more, options=options, states=states)
