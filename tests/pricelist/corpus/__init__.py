"""Lists after public structures, with data of our own: see `tests/helpers/corpus.py`."""

from __future__ import annotations

from typing import Final

from tests.helpers.corpus import Listed

from . import (
    as_kept,
    blocks,
    blocks_apart,
    codes,
    directions,
    english,
    languages,
    names,
    repeated,
    sheets,
    shown,
    spanish,
    spanish_portals,
    spanish_rivals,
)

__all__ = ["LISTS"]

LISTS: Final[tuple[Listed, ...]] = (
    *spanish.LISTS,
    *spanish_rivals.LISTS,
    *spanish_portals.LISTS,
    *english.LISTS,
    *languages.LISTS,
    *blocks.LISTS,
    *blocks_apart.LISTS,
    *sheets.LISTS,
    *directions.LISTS,
    *codes.LISTS,
    *repeated.LISTS,
    *names.LISTS,
    *shown.LISTS,
    *as_kept.LISTS,
)
