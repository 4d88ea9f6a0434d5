"""The units of developments: the one resource whose endpoints are published."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from yarl import URL

from propq_async._comparison import alike
from propq_async._process_bound import Unpicklable
from propq_async._settings import check_at_least
from propq_async._wire.messages import Call
from propq_async._wire.replies import read_object
from propq_async._wire.requests import UPDATE_ROUTE, dump_update, update_path
from propq_async.config import CONCURRENCY, MAX_OUTAGE_SECONDS
from propq_async.models import UnitUpdate

from .batch import UnitBatch
from .call import Run
from .call_layers import make
from .call_spec import Options, Request
from .resources import LoopResources, SessionState
from .updates import Updates

MOST_REQUESTS: Final = 256


class Units(Unpicklable):
    """`session.units`: the updates of units."""

    def __init__(
        self,
        *,
        state: SessionState,
        options: Options,
        base_url: str,
        batches: set[UnitBatch],
    ) -> None:
        self._state = state
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
        resources = self._state.resources or self._state.entered()
        run = Run()
        run.update = update
        development_id = update.development_id
        run.unit = development_id, alike(update.name)
        request = self._requests.get(development_id) or self._new_request(development_id)
        body, options = dump_update(update), self._options
        value: dict[str, Any] = await make(run, resources, request, body, options)
        return value

    def update_many(
        self,
        updates: Updates,
        *,
        concurrency: int = CONCURRENCY,
        max_outage_seconds: float = MAX_OUTAGE_SECONDS,
    ) -> UnitBatch:
        """Update many units, many at a time, and yield the outcome of each.

        Args:
            updates: any iterable or async iterable of `UnitUpdate`, possibly endless. It is
                read only as fast as the outcomes are taken.
            concurrency: how many updates at most are pulled and not yet yielded. The
                `max_connections` of the factory also limits how many are sent at a time.
            max_outage_seconds: how long rows are held while nobody gets through; after that the
                batch ends in the error.

        Example::

            async with session.units.update_many(updates) as batch:
                async for outcome in batch:
                    print(outcome.update.name, outcome.error or "is applied")

        Returns:
            An async iterator of `UnitOutcome`, in the order in which they finish.

        Raises:
            ConfigurationError: an argument cannot work.
            RuntimeError: the session is not entered.
        """
        check_at_least("concurrency", concurrency, 1, whole=True)
        check_at_least("max_outage_seconds", max_outage_seconds, 0)
        resources = self._state.entered()
        batch = UnitBatch(
            updates,
            # With these resources, since the batch still uses them while the session is left.
            make=partial(self._update, resources),
            call=self._call,
            concurrency=concurrency,
            max_outage_seconds=max_outage_seconds,
            clock=resources.clock,
            loop=resources.loop,
            on_close=self._batches.discard,
        )
        self._batches.add(batch)
        return batch

    def _call(self, update: UnitUpdate) -> Call:
        return self._new_request(update.development_id).call

    def _new_request(self, development_id: str) -> Request:
        """Return the request of a development, and keep it: only the bodies differ."""
        if len(self._requests) >= MOST_REQUESTS:
            self._requests.clear()
        call = Call("POST", self._base_url + update_path(development_id))
        request = self._requests[development_id] = Request(
            call,
            URL(call.url, encoded=True),
            self._options.retry.retry_unacknowledged,
            read_object,
            UPDATE_ROUTE,
        )
        return request

    def _update(
        self, resources: LoopResources, update: UnitUpdate, run: Run
    ) -> Coroutine[Any, Any, dict[str, Any]]:
        development_id = update.development_id
        request = self._requests.get(development_id) or self._new_request(development_id)
        return make(run, resources, request, dump_update(update), self._options)
