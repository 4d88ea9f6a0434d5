"""Why a text is no price, where that can be told: another currency, or thousands and millions."""

from __future__ import annotations

import re
from typing import Final

from propq_async._messages import tr

__all__ = ["expected_instead"]

_OTHER_CURRENCY: Final = re.compile(
    r"[$\u00a3\u00a5\u20a4\u20b9\u20bd\u20ba]"
    r"|(?<![a-z])(?:usd|gbp|chf|sek|nok|dkk|pln|rub|aed|mad|cad|aud|kr|zl|dollars?|pounds?"
    r"|d[o\u00f3]lares|libras)(?![a-z])",
    re.IGNORECASE,
)
_SHORTENED: Final = re.compile(
    r"[^\w]*[0-9][0-9.,' ]*(?:k|m|mil|mio|mill|mn|millones|million|tsd)\.?"
    r"\s*(?:\u20ac|eur|euros?)?",
    re.IGNORECASE,
)


def expected_instead(text: str) -> str | None:
    """Return what was expected instead of a text that is no price, `None` if it tells nothing."""
    if _OTHER_CURRENCY.search(text):
        return tr("a price in euro: this is another currency, and nothing is converted here")
    if _SHORTENED.fullmatch(text.strip()):
        return tr("a price with all its digits, such as 345000: this one is shortened")
    return None
