"""What the framework takes for the input of a request: its body, and the query beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs

from propq_async.testing import _laravel as laravel

from ._php import FORM, MULTIPART, parse_form, parse_multipart

__all__ = ["ApiRequest"]

_WORD: Final = re.compile(r"[A-Z]+")


@attrs.frozen
class ApiRequest:
    """A request to the API, the token endpoint included.

    `path` and `query` are as they were sent. `data` is the parsed body if its `Content-Type` is
    JSON.
    """

    method: str
    path: str
    # These may hold a secret or a token.
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    data: Any = attrs.field(repr=False)

    @property
    def content_type(self) -> str:
        """Return the header `Content-Type`."""
        return self.headers.get("Content-Type", "")

    @property
    def host(self) -> str:
        """Return the host that was asked."""
        return self.headers.get("Host", "localhost")

    @property
    def wants_json(self) -> bool:
        """Return whether the framework answers errors in JSON."""
        headers = self.headers
        return laravel.expects_json(
            headers.get("Accept", ""),
            is_ajax=headers.get("X-Requested-With") == "XMLHttpRequest"
            and headers.get("X-PJAX", "").lower() != "true",
        )

    def sent(self) -> dict[str, Any]:
        """Return the values of the body alone."""
        if laravel.is_json(self.content_type):
            return _as_array(self.data)
        media_type = self.content_type.partition(";")[0].strip().lower()
        if media_type == FORM:
            return parse_form(self.body)
        if media_type == MULTIPART:
            return parse_multipart(self.content_type, self.body)
        return {}

    def input(self) -> dict[str, Any]:
        """Return the values of the body, and those of the query that the body does not have."""
        return {**self._parameters(), **self.sent()}

    def _parameters(self) -> dict[str, Any]:
        return parse_form(self.query.encode(errors="surrogateescape")) if self.query else {}

    def meant_method(self, trimmed: str) -> str | None:
        """Return the method after a header or a `_method` has replaced it, `None` if it is no word.

        Symfony reads these of a POST, for browsers whose forms know GET and POST only. From a
        `_method`, `trimmed` has been trimmed as from any string.
        """
        if self.method != "POST":
            return self.method
        given: Any = self.headers.get("X-HTTP-Method-Override")
        if not given:
            given = self.sent().get("_method", self._parameters().get("_method"))
            given = given.strip(trimmed) if isinstance(given, str) else None
        method = (given or "POST").upper()
        return method if _WORD.fullmatch(method) else None


def _as_array(value: Any) -> dict[str, Any]:
    # PHP's `(array)`: a list has its indexes as keys.
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return {} if value is None else {"0": value}
