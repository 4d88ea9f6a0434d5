"""What the throttles of a factory share: each has its own event loop, perhaps in its own thread."""

from __future__ import annotations

import threading

import attrs

from propq_async.errors import APIError

from .window import Cap


# Compared by identity.
@attrs.frozen(eq=False, repr=False)
class RequestedWait:
    """The server's request that nobody call for a while.

    Attributes:
        asked_until: the moment that the server named.
        until: the moment when a call asks again. It is the same, unless that one is too far off.
        seconds: how long that was when the server said so.
        is_rate_limit: the server counts calls. Otherwise it is down.
        is_stated: the server itself said how long to wait.
        limit: how many calls the server said it takes in a time, `None` if it did not say.
    """

    error: APIError
    until: float
    asked_until: float
    seconds: float
    is_rate_limit: bool
    is_stated: bool = True
    limit: int | None = None


class Shared:
    def __init__(self, cap: Cap | None) -> None:
        # `max_calls_per_second`, `None` for no such bound.
        self.cap = cap
        # The one of all that lasts longest.
        self.closing: RequestedWait | None = None
        self._lock = threading.Lock()

    def announce(self, closing: RequestedWait) -> None:
        """Tell all throttles. Each of them notices when it looks for the next time."""
        with self._lock:
            if self.closing is None or self.closing.until < closing.until:
                self.closing = closing
