"""What a profile states of the lists of one glob."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

import attrs

from propq_async._messages import tr
from propq_async.models import UnitStatus

__all__ = ["Fill", "ListProfile"]


@attrs.frozen
class Fill:
    """What fills a field where the list has no cell for it, or an empty one.

    Args:
        source: `"ledger"` for what the server has acknowledged last, a path for a file that is
            joined by the name of the unit, or `"value"`.
        value: the value, if that is what fills it.
    """

    source: Literal["ledger", "value"] | Path
    value: UnitStatus | Decimal | tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """Return what fills it, for people."""
        if isinstance(self.source, Path):
            return self.source.name
        return tr("the ledger") if self.source == "ledger" else tr("the profile")


@attrs.frozen(kw_only=True)
class ListProfile:
    """What is stated of the lists that a glob names.

    Args:
        file: the glob, relative to the profile.
        development: the development of all rows.
        sheets: the sheets that are read, each with its development; `None` as development where
            the sheet says it itself.
        columns: the names of the columns by field; for the name also a template.
        decimal: what stands before the decimals of a price.
        delimiter: what separates the columns of a text.
        encoding: the encoding of a text.
        compass_pairs: whether `S-E` and `Sur-Este` are one direction or two.
        hidden_rows: whether hidden rows are skipped, or read without a question.
        min_price: below it a row needs a yes.
        not_units: globs for the first cell of rows that are no units.
        status_words: what further words for a status mean.
        direction_words: what further words for a direction mean.
        fill: what fills the gaps, by field.
    """

    file: str = "*"
    development: str | None = None
    sheets: Mapping[str, str | None] | None = None
    columns: Mapping[str, str] = attrs.field(factory=dict)
    decimal: Literal[".", ","] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    compass_pairs: Literal["one", "two"] | None = None
    hidden_rows: Literal["skip", "read"] | None = None
    min_price: Decimal | None = None
    not_units: tuple[str, ...] = ()
    status_words: Mapping[str, UnitStatus] = attrs.field(factory=dict)
    direction_words: Mapping[str, str] = attrs.field(factory=dict)
    fill: Mapping[str, Fill] = attrs.field(factory=dict)
