"""JSON lines: an object in each line, its keys as columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from .problems import PriceListError
from .text import BrokenLine, Record, open_text

__all__ = ["json_header", "json_rows"]


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise ValueError(_twice(twice))
    return found


def _twice(key: str) -> str:
    return f"{key!r} stands in it twice"


_DECODER = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_object_of
)


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, str, dict[str, Any] | BrokenLine]]:
    with open_text(path, encoding) as file:
        for line, text in enumerate(map(str.strip, file), 1):
            if text:
                yield line, text, _object(line, text)


def _object(line: int, text: str) -> dict[str, Any] | BrokenLine:
    try:
        value, end = _DECODER.raw_decode(text)
        if end < len(text):
            # Which says what is wrong with it.
            _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return BrokenLine(line, text, f"a JSON object: {error}")
    return value if isinstance(value, dict) else BrokenLine(line, text, "a JSON object")


def json_header(path: Path, encoding: str) -> dict[str, bool]:
    """Return all keys in the order in which they first come, and whether any value is a string.

    Raises:
        PriceListError: there is no object at all.
    """
    keys: dict[str, bool] = {}
    for _, _, value in _objects(path, encoding):
        if isinstance(value, dict):
            for key, one in value.items():
                if not keys.get(key):
                    keys[key] = isinstance(one, str)
    if not keys:
        raise PriceListError(f"{path}: expected JSON lines, which is one object in each line")
    return keys


def json_rows(
    path: Path, encoding: str, header: tuple[str, ...], alike: Mapping[str, str]
) -> Iterator[Record | BrokenLine]:
    """Yield the values of each object in the order of the header.

    `alike` has further keys for some of the header's columns.
    """
    for line, text, value in _objects(path, encoding):
        if isinstance(value, BrokenLine):
            yield value
            continue
        for key, column in alike.items():
            if key in value and column in value:
                yield BrokenLine(line, text, f"a JSON object: {_twice(column)}, also as {key!r}")
                break
            if key in value:
                value[column] = value[key]
        else:
            yield Record(line, [value.get(key) for key in header])
