"""Values that do not show.

A traceback with locals prints the repr of everything in its frames, and a debugger or an error
tracker keeps it. So tokens, the secret, and what may hold them are of these types as long as a
variable of ours has them. They are made by their constructors alone: a function that hid its
argument would have it in its own frame.
"""

from __future__ import annotations

from typing import Any

__all__ = ["HiddenBytes", "HiddenDict", "HiddenStr"]

_SHOWN = "'[hidden]'"


class HiddenStr(str):
    """A string that does not show; `str(it)` is a plain one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


class HiddenBytes(bytes):
    """Bytes that do not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN


class HiddenDict(dict[str, Any]):
    """A JSON object that does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _SHOWN
