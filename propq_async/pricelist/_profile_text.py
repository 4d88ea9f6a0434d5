"""A profile as text: what `propq setup` writes, for people and for version control."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from propq_async.models import UnitStatus

from ._profile_values import Fill, ListProfile

__all__ = ["list_text", "quoted", "stated_lines", "with_list"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
# Not even a comment may have them.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LIST: Final = re.compile(r"^[ \t]*\[\[[ \t]*list[ \t]*\]\]", re.MULTILINE)


def list_text(one: ListProfile, folder: Path, open_questions: Iterable[str] = ()) -> str:
    """Return what a profile in a folder states of one list, with questions as comments.

    With questions, tables are written as lines of the list, so that each answer can be one as well.
    """
    comments = [
        f"# {_CONTROL.sub(' ', line)}"
        for question in open_questions
        for line in question.splitlines()
    ]
    lines = ["[[list]]", *_lines(one)]
    for name, values in _tables(one, folder):
        if comments:
            lines += [f"{name}.{line}" for line in _pairs(values)]
        else:
            lines += ["", f"[list.{name}]", *_pairs(values)]
    return "\n".join([*lines, *comments]) + "\n"


def stated_lines(one: ListProfile, folder: Path) -> list[str]:
    """Return what is stated, each in a line of the list."""
    tables = [f"{name}.{line}" for name, values in _tables(one, folder) for line in _pairs(values)]
    return [*_lines(one), *tables]


def _tables(one: ListProfile, folder: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    tables: dict[str, Mapping[str, object]] = {
        "status_words": {word: status.name for word, status in one.status_words.items()},
        "direction_words": one.direction_words,
        "fill": {field: _fill(fill, folder) for field, fill in one.fill.items()},
    }
    yield from ((name, values) for name, values in tables.items() if values)


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"{quoted(key)} = {_value(value)}" for key, value in values.items()]


def with_list(content: str, number: int | None, text: str) -> str:
    """Return the text of a profile with one more list, or with another one in place of one.

    Args:
        content: the text of the profile.
        number: which of its lists is replaced, from 0; `None` if none is.
        text: the list.
    """
    begins = [match.start() for match in _LIST.finditer(content)]
    if number is None:
        return f"{content.rstrip()}\n\n{text}".lstrip()
    ends = [*begins[1:], len(content)]
    after = content[ends[number] :]
    return content[: begins[number]] + text + ("\n" + after if after else "")


def _lines(one: ListProfile) -> Iterator[str]:
    values = {
        "file": one.file,
        "development": one.development,
        "sheets": one.sheets,
        **one.columns,
        "decimal": one.decimal,
        "delimiter": one.delimiter,
        "encoding": one.encoding,
        "compass_pairs": one.compass_pairs,
        "hidden_rows": one.hidden_rows,
        "min_price": one.min_price,
        "not_units": list(one.not_units) or None,
    }
    for key, value in values.items():
        if value is not None:
            yield f"{key} = {_value(value)}"


def quoted(key: str) -> str:
    """Return a key as TOML has it, in quotes if need be."""
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    match value:
        case str():
            # The strings of JSON are those of TOML, but for one sign.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping() if None in value.values():
            return _value(list(value))
        case Mapping():
            return f"{{ {', '.join(_pairs(value))} }}"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _fill(fill: Fill, folder: Path) -> object:
    if isinstance(fill.source, Path):
        return Path(os.path.relpath(fill.source, folder)).as_posix()
    if fill.source == "ledger":
        return "ledger"
    return fill.value.name if isinstance(fill.value, UnitStatus) else fill.value
