"""A session: one job's or one request handler's view of a factory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from yarl import URL

from .aio import finish
from .calls import Calls, Options, Progress, Request
from .units import Units
from .wire import Call, dump_json, read_json

if TYPE_CHECKING:
    from .batch import UnitBatch

__all__ = ["Home", "PropQSession"]

# RFC 9110 section 9.2.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_IDEMPOTENT: Final = _SAFE | {"PUT", "DELETE"}


class Home(Protocol):
    """What a session needs of its factory."""

    def come_in(self) -> Calls:
        """Take a share in the pool of the running event loop."""
        ...

    async def go_out(self, calls: Calls) -> None:
        """Give the share back. The last one out closes the pool."""
        ...


class PropQSession:
    """Authenticated calls with options of their own; made by `AsyncPropQ.session`.

    An async context manager. It holds no connection: pool, token and gate are the factory's.

    Attributes:
        units: the updates of units.
    """

    def __init__(self, home: Home, options: Options, base_url: str) -> None:
        self._home = home
        self._options = options
        self._base_url = base_url
        self._calls: Calls | None = None
        self._batches: set[UnitBatch] = set()
        self.units = Units(
            calls=self._entered, options=options, base_url=base_url, batches=self._batches
        )

    async def __aenter__(self) -> Self:
        if self._calls is not None:
            raise RuntimeError("this session is entered already: make another with propq.session()")
        self._calls = self._home.come_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        calls, self._calls = self._calls, None
        if calls is None:
            return
        try:
            if self._batches:
                await finish(self._close_batches())
        finally:
            await self._home.go_out(calls)

    async def _close_batches(self) -> None:
        for batch in list(self._batches):
            await batch.aclose()

    def _entered(self) -> Calls:
        if self._calls is None:
            raise RuntimeError(
                "this session is not entered: use it inside "
                "`async with propq.session() as session:`"
            )
        return self._calls

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
            path: the path, with one leading `/`, below the base URL.
            json: the body: plain values, attrs objects, enums, `Decimal`s, `datetime`s; `None` for
                no body.
            params: the query.
            retry_unacknowledged: whether to repeat the call when its answer was lost; by default
                that of idempotent methods only (RFC 9110 section 9.2.2), and of those that change
                something only if the `RetryPolicy` says so.

        Returns:
            The JSON value of any 2xx, `None` for an empty body.

        Raises:
            APIError: the call failed; which error says how.
            TokenError: there is no access token to make it with.
            ValueError: the path does not begin with one `/`.
            RuntimeError: the session is not entered.
        """
        calls = self._entered()
        method = method.upper()
        if not path.startswith("/") or path.startswith("//"):
            raise ValueError(f'the path must begin with one "/", as in "/v1/...", not {path!r}')
        url = URL(self._base_url + path)
        if params:
            url = url.update_query(params)
        repeatable = retry_unacknowledged
        if repeatable is None:
            repeatable = method in _SAFE or (
                method in _IDEMPOTENT and self._options.retry.retry_unacknowledged
            )
        request = Request(
            call=Call(method, str(url.with_query(None).with_fragment(None))),
            url=url,
            repeatable=repeatable,
            read=read_json,
        )
        body = None if json is None else dump_json(json)
        return await calls.make(request, body, self._options, Progress())
