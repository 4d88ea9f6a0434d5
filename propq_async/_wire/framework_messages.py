"""Successes in which the framework says that it did nothing.

`php artisan down --status=200` answers every call with a 200, and a gateway may give any error that
status. The body is then what the framework writes for an exception: an object with one of its own
messages and, in debug mode, where it was raised. Nothing else is taken for one: an object with any
other key, or with any other message, is the answer of the application.
"""

from __future__ import annotations

from typing import Any, Final

import attrs


@attrs.frozen(eq=False, repr=False)
class Said:
    """The status that the framework sends with a text, and the class that has the text."""

    status: int
    source: str


MESSAGES: Final = {
    "Service Unavailable": Said(
        503, "Illuminate\\Foundation\\Http\\Middleware\\PreventRequestsDuringMaintenance"
    ),
    "Too Many Attempts.": Said(429, "Illuminate\\Routing\\Middleware\\ThrottleRequests"),
    "Server Error": Said(500, "Illuminate\\Foundation\\Exceptions\\Handler"),
    "Unauthenticated.": Said(401, "Illuminate\\Auth\\AuthenticationException"),
    "This action is unauthorized.": Said(403, "Illuminate\\Auth\\Access\\AuthorizationException"),
    "CSRF token mismatch.": Said(419, "Illuminate\\Foundation\\Http\\Middleware\\VerifyCsrfToken"),
}

# `convertExceptionToArray` of Illuminate\Foundation\Exceptions\Handler.
_KEYS: Final = frozenset({"message", "exception", "file", "line", "trace"})


def status_said(value: Any) -> int | None:
    """Return the status that the body of a success speaks of, `None` if it is a success."""
    if not isinstance(value, dict):
        return None
    message = value.get("message")
    if not isinstance(message, str) or message not in MESSAGES or not value.keys() <= _KEYS:
        return None
    return MESSAGES[message].status
