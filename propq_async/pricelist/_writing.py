"""Writing a price list in the plainest form: CSV in UTF-8 with commas."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Final

from propq_async._comparison import exact
from propq_async._messages import tr
from propq_async.models import Direction, UnitUpdate
from propq_async.pricelist._reading.cells import plain_price
from propq_async.pricelist._reading.numbers import exact_price
from propq_async.pricelist._reading.reader import read
from propq_async.pricelist._reading.rows import BrokenRow, Row
from propq_async.pricelist._reading.word_lookup import FIELDS

from ._problems import PriceListError

__all__ = ["write"]

_DIRECTIONS: Final = frozenset(Direction)


def write(path: str | PathLike[str], updates: Iterable[UnitUpdate]) -> None:
    """Write updates as a price list that `read` reads back.

    The file is replaced only when all is written and proven to be read back. Until then, and if
    anything goes wrong, it stays as it is.

    Raises:
        PriceListError: an update would not be read back as it is; the message names the unit and
            the field. A list has prices with at most two decimals and the eight directions, and
            each unit once.
        OSError: it cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise PriceListError(
            tr("{path} is no regular file, which a price list has to be").format(path=path)
        )
    written = list(updates)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".propq-") as directory:
        # With no suffix, by which the file could be taken for another format.
        draft = Path(directory) / "list"
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(FIELDS)
            writer.writerows(map(_cells, written))
            file.flush()
            os.fsync(file.fileno())
        if written:
            _check(draft, written)
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)


def _cells(update: UnitUpdate) -> tuple[str, ...]:
    price = exact_price(update.price)
    shown = plain_price(price, None) if isinstance(price, int | Decimal) else str(update.price)
    directions = " ".join(update.directions)
    return update.development_id, update.name, update.status.name, shown, directions


def _check(draft: Path, updates: list[UnitUpdate]) -> None:
    for update in updates:
        for field, cell in zip(FIELDS, _cells(update), strict=True):
            # With it the whole file would be taken for no text.
            if "\0" in cell:
                raise _refused(update, field)
        # A word that asks would ask for the whole list.
        if not _DIRECTIONS.issuperset(update.directions):
            raise _refused(update, "directions")
    for update, row in zip(updates, read(draft, profile=None), strict=True):
        differs = _field_that_differs(update, row)
        if differs is not None:
            raise _refused(update, differs)


def _refused(update: UnitUpdate, field: str) -> PriceListError:
    return PriceListError(
        tr(
            "{name!r} of {development_id!r} cannot be written into a price list: its "
            "{field}, {value!r}, would not be read back as it is"
        ).format(
            name=update.name,
            development_id=update.development_id,
            field=field,
            value=getattr(update, field),
        )
    )


def _field_that_differs(update: UnitUpdate, row: Row | BrokenRow) -> str | None:
    if isinstance(row, BrokenRow):
        named = (problem.column for problem in row.problems)
        return next((column for column in named if column is not None), "name")
    for field in FIELDS:
        wanted, found = getattr(update, field), getattr(row.update, field)
        if field == "price":
            wanted, found = exact(wanted), exact(found)
        if wanted != found:
            return field
    return None
