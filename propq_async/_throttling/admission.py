"""Whether a call may go out now, and if not, when: nothing here waits."""

from __future__ import annotations

import math

from .permit import Permit, Rejected
from .server_view import ServerView


class Admission(ServerView):
    """Decides for one call at a time, from what is known of the server and what is under way."""

    in_flight: int  # again, since pyright wants it of each class that assigns it

    @property
    def is_pacing(self) -> bool:
        """Return whether there is a limit to how many calls go out in a time."""
        return self._shared.cap is not None or self._pace.is_limited

    @property
    def opens_in_seconds(self) -> float:
        """Return the seconds until the moment that the server named, 0 if it named none.

        It may be asked from any thread.
        """
        own, shared = self._closing, self._shared.closing
        until = -math.inf if own is None else own.asked_until
        if shared is not None and shared is not self._noted:
            until = max(until, shared.asked_until)
        return max(0.0, until - self._monotonic())

    @property
    def bounds(self) -> str:
        """Return in words how many calls may go out, at once and in a second."""
        said = [f"{self.in_flight} of {self._max_in_flight} connections in use"]
        if self._shared.cap is not None:
            said.append(f"max_calls_per_second={self._shared.cap.per_second:g}")
        per_second = self._pace.per_second
        if per_second < math.inf:
            said.append(f"at most {per_second:.3g} a second, as the server has shown to bear")
        at_once = self._pace.concurrency.limit
        if at_once < math.inf:
            said.append(f"at most {at_once:g} at once, as the server has shown to bear")
        return ", ".join(said)

    def _rejection(self, permit: Permit, now: float) -> Rejected | None:
        """Return why the call should not wait, `None` if it should."""
        outage, closing = self._outage, self._closing
        if outage.since is None or outage.error is None:
            return None
        end = permit.patience_ends(outage.since)
        if closing is not None and closing.until > now:
            if closing.until > end:
                return Rejected(outage.error, closing.asked_until - now)
        elif permit.is_batch_row and now >= end:
            return Rejected(outage.error, 0.0)
        return None

    def _delay(self, permit: Permit, now: float) -> float:
        """Return the seconds until the call may go out; infinity if only an event can tell."""
        if self._closing is not None:
            # In a fleet somebody else may have seen that the server takes calls again.
            if now < self._closing.until and not (
                self.fleet is not None and self.fleet.offers(now)
            ):
                return self._closing.until - now
            self._reopen(self._closing)
        if self.in_flight >= self._max_in_flight:
            return math.inf
        delay = self._breaker.delay(permit, now, self.in_flight)
        if delay > 0:
            return delay
        if self.fleet is not None and self.fleet.is_engaged:
            return self.fleet.delay(now)
        if not (self._breaker.is_open or self._pace.admits(self.in_flight)):
            return math.inf
        return self._pace.delay(now)

    def _try(self, permit: Permit, now: float) -> float:
        """Let the call go out if it may go now. Returns the seconds until it may, as `_delay`."""
        delay = self._delay(permit, now)
        cap = self._fleet_cap or self._shared.cap
        if delay <= 0 and cap is not None:
            # This comes last, since another thread or process may be faster.
            delay = cap.take()
        if delay <= 0:
            if self.fleet is not None:
                self.fleet.sent(now)
            self.in_flight += 1
            permit.sent_at = now
            self._pace.sent(now)
            self._breaker.sent(permit)
        return delay
