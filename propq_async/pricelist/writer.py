"""Writing a price list in the plainest form: CSV in UTF-8 with commas."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from propq_async.models import UnitUpdate

from .words import FIELDS

__all__ = ["write"]


def write(path: str | PathLike[str], updates: Iterable[UnitUpdate]) -> None:
    """Write updates as a price list that `read` reads back.

    Raises:
        OSError: it cannot be written.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for one in updates:
            directions = " ".join(one.directions)
            writer.writerow((one.development_id, one.name, one.status.name, one.price, directions))
