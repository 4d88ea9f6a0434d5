"""The rows of CSV.

A broken line must not spoil the lines after it. Usually a quote opens a field and nothing closes
it: to a CSV parser the rest of the file is then one field. So of a record that is no row, only the
first line is broken, and reading continues with the second.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from typing import Final

from propq_async._messages import tr

from .text import BrokenLine, Record

__all__ = ["records"]

MAX_LINES_OF_RECORD: Final = 30
_UNCLOSED: Final = "unexpected end of data"
# What Python's reader says, and what a person can do something with.
_EXPECTED: Final = {
    _UNCLOSED: tr("a closing quotation mark: one is opened here, and not closed below"),
}
# A field in quotes that ends in its line.
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_LINE_BREAK: Final = re.compile(r"[\r\n]")


def records(
    lines: Iterable[str], delimiter: str, width: int | None = None
) -> Iterator[Record | BrokenLine]:
    """Yield the rows of CSV. A row over several lines must have `width` cells, if that is given."""
    # Most files have one row in each line, up to the end, and these need no closer look.
    ahead, behind = tee(lines)
    reader = csv.reader(ahead, delimiter=delimiter, strict=True)
    line = 0
    while (cells := _next(reader)) is not None and reader.line_num == line + 1:
        line += 1
        next(behind)
        yield Record(line, cells)
    yield from _careful(_Feed(behind, line), delimiter, width)


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """Return the next row, `None` if there is none or it is broken."""
    try:
        return next(reader, None)
    except csv.Error:
        return None


class _Feed:
    """The lines of a text for a CSV parser, which can be given back."""

    def __init__(self, lines: Iterator[str], line: int) -> None:
        self._lines = lines
        self._given_back: deque[str] = deque()
        self._taken: list[str] = []
        self.line = line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MAX_LINES_OF_RECORD:
            raise csv.Error(_UNCLOSED)
        line = self._given_back.popleft() if self._given_back else next(self._lines)
        self._taken.append(line)
        return line

    def begin(self) -> None:
        self.line += len(self._taken)
        self._taken.clear()

    def has_stray_quote(self, cells: Sequence[str], width: int, delimiter: str) -> bool:
        """Return whether a record over several lines is rather a row with a stray quote.

        It is if it has not `width` cells, or if one of its lines alone has as many: then the quote
        that ends the field is that of another row. The first line has them as well where it is the
        last field that goes on in further lines.
        """
        first, *others = self._taken
        if not others:
            return False
        is_last = not any(_LINE_BREAK.search(cell) for cell in cells[:-1])
        lines = others if is_last else (_QUOTED.sub("", first),)
        return len(cells) != width or any(line.count(delimiter) >= width - 1 for line in lines)

    def give_back(self) -> str:
        """Give back all lines of the record but the first, and return that."""
        first, *others = self._taken
        self._given_back.extendleft(reversed(others))
        self._taken = [first]
        return first.rstrip("\r\n")


def _careful(feed: _Feed, delimiter: str, width: int | None) -> Iterator[Record | BrokenLine]:
    """Yield the rows of what may have records over several lines, and broken ones."""
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        line = feed.line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            expected = _EXPECTED.get(str(error)) or tr("CSV: {error}").format(error=error)
            yield BrokenLine(line, feed.give_back(), expected)
            continue
        if width is not None and feed.has_stray_quote(cells, width, delimiter):
            expected = tr("a field in quotes to end in the line that it begins in")
            yield BrokenLine(line, feed.give_back(), expected)
            continue
        yield Record(line, cells)
