"""What is known of a call while it runs."""

from __future__ import annotations

from propq_async._http.transport import Attempt
from propq_async.errors import APIError
from propq_async.models import UnitUpdate

from .unit_order import Unit


class Progress(Attempt):
    """What has become of a call's attempts so far, the one under way included.

    It survives the call's cancellation.

    Attributes:
        update: the update that the call makes, `None` if it is none.
        unit: the unit that is updated, until something else keeps its updates in order.
        attempts: the attempts that count for the `RetryPolicy`.
        requests: the requests made.
        error: how the last attempt ended.
        in_doubt: whether an attempt that has ended may have taken effect.
        is_final: whether what ended the call would end every further one, too.
        token_refused: whether the replay after a 401 is used up.
        waits: how often the server has asked to wait.
        dead_connections: how often the connection was closed before anything was sent.
        futile: how many losses were of a kind that no retry helps against.
    """

    # Defaults of the class, since setting them all in a constructor would cost every call.
    update: UnitUpdate | None = None
    unit: Unit | None = None
    attempts = 0
    requests = 0
    error: APIError | None = None
    in_doubt = False
    is_final = False
    token_refused = False
    waits = 0
    dead_connections = 0
    futile = 0

    @property
    def unit_named(self) -> tuple[str, str] | None:
        """Return development id and name of the unit as the update has them."""
        update = self.update
        return None if update is None else (update.development_id, update.name)

    @property
    def may_have_been_applied(self) -> bool:
        """Return whether an attempt that has ended, or the one under way, may have taken effect."""
        return self.in_doubt or self.sent

    @property
    def counted(self) -> int:
        """Return the attempts to report: if none counted but a request was made, that is one."""
        return self.attempts or min(self.requests, 1)

    @property
    def last_attempt(self) -> str:
        """Return how the last attempt ended, to be added to what ended the call."""
        return f"; the last attempt ended in: {self.error.said}" if self.error else ""

    def ended_in(self, error: APIError) -> None:
        """Note how the attempt under way has ended."""
        self.error = error
        self.in_doubt |= error.may_have_been_applied
        # Nothing is under way now that a cancellation could leave in doubt.
        self.sent = False

    def settle(self, error: APIError) -> APIError:
        """Return the call's error, with what is known of all its attempts."""
        error.may_have_been_applied |= self.may_have_been_applied
        error.attempts = self.counted
        error.unit = self.unit_named
        return error
