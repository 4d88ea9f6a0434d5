"""Bodies that the server has compressed although it was not asked to."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, Final

_GZIP: Final = zlib.MAX_WBITS | 16


class Unpacking:
    """Unpacks a body, part by part, into no more than may be read."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._zip: Any = None
        self._parts = 0

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Unpacking | None:
        """Return what unpacks a body with these headers, `None` if it is not compressed."""
        encoding = headers.get("Content-Encoding", "").lower().removeprefix("x-")
        return cls(encoding) if encoding in ("gzip", "deflate") else None

    def unpack(self, body: list[bytes], most: int) -> bool:
        """Unpack the parts that have been added, in their places.

        Returns:
            Whether that is the end.

        Raises:
            zlib.error: it was not packed so.
        """
        for number in range(self._parts, len(body)):
            if self._zip is None:
                self._zip = zlib.decompressobj(wbits=self._window(body[number][0]))
            body[number] = self._zip.decompress(body[number], most + 1)
        self._parts = len(body)
        return self._zip is None or self._zip.eof

    def _window(self, first_byte: int) -> int:
        if self._encoding == "gzip":
            return _GZIP
        # "deflate" means zlib's format, and many servers leave out its head (RFC 9110 section
        # 8.4.1.2).
        has_head = first_byte & 0xF == zlib.DEFLATED
        return zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS
