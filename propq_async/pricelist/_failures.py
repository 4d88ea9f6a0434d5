"""The rows that failed, as a list of their own: to be mended and pushed."""

from __future__ import annotations

import codecs
import csv
import io
import re
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, Self

from propq_async.pricelist._reading.price_list import PriceList
from propq_async.pricelist._reading.rows import BrokenRow, Row
from propq_async.pricelist._reading.text import inert

from ._failed_cells import FailedCells
from ._failures_encoding import recode
from ._journal import Journal
from ._text_workbook import converted

__all__ = ["Failures"]

# Those that no byte of a text has become.
_LONE_SURROGATE: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class Failures:
    """A list of failures beside a price list, made when the first row comes.

    Its first column has the reason. All others are those of the list, also if several have one name
    or none. The rows are those of the list, also if they have too few or too many cells, so what is
    broken stays broken until it is mended. Only prices that are certain because of the rest of
    their column are written so that they are certain by themselves. The columns of several sheets
    are brought together, and a line that is no row is one cell.

    It is CSV: UTF-8, and at the end in the encoding of the list, such as cp1252, where that has
    every letter. A cell that a spreadsheet would not keep as it is (a formula, `007`, `1-2`, `1E5`)
    has an apostrophe before it, which is taken away when the file is read. The failures of a
    workbook become a workbook at the end, whose cells are all text; where that cannot be, they stay
    CSV.

    An existing file is left alone, since somebody may be mending it. If one says the same at the
    end, byte for byte, no second one is left beside it.

    Each row is in the file as a whole or not at all, also where the disk is full or the process is
    killed. `error` and `missing` tell that the file has not all rows.

    Use it as a context manager. `add` writes to the disk, so call it in a thread if an event loop
    runs. Leaving the context takes seconds if tens of thousands of rows of a workbook failed.

    Args:
        prices: the list.
        path: the file, which is CSV then; by default `<list>.failed.csv` (`.xlsx` for a workbook),
            or the first `<list>.failed-2.csv` and so on that is free.

    Attributes:
        path: the file, `None` as long as there is none. At the end it may be another one: the
            workbook.
        error: why the file is not whole, `None` if it is.
        missing: how many rows could not be written.
    """

    def __init__(self, prices: PriceList, path: Path | None = None) -> None:
        self._prices = prices
        self._wanted = path
        self._is_workbook = path is None and prices.tables[0].sheet is not None
        encoding = prices.sources[0][0].encoding
        # That of a web page is what the page says, and as UTF-8 it begins already.
        is_own = encoding is not None and encoding != "HTML" and not encoding.startswith("utf-8")
        self._encoding = encoding if is_own else None
        self._cells = FailedCells(prices)
        self._journal: Journal | None = None
        self.path: Path | None = None
        self.error: OSError | None = None
        self.missing: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is None or self.path is None:
            return
        try:
            self._journal.close()
        except OSError as error:
            self.error = error
        if self._is_workbook and self.error is None:
            workbook = self.path.with_suffix(".xlsx")
            if converted(self.path, self._prices.delimiter, workbook):
                self.path.unlink()
                self.path = workbook
        elif self._encoding is not None and self.error is None:
            recode(self.path, self._encoding)
        if self._wanted is None and self.error is None:
            with suppress(OSError):
                self._drop_if_there(self.path)

    @property
    def kept(self) -> Path | None:
        """Return the file whose name was taken, so that `path` has a number, `None` if none was."""
        if self.path is None or self._wanted is not None:
            return None
        first = self._beside(1).with_suffix(self.path.suffix)
        return None if first == self.path else first

    def _drop_if_there(self, path: Path) -> None:
        """Drop a file that says the same as an earlier one, which takes its place."""
        content = path.read_bytes()
        number = 1
        # Its own number is the first that was free.
        while (earlier := self._beside(number).with_suffix(path.suffix)) != path:
            if (
                earlier != self._prices.path
                and earlier.is_file()
                and earlier.stat().st_size == len(content)
                and earlier.read_bytes() == content
            ):
                path.unlink()
                self.path = earlier
                return
            number += 1

    def add(self, row: Row | BrokenRow, reason: str) -> None:
        """Add a row.

        Args:
            row: the row, of this list.
            reason: why it failed.

        Raises:
            OSError: it cannot be written. The file has the rows before it; this one is missing.
        """
        cells = self._cells.row(row, reason)
        try:
            journal = self._journal or self._open()
            head = self._head() if journal.is_empty else b""
            try:
                journal.append(head + self._line(cells))
            finally:
                if journal.is_gone:
                    self.path = self._journal = None
        except OSError as error:
            self.error = error
            self.missing += 1
            raise

    def _open(self) -> Journal:
        numbers = count(1)
        while self._journal is None:
            path = self._wanted or self._beside(next(numbers))
            if self._is_workbook and path.with_suffix(".xlsx").exists():
                continue
            try:
                self._journal = Journal(path, is_new=self._wanted is None)
            except FileExistsError:
                continue
            self.path = path
        return self._journal

    def _head(self) -> bytes:
        # With a byte order mark, without which Excel takes it for cp1252.
        return codecs.BOM_UTF8 + self._line(self._cells.header())

    def _line(self, cells: list[str]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self._prices.delimiter)
        writer.writerow(_LONE_SURROGATE.sub(_as_bytes, inert(cell)) for cell in cells)
        # Bytes that were not in the encoding of the list are not in this one, either.
        return text.getvalue().encode("utf-8", "surrogateescape")

    def _beside(self, number: int) -> Path:
        path = self._prices.path
        stem = path.stem.partition(".failed")[0]
        return path.with_name(f"{stem}.failed{'' if number == 1 else f'-{number}'}.csv")


def _as_bytes(match: re.Match[str]) -> str:
    return match[0].encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
