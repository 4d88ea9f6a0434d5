"""The words of price lists, in English and Spanish: columns, states, directions.

Words are compared without regard to case, accents and the number of spaces. A sign that says more
than the word (`Vendido?`, `4%`, `-1`) makes it another one, which only a user's mapping knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

from propq_async.models import Direction, UnitStatus

__all__ = [
    "COLUMNS",
    "DIRECTIONS",
    "FIELDS",
    "STATES",
    "UNKNOWN_DIRECTION",
    "directions_in",
    "fold",
    "status_of",
]

FIELDS: Final = ("development_id", "name", "status", "price", "directions")

_NO_WORD: Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=1024)
def fold(text: str) -> str:
    """Return the word without case, accents and punctuation."""
    bare = "".join(
        char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char)
    )
    return _NO_WORD.sub(" ", bare.casefold()).strip()


def _index(words: Mapping[str, str]) -> dict[str, str]:
    return {word.strip(): field for field, text in words.items() for word in text.split(",")}


COLUMNS: Final = _index(
    {
        "development_id": "development id, development, dev id, development code, id development, "
        "developmentid, project, project id, promocion, id promocion, promocion id, "
        "id de la promocion, codigo promocion, codigo de promocion, prom, id prom, proyecto, "
        "id proyecto",
        "name": "name, unit, unit name, untname, unt name, name of unit, unit no, unit number, "
        "nombre, unidad, nombre unidad, nombre de la unidad, nombre de unidad, vivienda, "
        "nombre vivienda, nombre de la vivienda, no vivienda, n o vivienda, numero vivienda, "
        "numero de vivienda, viv, no viv, inmueble, ref, reference, referencia",
        "status": "status, state, unit status, untstatus, unt status, availability, estado, "
        "estatus, situacion, disponibilidad",
        "price": "price, list price, unit price, untprice, unt price, price eur, price in eur, "
        "price euro, price euros, precio, pvp, p v p, precio venta, precio de venta, precio eur, "
        "precio en eur, precio euro, precio euros, precio en euros, importe",
        "directions": "directions, direction, untdirections, unt directions, orientation, "
        "orientations, facing, aspect, orientacion, orientaciones, orient, direccion, direcciones",
    }
)

STATES: Final = {
    word: UnitStatus[name]
    for word, name in _index(
        {
            "AVAILABLE": "1, available, for sale, disponible, libre, en venta",
            "HOLD": "2, hold, on hold, blocked, not available, unavailable, bloqueado, bloqueada, "
            "no disponible",
            "SOLD": "4, sold, vendido, vendida",
            "RESERVED": "8, reserved, reservado, reservada",
        }
    ).items()
}

DIRECTIONS: Final = {
    word: str(Direction[name])
    for word, name in _index(
        {
            "N": "n, north, norte",
            "NE": "ne, northeast, noreste, nordeste",
            "E": "e, east, este",
            "SE": "se, southeast, sureste, sudeste",
            "S": "s, south, sur",
            "SW": "sw, so, southwest, suroeste, sudoeste",
            "W": "w, o, west, oeste",
            "NW": "nw, no, northwest, noroeste",
        }
    ).items()
}

UNKNOWN_DIRECTION: Final = (
    "directions such as N S, N/S, Norte-Sur or SO; what another word means can be stated: "
    "--direction-word WORD=DIRECTION"
)

_BETWEEN: Final = re.compile(r"\s*[,;/|+&]\s*|\s+(?:y|and)\s+", re.IGNORECASE)
# "N o S" is north or south to a Spaniard.
_OR: Final = re.compile(r"\w\s+o\s+\w")
_PAIR: Final = re.compile(r"\s*[-\u2010-\u2013]\s*|\s+")
_NORTH_OR_SOUTH: Final = frozenset("NS")
_EAST_OR_WEST: Final = frozenset("EW")


# What may stand in a word of ours: "Vendido?" and "4%" do not say "sold".
_PLAIN: Final = re.compile(r"\s*\w[\w\s'.-]*")


def _known(word: str, more: Mapping[str, str]) -> str | None:
    folded = fold(word)
    return more.get(folded) or (DIRECTIONS.get(folded) if _PLAIN.fullmatch(word) else None)


def status_of(word: str, more: Mapping[str, UnitStatus]) -> UnitStatus | None:
    """Return the state that the word stands for, `None` if that is not known."""
    folded = fold(word)
    return more.get(folded) or (STATES.get(folded) if _PLAIN.fullmatch(word) else None)


def directions_in(text: str, more: Mapping[str, str]) -> tuple[str, ...] | str:
    """Return the directions that a text names, or what was expected instead of it.

    `South-West` may be one direction or two, and so may `S-W` and `South West`: that is an error.
    `N S`, `Norte-Sur`, `S/W`, `S, W` and `S y O` are two; `SW`, `SO` and `Suroeste` are one.
    """
    if _OR.search(text):
        return "directions with a / between them, such as N/O/S: an o may be west, or mean 'or'"
    found: list[str] = []
    for part in _BETWEEN.split(text.strip()):
        whole = _known(part, more)
        if whole is not None:
            found.append(whole)
            continue
        pair = [_known(word, more) for word in _PAIR.split(part)]
        known = [word for word in pair if word is not None]
        if len(known) < len(pair):
            return UNKNOWN_DIRECTION
        for first, second in pairwise(known):
            if first in _NORTH_OR_SOUTH and second in _EAST_OR_WEST and not _is_list(part):
                return f"{first}{second} if it is one direction, {first}/{second} if it is two"
        found += known
    return tuple(dict.fromkeys(found))


def _is_list(part: str) -> bool:
    """Return whether abbreviations stand apart, as in `N S E` or `S W`."""
    return all(word.isalpha() and len(word) <= len("SW") for word in part.split())
