"""JSON: an object in each line, or one array of objects, their keys as columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import count, islice
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .cells import text_of
from .json_arrays import array_of, items
from .text import BrokenLine, Record, open_text

__all__ = ["Values", "json_header", "json_rows"]

# Lists of directions may be nested, and everything else is flat.
_MAX_DEPTH: Final = 20
# Rows are as wide as all keys of the file together. A workbook has no more columns, either.
_MAX_KEYS: Final = 16_384
# With its sign. No double needs more digits.
_MAX_EXPONENT_LENGTH: Final = 4
# What has as many different values is no column of states or directions.
_MANY: Final = 100
_LINES_AT_ONCE: Final = 200
_EXPECTED_FLAT: Final = tr("a JSON object of texts and numbers, without lists deep inside of lists")


@attrs.define
class Values:
    """What is known of the values of a key: their different texts, up to some number.

    Args:
        texts: the strings.
        others: the texts of whatever is no string.
    """

    texts: set[str] = attrs.field(factory=set)
    others: set[str] = attrs.field(factory=set)

    def look_at(self, value: object) -> None:
        """Take one more of them."""
        if type(value) is str:
            if len(self.texts) <= _MANY:
                self.texts.add(value)
        elif isinstance(value, list):
            for one in value:
                self.look_at(one)
        elif len(self.others) <= _MANY:
            self.others.add(text_of(value))

    @property
    def are_few(self) -> bool:
        """Return whether these are all."""
        return len(self.texts) <= _MANY >= len(self.others)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(tr("{text} is no JSON").format(text=text))


def _number(text: str) -> Decimal | str:
    """Return a number, or its text if writing it out could exhaust the memory."""
    # As text it is no price and no word, so that it is a problem of its cell like any other.
    _, _, exponent = text.lower().partition("e")
    return Decimal(text) if len(exponent) <= _MAX_EXPONENT_LENGTH else text


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = (Counter(key for key, _ in pairs) - Counter(found.keys())).items()
        raise ValueError(_twice(twice))
    return found


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


def _twice(key: str) -> str:
    return tr("{key!r} stands in it twice").format(key=key)


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=_no_constant)
# It is slower, and tells a key that stands in an object twice.
_CAREFUL = json.JSONDecoder(
    parse_float=_number, parse_constant=_no_constant, object_pairs_hook=_object_of
)


def _objects(path: Path, encoding: str) -> Iterator[tuple[int, str, dict[str, Any] | BrokenLine]]:
    array = array_of(path, encoding)
    if array is not None:
        for line, text, value in items(path, array, _CAREFUL):
            yield line, text, _flat_object(line, text, value)
        return
    first = 1
    with open_text(path, encoding) as file:
        while lines := [line.strip() for line in islice(file, _LINES_AT_ONCE)]:
            values = _flat_objects(lines) or map(_object, count(first), lines)
            for number, text, value in zip(count(first), lines, values, strict=False):
                if text:
                    yield number, text, value
            first += len(lines)


def _flat_objects(lines: list[str]) -> list[dict[str, Any]] | None:
    """Return the object of each line if all are plain, `None` if one needs a closer look.

    It is quicker than one after the other.
    """
    whole = f"[{','.join(lines)}]"
    # Then an object begins in each line, and nowhere else.
    if whole.count("{") != len(lines) or not all(line.startswith("{") for line in lines):
        return None
    if max(line.count("[") for line in lines) > _MAX_DEPTH:
        return None
    try:
        values: list[dict[str, Any]] = _DECODER.decode(whole)
    except ValueError:
        return None
    # Each key has a colon. Of one that stands in an object twice, only the last is left.
    return values if whole.count(":") == sum(map(len, values)) else None


def _object(line: int, text: str) -> dict[str, Any] | BrokenLine:
    try:
        value = _CAREFUL.decode(text)
    except RecursionError:
        return BrokenLine(line, text, _EXPECTED_FLAT)
    except ValueError as error:
        return BrokenLine(line, text, tr("a JSON object: {error}").format(error=error))
    return _flat_object(line, text, value)


def _flat_object(line: int, text: str, value: Any) -> dict[str, Any] | BrokenLine:
    # Most lines have too few brackets to need a closer look.
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_too_deep(value):
        return BrokenLine(line, text, _EXPECTED_FLAT)
    return value if isinstance(value, dict) else BrokenLine(line, text, tr("a JSON object"))


def json_header(path: Path, encoding: str) -> dict[str, Values]:
    """Return all keys in the order in which they first come, each with what is known of its values.

    Raises:
        PriceListError: there is no object at all, or there are too many keys.
    """
    keys: dict[str, Values] = {}
    for line, _, value in _objects(path, encoding):
        if isinstance(value, dict):
            for key, one in value.items():
                values = keys.get(key)
                if values is None:
                    values = keys[key] = Values()
                values.look_at(one)
        if len(keys) > _MAX_KEYS:
            raise PriceListError(
                tr(
                    "{path}, line {line}: expected objects with the same keys in each line, "
                    "and up to here there are more than {keys:,} different ones"
                ).format(path=path, line=line, keys=_MAX_KEYS)
            )
    if not keys:
        raise PriceListError(
            tr("{path}: expected JSON lines, which is one object in each line").format(path=path)
        )
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
                yield BrokenLine(
                    line,
                    text,
                    tr("a JSON object: {twice}, also as {key!r}").format(
                        twice=_twice(column), key=key
                    ),
                )
                break
            if key in value:
                value[column] = value[key]
        else:
            is_as_usual = tuple(value) == header
            cells = list(value.values()) if is_as_usual else [value.get(key) for key in header]
            yield Record(line, cells)
