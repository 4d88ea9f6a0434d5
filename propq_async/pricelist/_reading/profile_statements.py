"""What a profile states of one list, as the reader takes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

import attrs

from propq_async._messages import tr
from propq_async.ledger import Entry, Unit
from propq_async.pricelist._problems import PriceListError
from propq_async.pricelist._profile import Profile, find_profile, profile_of
from propq_async.pricelist._profile_values import ListProfile

from .completing import Completion
from .fill_sources import source_of
from .found_table import Found
from .headers import Layout
from .word_lookup import StatedWords

__all__ = [
    "NEAREST",
    "Nearest",
    "add_unused",
    "completion_of",
    "layout_of",
    "used_profile",
    "words_for",
]


class Nearest(Enum):
    """The type of `NEAREST`."""

    NEAREST = "nearest"
    """The nearest profile of a list, if there is one."""


NEAREST: Final = Nearest.NEAREST


def used_profile(
    path: str | os.PathLike[str], profile: Profile | str | os.PathLike[str] | Nearest | None
) -> tuple[Profile | None, ListProfile]:
    """Return the profile of a list, and what it states of it.

    Raises:
        PriceListError: it cannot be read, or it is named and states nothing of the list.
    """
    if isinstance(profile, Nearest):
        nearest = find_profile(path)
        profile = None if nearest is None else Profile.load(nearest)
        if profile is not None and profile.for_list(path) is None:
            profile = None
    used = profile_of(path, profile)
    return used, (used and used.for_list(path)) or ListProfile()


def add_unused(error: PriceListError, path: str | os.PathLike[str], *, is_looked_for: bool) -> None:
    """Add to an error that there is a profile, but for lists of other names."""
    nearest = find_profile(path) if is_looked_for else None
    if nearest is None:
        return
    globs = ", ".join(repr(one.file) for one in Profile.load(nearest).lists) or tr("no list")
    error.message += tr(
        "; {nearest} is for {globs}, which {name!r} does not fit: if it should, change its file"
    ).format(nearest=nearest, globs=globs, name=Path(path).name)
    error.args = (error.message,)


def layout_of(
    stated: ListProfile,
    columns: Mapping[str, str],
    development_id: str | None,
    delimiter: str | None,
    encoding: str | None,
    stated_in: str | None,
) -> Layout:
    """Return the form of a list, as it is stated by options, or else by its profile."""
    sheets = stated.sheets or {}
    developments = {sheet: one for sheet, one in sheets.items() if one is not None}
    is_known = development_id is not None or len(developments) == len(sheets) > 0
    return Layout(
        {**stated.columns, **columns},
        not is_known,
        delimiter or stated.delimiter,
        encoding or stated.encoding,
        sheets=list(sheets) or None,
        filled={field: fill.label for field, fill in stated.fill.items()},
        developments=developments,
        stated_in=stated_in if set(stated.columns) - set(columns) else None,
        by_option=columns.keys(),
    )


def words_for(found: Found, words: StatedWords) -> StatedWords:
    """Return what is stated of words in a table, whose sheet may have a development of its own."""
    if found.development is None:
        return words
    return attrs.evolve(words, development_id=found.development)


def completion_of(
    stated: ListProfile, words: StatedWords, entries: Mapping[Unit, Entry] | None
) -> Completion:
    """Return what completes the rows of a list.

    Raises:
        PriceListError: a file that fills a field cannot be read.
    """
    fills = {
        field: (source_of(field, fill, words, entries), fill.label)
        for field, fill in stated.fill.items()
    }
    return Completion(fills, stated.hidden_rows, stated.not_units)
