"""What a square metre costs in a list, where a surface stands beside the price."""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median
from typing import Final

from ._problems import Table
from ._reading.rows import Row
from ._reading.word_lookup import fold

__all__ = ["price_of_square_metre"]

_SURFACE: Final = re.compile(
    r"\b(?:m2|m 2|mts?2?|sqm|sq m|sup|superficie|surface|area|metros|util|construida|construidos"
    r"|built|wohnflache|flache|oppervlakte|boarea|bruksareal)\b"
)
# What is outside, or is itself a price, says nothing about the price of a flat.
_OF_OTHER: Final = re.compile(
    r"\b(?:terrazas?|terraces?|terrasse|solarium|jardin|garden|parcela|plot|trastero|garaje|garage"
    r"|porche|balcon|balcony|precio|price|eur|euros?|preis|prix|prijs|pris|pvp|comunes|common"
    r"|grundstuck|tuin|tomt)\b"
)
_NUMBER: Final = re.compile(r"([0-9]{2,4})(?:[.,]([0-9]{1,2}))?(?: ?(?:m2|m²|m|mts?\.?))?")


def price_of_square_metre(rows: Iterable[Row]) -> float | None:
    """Return the median of what a square metre costs, `None` if the list has no surface.

    Of several surfaces, the one counts in which a square metre costs most: a plot is larger.
    """
    places: dict[Table, list[int]] = {}
    prices: dict[int, list[float]] = {}
    for row in rows:
        indexes = places.get(row.table)
        if indexes is None:
            indexes = places[row.table] = _surfaces(row.table)
        for index in indexes:
            surface = _NUMBER.fullmatch(row.cells[index].strip())
            if surface is not None:
                square_metres = float(f"{surface[1]}.{surface[2] or 0}")
                prices.setdefault(index, []).append(float(row.update.price) / square_metres)
    return max(map(median, prices.values()), default=None)


def _surfaces(table: Table) -> list[int]:
    """Return the columns that say how large a unit is."""
    read = {column.index for column in table.columns.values()}
    words = ((index, fold(name), name) for index, name in enumerate(table.header))
    return [
        index
        for index, word, name in words
        if index not in read
        and _SURFACE.search(word)
        and not _OF_OTHER.search(word)
        and "€" not in name
    ]
