"""The errors of calls that are not sent, or not sent again: they would have to wait too long."""

from __future__ import annotations

import copy
from http import HTTPStatus

from propq_async._throttling.permit import Rejected
from propq_async.errors import (
    APIStatusError,
    APITimeoutError,
    PropQError,
    RateLimitError,
    TokenUnavailableError,
)

from .retries import RetriedCall


def error_of_rejection(call: RetriedCall, rejected: Rejected) -> PropQError:
    """Return the error of a call that would have to wait longer at the throttle than it may."""
    if rejected.error is None:
        return call.settle(_held_back(call, rejected.waiting))
    error = copy.deepcopy(rejected.error)
    if isinstance(error, TokenUnavailableError):
        error.may_have_been_applied = call.may_have_been_applied
        error.unit = call.unit_named
        return error
    error.method, error.url = call.request.call.method, call.request.call.url
    # What another call left in doubt is not in doubt for this one.
    error.may_have_been_applied = False
    is_own = call.error is rejected.error
    if isinstance(error, APIStatusError) and rejected.seconds > 0 and not is_own:
        # The server told another call to wait, some time ago.
        error.retry_after_seconds = rejected.seconds
    return call.settle(error)


def _held_back(call: RetriedCall, waiting: int) -> RateLimitError:
    """Return the error of a call that was not sent, since too many others go before it."""
    throttle, bound = call.resources.throttle, call.options.retry.max_wait_seconds
    error = call.request.call.error(
        RateLimitError,
        f"held back by this client, not refused by the server: its turn did not come within "
        f"{bound:g} s (max_wait_seconds), since calls come faster than they may go out "
        f"({waiting} wait; {throttle.bounds})",
        status=HTTPStatus.TOO_MANY_REQUESTS,
    )
    error.advice = "make fewer calls at once, or give them more time (max_wait_seconds)"
    return error


def out_of_time(call: RetriedCall, total_seconds: float) -> APITimeoutError:
    """Return the error of a call that has used up its `total_timeout_seconds`."""
    late = f"not done within {total_seconds:g} s (total_timeout_seconds)" + call.last_attempt
    return call.request.call.error(APITimeoutError, late)
