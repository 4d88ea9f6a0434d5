"""What the `on_call` of a factory sees of its calls: for traces and figures of your own.

    on_call(StartedCall) ─▶ CallObserver, or None for a call that is not watched
        waited, attempted, waited, attempted, ...
        ended

Everything is called in the event loop of the call, and must not block. What a hook or an observer
raises is logged once for each call, and never reaches the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import attrs

from .errors import APIError

__all__ = ["CallObserver", "EndedAttempt", "OnCall", "StartedCall", "WaitReason"]

WaitReason: TypeAlias = Literal["throttle", "token", "unit", "retry"]
"""What a call waits for: its turn, a token, another update of its unit, or the delay of a retry."""


# Not frozen, since each watched call makes one, and that would take five times as long.
@attrs.define
class StartedCall:
    """A call that begins.

    Attributes:
        method: the HTTP method.
        url: the URL, without its query.
        route: the path with placeholders, such as `/v1/developments/{development_id}/units/...`,
            where it is known.
        unit: development id and name of the unit that is updated, `None` for other calls.
        is_batch_row: whether it is a row of `update_many`.
    """

    method: str
    url: str
    route: str | None = None
    unit: tuple[str, str] | None = None
    is_batch_row: bool = False


@attrs.frozen(kw_only=True)
class EndedAttempt:
    """A request of a call, and what came back.

    Attributes:
        number: from 1. Requests that the `RetryPolicy` does not count are counted here.
        status: the HTTP status, `None` if the answer was lost.
        request_id: the `X-Request-Id` of the answer, `None` if it has none.
        error: what the attempt would end the call in, `None` for a success.
    """

    number: int
    status: int | None
    request_id: str | None
    error: APIError | None


class CallObserver(Protocol):
    """What watches one call. Its methods are called in the order in which things happen."""

    def waited(self, reason: WaitReason, seconds: float) -> None:
        """Take note that the call has waited."""
        ...

    def attempted(self, attempt: EndedAttempt) -> None:
        """Take note of a request that has ended."""
        ...

    def ended(self, error: BaseException | None) -> None:
        """Take note of the end: what is raised, a cancellation included, or `None`."""
        ...


OnCall: TypeAlias = Callable[[StartedCall], CallObserver | None]
