"""Lists as other programs and people make them, each with what a careful person would conclude.

A conclusion is the text of a row: `A-101 | SOLD | 250000 | N S`, with `4712: ` before it where the
development is another than the one that the test states. `! reason` is a row that must be refused
with a reason that contains this text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import openpyxl

from propq_async import pricelist
from propq_async._comparison import exact
from propq_async.pricelist import BrokenRow, PriceListError, Row

__all__ = ["DEVELOPMENT", "Listed", "book", "check", "hide", "text"]

DEVELOPMENT: Final = "4711"


@attrs.frozen(kw_only=True)
class Listed:
    """A list and what a careful person would conclude from it.

    Args:
        name: of the list, for the test's id.
        follows: the public structure that it follows.
        write: writes the list to a path without its suffix, and returns the whole path.
        rows: the conclusions, one a line, in the order of the list.
        asks: what the question contains, if the list as a whole needs an answer first.
        answer: the options of `read` that answer it; `rows` are what is read then. Without an
            answer there is nothing to read before the file is changed.
        options: of `read`, from the start.
        remarks: what the remarks contain.
        skipped: the sheets that are not read.
    """

    name: str
    follows: str
    write: Callable[[Path], Path]
    rows: str = ""
    asks: Sequence[str] = ()
    answer: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict)
    remarks: Sequence[str] = ()
    skipped: Sequence[str] = ()


def text(content: str, *, encoding: str = "utf-8", suffix: str = ".csv") -> Callable[[Path], Path]:
    """Return what writes a text. Its lines may be indented."""
    lines = [line.strip(" ") for line in content.strip("\n").split("\n")]
    # The last line has the indentation of the closing quotes.
    whole = "\n".join(lines).rstrip("\n") + "\n"

    def write(path: Path) -> Path:
        path = path.with_suffix(suffix)
        path.write_bytes(whole.encode(encoding))
        return path

    return write


def book(
    *,
    shape: Callable[[openpyxl.Workbook], object] | None = None,
    **sheets: Sequence[Sequence[Any]],
) -> Callable[[Path], Path]:
    """Return what writes a workbook. `shape` gets it for what is more than the values of cells."""

    def write(path: Path) -> Path:
        path = path.with_suffix(".xlsx")
        made = openpyxl.Workbook()
        assert made.active is not None
        made.remove(made.active)
        for name, rows in sheets.items():
            sheet = made.create_sheet(name.replace("_", " "))
            for row in rows:
                sheet.append(list(row))
        if shape is not None:
            shape(made)
        made.save(path)
        return path

    return write


def hide(*, columns: str = "", rows: Sequence[int] = ()) -> Callable[[openpyxl.Workbook], None]:
    """Return what hides columns (a letter each) and rows of all sheets."""

    def shape(made: openpyxl.Workbook) -> None:
        for sheet in made.worksheets:
            for letter in columns:
                sheet.column_dimensions[letter].hidden = True
            for line in rows:
                sheet.row_dimensions[line].hidden = True

    return shape


def check(one: Listed, directory: Path) -> None:
    """Check that no row of a list is read wrong, and that none is left out in silence."""
    path = one.write(directory / "list")
    options = {"development_id": DEVELOPMENT, **one.options}
    if one.asks:
        try:
            found = list(_conclusions(path, options))
        except PriceListError as error:
            said = str(error)
        else:
            raise AssertionError(f"read without a question: {found}")
        for fragment in one.asks:
            assert fragment in said
        if one.answer is None:
            return
        options |= one.answer
    prices = pricelist.read(path, **options)
    assert list(prices.skipped_sheets) == list(one.skipped)
    expected = [line.strip() for line in one.rows.strip().splitlines()]
    found = list(_conclusions(path, options))
    for conclusion, row in zip(expected, found, strict=False):
        if conclusion.startswith("!"):
            assert row.startswith("!")
            assert conclusion.removeprefix("!").strip() in row
        else:
            assert row == conclusion
    assert len(found) == len(expected), found
    remarks = [str(remark) for row in prices if isinstance(row, Row) for remark in row.remarks]
    for fragment in one.remarks:
        assert any(fragment in remark for remark in remarks), remarks


def _conclusions(path: Path, options: dict[str, Any]) -> Iterator[str]:
    for row in pricelist.read(path, **options):
        if isinstance(row, BrokenRow):
            yield f"! {row}"
            continue
        update = row.update
        development = update.development_id
        before = "" if development == DEVELOPMENT else f"{development}: "
        directions = " ".join(update.directions)
        price = f"{exact(update.price).normalize():f}"
        yield f"{before}{update.name} | {update.status.name} | {price} | {directions}"
