"""Opening a price list: how it is read, by what is stated of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from propq_async._messages import tr
from propq_async.models import UnitStatus
from propq_async.pricelist._problems import PriceListError
from propq_async.pricelist._profile import Profile
from propq_async.pricelist._shards import Shard, checked

from .numbers import Decimals
from .price_list import PriceList
from .profile_statements import (
    NEAREST,
    Nearest,
    add_unused,
    layout_of,
    used_profile,
)
from .word_lookup import FIELDS, PAIRS, StatedWords, direction_key, fold

__all__ = ["read"]


def read(
    path: str | os.PathLike[str],
    *,
    development_id: str | None = None,
    columns: Mapping[str, str] | None = None,
    status_words: Mapping[str, UnitStatus] | None = None,
    direction_words: Mapping[str, str] | None = None,
    decimal: Decimals | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    profile: Profile | str | os.PathLike[str] | Nearest | None = NEAREST,
    shard: Shard | None = None,
) -> PriceList:
    """Open a price list: CSV, TSV, a workbook (XLSX, XLS, ODS), JSON or HTML.

    What is not stated is recognised. What is stated here counts before what a profile states.

    Example::

        for row in pricelist.read("prices.csv", development_id="4711"):
            print(row.line, row.what if isinstance(row, pricelist.BrokenRow) else row.update)

    Args:
        path: the file.
        development_id: the development of all rows that do not name one themselves.
        columns: the names of the list's own columns, by the field of `UnitUpdate`, or what a
            question calls them: `Precio (C)`. A sheet that has another one for such a field is read
            by the usual words.
        status_words: what further words for a status mean.
        direction_words: what further words for a direction mean.
        decimal: the separator before the decimals of a price, "." or ",".
        delimiter: what separates the columns of a text.
        encoding: the encoding of a text.
        sheet: the one sheet of a workbook to read; without it, all that have a header and are not
            hidden. One whose header has only some of the columns is an error.
        profile: what is stated of this list in a file; by default the `propq.toml` beside it or in
            the nearest of the folders above it, if there is one that is about it. `None` for none.
        shard: only a part of the list, as `(2, 5)` for the second of five. All rows of a unit are
            in the same part, on every machine.

    Returns:
        The list, which can be iterated over again and again.

    Raises:
        PriceListError: it cannot be read, or it is not certain how; the message says what to do.
    """
    for field in columns or {}:
        if field not in FIELDS:
            raise PriceListError(
                tr("no field {field!r}: a column is one of {names}").format(
                    field=field, names=", ".join(FIELDS)
                )
            )
    if decimal not in (None, ".", ","):
        raise PriceListError(
            tr('decimal must be "." or ",", not {decimal!r}').format(decimal=decimal)
        )
    if delimiter is not None and len(delimiter) != 1:
        raise PriceListError(
            tr("the delimiter must be one character, not {delimiter!r}").format(delimiter=delimiter)
        )
    used, stated = used_profile(path, profile)
    if development_id is not None or sheet is not None:
        stated = attrs.evolve(stated, sheets=None if sheet is None else {sheet: None})
    development_id = development_id or stated.development
    layout = layout_of(
        stated, columns or {}, development_id, delimiter, encoding, str(used.path) if used else None
    )
    states = {**stated.status_words, **(status_words or {})}
    directions = {**stated.direction_words, **(direction_words or {})}
    means = {direction_key(word): direction for word, direction in directions.items()}
    if stated.compass_pairs is not None:
        means[PAIRS] = stated.compass_pairs
    words = StatedWords(
        development_id,
        {fold(word): UnitStatus(status) for word, status in states.items()},
        means,
    )
    part = checked(shard)
    try:
        prices = PriceList(Path(path), layout, words, decimal or stated.decimal, used, stated)
    except PriceListError as error:
        add_unused(error, path, is_looked_for=used is None and profile is NEAREST)
        raise
    prices.shard = part
    return prices
