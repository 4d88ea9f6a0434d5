"""Answers as they arrive: framed by llhttp, with headers that are parsed when somebody asks.

Answers may hold the token. So no variable holds their bytes in a form that a repr shows, and what
the parser calls with them are methods of lists and dictionaries, which have no frames.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from httptools import HttpParserError, HttpParserUpgrade
from multidict import CIMultiDict

from propq_async._messages import tr
from propq_async._secret import SecretBytes
from propq_async._wire.messages import MAX_ERROR_BYTES, RateLimit, Reply

from .head_reader import FIRST_FINAL, SWITCHING, HeadReader, new_parser
from .transport import MAX_HEADER_BYTES, most_bytes
from .unpacking import Unpacking

MAX_HEADERS: Final = 128
_END_OF_HEAD: Final = b"\r\n\r\n"
_HINTS: Final = (b"http/1.1 1", b"http/1.0 1")

# The shortest line that is a header.
_LEAST_LINE: Final = len("a:\n")

# Finds the headers of which every call has to know. A regular expression looks at the beginnings of
# lines only, so it is much faster than a search for one name.
_find_telling: Final = re.compile(rb"\n(?:Content-Encoding|X-RateLimit-)", re.IGNORECASE).search

# The rate limit as Laravel states it, in two lines.
_match_limit: Final = re.compile(
    rb"\nX-RateLimit-Limit: (\d{1,18})\r\nX-RateLimit-Remaining: (\d{1,18})\r\n(?![ \t])",
    re.IGNORECASE,
).match
# Where the status stands, and how that of no hint begins.
_STATUS_AT: Final = slice(len("HTTP/1.1 "), len("HTTP/1.1 ") + 1)
_FINAL: Final = b"2345"

_new: Final = object.__new__
_decoded: Final = partial(str, encoding="utf-8", errors="surrogateescape")


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

    __slots__ = ("parsed", "raw", "telling_from")

    def __init__(self, raw: SecretBytes) -> None:
        self.raw = raw
        self.telling_from = 0
        self.parsed: CIMultiDict[str] | None = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None and name in self._all

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header. In a usual head, the others need not be parsed."""
        found = self._find(name)
        if found is None:
            return default
        begins = found.end()
        ends = self.raw.find(b"\n", begins)
        if (
            self.parsed is not None
            or not begins <= ends < self.raw.find(_END_OF_HEAD)
            or self.raw[ends + 1] in b" \t"
            or self.raw[: len(_HINTS[0])].lower() in _HINTS
        ):
            return self._all.get(name, default)
        return _decoded(self.raw[begins:ends].strip())

    def usual_limit(self) -> RateLimit | None:
        """Return what is said of a rate limit, if it is said as it usually is."""
        found = _match_limit(self.raw, self.telling_from)
        if (
            found is None
            or self.raw[_STATUS_AT] not in _FINAL
            or self.raw.find(_END_OF_HEAD) < found.end() - len(b"\r\n")
        ):
            return None
        return RateLimit(int(found[1]), int(found[2]))

    def _find(self, name: str) -> re.Match[bytes] | None:
        find, is_telling = _finder(name)
        return find(self.raw, self.telling_from if is_telling else 0)

    def __getitem__(self, name: str) -> str:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def _all(self) -> CIMultiDict[str]:
        if self.parsed is None:
            reader = HeadReader()
            reader.read(self.raw)
            values = map(_decoded, map(bytes.strip, reader.found.values()))
            self.parsed = CIMultiDict(zip(map(_decoded, reader.found), values, strict=True))
        return self.parsed


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
        self._parser = new_parser(self)

    def expect(self, is_head_only: bool) -> None:  # noqa: FBT001 - named, it would take longer
        """Expect the answer to a request. That to HEAD `is_head_only` (RFC 9110 section 9.3.2)."""
        if self._is_head_only:
            # The last parser still waits for a body.
            self._parser = new_parser(self)
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
            self._size = len(data)
        else:
            self._size += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.is_reusable = False
        except HttpParserError:
            # Its text shows some of the answer.
            raise BadHttpMessage("it is not HTTP") from None
        if is_in_head:
            self._take_head(self._arrived)
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
        # As the constructor, which takes twice as long.
        reply = _new(Reply)
        reply.status, reply.headers = self._status, self._headers
        # What is behind these parts answers no request. A variable for the body would show a token.
        is_all = len(self._body) == self._body_parts
        reply.body = b"".join(self._body if is_all else self._body[: self._body_parts])
        reply.truncated, reply.may_state_limit = self._is_too_long, self._is_telling
        reply.stated = self._headers.usual_limit() if self._is_telling else None
        return reply

    @property
    def reply(self) -> Reply:
        """Return the same: to ask for a property takes longer."""
        return self.read()

    def _take_head(self, arrived: SecretBytes) -> None:
        """Take what has arrived of the head."""
        size = len(arrived)
        telling = _find_telling(arrived)
        # As the constructor, which takes twice as long.
        headers = self._headers = _new(LazyHeaders)
        headers.raw, headers.parsed = arrived, None
        headers.telling_from = size if telling is None else telling.start()
        self._is_telling = telling is not None
        if size > _LEAST_LINE * MAX_HEADERS and (
            size > MAX_HEADER_BYTES or arrived.count(b"\n") > MAX_HEADERS
        ):
            self._check_head()
        if self._is_telling and self.has_head:
            self._unpacking = Unpacking.of(headers)

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
            if status >= FIRST_FINAL or status == SWITCHING:
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
