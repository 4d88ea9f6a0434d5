"""The questions of `propq setup` about columns: which one holds which field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from propq_async._messages import tr
from propq_async.models import UnitStatus
from propq_async.pricelist._reading.cells import text_of
from propq_async.pricelist._reading.columns import ColumnsError
from propq_async.pricelist._reading.direction_marks import template_of_marks
from propq_async.pricelist._reading.found_table import Found
from propq_async.pricelist._reading.headers import Header, Line, label
from propq_async.pricelist._reading.missing_columns import with_samples
from propq_async.pricelist._reading.text import Record
from propq_async.pricelist._reading.unit_likeness import is_filled
from propq_async.pricelist._reading.word_lookup import fold

from ._guesses import StatusColumn
from ._setup_questions import CALLED, FILLED, Question

__all__ = ["about_column", "about_development"]

_PARTS: Final = (
    ("bloque", "block", "edificio", "building", "fase"),
    ("portal", "escalera", "stair", "entrance"),
    ("planta", "floor", "piso", "nivel", "etage"),
    ("puerta", "door", "letra", "n", "no", "numero", "num", "tur"),
)
_ALL_PARTS: Final = frozenset(word for words in _PARTS for word in words)
_DEVELOPMENTS: Final = ("promo", "proy", "proj", "dev")
# So many rows are looked at for a guess.
_LOOKED_AT: Final = 200
_WITHOUT_TAX: Final = re.compile(r"\b(?:sin|s|excl?|ohne|hors|zonder)\b")


def about_column(field: str, error: ColumnsError) -> Question:
    """Ask which column holds a field.

    Args:
        field: the field.
        error: what is not certain of the columns.
    """
    header = error.header
    candidates = error.could_be_meant.get(field, [])
    others = {index for one, found in header.columns.items() if one != field for index in found}
    left = [index for index, name in enumerate(header.cells) if name and index not in others]
    choices = [(_stated(header, index), error.shown(index)) for index in candidates or left]
    default = choices[0][0] if candidates else None
    if field == "price":
        without = (name for name, _ in choices if _WITHOUT_TAX.search(fold(name)))
        default = next(without, default)
    hint = ""
    if field == "name":
        default = default or _template(header)
        hint = tr("; several columns make it as in {Portal}-{Puerta}")
    if field in FILLED:
        if field == "status":
            default, choices = _with_available(header, left, default, choices)
        choices = [*choices, ("ledger", tr("none: as the server has acknowledged it last"))]
        hint = tr("; or a file that has it, such as units.csv")
    if field == "directions":
        hint += tr(", or one for all, such as S")
        marks = template_of_marks(header.cells)
        if marks is not None:
            hint += tr(", or several of them with marks, as in {marks}").format(marks=marks)
            shown = tr("{marks}: marks, such as X, in these columns").format(marks=marks)
            choices = [(marks, shown), *choices]
            default = default or marks
    return Question(
        key=field,
        text=tr("Which column is {called}{hint}?").format(called=CALLED[field], hint=hint),
        choices=choices,
        default=default,
        headings=header.cells,
    )


def _with_available(
    header: Header,
    left: Sequence[int],
    default: str | None,
    choices: Sequence[tuple[str, str]],
) -> tuple[str | None, list[tuple[str, str]]]:
    """Return the guess at the status and the choices, with AVAILABLE for all units among these.

    Lists without a status have what is for sale, and words in place of other prices. But where a
    column may hold the states, AVAILABLE would put what is sold on sale: then it is no guess.
    """
    looked_at = [
        (_stated(header, index), StatusColumn.of(header.cells[index], header.column(index)))
        for index in left
        if fold(header.cells[index]) not in _ALL_PARTS
    ]
    likely = (heading for heading, column in looked_at if column.is_likely)
    default = default or next(likely, None)
    shown = tr("none: AVAILABLE, unless a word stands in place of the price")
    available = UnitStatus.AVAILABLE.name, shown
    if default is None and not any(column.may_be for _, column in looked_at):
        return available[0], [available, *choices]
    return default, [*choices, available]


def _stated(header: Header, index: int) -> str:
    """Return what states a column: its name, with its letter if another one is called so, too."""
    heading = header.heading_of(index)
    is_clear = index in header.marks or header.cells.count(heading) == 1
    return heading if is_clear and heading else label(header.cells, index)


def _template(header: Header) -> str | None:
    """Return a template over the columns that name parts of a building."""
    found = [next((name for name in header.cells if fold(name) in words), None) for words in _PARTS]
    columns = [f"{{{name}}}" for name in found if name]
    if len(columns) < len(found) // 2:
        return None
    *first, last = columns
    return "-".join(first) + last if len(columns) > len(found) // 2 else f"{first[0]}-{last}"


def about_development(sheet: str | None, found: Found) -> Question:
    """Ask for the development of a list, or of one of its sheets.

    Args:
        sheet: the sheet, `None` if it is all of the list.
        found: the table, of whose columns one may have the ids.
    """
    header = Header(found.table.line, found.table.line, found.own_header, {}, below=_first(found))
    used = set(found.columns.values())
    parts = {index for one in found.added for index in one.indexes}
    left = [index for index, name in enumerate(header.cells) if name and index not in used]
    choices = [
        (_stated(header, index), with_samples(header, index))
        for index in sorted(left, key=lambda one: (one in parts, *_rank_as_ids(header, one)))
    ]
    text = (
        tr("Which development are the units of (its id, or the column that has it)?")
        if sheet is None
        else tr(
            "Which development are the units of sheet {sheet} of (its id, or the column that has "
            "it; - leaves it out)?"
        ).format(sheet=sheet)
    )
    key = "development" if sheet is None else f"sheets.{sheet}"
    return Question(key=key, text=text, choices=choices, headings=header.cells)


def _first(found: Found) -> list[Line]:
    records = (one for one in found.records() if isinstance(one, Record))
    return [(one.line, one.cells) for one in islice(records, _LOOKED_AT)]


def _rank_as_ids(header: Header, index: int) -> tuple[bool, bool, int]:
    """Return a key that puts columns of ids first, and of these one that is called so."""
    cells = header.column(index)
    texts = [text_of(cell).strip() for cell in cells if is_filled(cell)]
    are_ids = len(texts) * 2 > len(cells) and all(map(str.isdecimal, texts))
    is_called_so = fold(header.cells[index]).startswith(_DEVELOPMENTS)
    return not are_ids, not is_called_so, len(set(texts)) if are_ids else 0
