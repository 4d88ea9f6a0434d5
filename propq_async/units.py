"""The units of developments: the one resource whose endpoints are published."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from .batch import UnitBatch, Updates
from .calls import Calls, Options, Progress, Request, Row
from .config import check_at_least
from .errors import ConfigurationError
from .models import UnitUpdate
from .wire import Call, dump_update, read_object, update_path

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Units"]

MOST_REQUESTS: Final = 256


class Units:
    """`session.units`: the updates of units."""

    def __init__(
        self,
        *,
        calls: Callable[[], Calls],
        options: Options,
        base_url: str,
        batches: set[UnitBatch],
    ) -> None:
        self._calls = calls
        self._options = options
        self._base_url = base_url
        self._batches = batches
        self._requests: dict[str, Request] = {}

    async def update(self, update: UnitUpdate) -> dict[str, Any]:
        """Set the status, price and directions of one unit, found by its name.

        Returns:
            The JSON object that the server sent.

        Raises:
            APIError: the call failed; which error says how.
            TokenError: there is no access token to make it with.
            RuntimeError: the session is not entered.
        """
        return await self._update(self._calls(), update, Progress())

    def update_many(
        self, updates: Updates, *, concurrency: int = 100, max_outage_seconds: float = 300.0
    ) -> UnitBatch:
        """Update many units, many at a time, and yield the outcome of each.

        Args:
            updates: any iterable or async iterable of `UnitUpdate`, also one without end. It is
                read only as fast as the outcomes are taken.
            concurrency: how many updates are pulled and not yet yielded, at the most. How many are
                sent at a time is limited by `max_connections` of the factory as well.
            max_outage_seconds: how long rows are held while nobody gets through; after that the
                batch ends in the error.

        Returns:
            An async iterator of `UnitOutcome`, in the order in which they finish.

        Raises:
            ConfigurationError: an argument cannot work.
            RuntimeError: the session is not entered.
        """
        check_at_least("concurrency", concurrency, 1)
        if not isinstance(concurrency, int):
            raise ConfigurationError(f"concurrency must be an integer, not {concurrency!r}")
        check_at_least("max_outage_seconds", max_outage_seconds, 0)
        batch = UnitBatch(
            updates,
            # Bound to this stay in the session: it outlasts the moment of leaving it.
            make=partial(self._update, self._calls()),
            call=self._call,
            concurrency=concurrency,
            max_outage_seconds=max_outage_seconds,
            clock=self._calls().clock,
            on_close=self._batches.discard,
        )
        self._batches.add(batch)
        return batch

    def _call(self, update: UnitUpdate) -> Call:
        return self._request(update.development_id).call

    def _request(self, development_id: str) -> Request:
        """Return an update of a development: kept, since the next one differs only by its body."""
        request = self._requests.get(development_id)
        if request is None:
            if len(self._requests) >= MOST_REQUESTS:
                self._requests.clear()
            call = Call("POST", self._base_url + update_path(development_id))
            request = self._requests[development_id] = Request(
                call,
                URL(call.url, encoded=True),
                self._options.retry.retry_unacknowledged,
                read_object,
            )
        return request

    def _update(
        self, calls: Calls, update: UnitUpdate, progress: Progress, row: Row | None = None
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        development_id = update.development_id
        request = self._requests.get(development_id) or self._request(development_id)
        return calls.make(request, dump_update(update), self._options, progress, row)
