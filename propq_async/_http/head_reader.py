"""The parser of answers, and what reads all headers of one."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from httptools import HttpParserError, HttpResponseParser

FIRST_FINAL: Final = 200
SWITCHING: Final = 101


class _HeadIsReadError(Exception):
    """Nothing behind the head is to be parsed."""


def new_parser(events: object) -> Any:
    """Return a parser that is as lenient as aiohttp's."""
    parser = HttpResponseParser(events)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_optional_cr_before_lf=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser


class HeadReader:
    """Collects the headers of an answer, but not those of the hints before it."""

    def __init__(self) -> None:
        self.found: dict[bytes, bytes] = {}
        # Of several with one name the first counts.
        self.on_header = self.found.setdefault
        self._parser: Any = new_parser(self)

    def read(self, raw: bytes) -> None:
        with suppress(HttpParserError):
            self._parser.feed_data(raw)
        self._parser = None

    def on_message_begin(self) -> None:
        self.found.clear()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= FIRST_FINAL or status == SWITCHING:
            raise _HeadIsReadError
