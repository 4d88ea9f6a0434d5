"""What a reply says, as text that can be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from propq_async._secret import SecretStr

from .messages import Reply
from .redaction import MAX_BODY_CHARACTERS, clean

_PHRASES: Final = {419: "Page Expired"}


def message_in(data: Any) -> str | None:
    """Return the message in a JSON answer, whichever key has it."""
    if not isinstance(data, dict):
        return None
    for key in ("message", "error_description", "error"):
        said = data.get(key)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said.strip():
            return said.strip()
    return None


def page_title(text: str, status: int) -> str | None:
    """Return the title of a web page, without the status that it begins with."""
    found = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
    words = found[1].split() if found else []
    return " ".join(words[1:] if words[:1] == [str(status)] else words) or None


def reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _PHRASES.get(status, "unknown status")


def body_text(reply: Reply, forms: Sequence[str]) -> str:
    """Return the beginning of a body as text.

    The body must be scrubbed already, so that no secret is cut in half here. Unlike other texts it
    keeps its lines: it appears in no `str()` and no log record, and JSON in it can be parsed.
    """
    beginning = reply.body[: 4 * MAX_BODY_CHARACTERS]  # at most 4 bytes a character
    text = SecretStr(beginning.decode(errors="replace").replace("\r\n", "\n"))
    return clean(text, forms, allowed="\n\t")
