"""A session: one job's or one request handler's view of a factory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Self

from yarl import URL

from propq_async._process_bound import Unpicklable, another_loop
from propq_async._waiting import finish
from propq_async._wire.messages import Call
from propq_async._wire.replies import read_json
from propq_async._wire.requests import dump_json, request_path

from .batch import UnitBatch
from .call import Run
from .call_layers import make
from .call_spec import Options, Request
from .pool_owner import PoolOwner
from .resources import SessionState
from .units import Units

# RFC 9110 section 9.2.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_IDEMPOTENT: Final = _SAFE | {"PUT", "DELETE"}


class PropQSession(Unpicklable):
    """Authenticated calls with options of their own; made by `AsyncPropQ.session`.

    An async context manager. It holds no connection: pool, token and throttle are the factory's.

    Attributes:
        units: the updates of units.
    """

    def __init__(self, owner: PoolOwner, options: Options, base_url: str) -> None:
        self._owner = owner
        self._options = options
        # Encoded here, once: the URLs that begin with it are not encoded again.
        self._base_url = base_url = str(URL(base_url)).rstrip("/")
        self._batches: set[UnitBatch] = set()
        self._state = SessionState()
        self.units: Units = Units(
            state=self._state, options=options, base_url=base_url, batches=self._batches
        )

    async def __aenter__(self) -> Self:
        if self._state.resources is not None:
            raise RuntimeError("this session is entered already: make another with propq.session()")
        self._state.resources = await self._owner.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        resources = self._state.resources
        if resources is None:
            return
        if resources.loop.is_closed():
            # Its connections ended with it, so there is nothing to close.
            self._state.resources = None
            self._batches.clear()
            return
        if asyncio.get_running_loop() is not resources.loop:
            raise another_loop("session", "leave it where it was entered")
        self._state.resources = None
        try:
            if self._batches:
                await finish(self._close_batches())
        finally:
            await self._owner.release(resources)

    async def _close_batches(self) -> None:
        for batch in list(self._batches):
            await batch.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int | float] | None = None,
        retry_unacknowledged: bool | None = None,
    ) -> Any:
        """Make an authenticated call to any path of the API.

        Args:
            method: the HTTP method.
            path: the path, with one leading `/`, below the base URL. It is sent unchanged,
                except that spaces and non-ASCII characters are percent-encoded. Encode names in it
                with `urllib.parse.quote(name, safe="")`.
            json: the body: plain values, attrs objects, enums, `Decimal`s, `datetime`s; `None` for
                no body.
            params: the query.
            retry_unacknowledged: whether to repeat the call when its answer was lost; by default
                only for idempotent methods (RFC 9110 section 9.2.2), and for those of them that
                change something only if the `RetryPolicy` allows it.

        Returns:
            The JSON value of any 2xx, `None` for an empty body.

        Raises:
            APIError: the call failed; which error says how.
            TokenError: there is no access token to make it with.
            ValueError: the path does not begin with one `/`, or would lead elsewhere than it says:
                it has a query, a fragment, a segment `.` or `..`, a backslash, an invisible
                character, or a `%` that begins no escape.
            RuntimeError: the session is not entered.
        """
        resources = self._state.entered()
        method = method.upper()
        call = Call(method, self._base_url + request_path(path))
        # Already encoded: yarl would write some escapes differently.
        url = URL(call.url, encoded=True)
        if params:
            url = url.with_query(params)
        repeatable = retry_unacknowledged
        if repeatable is None:
            repeatable = method in _SAFE or (
                method in _IDEMPOTENT and self._options.retry.retry_unacknowledged
            )
        request = Request(
            call=call,
            url=url,
            repeatable=repeatable,
            read=read_json,
        )
        body = None if json is None else dump_json(json)
        return await make(Run(), resources, request, body, self._options)
