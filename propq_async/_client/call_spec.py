"""What is to be called, and on which terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from yarl import URL

from propq_async._wire.messages import Call, Reply
from propq_async.credentials import Token
from propq_async.hooks import OnCall
from propq_async.retry import RetryPolicy

from .memory import AccountMemory


@attrs.frozen(eq=False, repr=False)
class Options:
    """What a session may set for its calls."""

    timeout_seconds: float
    retry: RetryPolicy
    memory: AccountMemory | None = None
    on_call: OnCall | None = None
    # Whether a call needs nothing around its attempts.
    is_plain: bool = attrs.field(
        default=attrs.Factory(
            lambda self: self.memory is None and self.retry.total_timeout_seconds is None,
            takes_self=True,
        ),
        init=False,
    )


@attrs.frozen(eq=False, repr=False)
class Request:
    """A call before it is made, without its body.

    `repeatable`: whether it may be made again when its answer was lost. `read` turns a reply into
    the call's value, or returns the error that the reply is. `route` is the path with placeholders.
    """

    call: Call
    url: URL = attrs.field(repr=False)
    repeatable: bool
    read: Callable[[Reply, Call, Token], Any]
    route: str | None = None


@attrs.frozen(eq=False, repr=False)
class BatchRow:
    """What makes a call the row of a batch.

    It is held while nobody gets through, for at most `max_outage_seconds`. `is_suspect` says
    whether a failure is more likely the fault of this row than of the server, when no other call
    can tell.
    """

    max_outage_seconds: float
    is_suspect: Callable[[], bool]
