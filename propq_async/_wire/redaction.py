"""Texts from outside, made fit to be shown: without secrets, and without control characters."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from urllib.parse import quote, quote_plus

from propq_async._secret import SecretBytes, SecretStr

from .messages import MAX_ERROR_BYTES, Reply

MAX_BODY_CHARACTERS: Final = 2_000


def clean(text: str, forms: Sequence[str], allowed: str = "") -> str:
    """Return the text without the secret in any of these forms, bounded and printable."""
    for form in forms:
        text = SecretStr(text.replace(form, "[removed]"))
    # The text is cut after that, since half a secret would not be found.
    return printable(str(text[:MAX_BODY_CHARACTERS]), allowed)[:MAX_BODY_CHARACTERS]


def printable(text: str, allowed: str = "") -> str:
    """Return a text that cannot forge lines of a log or control a terminal.

    Invisible characters are escaped, such as control characters, line separators, direction marks
    and lone surrogates. Spaces of any width and the characters in `allowed` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char.isprintable() or char in allowed or unicodedata.category(char) == "Zs"
        else char.encode("unicode_escape").decode()
        for char in text
    )


def scrubbed(reply: Reply, forms: Sequence[str]) -> Reply:
    """Return the reply with a body that no longer contains the secret."""
    body, truncated = SecretBytes(reply.body[:MAX_ERROR_BYTES]), reply.truncated
    truncated |= len(body) < len(reply.body)
    if any(body.find(form.encode()) >= 0 for form in forms):
        for form in forms:
            body = SecretBytes(body.replace(form.encode(), b"[removed]"))
    if truncated:
        # The body may end in a part of the secret.
        body = SecretBytes(body[: -len(forms[0].encode())])
    return Reply(reply.status, reply.headers, body, truncated=truncated)


def secret_forms(secret: SecretStr) -> list[SecretStr]:
    """Return the secret in all its spellings: plain, in a form, a URL, HTML and JSON."""
    forms = {secret}
    _add_spellings(forms, quote_plus, partial(quote_plus, safe="*"), partial(quote, safe=""))
    _add_spellings(forms, lambda form: form.replace("~", "%7E"))
    # %2f is the same as %2F.
    _add_spellings(forms, lambda form: re.sub("%..", lambda found: found[0].lower(), form))
    from html import escape  # noqa: PLC0415 - only what goes wrong is redacted

    forms.add(SecretStr(escape(secret)))
    forms.add(SecretStr(escape(secret).replace("&#x27;", "&#039;")))
    for _ in range(2):  # JSON is quoted in JSON
        _add_spellings(
            forms,
            lambda form: json.dumps(form)[1:-1],
            lambda form: json.dumps(form, ensure_ascii=False)[1:-1],
        )
        _add_spellings(forms, lambda form: form.replace("/", "\\/"))  # as PHP has it
    return sorted(forms, key=len, reverse=True)


def _add_spellings(forms: set[SecretStr], *ways: Callable[[SecretStr], str]) -> None:
    """Add what each way makes of each form."""
    made = [map(SecretStr, map(way, tuple(forms))) for way in ways]
    forms.update(*made)
