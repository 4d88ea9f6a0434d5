"""Texts for people: English, and made so that they can be said in another language later.

Code that writes a text marks it with `tr` and fills it with `format`, in place of an f-string. Code
that shows it says it in the language of the reader (`_languages.py`). In between it is a `str` in
English like any other, so nothing else need know. JSON, logs and the errors of programmers stay
English.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Self

# Anything else is kept as its text, so that a message can be pickled and keeps nothing alive.
_PLAIN: Final = (str, int, float, Decimal, datetime)


class Message(str):  # noqa: SLOT000 - a text may have no slots
    """A text in English, with what it was made of.

    Attributes:
        template: the text with `{names}` in it, as the catalogues have it.
        values: what is filled in, by name or by position.
        many: the template for other counts than one, if it depends on a count.
        number: that count.
    """

    template: str
    values: Mapping[str, object] | Sequence[object]
    many: str | None
    number: int

    def __new__(cls, text: str) -> Self:
        """Return a text that has no values yet."""
        made = super().__new__(cls, text)
        made.template, made.values, made.many, made.number = text, (), None, 1
        return made

    def __str__(self) -> str:
        # Whatever hands it on by `str` hands on all of it: `str(error)`, `map(str, problems)`.
        return self

    def __add__(self, other: str) -> Message:
        return joined("", (self, other))

    def __radd__(self, other: str) -> Message:
        return joined("", (other, self))

    def format(self, *args: Any, **values: Any) -> Message:
        """Return the text with values in it, which may be texts of this kind."""
        made = Message(super().format(*args, **values))
        made.template = self.template
        made.values = {key: _plain(one) for key, one in values.items()} or [*map(_plain, args)]
        made.many, made.number = self.many, self.number
        return made


def _plain(value: object) -> object:
    return value if isinstance(value, _PLAIN) else str(value)


def tr(text: str) -> Message:
    """Mark a text that people read. It is the text, and `format` fills it.

    The text must be a literal, so that the tests find it in the catalogues.
    """
    return Message(text)


def trn(one: str, many: str, count: int, **values: Any) -> Message:
    """Mark a text that depends on a count, which is `{count}` in it, and fill it."""
    made = Message(one if count == 1 else many)
    made.template, made.many, made.number = one, many, count
    return made.format(count=count, **values)


def joined(between: str, parts: Iterable[str]) -> Message:
    """Join texts, of which some may be said in another language."""
    texts = [text for part in parts for text in (between, part)][1:]
    return Message("{}" * len(texts)).format(*texts)


# The reasons that people meet. The others are told in the words of the operating system.
_REASONS: Final = {
    errno.EACCES: tr("Permission denied"),
    errno.EISDIR: tr("Is a directory"),
    errno.ENOENT: tr("No such file or directory"),
    errno.ENOSPC: tr("No space left on device"),
    errno.EROFS: tr("Read-only file system"),
}


def os_reason(error: OSError) -> str:
    """Return what the operating system says of an error."""
    said = error.strerror or str(error)
    reason = _REASONS.get(error.errno or 0, said)
    return reason if reason == said else said
