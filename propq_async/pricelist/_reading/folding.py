"""What is left of a word when neither case nor accents nor punctuation count."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

__all__ = ["fold"]

_NO_WORD: Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=1024)
def fold(text: str) -> str:
    """Return the word without case, accents and punctuation."""
    bare = text
    if not text.isascii():
        marked = unicodedata.normalize("NFKD", text)
        bare = "".join(char for char in marked if not unicodedata.combining(char))
    return _NO_WORD.sub(" ", bare.casefold()).strip()
