"""The observer of a call, kept from doing harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from propq_async.hooks import CallObserver, EndedAttempt, OnCall, StartedCall, WaitReason

from .retries import RetriedCall, logger


def observer_of(call: RetriedCall, on_call: OnCall) -> CallObserver | None:
    """Return what watches a call that begins, `None` if nothing does."""
    request = call.request
    started = StartedCall(
        request.call.method, request.call.url, request.route, call.unit_named, call.is_batch_row
    )
    try:
        observer = on_call(started)
    except Exception:  # noqa: BLE001 - of the caller's hook, and it must cost no call
        logger.exception("on_call failed, so a call is not watched")
        return None
    return None if observer is None else _Guarded(observer)


class _Guarded:
    """An observer whose mistakes cost no call. After the first one it is told nothing more."""

    def __init__(self, observer: CallObserver) -> None:
        self._observer: CallObserver | None = observer

    def waited(self, reason: WaitReason, seconds: float) -> None:
        self._tell(lambda observer: observer.waited(reason, seconds))

    def attempted(self, attempt: EndedAttempt) -> None:
        self._tell(lambda observer: observer.attempted(attempt))

    def ended(self, error: BaseException | None) -> None:
        self._tell(lambda observer: observer.ended(error))

    def _tell(self, what: Callable[[CallObserver], Any]) -> None:
        if self._observer is None:
            return
        try:
            what(self._observer)
        except Exception:  # noqa: BLE001 - as above
            self._observer = None
            logger.exception("the observer of a call failed, and is told nothing more")
