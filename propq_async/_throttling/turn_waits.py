"""How long single calls wait for their turn: when that is a warning, and when it is too long."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from .permit import Permit

# A single call that waits this long shows that calls come faster than they may go out.
WARNING_WAIT_SECONDS: Final = 5.0

# A service that is too fast for the server is worth a warning only this often.
WARNING_INTERVAL_SECONDS: Final = 60.0

# To look at all calls takes some microseconds for each. So beyond the first few, each of them puts
# off the next look by so much, and the looks take no more than a small part of the time.
FEW: Final = 100
SECONDS_BETWEEN_LOOKS: Final = 50e-6


class Waits:
    """The waits of single calls, without the time for which the server told everybody to wait."""

    def __init__(self) -> None:
        # When it is worth looking again.
        self.next_at = math.inf
        self._opened_at = -math.inf
        self._warned_at = -math.inf

    def began(self, permit: Permit) -> None:
        look_at = permit.waits_since + self._first_look(permit)
        if look_at < self.next_at:  # noqa: PLR1730 - for speed, as many calls come here
            self.next_at = look_at

    def reopened(self, now: float) -> None:
        """Take note that the throttle was closed until now."""
        self._opened_at = self.next_at = now

    def _since(self, permit: Permit) -> float:
        return max(permit.waits_since, self._opened_at)

    def is_over(self, permit: Permit, now: float) -> bool:
        return not permit.is_batch_row and now >= self._since(permit) + permit.max_wait_seconds

    def looked(self, waiting: Iterable[Permit], now: float) -> float | None:
        """Return how long one of the calls has waited, if that is worth a warning."""
        self.next_at, longest, count = math.inf, 0.0, 0
        for permit in waiting:
            count += 1
            since = self._since(permit)
            is_long = now >= since + WARNING_WAIT_SECONDS
            if is_long:
                longest = max(longest, now - since)
            until = permit.max_wait_seconds if is_long else self._first_look(permit)
            self.next_at = min(self.next_at, since + until)
        if count > FEW:
            self.next_at = max(self.next_at, now + (count - FEW) * SECONDS_BETWEEN_LOOKS)
        if not longest or now - self._warned_at < WARNING_INTERVAL_SECONDS:
            return None
        self._warned_at = now
        return longest

    @staticmethod
    def _first_look(permit: Permit) -> float:
        seconds = permit.max_wait_seconds
        return seconds if seconds < WARNING_WAIT_SECONDS else WARNING_WAIT_SECONDS  # noqa: FURB136 - as above
