"""Tables of HTML, which portals and ERPs export under the name `.xls`."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from propq_async._messages import tr
from propq_async.pricelist._problems import PriceListError

from .text import encoding_of, open_text

__all__ = ["is_html", "tables_of"]

_HTML: Final = re.compile(
    rb"(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table|meta|style|div)\b",
    re.IGNORECASE | re.DOTALL,
)
_CHARSET: Final = re.compile(rb"""charset\s*=\s*["']?([\w-]+)""", re.IGNORECASE)
_HEAD_BYTES: Final = 4096
_MOST_BYTES: Final = 2**26
_MOST_SPANNED: Final = 100
_BREAKS: Final = frozenset({"br", "p", "div"})

Rows = list[list[Any]]


def is_html(start: bytes) -> bool:
    """Return whether a file that begins so is HTML."""
    return _HTML.match(start.removeprefix(b"\xef\xbb\xbf").lstrip()) is not None


def tables_of(path: Path, encoding: str | None) -> list[Rows]:
    """Return the cells of all tables.

    Raises:
        PriceListError: they cannot be told apart, or it is too large.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise PriceListError(
            tr("{path} is too large for a web page: save it as XLSX or CSV").format(path=path)
        )
    with path.open("rb") as file:
        charset = _CHARSET.search(file.read(_HEAD_BYTES))
    if encoding is None and charset is not None:
        encoding = charset[1].decode()
    parser = _Tables()
    with open_text(path, encoding_of(path, encoding)) as text:
        parser.feed(text.read())
    parser.close()
    if parser.is_nested:
        raise PriceListError(
            tr(
                "{path} is a web page with tables within tables: open it in Excel or "
                "LibreOffice and save it as XLSX or CSV"
            ).format(path=path)
        )
    return parser.tables


class _Tables(HTMLParser):
    """Collects the cells of all tables. One within another cannot be told from its cell."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Rows] = []
        self.is_nested = False
        self._depth = 0
        self._cell: list[str] | None = None
        self._left: dict[int, tuple[int, str]] = {}
        self._spans = (1, 1)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._end_cell()
            self._depth += 1
            self.is_nested |= self._depth > 1
            self.tables.append([])
            self._left = {}
        elif tag == "tr" and self.tables:
            self._end_cell()
            self.tables[-1].append([])
            self._fill_from_above()
        elif tag in ("td", "th") and self.tables:
            self._end_cell()
            if not self.tables[-1]:
                self.tables[-1].append([])
            spans = dict(attrs)
            self._spans = _span(spans.get("colspan")), _span(spans.get("rowspan"))
            self._cell = []
        elif tag in _BREAKS and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()
        if tag == "table" and self._depth:
            self._depth -= 1

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        row, text = self.tables[-1][-1], " ".join("".join(self._cell).split())
        self._cell = None
        columns, rows = self._spans
        for number in range(columns):
            if rows > 1:
                self._left[len(row)] = rows - 1, text if columns == 1 else ""
            row.append("" if number else text)
        self._fill_from_above()

    def _fill_from_above(self) -> None:
        """Add the cells that reach down from rows above."""
        row = self.tables[-1][-1]
        while len(row) in self._left:
            index = len(row)
            rows, text = self._left.pop(index)
            if rows > 1:
                self._left[index] = rows - 1, text
            row.append(text)


def _span(text: str | None) -> int:
    is_number = text is not None and text.isascii() and text.isdigit()
    return max(1, min(int(text or 1), _MOST_SPANNED)) if is_number else 1
