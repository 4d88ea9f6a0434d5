"""Which rows the heading of a table is.

A heading may be several rows: what stands below a name, up to the first unit, belongs to it, as in
`PRECIO` above `Sin IVA | Con IVA`, or `Orientación` above `N | S | E | O`. A row right above it may
have names of groups of columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, zip_longest
from typing import Any, Final

from propq_async.pricelist._problems import PROBLEM_COLUMN

from .direction_marks import direction_of
from .headers import (
    KNOWN,
    LIKELY,
    Header,
    Layout,
    Line,
    likely_fields,
    match,
    names_of,
    visible_only,
)
from .heading_words import field_in
from .unit_likeness import could_be, is_filled, is_number

__all__ = ["header_of"]

_NAMED_GROUPS: Final = 2
# No heading has more, and what seems to is no heading.
_MOST_ROWS: Final = 8
_PRICE: Final = "price"


def header_of(rows: Iterable[Line], layout: Layout, hidden: frozenset[int] = frozenset()) -> Header:
    """Return the rows that name the most columns that are known, or else that may be."""
    head = list(rows)
    named = [(line, names_of(cells)) for line, cells in head]
    at, best = -1, 0
    for index, (_, names) in enumerate(named):
        known = len(match(names, layout))
        if known > best or (at < 0 and any(names)):
            at, best = index, known
    if at < 0:
        return Header(0, 0, (), {})
    if best < KNOWN:
        likely = [len(likely_fields(names)) for _, names in named]
        at = likely.index(max(likely)) if max(likely) >= LIKELY else at
    return _whole(head, named, at, layout, hidden)


def _whole(
    head: Sequence[Line],
    named: Sequence[tuple[int, tuple[str, ...]]],
    at: int,
    layout: Layout,
    hidden: frozenset[int],
) -> Header:
    """Return the heading that a row begins, with the rows that belong to it."""
    first, names = named[at]
    until = at + 1
    # A list of failures has its heading in one row.
    last = at + 1 if PROBLEM_COLUMN in names else at + _MOST_ROWS
    while until < min(last, len(head)) and _goes_on(names, head[until][1], layout):
        names = _joined(names, named[until][1])
        until += 1
    above = head[:at]
    groups: tuple[str, ...] = ()
    if above and above[-1][0] == first - 1:
        groups = _groups(above[-1][1], names)
    columns = visible_only(match(names, layout), layout, hidden)
    last_line = named[until - 1][0]
    header = Header(first, last_line, names, columns, groups, hidden, above, head[until:])
    return header.with_marks(layout)


def _goes_on(names: Sequence[str], cells: Sequence[Any], layout: Layout) -> bool:
    """Return whether a row goes on with a heading.

    It does if it says more about the price, or about columns without a name, and is neither a unit
    nor another heading.
    """
    filled = [index for index, cell in enumerate(cells) if is_filled(cell)]
    marked = _directions_below(names, cells, filled)
    if not filled or any(
        not isinstance(cells[index], str)
        or is_number(cells[index])
        or could_be("status", cells[index])
        or could_be("directions", cells[index])
        for index in filled
        if index not in marked
    ):
        return False
    if len(likely_fields(names_of(cells))) >= KNOWN:
        return False
    known = match(names, layout)
    by_field = likely_fields(names) | known
    about = {index: field for field, indexes in by_field.items() for index in indexes}
    fields = {
        about.get(index, "" if index < len(names) and names[index] else _PRICE)
        for index in filled
        if index not in marked
    }
    return fields <= {_PRICE, ""} and (_PRICE in fields or bool(marked))


def _directions_below(
    names: Sequence[str], cells: Sequence[Any], filled: Sequence[int]
) -> frozenset[int]:
    """Return where directions stand below a name for directions, each for a column of marks."""
    group_of = dict(enumerate(accumulate(names, _group_of)))
    found = [
        index
        for index in filled
        if field_in(group_of.get(index, "")) == "directions"
        and isinstance(cells[index], str)
        and direction_of(cells[index])
    ]
    return frozenset(found if len(found) > 1 else ())


def _group_of(before: str, name: str) -> str:
    return name or before


def _joined(names: Sequence[str], below: Sequence[str]) -> tuple[str, ...]:
    """Return the names with what stands below them. A name may be of all columns up to the next."""
    joined: list[str] = []
    group = ""
    for name, more in zip_longest(names, below, fillvalue=""):
        group = name or group
        joined.append(f"{group} {more}".strip() if more else name)
    return tuple(joined)


def _groups(cells: Sequence[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Return for each column the name of the group that a row right above the heading has."""
    texts = names_of(cells)
    if sum(map(bool, texts)) < _NAMED_GROUPS or any(map(is_number, filter(is_filled, cells))):
        return ()
    found: list[str] = []
    group = ""
    for index, _ in enumerate(names):
        group = (texts[index] if index < len(texts) else "") or group
        found.append(group)
    return tuple(found)
