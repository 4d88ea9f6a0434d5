"""What each request is answered with, and its entry in the log, without any I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import attrs

from propq_async.testing import _laravel as laravel

from ._faults import Fault
from ._input import ApiRequest
from ._replies import Reply, json_reply
from ._state import State
from ._values import RecordedRequest

__all__ = ["Answers", "broken", "is_token_path"]

_LOGGER: Final = logging.getLogger("propq_async.testing")


def is_token_path(path: str) -> bool:
    """Return whether a request goes to the token endpoint."""
    return path.rstrip("/") == laravel.TOKEN_PATH


def broken(what: str, error: Exception) -> Reply:
    """Return the answer when a function of the test has raised, and log the error.

    Of all statuses that say that the server failed, no client retries a 501.
    """
    message = f"{what} raised {type(error).__name__}: {error}"
    _LOGGER.error("The emulator cannot answer: %s", message, exc_info=error)
    return json_reply(501, {"message": message})


@attrs.define
class Answers:
    """Maintenance comes before the faults, and the faults before the API.

    The caller holds the lock of the state.
    """

    _state: State
    _clock: Callable[[], float]

    def count(self, path: str) -> None:
        """Count a request when it arrives."""
        if is_token_path(path):
            self._state.token_requests += 1
        else:
            self._state.calls += 1

    def answer(self, request: ApiRequest) -> tuple[Reply | None, RecordedRequest]:
        """Answer and log a request. A reply of `None` drops the connection."""
        now, reply = self._now()
        if reply is None:
            reply = self._state.api.down(request)
        if reply is None:
            fault = self._fault(request, now) if self._state.faults else None
            if fault is None:
                reply = self._state.api.answer(request, now)
            elif fault.after_applying:
                self._state.api.answer(request, now)
            else:
                reply = fault.reply
        entry = self._entry(request, reply, now)
        self._state.request_log.append(entry)
        return reply, entry

    def log_too_large(self, method: str, path: str, reply: Reply) -> RecordedRequest:
        """Count and log a request that was refused since its body is too large to be read."""
        self.count(path)
        request = ApiRequest(method, path, "", {}, b"", None)
        entry = self._entry(request, reply, self._now()[0])
        self._state.request_log.append(entry)
        return entry

    def _now(self) -> tuple[float, Reply | None]:
        """Return the time, and an answer if the clock is a test's own and raised."""
        try:
            return self._clock(), None
        except Exception as error:  # noqa: BLE001 - of a function that is not ours
            return 0.0, broken("the clock", error)

    def _fault(self, request: ApiRequest, now: float) -> Fault | None:
        try:
            return self._state.faults.take(self._entry(request, None, now))
        except Exception as error:  # noqa: BLE001 - the same
            return Fault(broken("the match of a fault", error), 1, None, None)

    def _entry(self, request: ApiRequest, reply: Reply | None, now: float) -> RecordedRequest:
        status = None if reply is None else reply.status
        # What is sent to the token endpoint is secret, whatever its form.
        data = None if is_token_path(request.path) else request.data
        return self._state.request_log.entry(
            request.method, request.path, status, request.body, data, now
        )
