"""Rows that are no units: totals, footnotes, headings of groups, the second line of a heading.

Only rows that cannot be sent are asked about. One that could be a unit is none of these: what has a
name, a status or a price beside its text stays broken, so that nobody misses it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Final

from propq_async._messages import tr

from .cells import text_of
from .found_table import Found
from .text import Record
from .unit_likeness import could_be, is_number
from .word_lookup import fold

__all__ = ["NoUnit", "shape_of"]

_TOTAL: Final = re.compile(
    r"(?:sub ?)?(?:totals?|totales|totaal|totalt|totale|gesamt|summe|suma|soma|somme|resumen|sum)\b"
)
# What a total counts, in whichever column: `6 viviendas`.
_COUNT: Final = re.compile(r"[0-9]+\s+[^\W\d_].*")
_COUNTED: Final = ("status", "directions")
_MARKED: Final = re.compile(
    r"[*†‡¹²³]|\([*0-9]\)|(?:nota|notas|note|notes|nb|n\.b\.|hinweis)\b[:.]?"
)
_GROUP: Final = re.compile(
    r"(?:planta|bloque|portal|fase|edificio|escalera|torre|nivel|piso|floor|block|building|phase"
    r"|tower|level|stair|etage|stockwerk|bauteil|haus|batiment|bouwdeel|verdieping|plan|hus)\b"
)
_ABOUT: Final = re.compile(
    r"\b(?:iva|vat|precios?|prices?|impuestos|taxes|tax|sujetos?|subject|actualizad[oa]|updated"
    r"|consultar|incluid[oa]s?|included|salvo|validez|valid|preise|tarif|www|http|https)\b"
)
_SEPARATED: Final = re.compile(r"[\t;|]|:\S|,\S")
_FEW_WORDS: Final = 3
_SENTENCE: Final = 6
# What may stand between the heading and the first unit.
_LINES_OF_HEADING: Final = 3
_DIGITS: Final = re.compile(r"[0-9]+")


def shape_of(name: str) -> str:
    """Return a name with every number alike, as names of one list are."""
    return _DIGITS.sub("1", fold(name))


class NoUnit:
    """Tells what a row of a table is, if it is no unit.

    Args:
        found: the table.
        globs: what is stated of the first cell of such rows.
    """

    def __init__(self, found: Found, globs: Collection[str]) -> None:
        self._found = found
        self._globs = [glob.casefold() for glob in globs]
        self._all = len(found.table.header)
        self._width = self._all - len(found.added)
        self._fields = {index: field for field, index in found.columns.items()}
        for one in found.added:
            self._fields |= dict.fromkeys(one.indexes, one.field)
        self._shapes: set[str] | None = None

    def kind(self, line: int, cells: Sequence[str], *, has_units_above: bool) -> str | None:
        """Return what a row is, `None` if it may be a unit."""
        own = cells[: self._width]
        filled = [(index, cell.strip()) for index, cell in enumerate(own) if cell.strip()]
        first = filled[0][1] if filled else ""
        if not first:
            return None
        if any(fnmatchcase(first.casefold(), glob) for glob in self._globs):
            return tr("no unit, as stated")
        is_whole = len(cells) == self._all
        is_total = _TOTAL.match(fold(first)) is not None
        if self._may_be_unit(filled, is_whole=is_whole, is_total=is_total):
            return None
        if is_total:
            return tr("a total")
        is_near = is_whole and 0 < line - self._found.table.line <= _LINES_OF_HEADING
        alone = self._alone(first) if len(filled) == 1 else None
        return alone or self._among(filled, may_go_on=is_near and not has_units_above)

    def _among(self, filled: Sequence[tuple[int, str]], *, may_go_on: bool) -> str | None:
        """Return what a row of several texts is."""
        fields = {self._fields[index] for index, _ in filled if index in self._fields}
        if _MARKED.match(filled[0][1].casefold()) and "price" not in fields:
            return tr("a note")
        has_number = any(is_number(cell) for _, cell in filled)
        is_heading = may_go_on and "name" not in fields and not has_number
        return tr("more of the heading") if is_heading else None

    def _may_be_unit(
        self, filled: Sequence[tuple[int, str]], *, is_whole: bool, is_total: bool
    ) -> bool:
        """Return whether there is a status, directions, or a name beside something else."""
        if any(could_be("status", cell) and not is_number(cell) for _, cell in filled):
            return True
        if not is_whole:
            return False
        first = filled[0][0]
        for index, cell in filled:
            field = self._fields.get(index)
            if is_total and field in _COUNTED and _COUNT.fullmatch(cell):
                continue
            if field == "directions" or (field == "status" and not is_number(cell)):
                return True
            if field == "name" and index != first and not is_number(cell):
                return True
        return False

    def _alone(self, text: str) -> str | None:
        """Return what a row is that has nothing but one text."""
        # That may be a whole row, whose cells are separated in another way.
        if is_number(text) or _SEPARATED.search(text):
            return None
        folded = fold(text)
        words = folded.split()
        if _MARKED.match(text.casefold()):
            return tr("a note")
        if _GROUP.match(folded):
            return None if shape_of(text) in self._names() else tr("a heading of a group")
        is_sentence = len(words) >= _SENTENCE or (
            len(words) >= _FEW_WORDS and (_ABOUT.search(folded) or text.endswith("."))
        )
        has_price = any(could_be("price", word) for word in text.split())
        return tr("a note") if is_sentence and not has_price else None

    def _names(self) -> set[str]:
        """Return the shapes of all names that do not stand alone."""
        if self._shapes is None:
            at = self._found.columns["name"]
            self._shapes = {
                shape_of(text_of(record.cells[at]))
                for record in self._found.records()
                if isinstance(record, Record)
                and len(record.cells) > at
                and sum(bool(text_of(cell).strip()) for cell in record.cells[: self._width]) > 1
            }
        return self._shapes
