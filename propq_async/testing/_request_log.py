"""The log of requests, without secrets."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote

import attrs

from ._oauth import TOKEN_START
from ._values import RecordedRequest

__all__ = ["RequestLog"]

LOG_LENGTH: Final = 1000
REDACTED: Final = "***"


def _marks_of(secret: str) -> tuple[bytes, ...]:
    # The secret as it is and in each form that a JSON string can give it, and the start of a token.
    plain, escaped = (json.dumps(secret, ensure_ascii=ascii_)[1:-1] for ascii_ in (False, True))
    ways = {secret, plain, escaped, plain.replace("/", r"\/"), escaped.replace("/", r"\/")}
    return (*(way.encode() for way in ways), TOKEN_START.encode())


@attrs.define
class RequestLog:
    """The last 1,000 requests, numbered from 1, and the byte strings that give a secret away."""

    length: int = attrs.field(default=0, init=False)
    _marks: tuple[bytes, ...] = attrs.field(converter=_marks_of, alias="secret", repr=False)
    _entries: deque[RecordedRequest] = attrs.field(
        factory=lambda: deque(maxlen=LOG_LENGTH), init=False
    )

    def entry(
        self, method: str, path: str, status: int | None, raw: bytes, data: Any, now: float
    ) -> RecordedRequest:
        """Return a request without its secrets. `data` is the parsed body, `None` to show none."""
        if data is not None and (self._is_marked(raw) or (b"\\" in raw and self._hides(data))):
            data = REDACTED
        return RecordedRequest(method, self._clean(path), status, data, now)

    def _is_marked(self, text: bytes) -> bool:
        return any(mark in text for mark in self._marks)

    def _hides(self, data: Any) -> bool:
        # Any letter may be written as an escape, and then the raw body shows no mark.
        return self._is_marked(json.dumps(data, ensure_ascii=False).encode())

    def _clean(self, path: str) -> str:
        plain = (unquote(path) if "%" in path else path).encode(errors="replace")
        return f"/{REDACTED}" if self._is_marked(plain) else path

    def append(self, entry: RecordedRequest) -> None:
        """Add a request."""
        self.length += 1
        self._entries.append(entry)

    def entries(self) -> tuple[RecordedRequest, ...]:
        """Return the requests, the oldest first."""
        return tuple(self._entries)

    def numbered(self, since: int) -> Iterator[tuple[int, RecordedRequest]]:
        """Yield the requests with a number above this one, with their numbers."""
        first = self.length - len(self._entries) + 1
        for number, entry in enumerate(self._entries, first):
            if number > since:
                yield number, entry

    def clear(self) -> None:
        """Forget all of them, but not how many there were."""
        self._entries.clear()
