"""Text files: their encoding, their lines, and the CSV in them.

A broken line must not spoil those after it. The usual culprit is a quote that opens a field and is
never closed: to a CSV parser the rest of the file is then one field. So a record that does not come
out well is given up after its first line, and reading goes on with the second.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from .problems import PriceListError

__all__ = ["BrokenLine", "Record", "encoding_of", "open_text", "records"]

MAX_LINES_OF_RECORD: Final = 30
# A field in quotes that ends in its line.
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_LINE_BREAK: Final = re.compile(r"[\r\n]")
_SAMPLE_BYTES: Final = 4096
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@attrs.frozen
class Record:
    """A row of CSV, and the line that it begins in."""

    line: int
    cells: list[Any]


@attrs.frozen
class BrokenLine:
    """A line that is no row, as it stands, and what was expected."""

    line: int
    text: str
    expected: str


def encoding_of(path: Path, stated: str | None) -> str:
    """Return the encoding of a file: stated, or told by its bytes.

    A byte order mark tells, and that of UTF-8 whatever is stated: no text in another encoding
    begins like it, and a list of failures, which has it, is read with the options of its list.
    Without one it is UTF-8 if that reads every line. If not, it is cp1252, which reads nearly
    everything; unless other lines are UTF-8 beyond ASCII, which never happens by chance: then the
    file is UTF-8 with broken lines.

    Raises:
        PriceListError: there is no such encoding, or the file is no text.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if stated is not None and not sample.startswith(codecs.BOM_UTF8):
        try:
            name = codecs.lookup(stated).name
        except LookupError:
            raise PriceListError(
                f"there is no encoding {stated!r}: state utf-8, cp1252 or another that Python knows"
            ) from None
        return "utf-8-sig" if name == "utf-8" else name
    for mark, encoding in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        raise PriceListError(f"{path} is no text file; expected CSV, XLSX or JSON lines")
    good = bad = 0
    with path.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                bad += 1
    return "cp1252" if bad and not good else "utf-8"


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a text so that bytes which are not in its encoding come out as lone surrogates."""
    # UTF-16 has no such way out.
    errors = "strict" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    return path.open(encoding=encoding, errors=errors, newline="")


class _Feed:
    """The lines of a text for a CSV parser, which can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._given_back: deque[str] = deque()
        self._taken: list[str] = []
        self.line = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) >= MAX_LINES_OF_RECORD:
            raise csv.Error(f"a field in quotes does not end within {MAX_LINES_OF_RECORD} lines")
        line = self._given_back.popleft() if self._given_back else next(self._lines)
        self._taken.append(line)
        return line

    def begin(self) -> None:
        self.line += len(self._taken)
        self._taken.clear()

    def is_torn(self, cells: Sequence[str], width: int, delimiter: str) -> bool:
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


def records(
    lines: Iterable[str], delimiter: str, width: int | None = None
) -> Iterator[Record | BrokenLine]:
    """Yield the rows of CSV. A row over several lines must have `width` cells, if that is given."""
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.begin()
        line = feed.line + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BrokenLine(line, feed.give_back(), f"CSV: {error}")
            continue
        if width is not None and feed.is_torn(cells, width, delimiter):
            expected = "a field in quotes to end in the line that it begins in"
            yield BrokenLine(line, feed.give_back(), expected)
            continue
        yield Record(line, cells)
