"""What the columns of a table tell as a whole, and one cell of them does not.

A point in a price, an O in a direction and a number for a status mean what they mean in their
column. So a table is gone through once before its rows are read. What its columns settle is a
`Style`; where they settle nothing, the table asks once, and not in each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import attrs

from propq_async._messages import tr
from propq_async.ledger import Unit
from propq_async.pricelist._problems import PriceListError, Table

from .cells import text_of, texts_in
from .codes import unknown_codes
from .east_or_west import UnsettledError, meaning_of_o
from .found_table import Found
from .names_and_ids import KeyStyle, explicit
from .numbers import Decimals, PriceStyle
from .shown_values import Noticed, noticed_in, with_shown
from .text import BrokenLine, Record
from .word_lookup import FIELDS, StatedWords, pairs_told

__all__ = ["SameUnitsError", "Style", "same_units", "styles_of"]

# A unit that two sheets have says nothing about the sheets.
_FEW: Final = 2
_SHOWN: Final = 5
# So many rows are gone through at once.
_AT_ONCE: Final = 250
_LOOKED_UP: Final = frozenset({str, int, float})


class SameUnitsError(PriceListError):
    """Two sheets have units of the same names."""


@attrs.frozen(eq=False)
class Style:
    """How the columns of a table are written.

    Args:
        prices: how its prices are.
        directions: what words mean in its directions, beside those that are always certain.
        settled: those of them that the table settles, and no user states.
        names: how its names are.
        ids: how the ids of developments are.
        noticed: what is noticed in its cells beside their values, by line.
    """

    prices: PriceStyle
    directions: Mapping[str, str]
    settled: Mapping[str, str]
    names: KeyStyle
    ids: KeyStyle
    noticed: Mapping[int, list[Noticed]]


def styles_of(tables: Sequence[Found], words: StatedWords, decimal: Decimals | None) -> list[Style]:
    """Return how the columns of each table are written.

    Raises:
        PriceListError: that is not certain; the message says what to state.
    """
    styles: list[Style] = []
    before: list[tuple[Table, set[Unit]]] = []
    for found in tables:
        records, noticed = _records_of(found)
        texts = _texts_of(found, records, with_units=len(tables) > 1)
        styles.append(_style_of(found, texts, words, decimal, noticed))
        for other, units in before:
            _check_units(other, units, found.table, texts.units)
        before.append((found.table, texts.units))
    return styles


def _style_of(
    found: Found,
    texts: _Texts,
    words: StatedWords,
    decimal: Decimals | None,
    noticed: Mapping[int, list[Noticed]],
) -> Style:
    header, columns = found.table.header, found.columns
    states = {explicit(text) or text for text in texts.states}
    question = unknown_codes(states, header, columns["status"], words.states)
    if question is not None:
        raise _asked(found, "status", question)
    if found.is_part:
        # Its rows come from elsewhere, and say nothing about each other: they are certain by
        # themselves, or broken.
        texts = _Texts()
    try:
        around = (*header, *texts.states)
        directions = {explicit(text) or text for text in texts.directions}
        # Where they are marks, the headings of all of them tell what an O is.
        directions.update(word for one in found.added for word in one.words)
        meaning = meaning_of_o(directions, around, words.directions)
    except UnsettledError as error:
        raise _asked(found, "directions", str(error)) from None
    settled = {} if "o" in words.directions else meaning
    known = {**meaning, **words.directions}
    return Style(
        prices=PriceStyle.of(texts.prices, decimal),
        directions={**pairs_told(directions, known), **known},
        settled={word: one for word, one in settled.items() if word not in words.directions},
        names=_keys_of(found, columns["name"]),
        ids=_keys_of(found, columns.get("development_id", -1)),
        noticed=noticed,
    )


def _keys_of(found: Found, index: int) -> KeyStyle:
    texts = None if found.is_part else partial(_column, found, index)
    return KeyStyle(texts, found.delimiter is not None)


def _column(found: Found, index: int) -> Iterator[str]:
    """Yield all texts of a column."""
    for record in found.records():
        if not isinstance(record, BrokenLine) and index < len(record.cells):
            yield text_of(record.cells[index])


@attrs.frozen
class _Texts:
    """The different texts of the columns that tell something as a whole."""

    prices: set[str] = attrs.field(factory=set)
    states: set[str] = attrs.field(factory=set)
    directions: set[str] = attrs.field(factory=set)
    units: set[Unit] = attrs.field(factory=set)


def _records_of(
    found: Found,
) -> tuple[Iterable[Record | BrokenLine], Mapping[int, list[Noticed]]]:
    """Return the records of a table as they are shown, and what is noticed in them."""
    facts = None if found.facts is None else found.facts()
    if facts is None:
        return found.records(), {}
    # These are in memory, and would be parsed once more.
    records = list(found.records())
    rows = [record for record in records if isinstance(record, Record)]
    noticed = noticed_in(facts, found.columns, rows)
    return with_shown(records, noticed), noticed


def _texts_of(found: Found, records: Iterable[Record | BrokenLine], *, with_units: bool) -> _Texts:
    columns, few = found.columns, found.few_texts
    texts = _Texts()
    at_price, at_status, at_directions = columns["price"], columns["status"], columns["directions"]
    if not found.has_price_texts and at_status in few and at_directions in few:
        return _Texts(set(), few[at_status], few[at_directions])
    width = len(found.table.header)
    records = iter(records)
    # A column has few different cells, so it is gone through by columns.
    while batch := list(islice(records, _AT_ONCE)):
        rows = [record.cells for record in batch if isinstance(record, Record)]
        if set(map(len, rows)) != {width}:
            # What has too few cells, or too many, has none where they belong.
            rows = [cells for cells in rows if len(cells) == width or _is_wide(cells, width)]
        texts.prices.update(cell for cell in _different(rows, at_price) if type(cell) is str)
        texts.states.update(map(text_of, _different(rows, at_status)))
        for cell in _different(rows, at_directions):
            texts.directions.update(texts_in(cell))
        if with_units:
            texts.units.update(_unit_in(cells, found) for cells in rows)
    return texts


def _different(rows: Sequence[Sequence[Any]], index: int) -> Iterable[Any]:
    """Return the different cells of a column, or all of them if they are not of one type.

    1, 1.0 and True are equal, but not alike, and a list is equal to none that is looked up.
    """
    cells = [row[index] for row in rows]
    kinds = set(map(type, cells))
    return set(cells) if len(kinds) == 1 and kinds <= _LOOKED_UP else cells


def _is_wide(cells: Sequence[Any], width: int) -> bool:
    return len(cells) > width and not any(map(str.strip, cells[width:]))


def _unit_in(cells: Sequence[Any], found: Found) -> Unit:
    at_development = found.columns.get("development_id")
    own = None if at_development is None else text_of(cells[at_development])
    return (own or found.development or "").strip(), text_of(cells[found.columns["name"]]).strip()


def _check_units(one: Table, units: set[Unit], other: Table, others: set[Unit]) -> None:
    """Refuse two sheets with the same units, as lists have that keep one for each month."""
    shared = sorted({name for _, name in units & others if name})
    if len(shared) >= max(_FEW, min(len(units), len(others)) / 2):
        raise same_units(one, other, shared)


def same_units(one: Table, other: Table, names: Sequence[str]) -> PriceListError:
    """Return the question which of two sheets counts that have units of the same names."""
    shown = ", ".join(names[:_SHOWN]) + (tr(" and more") if len(names) > _SHOWN else "")
    question = tr(
        "{path}: the sheets {sheet} and {other} have the same units ({shown}); "
        "if only one counts, name it (--sheet NAME) or hide the others"
    ).format(path=one.path, sheet=one.sheet, other=other.sheet, shown=shown)
    if not all(FIELDS[0] in table.columns for table in (one, other)):
        question += tr(
            "; if they are two developments, read one sheet at a time (--sheet NAME "
            "--development ID), or add a column for the development"
        )
    return SameUnitsError(question)


def _asked(found: Found, field: str, question: str) -> PriceListError:
    table = found.table
    sheet = "" if table.sheet is None else tr(", sheet {sheet}").format(sheet=table.sheet)
    column = table.header[found.columns[field]]
    return PriceListError(
        tr("{path}{sheet}, column {column}: {question}").format(
            path=table.path, sheet=sheet, column=column, question=question
        )
    )
