"""What is seen of the server: what it took and when, how long that took, and how many at once."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

MIN_WINDOW_SECONDS: Final = 0.05

MAX_COUNTED_CALLS: Final = 10_000

# The largest fraction by which a window is stretched, since some calls travel for longer than
# others.
MAX_MARGIN: Final = 0.1

# The pace never falls below this part of what the server has borne lately.
LEAST_PART: Final = 0.5
LATELY_SECONDS: Final = 10.0

# The fraction of the rate at which a bucket was filled that it surely bears, and how many calls
# show that.
FILLING_PART: Final = 0.9
FILLING_CALLS: Final = 10


class Observed:
    """The calls that went out, as they came back.

    Attributes:
        began_at: since when there is something to observe, `None` before the first call.
        first_at: when the first call of all went out.
        sent_at: when the calls went out that the server has taken.
        longest_trip: of the calls since `began_at`, the longest way there and back.
        shortest_trip: the shortest one.
        most_in_flight: how many of them were in flight at most when the server took one.
        least_in_flight: how many at least when it refused one.
    """

    def __init__(self) -> None:
        self.sent_at: deque[float] = deque(maxlen=MAX_COUNTED_CALLS)
        self.first_at = math.inf
        self.begin()

    def begin(self) -> None:
        """Begin anew: the next call may be the first one of the server's window."""
        self.began_at: float | None = None
        self.longest_trip = 0.0
        self.shortest_trip = math.inf
        self.most_in_flight = 1
        self.least_in_flight = math.inf

    def sent(self, now: float) -> None:
        if self.began_at is None:
            self.began_at = now
            self.first_at = min(self.first_at, now)

    def answered(self, sent_at: float, now: float, in_flight: int) -> None:
        """Take note of a call that the server took. `in_flight` counts it and those beside it."""
        self.sent_at.append(sent_at)
        trip = now - sent_at
        # Each call comes here, and `min` and `max` would take three times as long.
        if trip > self.longest_trip:  # noqa: PLR1730 - for speed
            self.longest_trip = trip
        if trip < self.shortest_trip:  # noqa: PLR1730 - for speed
            self.shortest_trip = trip
        if in_flight > self.most_in_flight:  # noqa: PLR1730 - for speed
            self.most_in_flight = in_flight

    def refused(self, sent_at: float, now: float, in_flight: float) -> None:
        """Take note of a call that the server refused. `in_flight` counts it, too."""
        trip = now - sent_at
        self.longest_trip = max(self.longest_trip, trip)
        self.shortest_trip = min(self.shortest_trip, trip)
        self.least_in_flight = min(self.least_in_flight, in_flight)

    def taken_since(self, since: float) -> list[float]:
        """Return when the calls were sent that the server has taken since then."""
        return [sent_at for sent_at in self.sent_at if sent_at >= since]

    def taken(self, since: float) -> int:
        """Return how many calls the server has taken since then."""
        return sum(sent_at >= since for sent_at in self.sent_at)

    def floor(self, seconds: float, now: float) -> float:
        """Return the least rate, for a server that counts in so many seconds."""
        lately = max(LATELY_SECONDS, 2 * seconds)
        return LEAST_PART * self.taken(now - lately) / lately

    def filling(self, since: float, until: float) -> float:
        """Return the rate that surely fills a bucket which was empty at both moments."""
        taken = self.taken(since)
        return FILLING_PART * taken / (until - since) if taken >= FILLING_CALLS else 0.0

    @property
    def trips_differ_by(self) -> float:
        return self.longest_trip - self.shortest_trip

    def window_seconds(self, observed: float, wait: float) -> float:
        """Return the length of a window, of which so many seconds were seen from here.

        `wait`: the wait that the server named at the end.
        """
        seconds = observed - (self.shortest_trip + self.longest_trip) / 2
        if wait.is_integer():
            # The server has rounded it up, and its window is a whole number of seconds.
            seconds = max(1.0, math.floor(seconds))
        seconds += min(self.trips_differ_by, MAX_MARGIN * seconds)
        return max(MIN_WINDOW_SECONDS, seconds)
