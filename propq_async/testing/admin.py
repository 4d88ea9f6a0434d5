"""What another process can tell the emulator, and how it says so."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["CALLS", "arguments"]

CALLS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    # name: (the arguments that it must have, those that it may have)
    "revoke_tokens": ((), ()),
    "expire_tokens": ((), ()),
    "throttle": (("calls",), ("per_seconds",)),
    "fail_next": (("status",), ("times", "retry_after", "body", "path")),
    "drop_next": (("after_applying",), ("times", "path")),
    "reset": ((), ()),
}


def arguments(name: str, body: bytes) -> dict[str, Any]:
    """Return the arguments of an admin call.

    Raises:
        ValueError: they are not what the call takes; the message says why.
    """
    required, optional = CALLS[name]
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is not valid JSON") from None
    if not isinstance(given, dict):
        raise ValueError("the body must be a JSON object with the arguments")  # noqa: TRY004
    known = (*required, *optional)
    unknown = [key for key in given if key not in known]
    if unknown:
        takes = ", ".join(known) or "no arguments"
        raise ValueError(f"unknown argument {unknown[0]!r}; it takes {takes}")
    missing = [key for key in required if key not in given]
    if missing:
        raise ValueError(f"the argument {missing[0]!r} is missing")
    return given
