"""JSON lines: an object in each line, its keys as columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from .problems import PriceListError
from .text import BrokenLine, Record, open_text

__all__ = ["json_header", "json_rows"]


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any] | BrokenLine]]:
    with open_text(path, encoding) as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                yield line, _object(line, text.strip())


def _object(line: int, text: str) -> dict[str, Any] | BrokenLine:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return BrokenLine(line, text, f"a JSON object: {error}")
    return value if isinstance(value, dict) else BrokenLine(line, text, "a JSON object")


def json_header(path: Path, encoding: str) -> dict[str, bool]:
    """Return all keys in the order in which they first come, and whether any value is a string.

    Raises:
        PriceListError: there is no object at all.
    """
    keys: dict[str, bool] = {}
    for _, value in _objects(path, encoding):
        if isinstance(value, dict):
            for key, one in value.items():
                if not keys.get(key):
                    keys[key] = isinstance(one, str)
    if not keys:
        raise PriceListError(f"{path}: expected JSON lines, which is one object in each line")
    return keys


def json_rows(path: Path, encoding: str, header: tuple[str, ...]) -> Iterator[Record | BrokenLine]:
    """Yield the values of each object in the order of the header."""
    for line, value in _objects(path, encoding):
        if isinstance(value, dict):
            yield Record(line, [value.get(key) for key in header])
        else:
            yield value
