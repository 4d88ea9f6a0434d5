"""Values whose `repr` hides them.

A traceback with locals prints the repr of everything in its frames, and error trackers keep it. So
each variable that holds a token, the secret or a text with one of them is of these types. Only
their constructors make them: a function that hid its argument would show it in its own frame.
"""

from __future__ import annotations

from typing import Any

import attrs

_SHOWN = "'[hidden]'"


class SecretStr(str):
    """A string that its `repr` hides; `str(it)` is a plain one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


class SecretBytes(bytes):
    """Bytes that their `repr` hides."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


class SecretDict(dict[str, Any]):
    """A JSON object that its `repr` hides."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


@attrs.frozen
class Hidden:
    """Any value, which may be a secret."""

    value: Any = attrs.field(repr=False)


class NamedSource:
    """A source of a secret whose `str` is "the secret in" the place that it comes from."""

    __slots__ = ()


class UnusableSecretError(Exception):
    """A source of ours has no usable secret. The message may be shown: it has nothing of it."""
