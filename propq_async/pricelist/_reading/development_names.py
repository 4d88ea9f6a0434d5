"""A column that names the development, where its id is stated.

`--development 4711` beside a column that says `Mirador` throughout: the names say nothing against
the id. Two of them may be two developments, and another id is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import attrs

from propq_async._messages import tr

from .cells import text_of
from .evidence import Style
from .found_table import Found
from .profile_statements import words_for
from .shown_values import Noticed
from .text import Record
from .word_lookup import FIELDS, StatedWords

__all__ = ["named_only", "with_remark_on_names"]

_DEVELOPMENT: Final = FIELDS[0]
_NAME: Final = re.compile(r"\D*[^\W\d_]{3}\D*")
_FEW: Final = 2


def named_only(found: Found, words: StatedWords) -> tuple[Found, str]:
    """Return a table without its column of developments if that only names the stated one.

    Its remark is empty if nothing is left out.
    """
    stated = words_for(found, words).development_id
    column = found.table.columns.get(_DEVELOPMENT)
    if stated is None or column is None or column.settled_by == "stated":
        return found, ""
    names = set(islice(_different(found, column.index), _FEW))
    if len(names) != 1 or not stated.isdecimal() or not _NAME.fullmatch(name := names.pop()):
        return found, ""
    columns = {field: one for field, one in found.table.columns.items() if field != _DEVELOPMENT}
    indexes = {field: one.index for field, one in columns.items()}
    table = attrs.evolve(found.table, columns=columns)
    remark = tr("{name!r} in column {heading} is taken for the name of {stated}, as stated").format(
        name=name, heading=column.heading, stated=stated
    )
    return attrs.evolve(found, table=table, columns=indexes), remark


def _different(found: Found, index: int) -> Iterator[str]:
    seen = {""}
    for record in found.records():
        if isinstance(record, Record) and len(record.cells) > index:
            text = text_of(record.cells[index]).strip()
            if text not in seen:
                seen.add(text)
                yield text


def with_remark_on_names(found: Found, style: Style, remark: str) -> Style:
    """Return a style with the remark at the first row, if there is one."""
    if not remark:
        # The rows of a workbook are read once for their style, and once for themselves.
        return style
    first = next(one for one in found.records() if isinstance(one, Record) and any(one.cells))
    noticed: Mapping[int, Sequence[Noticed]] = style.noticed
    ones = [*noticed.get(first.line, ()), Noticed(remark=remark)]
    return attrs.evolve(style, noticed={**style.noticed, first.line: ones})
