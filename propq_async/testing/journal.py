"""The log of requests. No secret gets into it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

import attrs

from .oauth import TOKEN_START
from .values import RecordedRequest

__all__ = ["Journal"]

LOG_LENGTH: Final = 1000
REDACTED: Final = "***"


def _ways_to_write(secret: str) -> tuple[bytes, ...]:
    # As it is, and as it may stand in a JSON string.
    plain, escaped = (json.dumps(secret, ensure_ascii=ascii_)[1:-1] for ascii_ in (False, True))
    ways = {secret, plain, escaped, plain.replace("/", r"\/"), escaped.replace("/", r"\/")}
    return tuple(way.encode() for way in ways)


@attrs.define
class Journal:
    """The last 1,000 requests, numbered from 1, and the marks by which a secret is known."""

    length: int = attrs.field(default=0, init=False)
    _secret: str
    _marks: tuple[bytes, ...] = attrs.field(init=False)
    _entries: deque[RecordedRequest] = attrs.field(
        factory=lambda: deque(maxlen=LOG_LENGTH), init=False
    )

    def __attrs_post_init__(self) -> None:
        self._marks = (*_ways_to_write(self._secret), TOKEN_START.encode())

    def entry(
        self, method: str, path: str, status: int | None, raw: bytes, data: Any, now: float
    ) -> RecordedRequest:
        """Return a request as it may be shown. `data` is what `raw` says, if it is shown at all."""
        if data is not None and (self._is_marked(raw) or (b"\\" in raw and self._hides(data))):
            data = REDACTED
        return RecordedRequest(method, self._clean(path), status, data, now)

    def _is_marked(self, text: bytes) -> bool:
        return any(mark in text for mark in self._marks)

    def _hides(self, data: Any) -> bool:
        # Any letter may be written as an escape, so that what was sent shows no mark.
        return self._is_marked(json.dumps(data, ensure_ascii=False).encode())

    def _clean(self, path: str) -> str:
        plain = (unquote(path) if "%" in path else path).encode(errors="replace")
        return f"/{REDACTED}" if self._is_marked(plain) else path

    def append(self, entry: RecordedRequest) -> None:
        """Add a request."""
        self.length += 1
        self._entries.append(entry)

    def entries(self) -> tuple[RecordedRequest, ...]:
        """Return what is there, the oldest first."""
        return tuple(self._entries)

    def numbered(self, since: int) -> Iterator[tuple[int, RecordedRequest]]:
        """Yield the requests with a number above this one, with their numbers."""
        first = self.length - len(self._entries) + 1
        for number, entry in enumerate(self._entries, first):
            if number > since:
                yield number, entry

    def clear(self) -> None:
        """Forget them all, but not how many there were."""
        self._entries.clear()
