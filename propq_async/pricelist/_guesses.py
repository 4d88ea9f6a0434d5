"""What words most likely mean that are not certain: proposed in a question, and never read so."""

from __future__ import annotations

import re
from typing import Final

from propq_async.models import UnitStatus
from propq_async.pricelist._reading.word_lookup import O_IS_WEST, directions_in, fold

__all__ = ["direction_guess", "status_guess"]

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
