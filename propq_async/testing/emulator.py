"""A PropQ server on loopback, with the behaviour of the vendor's pages and of a stock server.

It is a stock Laravel server with Passport as far as a client can tell: the token endpoint, the one
published call, content negotiation, validation, throttling and the ways in which they fail.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, NoReturn, Self

import attrs
from aiohttp import web

from propq_async.models import Credentials

from . import stock
from .api import Api, Call
from .checks import (
    check_bool,
    check_callable,
    check_count,
    check_credentials,
    check_port,
    check_positive,
    check_retry_after,
    is_bool,
    known_directions,
    loopback,
    non_negative_seconds,
    one_of,
    positive_seconds,
)
from .desk import ADMIN_PREFIX, Desk
from .faults import Fault, Faults, Match
from .journal import Journal
from .limiter import STOCK_LIMIT, Window
from .listener import Listener
from .oauth import ErrorStyle, Tokens, new_credentials
from .replies import Reply, json_reply
from .values import RecordedRequest, Unit

__all__ = ["PropQEmulator"]

_LOGGER: Final = logging.getLogger(__name__)

_SWITCHES: Final = (
    "latency_seconds",
    "token_latency_seconds",
    "token_lifetime_seconds",
    "token_error_style",
    "unknown_status",
    "wrong_method_status",
    "success_body",
    "validation_style",
    "case_sensitive_names",
    "known_directions",
)


class _Units(dict[tuple[str, str], Unit]):
    def __missing__(self, key: object) -> NoReturn:
        raise KeyError(f"no unit {key!r}; a key is (development_id, name)")


def _new_run_id() -> str:
    return secrets.token_hex(8)


@attrs.define(eq=False, repr=False, kw_only=True)
class PropQEmulator:
    """A PropQ server on loopback to test against: `async with PropQEmulator() as emulator:`.

    What nobody outside knows about the server is a switch. Each switch is a keyword argument and an
    attribute that can be set at any time; a value that it cannot have is a `ValueError`, a
    misspelt name a `TypeError` here and an `AttributeError` there.

    Units, tokens, counters and switches outlive `close()`; started again, the emulator listens at
    the port that it had, so that an outage can be played. Everything but `start` and `close` is
    synchronous and may be used from any thread; `run_in_thread` serves it beside programs that are
    not asynchronous or bring their own event loop.

    Args:
        host: the loopback address to listen at.
        port: the port to listen at; 0 lets the system choose.
        credentials: the client that may get tokens; if not given, one is made up with a secret of
            its own.
        clock: the time of day in seconds since the epoch, for the expiry of tokens and the windows
            of `throttle` and `throttle_tokens`.
        on_request: called in the emulator's event loop with each request that was dealt with, after
            it was logged. If it raises, the answer is a 501 that says so, which no client repeats.
        latency_seconds: how long a call waits before anything is done with it.
        token_latency_seconds: the same for token requests.
        token_lifetime_seconds: the lifetime of the tokens issued from now on, sent as `expires_in`.
            The vendor's prose says 2592000, its sample 7200.
        token_error_style: how the token endpoint words its errors: "message" (`error`, `message`
            and `hint`, as the vendor's pages do), "description" (`error_description` instead of
            `message`, as the newest servers do) or "both".
        unknown_status: what an unknown development or unit gets: 404, 400 or 422.
        wrong_method_status: what a wrong method gets: 419, or 405 with `Allow`.
        success_body: the body of a successful update: "echo" (the four fields as understood),
            "empty" (`{}`), "message" or "status" (`{"status": "success"}`).
        validation_style: the texts of a 422: "current" or "older", as the framework's version 8
            has them.
        case_sensitive_names: whether the name of a unit must match with its case.
        known_directions: the directions that are valid; `None` takes any string.

    Raises:
        ValueError: a setting cannot work; the message names it.
    """

    _host: str = attrs.field(default="127.0.0.1", converter=loopback)
    _port: int = attrs.field(default=0, validator=check_port)
    credentials: Credentials = attrs.field(
        factory=new_credentials,
        validator=check_credentials,
        on_setattr=attrs.setters.frozen,
    )
    _clock: Callable[[], float] = attrs.field(default=time.time, validator=check_callable)
    on_request: Callable[[RecordedRequest], None] | None = attrs.field(
        default=None, validator=attrs.validators.optional(check_callable)
    )
    latency_seconds: float = attrs.field(default=0.0, validator=non_negative_seconds)
    token_latency_seconds: float = attrs.field(default=0.0, validator=non_negative_seconds)
    token_lifetime_seconds: float = attrs.field(default=2_592_000, validator=positive_seconds)
    token_error_style: ErrorStyle = attrs.field(
        default="message", validator=one_of("message", "both", "description")
    )
    unknown_status: Literal[400, 404, 422] = attrs.field(
        default=404, validator=one_of(404, 400, 422)
    )
    wrong_method_status: Literal[405, 419] = attrs.field(default=419, validator=one_of(419, 405))
    success_body: Literal["echo", "empty", "message", "status"] = attrs.field(
        default="echo", validator=one_of("echo", "empty", "message", "status")
    )
    validation_style: stock.ValidationStyle = attrs.field(
        default="current", validator=one_of("current", "older")
    )
    case_sensitive_names: bool = attrs.field(default=True, validator=is_bool)
    known_directions: tuple[str, ...] | None = attrs.field(default=None, converter=known_directions)

    _made_with: dict[str, Any] = attrs.field(init=False)
    # Held by whoever looks at or changes anything, for no longer than that takes.
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    _listener: Listener = attrs.field(init=False)
    _tokens: Tokens = attrs.field(init=False)
    _api: Api = attrs.field(init=False)
    _desk: Desk = attrs.field(init=False)
    _journal: Journal = attrs.field(init=False)
    _faults: Faults = attrs.field(factory=Faults, init=False)
    _token_requests: int = attrs.field(default=0, init=False)
    _calls: int = attrs.field(default=0, init=False)
    _run_id: str = attrs.field(factory=_new_run_id, init=False)

    def __attrs_post_init__(self) -> None:
        self._made_with = self.switches
        self._listener = Listener(self._host, self._port, self._serve)
        self._tokens = Tokens(self.credentials)
        self._api = Api(self, self._tokens)
        self._journal = Journal(self.credentials.client_secret)
        self._desk = Desk(self, self._api, self._journal, self._faults, self._listener)

    def __repr__(self) -> str:
        return f"<PropQEmulator {self._listener.url or 'not started'}>"

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it is started already.
            OSError: the port is taken.
        """
        await self._listener.start()

    async def close(self) -> None:
        """Stop listening and drop every connection, whatever is in flight.

        To repeat it is harmless.
        """
        await self._listener.close()

    def __enter__(self) -> NoReturn:
        raise TypeError(
            "use `async with PropQEmulator() as emulator:`, or "
            "`with run_in_thread(PropQEmulator()) as emulator:` where nothing is asynchronous"
        )

    __exit__ = __enter__  # which the language looks up first

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # -- what it has -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Return the base URL, without a trailing slash.

        Raises:
            RuntimeError: it is not started.
        """
        url = self._listener.url
        if url is None:
            raise RuntimeError(
                "the emulator has no URL, since it is not started: use "
                "`async with PropQEmulator() as emulator:` or `await emulator.start()`"
            )
        return url

    @property
    def is_started(self) -> bool:
        """Return whether it listens."""
        return self._listener.url is not None

    @property
    def token_requests(self) -> int:
        """Return the number of requests that reached the token endpoint."""
        return self._token_requests

    @property
    def calls(self) -> int:
        """Return the number of requests that reached any other path of the API."""
        return self._calls

    @property
    def applied(self) -> int:
        """Return the number of updates that were applied."""
        return self._api.estate.updates

    @property
    def in_flight(self) -> int:
        """Return the number of requests that are being dealt with."""
        return self._listener.in_flight

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """Return the last 1,000 requests that were dealt with, the oldest first."""
        with self._lock:
            return self._journal.entries()

    @property
    def units(self) -> Mapping[tuple[str, str], Unit]:
        """Return all units as they are now, by development id and name."""
        with self._lock:
            units = {(unit.development_id, unit.name): unit for unit in self._api.estate.units()}
        return MappingProxyType(_Units(units))

    def unit(self, development_id: str, name: str) -> Unit:
        """Return a unit as it is now.

        Raises:
            KeyError: there is no such development or unit.
        """
        with self._lock:
            return self._api.estate.unit(development_id, name)

    @property
    def switches(self) -> dict[str, Any]:
        """Return the switches by name, each with its value."""
        return {name: getattr(self, name) for name in _SWITCHES}

    @property
    def run_id(self) -> str:
        """Return what tells this emulator since its latest reset from any other."""
        return self._run_id

    def add_development(self, development_id: str, *, foreign: bool = False) -> None:
        """Add a development.

        Args:
            development_id: its id.
            foreign: whether it belongs to another client, so that updates of its units get a 403.
        """
        with self._lock:
            self._api.estate.add_development(development_id, foreign=foreign)

    def add_unit(
        self,
        development_id: str,
        name: str,
        *,
        status: int = 1,
        price: float = 100_000,
        directions: Sequence[str] = ("N",),
    ) -> Unit:
        """Add a unit, and its development if need be; one of that name is replaced.

        Raises:
            ValueError: the server could not have a unit like this.
        """
        with self._lock:
            return self._api.estate.add_unit(development_id, name, status, price, directions)

    # -- what goes wrong -------------------------------------------------------------------------

    def revoke_tokens(self) -> None:
        """Make the server refuse every token that it has issued."""
        with self._lock:
            self._tokens.revoke()

    def expire_tokens(self) -> None:
        """Let every token that was issued expire now. On the wire it looks like a revocation."""
        with self._lock:
            self._tokens.expire()

    def throttle(self, calls: int | None, per_seconds: float = 60.0) -> None:
        """Allow so many authenticated calls in each window of time; `None` allows any number.

        A window begins with the first call after the one before has ended.
        """
        window = _window(calls, per_seconds)
        with self._lock:
            self._api.window = window

    def throttle_tokens(self, calls: int | None = STOCK_LIMIT, per_seconds: float = 60.0) -> None:
        """Allow so many token requests in each window of time; `None` allows any number.

        A stock server allows 60 a minute; the emulator allows any number until told.
        """
        window = _window(calls, per_seconds)
        with self._lock:
            self._api.token_window = window

    def maintenance(self, *, on: bool = True, retry_after: float | str | None = None) -> None:
        """Answer everything with 503, as a server that is down for maintenance, until told.

        Args:
            on: whether it is down.
            retry_after: the value of a `Retry-After` header, sent as it is.
        """
        check_bool("on", on)
        check_retry_after(retry_after)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        with self._lock:
            self._api.maintenance = headers if on else None

    def fail_next(
        self,
        status: int,
        *,
        times: int = 1,
        retry_after: float | str | None = None,
        body: Any = None,
        path: str | None = None,
        match: Match | None = None,
    ) -> None:
        """Answer the next calls with this status, before anything is looked at or applied.

        What is asked for by several `fail_next` and `drop_next` happens in that order.

        Args:
            status: from 200 to 599. A redirect leads to `/login`; 405 has `Allow`, and 429 the
                `X-RateLimit-*` of the present throttle, or of 60 a minute.
            times: the number of requests.
            retry_after: the value of a `Retry-After` header, sent as it is.
            body: `None` for what the stock server sends, a `str` as an HTML page, `bytes` verbatim
                as JSON, anything else encoded as JSON. With 200 it is by default a JSON object that
                says that it is an error; 400 and 401 of the token endpoint are in its
                `token_error_style`.
            path: only requests for this path, as it is sent; `None` means any call, but no token
                request, which is "/oauth/token".
            match: only requests whose JSON body has these fields with these values, such as
                `{"UntName": "A-101"}`, or for which this function of the `RecordedRequest`, whose
                status is still `None`, is true. If it raises, the answer is a 501 that says so.
        """
        with self._lock:
            is_of_token = path == stock.TOKEN_PATH
            window = self._api.token_window if is_of_token else self._api.window
            self._faults.fail(
                status, times, retry_after, body, path, match,
                style=self.token_error_style,
                limit=window.calls if window else STOCK_LIMIT,
            )  # fmt: skip

    def drop_next(
        self,
        *,
        times: int = 1,
        after_applying: bool,
        path: str | None = None,
        match: Match | None = None,
    ) -> None:
        """Close the connection of the next calls without an answer.

        Args:
            times: the number of requests.
            after_applying: whether the request is dealt with before.
            path: as for `fail_next`.
            match: as for `fail_next`.
        """
        with self._lock:
            self._faults.drop(times, path, match, after_applying=after_applying)

    def reset(self) -> None:
        """Forget developments, units, tokens, faults, throttles, maintenance, counters and the log.

        The switches get the values that they were made with. Credentials and address stay. The
        connections of requests that are still under way are closed without an answer.
        """
        with self._lock:
            self._run_id = _new_run_id()
            self._tokens.revoke()
            self._faults.clear()
            self._journal.clear()
            self._api.clear()
            self._token_requests = self._calls = 0
            for name, value in self._made_with.items():
                setattr(self, name, value)

    # -- one request -----------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        reply = await self._deal_with(request)
        if reply is None:
            request.protocol.force_close()
            return web.Response()  # which nobody gets
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _deal_with(self, request: web.BaseRequest) -> Reply | None:
        """Return the answer, `None` if there shall be none."""
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/"):  # sent through a proxy
            path = request.url.raw_path
        headers = request.headers
        if "Expect" in headers:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await request.read()
        except ConnectionError:
            # The client is gone half-way, and aiohttp would log an error.
            return None
        except web.HTTPRequestEntityTooLarge:
            return self._too_large(request.method, path)
        with self._lock:
            reply = self._desk.answer(request, path, body)
            if reply is not None:
                return reply
            run_id, content_type, data = self._run_id, "", None
            if path == stock.TOKEN_PATH:
                self._token_requests += 1
                content_type = request.content_type
                latency_seconds = self.token_latency_seconds
            else:
                self._calls += 1
                latency_seconds = self.latency_seconds
                if stock.is_json(headers.get("Content-Type", "")):
                    data = stock.parse_json(body)
        if latency_seconds:
            await asyncio.sleep(latency_seconds)
        call = Call(request.method, path, headers, content_type, body, data)
        with self._lock:
            if run_id != self._run_id:
                return None
            reply, entry = self._answer(call)
            self._journal.append(entry)
        return self._tell(entry, reply)

    def _tell(self, entry: RecordedRequest, reply: Reply | None) -> Reply | None:
        if self.on_request is not None:
            try:
                self.on_request(entry)
            except Exception as error:  # noqa: BLE001 - the same
                return _broken("on_request", error)
        return reply

    def _too_large(self, method: str, path: str) -> Reply | None:
        content_type, content = stock.default_body(413, of_token=False)
        reply = Reply(413, {"Content-Type": content_type}, content)
        if path.startswith(ADMIN_PREFIX):
            return reply
        with self._lock:
            if path == stock.TOKEN_PATH:
                self._token_requests += 1
            else:
                self._calls += 1
            entry = self._journal.entry(method, path, 413, b"", None, self._clock())
            self._journal.append(entry)
        return self._tell(entry, reply)

    def _answer(self, call: Call) -> tuple[Reply | None, RecordedRequest]:
        now = self._clock()
        reply = self._api.down(call)
        if reply is None:
            fault = self._fault(call, now) if self._faults else None
            if fault is None:
                reply = self._api.answer(call, now)
            elif fault.after_applying:
                self._api.answer(call, now)
            else:
                reply = fault.reply
        return reply, self._entry(call, reply, now)

    def _fault(self, call: Call, now: float) -> Fault | None:
        try:
            return self._faults.take(self._entry(call, None, now))
        except Exception as error:  # noqa: BLE001 - of a function that is not ours
            return Fault(_broken("the match of a fault", error), 1, None, None)

    def _entry(self, call: Call, reply: Reply | None, now: float) -> RecordedRequest:
        status = None if reply is None else reply.status
        return self._journal.entry(call.method, call.path, status, call.body, call.data, now)


def _broken(what: str, error: Exception) -> Reply:
    # Of all that says that the server failed, this is what nobody tries again.
    said = f"{what} raised {type(error).__name__}: {error}"
    _LOGGER.error("The emulator cannot answer: %s", said, exc_info=error)
    return json_reply(501, {"message": said})


def _window(calls: int | None, per_seconds: float) -> Window | None:
    check_positive("per_seconds", per_seconds)
    if calls is None:
        return None
    check_count("calls", calls)
    return Window(calls, per_seconds)
