"""Answers as they arrive: framed by llhttp, with headers that are parsed when somebody asks.

Answers may hold the token. So no variable holds their bytes in a form that a repr shows, and what
the parser calls with them are methods of lists and dictionaries, which have no frames.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from multidict import CIMultiDict

from propq_async._messages import tr
from propq_async._secret import SecretBytes
from propq_async._wire.messages import MAX_ERROR_BYTES, Reply

from .transport import MAX_HEADER_BYTES, most_bytes
from .unpacking import Unpacking

MAX_HEADERS: Final = 128
_FIRST_FINAL: Final = 200
_SWITCHING: Final = 101
_END_OF_HEAD: Final = b"\r\n\r\n"
_HINTS: Final = (b"http/1.1 1", b"http/1.0 1")

# The shortest line that is a header.
_LEAST_LINE: Final = len("a:\n")

# Finds the headers of which every call has to know. A regular expression looks at the beginnings of
# lines only, so it is much faster than a search for one name.
_find_telling: Final = re.compile(rb"\n(?:Content-Encoding|X-RateLimit-)", re.IGNORECASE).search

_decoded: Final = partial(str, encoding="utf-8", errors="surrogateescape")


class _HeadIsReadError(Exception):
    """Nothing behind the head is to be parsed."""


def _new_parser(events: object) -> Any:
    """Return a parser that is as lenient as aiohttp's."""
    parser = HttpResponseParser(events)
    parser.set_dangerous_leniencies(
        lenient_headers=True,
        lenient_optional_cr_before_lf=True,
        lenient_spaces_after_chunk_size=True,
    )
    return parser


class _HeadReader:
    """Collects the headers of an answer, but not those of the hints before it."""

    def __init__(self) -> None:
        self.found: dict[bytes, bytes] = {}
        # Of several with one name the first counts.
        self.on_header = self.found.setdefault
        self._parser: Any = _new_parser(self)

    def read(self, raw: bytes) -> None:
        with suppress(HttpParserError):
            self._parser.feed_data(raw)
        self._parser = None

    def on_message_begin(self) -> None:
        self.found.clear()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL or status == _SWITCHING:
            raise _HeadIsReadError


@lru_cache(maxsize=256)
def _finder(name: str) -> tuple[Callable[[bytes, int], re.Match[bytes] | None], bool]:
    """Return what finds the beginning of a header's line, and whether it is a telling one."""
    line = rb"\n%b:" % re.escape(name).encode()
    is_telling = _find_telling(b"\n" + name.encode()) is not None
    return re.compile(line, re.IGNORECASE).search, is_telling


class LazyHeaders(Mapping[str, str]):
    """The headers of an answer. Most calls only ask whether it has one of a few, and it has not.

    `raw` is its head, and what has arrived with it: hints before it, and some of the body. None of
    the telling headers stands before `telling_from`.
    """

    __slots__ = ("_parsed", "_raw", "_telling_from")

    def __init__(self, raw: SecretBytes, telling_from: int = 0) -> None:
        self._raw = raw
        self._telling_from = telling_from
        self._parsed: CIMultiDict[str] | None = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None and name in self._all

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header. In a usual head, the others need not be parsed."""
        found = self._find(name)
        if found is None:
            return default
        begins = found.end()
        ends = self._raw.find(b"\n", begins)
        if (
            self._parsed is not None
            or ends >= self._raw.find(_END_OF_HEAD)
            or self._raw[ends + 1] in b" \t"
            or self._raw[: len(_HINTS[0])].lower() in _HINTS
        ):
            return self._all.get(name, default)
        return _decoded(self._raw[begins:ends].strip())

    def _find(self, name: str) -> re.Match[bytes] | None:
        find, is_telling = _finder(name)
        return find(self._raw, self._telling_from if is_telling else 0)

    def __getitem__(self, name: str) -> str:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def _all(self) -> CIMultiDict[str]:
        if self._parsed is None:
            reader = _HeadReader()
            reader.read(self._raw)
            values = map(_decoded, map(bytes.strip, reader.found.values()))
            self._parsed = CIMultiDict(zip(map(_decoded, reader.found), values, strict=True))
        return self._parsed


class AnswerReader:
    """Reads the answers that arrive on a connection, one for each request.

    `has_begun`: there is something of it. `has_head`: its `reply` can be had, without its body.
    `has_ended`: it is complete. `is_reusable`: another answer can follow it.
    """

    has_begun = has_head = False
    has_ended = is_reusable = True
    _is_head_only = False
    _is_telling = False
    _status = 0
    _unpacking: Unpacking | None = None

    def __init__(self) -> None:
        self._arrived = SecretBytes()
        self._size = 0
        self._body: list[bytes] = []
        self._body_parts = 0
        self._is_too_long = False
        self.on_body = self._body.append
        self._headers = LazyHeaders(self._arrived)
        self._parser = _new_parser(self)

    def expect(self, *, is_head_only: bool) -> None:
        """Expect the answer to a request. That to HEAD `is_head_only` (RFC 9110 section 9.3.2)."""
        if self._is_head_only:
            # The last parser still waits for a body.
            self._parser = _new_parser(self)
        self._is_head_only = is_head_only
        self.has_begun = self.has_head = self.has_ended = False
        self._body.clear()
        self._unpacking = None

    def feed(self, data: memoryview) -> None:
        """Read what has arrived.

        Raises:
            aiohttp.http.HttpProcessingError: it is not HTTP, or its head is too large.
            aiohttp.ClientPayloadError: it is not compressed as it says.
        """
        is_in_head = not self.has_head
        if is_in_head:
            # There may be a part of the head already.
            self._arrived = SecretBytes(self._arrived + data if self.has_begun else data)
            self._size = 0
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.is_reusable = False
        except HttpParserError:
            # Its text shows some of the answer.
            raise BadHttpMessage("it is not HTTP") from None
        if is_in_head:
            telling = _find_telling(self._arrived)
            self._is_telling = telling is not None
            telling_from = len(self._arrived) if telling is None else telling.start()
            self._headers = LazyHeaders(self._arrived, telling_from)
            if len(self._arrived) > _LEAST_LINE * MAX_HEADERS and (
                len(self._arrived) > MAX_HEADER_BYTES or self._arrived.count(b"\n") > MAX_HEADERS
            ):
                self._check_head()
            if self.has_head and self._is_telling:
                self._unpacking = Unpacking.of(self._headers)
        if self._unpacking is not None:
            self._unpack(self._unpacking)
        elif self._size > MAX_ERROR_BYTES and not self.has_ended:
            self._check_size()

    def end(self) -> None:
        """Take the end of the connection for the end of an answer that does not say its length."""
        if self.has_head:
            coding = self._headers.get("Transfer-Encoding", "").lower()
            if "Content-Length" not in self._headers and "chunked" not in coding:
                self._complete(is_reusable=False)

    def read(self) -> Reply:
        """Return the answer, as far as it has been read."""
        if not self.has_ended:
            return Reply(self._status, self._headers, b"", truncated=True)
        # What is behind these parts answers no request.
        body = self._body if len(self._body) == self._body_parts else self._body[: self._body_parts]
        return Reply(
            self._status, self._headers, b"".join(body), self._is_too_long, self._is_telling
        )

    @property
    def reply(self) -> Reply:
        """Return the same: to ask for a property takes longer."""
        return self.read()

    def _check_head(self) -> None:
        """Raise an error if the head is too large. Most of what has arrived may be body."""
        is_whole = self.has_head and _END_OF_HEAD in self._arrived[:MAX_HEADER_BYTES]
        error: Exception | None = None
        if len(self._arrived) > MAX_HEADER_BYTES and not is_whole:
            error = LineTooLong(b"", MAX_HEADER_BYTES)
        elif self.has_head and len(self._headers) > MAX_HEADERS:
            error = BadHttpMessage("Too many headers")
        if error is not None:
            self.has_head = self.has_ended = False
            raise error

    def _check_size(self) -> None:
        """End an answer with too long a body."""
        if sum(map(len, self._body)) > most_bytes(self._status):
            self._is_too_long = True
            self._complete(is_reusable=False)

    def _unpack(self, unpacking: Unpacking) -> None:
        """Replace what has arrived of the body by what the server had compressed unasked."""
        try:
            is_whole = unpacking.unpack(self._body, most_bytes(self._status))
        except zlib.error:
            is_whole = False
            self.has_ended = True
        if not self.has_ended:
            self._check_size()
        elif self._body and not is_whole:
            self.has_ended = False
            raise aiohttp.ClientPayloadError(tr("the answer is not compressed as it says"))

    def _complete(self, *, is_reusable: bool) -> None:
        self.has_ended, self.is_reusable = True, is_reusable
        self._body_parts = len(self._body)

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        """Note that an answer begins."""
        self.has_begun = True
        if self.has_ended:
            # Nobody has asked for this one.
            self.is_reusable = False

    def on_headers_complete(self) -> None:
        """Take the status, if this is no hint before the answer."""
        if not self.has_ended:
            self._status = status = self._parser.get_status_code()
            if status >= _FIRST_FINAL or status == _SWITCHING:
                self.has_head = True
                if self._is_head_only:
                    self._complete(is_reusable=self._parser.should_keep_alive())

    def on_message_complete(self) -> None:
        """Take the end of an answer, or of a hint before it."""
        if not self.has_head:
            self.has_begun = False
        elif not self.has_ended:
            # As in `_complete`: each answer comes this way.
            self.has_ended, self.is_reusable = True, self._parser.should_keep_alive()
            self._body_parts = len(self._body)
