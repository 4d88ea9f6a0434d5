"""The units of an emulator, from any price list that can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from propq_async.models import UnitUpdate
from propq_async.pricelist import BrokenRow, PriceListError, Row

from .ending import CommandError, Exit
from .reading import Reading, open_list

__all__ = ["BrokenRow", "read_units"]


def read_units(path: Path, reading: Reading) -> Iterator[UnitUpdate | BrokenRow]:
    """Read a price list row by row.

    Raises:
        CommandError: it cannot be read.
    """
    try:
        for row in open_list(path, reading):
            yield row.update if isinstance(row, Row) else row
    except PriceListError as error:
        raise CommandError(str(error), Exit.USAGE) from error
