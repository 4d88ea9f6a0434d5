"""What is said where a field has no column: how to state it, and which columns may be meant."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from propq_async._messages import joined, tr
from propq_async.pricelist._template import Template, is_template

from .cells import text_of
from .direction_marks import template_of_marks
from .headers import Header, Layout, label, stated_columns
from .heading_words import field_of
from .unit_likeness import is_filled
from .word_lookup import FIELDS

__all__ = ["nothing_for", "shown", "with_samples"]

_DEVELOPMENT: Final = FIELDS[0]
_DIRECTIONS: Final = "directions"
_SAMPLES: Final = 2
_LONGEST_SAMPLE: Final = 30


def nothing_for(
    missing: list[str],
    header: Header,
    could_be_meant: Mapping[str, list[int]],
    path: Path,
    location: str,
    layout: Layout,
) -> str:
    """Return the message about fields that have no column."""
    found = ", ".join(filter(None, header.cells)) or tr("nothing")
    stated = [field for field in missing if field in layout.columns]
    if stated:
        return _not_there(stated, header, location, layout, found)
    options = (
        tr("--development ID (or --column {field}=NAME)").format(field=field)
        if field == _DEVELOPMENT
        else tr("--column {field}=NAME").format(field=field)
        for field in missing
    )
    return tr(
        "{location}: no column for {names}; run {command}, which asks, or state "
        "{options}; found {found}{perhaps}{hidden}"
    ).format(
        location=location,
        names=", ".join(missing),
        command=shlex.join(["propq", "setup", str(path)]),
        options=joined(", ", options),
        found=found,
        perhaps=_perhaps(missing, header, could_be_meant),
        hidden=_hidden(missing, header),
    )


def _perhaps(
    missing: Collection[str], header: Header, could_be_meant: Mapping[str, list[int]]
) -> str:
    perhaps = [
        tr("; {field} may be {shown}").format(
            field=field, shown=shown(header, could_be_meant[field])
        )
        for field in missing
        if could_be_meant.get(field)
    ]
    marks = template_of_marks(header.cells) if _DIRECTIONS in missing else None
    if marks is not None:
        perhaps.append(
            tr(
                "; directions may be marks, such as X, in several columns: --column {stated}"
            ).format(stated=shlex.quote(f"{_DIRECTIONS}={marks}"))
        )
    return joined("", perhaps)


def _hidden(missing: Collection[str], header: Header) -> str:
    hidden = (
        tr("; {label} is hidden").format(label=label(header.cells, index))
        for index in sorted(header.hidden)
        if index < len(header.cells) and field_of(header.cells[index]) in missing
    )
    return joined("", hidden)


def _not_there(
    stated: Collection[str], header: Header, location: str, layout: Layout, found: str
) -> str:
    """Return what is stated of fields, by options or else by a profile, and is not there."""
    by_option = [field for field in stated if field in layout.by_option]
    if by_option or layout.stated_in is None:
        these = joined(tr(" and "), (_absent(one, header, layout) for one in by_option or stated))
        return tr(
            "{location}: the list has no column {these}, as --column states; it has {found}"
        ).format(location=location, these=these, found=found)
    lines = (
        tr("{field} = {stated!r}, and there is no column {names}").format(
            field=field, stated=layout.columns[field], names=_absent_names(field, header, layout)
        )
        for field in stated
    )
    return tr("{location}: {stated_in} states {these}; the list has {found}").format(
        location=location,
        stated_in=layout.stated_in,
        these=joined(tr(" and "), lines),
        found=found,
    )


def _absent(field: str, header: Header, layout: Layout) -> str:
    return tr("{names} for {field}").format(names=_absent_names(field, header, layout), field=field)


def _absent_names(field: str, header: Header, layout: Layout) -> str:
    """Return which columns that are stated of a field are not there."""
    stated = layout.columns[field]
    absent = [stated]
    if is_template(stated):
        columns = Template.parse(stated).columns
        absent = [one for one in columns if not stated_columns(header.cells, one)]
    return ", ".join(map(repr, absent))


def shown(header: Header, indexes: list[int]) -> str:
    """Return columns for a question: each with its name, its letter and two of its values."""
    return joined(", ", (with_samples(header, index) for index in indexes))


def with_samples(header: Header, index: int) -> str:
    """Return a column for a question: its name, its letter and two of its values."""
    is_lettered = header.line and index not in header.marks
    name = label(header.cells, index) if is_lettered else header.heading_of(index)
    filled = (text_of(cell).strip() for cell in header.column(index) if is_filled(cell))
    samples = [repr(text[:_LONGEST_SAMPLE]) for text in islice(filled, _SAMPLES)]
    return (
        tr("{name}: {samples}").format(name=name, samples=joined(tr(" and "), samples))
        if samples
        else tr("{name}, which is empty").format(name=name)
    )
