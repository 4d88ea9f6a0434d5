"""Whose fault it is that the server does not take a call: a limit's, or the call's."""

from __future__ import annotations

import enum
from typing import Final

from .permit import Counts, Permit

# A call is to blame if this many others get through between two refusals of it.
OTHERS_TO_BLAME: Final = 20

# Where there is a limit, others may for a while take each place that becomes free.
_REFUSALS_UNDER_A_LIMIT: Final = 3


class Fault(enum.Enum):
    """Who or what made the server refuse a call with the request to wait."""

    LIMIT = "everybody has to wait"
    CALL = "the server does not take this call"
    ONLY_CALLS = "so far, the server has refused only calls that it does not take: it has no limit"


class Blame:
    """Tells a call that the server never takes from a limit that all calls share.

    A server that counts calls sooner or later refuses one that it has not refused before, and
    takes a refused one later: both are signs of a limit. If the server refuses the same call again,
    has taken only others since the last time, and has shown no such sign, it is the call's fault.
    If no other call could go in between, the call is only suspected, and only if something else
    speaks against it.
    """

    def __init__(self) -> None:
        self._signs_of_limit = 0
        self._has_limit = False
        # These count calls, not refusals.
        self._refused_calls = 0
        self._blamed_calls = 0

    def succeeded_after_refusal(self) -> None:
        """Take note that the server took a call that it had refused before."""
        self._signs_of_limit += 1
        self._has_limit = True

    def is_given_up(self, permit: Permit, attempts: int) -> bool:
        """Return whether a suspect was refused so often that it fails, as if out of attempts."""
        refusals = attempts * (_REFUSALS_UNDER_A_LIMIT if self._has_limit else 1)
        return permit.suspected >= refusals

    def refused(self, permit: Permit, successes: int, *, is_suspect: bool = False) -> Fault:
        """Count a refusal, and return whose fault it is.

        `successes`: how many calls the server has taken so far. A few others between two refusals
        are no proof: the refusal is then the call's fault, but it is not blamed for it. If there
        were none, a suspect is suspected, and everybody waits as well.
        """
        last = permit.last_refusal
        permit.put_off += 1
        permit.refusals += 1
        if last is None:
            self._signs_of_limit += 1
            self._refused_calls += 1
            permit.successes_at_first_refusal = successes
        permit.last_refusal = Counts(successes, self._signs_of_limit)
        if last is None:
            return Fault.LIMIT
        others = successes - last.successes
        is_sign_free = self._signs_of_limit == last.signs_of_limit
        if is_sign_free and others >= OTHERS_TO_BLAME:
            permit.blamed += 1
            if permit.blamed == 1:
                self._blamed_calls += 1
                if self._blamed_calls == self._refused_calls:
                    return Fault.ONLY_CALLS
            return Fault.CALL
        is_again = is_sign_free and others == 0 and is_suspect
        permit.suspected = permit.suspected + 1 if is_again else 0
        return Fault.CALL if others > 0 and (permit.blamed or is_sign_free) else Fault.LIMIT


class Overloads:
    """Tells calls that the server never takes from a limit to how many it takes at once.

    Both get a 503 that does not say how long to wait, while others get through. Under a limit such
    a call is taken later, as likely as any other. If the server does not take a call again, though
    it has taken others, and none that had got a 503 before, it is these calls that it does not
    take. Then `are_of_calls` is true.
    """

    def __init__(self) -> None:
        self.are_of_calls: bool = False
        self._taken_later = 0

    def ended(self) -> None:
        """Take note that the server took a call that had got a 503."""
        self._taken_later += 1
        self.are_of_calls = False

    def noticed(self, permit: Permit, successes: int) -> bool:
        """Take note of a 503. Returns whether others got through since the call's last one.

        `successes`: how many calls the server has taken so far.
        """
        last, permit.last_overload = permit.last_overload, Counts(successes, self._taken_later)
        permit.put_off += 1
        if last is None or successes == last.successes:
            return False
        if last.signs_of_limit == self._taken_later:
            self.are_of_calls = True
        return True
