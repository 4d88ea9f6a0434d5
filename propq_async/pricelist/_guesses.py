"""What words most likely mean that are not certain: proposed in a question, and never read so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Self

import attrs

from propq_async.models import UnitStatus
from propq_async.pricelist._reading.cells import text_of
from propq_async.pricelist._reading.unit_likeness import could_be, is_filled, is_number
from propq_async.pricelist._reading.word_lookup import O_IS_WEST, directions_in, fold

__all__ = ["StatusColumn", "direction_guess", "status_guess"]

_STATES: Final = (
    (UnitStatus.RESERVED, r"under contract|under offer"),
    (UnitStatus.SOLD, r"vend|sold|escritur|contrato|contract|entregad|verkauft|vendu|verkocht|^v$"),
    (UnitStatus.SOLD, r"beurkundet|notar"),
    (UnitStatus.HOLD, r"no a la venta|no disp|not for|not avail|bloq|block|hold|opcion|option"),
    (UnitStatus.HOLD, r"proxim|coming|soon|retirad|withdrawn|parad|^b$"),
    (UnitStatus.RESERVED, r"reserv|senal|arras|deposit|apartad|^r$"),
    (UnitStatus.AVAILABLE, r"disp|libre|venta|avail|free|sale|frei|^[dl]$"),
)
_DIRECTIONS: Final = {
    "levante": "E",
    "poniente": "W",
    "mediodia": "S",
    "tramontana": "N",
    "saliente": "E",
    "nne": "NE", "ene": "NE", "ese": "SE", "sse": "SE",
    "sso": "SW", "ssw": "SW", "oso": "SW", "wsw": "SW",
    "ono": "NW", "wnw": "NW", "nno": "NW", "nnw": "NW",
}  # fmt: skip
# What `Estado`, `Situación` and the like are cut to. Some of these are other words as well.
_STATUS_CUT: Final = frozenset(("est", "sit", "situac", "disp", "stat"))
_DIGIT: Final = re.compile(r"\d")


def status_guess(word: str) -> UnitStatus | None:
    """Return what a word for a status most likely means."""
    folded = fold(word)
    return next((status for status, words in _STATES if re.search(words, folded)), None)


def direction_guess(word: str) -> str | None:
    """Return what a word for a direction most likely means."""
    folded = fold(word)
    if folded in _DIRECTIONS:
        return _DIRECTIONS[folded]
    found = {directions_in(part, O_IS_WEST) for part in folded.split()}
    known = [one[0] for one in found if not isinstance(one, str)]
    return known[0] if len(known) == 1 else None


@attrs.frozen
class StatusColumn:
    """Whether a column whose heading says nothing for certain holds the states of units.

    Args:
        is_likely: whether it most likely does.
        may_be: whether it may.
    """

    is_likely: bool
    may_be: bool

    @classmethod
    def of(cls, heading: str, cells: Iterable[Any]) -> Self:
        """Look at a column. A letter alone says little: it is a door or a type as well."""
        is_cut = fold(heading) in _STATUS_CUT
        filled = [cell for cell in cells if is_filled(cell)]
        if any(could_be("price", cell) for cell in filled):
            # Words may stand in place of its prices.
            return cls(is_likely=is_cut, may_be=is_cut)
        words = {text_of(cell).strip() for cell in filled if not is_number(cell)}
        states = {word for word in words if _may_be_state(word)}
        are_words = any(len(word) > 1 for word in states)
        are_most = len(states) * 2 > len(words)
        is_likely = is_cut or (are_most and (are_words or states == words))
        return cls(is_likely, may_be=is_likely or are_words)


def _may_be_state(word: str) -> bool:
    """Return whether a word may be a status. What has a number is the name of something."""
    is_guess = status_guess(word) is not None and not _DIGIT.search(word)
    return could_be("status", word) or is_guess
