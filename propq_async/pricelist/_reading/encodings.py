"""Whether a text that is no UTF-8 is in cp1252, or in the encoding of another system.

Nearly all bytes are some letter in cp1252, so nothing fails. But `Ático` of a Macintosh is `çtico`
in it, and what no language writes is a question.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from propq_async._messages import joined, tr
from propq_async.pricelist._problems import PriceListError

__all__ = ["check_cp1252"]

# With these letters alone, as Spanish has them, there is nothing to ask.
_ORDINARY: Final = bytes(range(128)) + "áéíóúüñÁÉÍÓÚÜÑ€ºª".encode("cp1252")
_WORD: Final = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_OTHERS: Final = ("mac_roman", "cp850", "cp1251")
# A letter of none of these languages, a sign within a word, or a beginning that no word has. What
# has three letters with accents in a row has an alphabet of its own.
_ODD: Final = re.compile(
    r"[µƒ‡†‰¤¦¬]|(?<=[^\W\d_])[^\w\u2019'·ºª€\ufffd-](?=[^\W\d_])|\b[çÇ][bcdfghjklmnpqrstvwxyz]|[À-ÿ]{3}",
    re.IGNORECASE,
)
_CAPITAL_WITHIN: Final = re.compile("[a-zà-ÿ][A-ZÀ-Þ]")
_CYRILLIC: Final = re.compile("[\u0400-\u045f]+")


def check_cp1252(path: Path) -> None:
    """Refuse a text that is not certainly in cp1252.

    Raises:
        PriceListError: a word in it is odd; the message names it, and what to state.
    """
    content = path.read_bytes()
    if not content.translate(None, _ORDINARY):
        return
    for word in sorted(set(_WORD.findall(content))):
        text = word.decode("cp1252", "replace")
        if _ODD.search(text):
            likely = [
                tr("--encoding {name} if it is {other!r}").format(name=name, other=other)
                for name in _OTHERS
                if _is_likely(other := word.decode(name, "replace"))
            ]
            raise PriceListError(
                tr(
                    "{path}: {text!r} looks like text in another encoding; state which: {names}"
                ).format(
                    path=path,
                    text=text,
                    names=joined(", ", [*likely, tr("--encoding cp1252 if it is right")]),
                )
            )


def _is_likely(text: str) -> bool:
    """Return whether it is a word of a western language, or of one in Cyrillic."""
    if _CYRILLIC.fullmatch(text):
        return True
    is_western = text.isalpha() and max(text) <= "ÿ"
    return is_western and not _ODD.search(text) and not _CAPITAL_WITHIN.search(text)
