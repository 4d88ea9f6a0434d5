"""A list of failures in the encoding of its list, so that both open alike in other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from propq_async.pricelist._problems import PriceListError
from propq_async.pricelist._reading.text import encoding_of, open_text

from ._journal import replaced

__all__ = ["recode"]

# Bytes that are not in the encoding of the list are kept as they are.
_ESCAPED: Final = "surrogateescape"


def recode(path: Path, encoding: str) -> None:
    """Write a text, which is UTF-8, in another encoding.

    It stays as it is if it has letters that the encoding lacks, or if it were not read as the same
    text then, with the encoding stated or not.
    """

    def is_whole(draft: Path) -> bool:
        return all(_read(draft, stated) == text for stated in (None, encoding))

    if not path.is_file():
        return
    try:
        text = path.read_bytes().decode("utf-8-sig", _ESCAPED)
        replaced(path, text.encode(encoding, _ESCAPED), is_whole)
    except (OSError, ValueError, PriceListError):
        return


def _read(path: Path, stated: str | None) -> str:
    with open_text(path, encoding_of(path, stated)) as file:
        return file.read()
