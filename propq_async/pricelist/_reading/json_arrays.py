"""JSON that is one array of objects, alone or as the only list of an object: `{"data": [...]}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecoder
from pathlib import Path
from typing import Any, Final

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .text import open_text

__all__ = ["array_of", "items"]

_BEGINS: Final = re.compile(r'\s*(?:\{[^\[\]{}]*"[^"\[\]{}]*"\s*:\s*)?\[\s*(?=\{)')
_BETWEEN: Final = re.compile(r"\s*,\s*")
_ENDS: Final = re.compile(r"\s*\](?:[^\[\]{}]*\})?\s*")
_HEAD: Final = 2**16
_MOST: Final = 2**27


def array_of(path: Path, encoding: str) -> str | None:
    """Return the text of a file that has one array of objects, `None` if it has lines.

    Raises:
        PriceListError: it is too large.
    """
    with open_text(path, encoding) as file:
        head = file.read(_HEAD)
        if _BEGINS.match(head) is None:
            return None
        text = head + file.read(_MOST)
        if file.read(1):
            raise PriceListError(
                tr(
                    "{path} is too large for one JSON array: write JSON lines, which is one "
                    "object in each line"
                ).format(path=path)
            )
    return text


def items(path: Path, text: str, decoder: JSONDecoder) -> Iterator[tuple[int, str, Any]]:
    """Yield the line, the text and the value of each item.

    Raises:
        PriceListError: it is no JSON.
    """
    begin = _BEGINS.match(text)
    position = line = 0
    end = 0
    while begin is not None:
        line += text.count("\n", position, begin.end())
        position = begin.end()
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            said = getattr(error, "msg", error)
            raise PriceListError(
                tr("{path}, line {line}: this is no JSON: {said}").format(
                    path=path, line=line + 1, said=said
                )
            ) from None
        yield line + 1, text[position:end], value
        begin = _BETWEEN.match(text, end)
    if _ENDS.fullmatch(text, end) is None:
        line = 1 + text.count("\n", 0, end)
        raise PriceListError(
            tr(
                "{path}, line {line}: expected one array of JSON objects up to the end of "
                "the file, found {text!r}"
            ).format(path=path, line=line, text=text[end : end + 20])
        )
