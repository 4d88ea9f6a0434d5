"""A PropQ server on loopback, with the behaviour of the vendor's pages and of a stock server.

It is a stock Laravel server with Passport as far as a client can tell: the token endpoint, the one
published call, content negotiation, validation, throttling and the ways in which they fail.
"""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
import string
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal, Self
from urllib.parse import parse_qsl, unquote

import attrs
from aiohttp import web

from propq_async.models import Credentials

from . import admin, stock
from .values import (
    Fault,
    RecordedRequest,
    Unit,
    UnitValues,
    Window,
    check_count,
    check_path,
    check_port,
    check_positive,
    check_status,
    check_text,
    check_unit,
    loopback,
    non_negative_seconds,
    one_of,
    positive_seconds,
)

__all__ = ["PropQEmulator"]

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
ADMIN_PREFIX: Final = "/_emulator/"

LOG_LENGTH: Final = 1000
HISTORY_LENGTH: Final = 1000

# A thousand clients that connect at once must not wait for a lost SYN to be sent again.
_BACKLOG: Final = 4096
# Everything in flight is cancelled before; this is only for what could hang all the same.
_SHUTDOWN_SECONDS: Final = 1.0
# asyncio reads into 256 KiB, which costs each small request an mmap and a munmap.
_READ_SIZE: Final = 65536

_BEARER: Final = "Bearer "
_METHOD_PAGES: Final = ("GET", "HEAD")
_Fields = dict[str, Any]


def _new_credentials() -> Credentials:
    alphabet = string.ascii_letters + string.digits
    return Credentials(1, "".join(secrets.choice(alphabet) for _ in range(40)))


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _new_token(client_id: int, now: float, lifetime_seconds: float) -> str:
    # The shape of a Passport token: a JWT signed with RS256 and a key of 4096 bits. To a client it
    # is opaque, so the signature is only noise.
    head = {"typ": "JWT", "alg": "RS256"}
    claims = {
        "aud": str(client_id),
        "jti": secrets.token_hex(40),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_seconds,
        "sub": "",
        "scopes": [],
    }
    parts = (stock.dump_json(head), stock.dump_json(claims), secrets.token_bytes(512))
    return ".".join(map(_encode, parts))


def _respond(
    status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
) -> web.Response:
    all_headers = {"Content-Type": content_type}
    if headers:
        all_headers.update(headers)
    return web.Response(status=status, headers=all_headers, body=body)


def _respond_json(
    status: int, value: object, headers: Mapping[str, str] | None = None
) -> web.Response:
    return _respond(status, stock.JSON, stock.dump_json(value), headers)


def _refuse(
    request: web.BaseRequest, status: int, message: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    as_json = stock.wants_json(request.headers.get("Accept", ""))
    content_type, body = stock.refusal(status, message, as_json=as_json)
    return _respond(status, content_type, body, headers)


def _redirect(location: str) -> web.Response:
    return _respond(
        302, stock.HTML, stock.page("Redirecting", f"Redirecting to {location}"),
        {"Location": location},
    )  # fmt: skip


def _authorization_error(status: int, error: str, message: str, hint: str = "") -> web.Response:
    body = {"error": error, "message": message}
    if hint:
        body["hint"] = hint
    return _respond_json(status, body)


@attrs.define(eq=False, repr=False, kw_only=True)
class PropQEmulator:
    """A PropQ server on loopback to test against: `async with PropQEmulator() as emulator:`.

    What nobody outside knows about the server is a switch. Each switch is a keyword argument and an
    attribute that can be set at any time; a value that it cannot have is a `ValueError`, a
    misspelt name a `TypeError` here and an `AttributeError` there.

    Units, tokens, counters and switches outlive `close()`; started again, the emulator listens at
    the port that it had, so that an outage can be played.

    Args:
        host: the loopback address to listen at.
        port: the port to listen at; 0 lets the system choose.
        credentials: the client that may get tokens; if not given, one is made up with a secret of
            its own.
        clock: the time of day in seconds since the epoch, for the expiry of tokens and the windows
            of `throttle`.
        latency_seconds: how long a call waits before anything is done with it.
        token_latency_seconds: the same for token requests.
        token_lifetime_seconds: the lifetime of the tokens issued from now on.
        unknown_status: what an unknown development or unit gets: 404, 400 or 422.
        wrong_method_status: what a wrong method gets: 419, or 405 with `Allow`.
        success_body: the body of a successful update: "echo" (the four fields as understood),
            "empty" (`{}`) or "message".

    Raises:
        ValueError: a setting cannot work; the message names it.
    """

    _host: str = attrs.field(default="127.0.0.1", converter=loopback)
    _port: int = attrs.field(default=0, validator=check_port)
    credentials: Credentials = attrs.field(
        factory=_new_credentials,
        validator=attrs.validators.instance_of(Credentials),
        on_setattr=attrs.setters.frozen,
    )
    _clock: Callable[[], float] = time.time
    latency_seconds: float = attrs.field(default=0.0, validator=non_negative_seconds)
    token_latency_seconds: float = attrs.field(default=0.0, validator=non_negative_seconds)
    token_lifetime_seconds: float = attrs.field(default=2_592_000, validator=positive_seconds)
    unknown_status: Literal[400, 404, 422] = attrs.field(
        default=404, validator=one_of(404, 400, 422)
    )
    wrong_method_status: Literal[405, 419] = attrs.field(default=419, validator=one_of(419, 405))
    success_body: Literal["echo", "empty", "message"] = attrs.field(
        default="echo", validator=one_of("echo", "empty", "message")
    )

    _switches: dict[str, Any] = attrs.field(init=False)
    _runner: web.ServerRunner | None = attrs.field(default=None, init=False)
    _url: str | None = attrs.field(default=None, init=False)
    _connections: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _developments: set[str] = attrs.field(factory=set, init=False)
    _units: dict[tuple[str, str], deque[UnitValues]] = attrs.field(factory=dict, init=False)
    _tokens: dict[str, float] = attrs.field(factory=dict, init=False)
    _faults: list[Fault] = attrs.field(factory=list, init=False)
    _window: Window | None = attrs.field(default=None, init=False)
    _requests: deque[RecordedRequest] = attrs.field(
        factory=lambda: deque(maxlen=LOG_LENGTH), init=False
    )
    _token_requests: int = attrs.field(default=0, init=False)
    _calls: int = attrs.field(default=0, init=False)
    _applied: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._switches = {
            name: getattr(self, name)
            for name in (
                "latency_seconds",
                "token_latency_seconds",
                "token_lifetime_seconds",
                "unknown_status",
                "wrong_method_status",
                "success_body",
            )
        }

    def __repr__(self) -> str:
        return f"<PropQEmulator {self._url or 'not started'}>"

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it is started already.
            OSError: the port is taken.
        """
        if self._runner is not None:
            raise RuntimeError("the emulator is started already")
        server = web.Server(self._serve, access_log=None)
        runner = self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port, backlog=_BACKLOG).start()
        except BaseException:
            self._runner = None
            raise
        self._port = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = f"http://{host}:{self._port}"

    async def close(self) -> None:
        """Stop listening and drop every connection, whatever is in flight.

        To repeat it is harmless.
        """
        runner, self._runner, self._url = self._runner, None, None
        if runner is None:
            return
        # Up to the gather nothing is suspended: whoever cancels this leaves no open port.
        for site in runner.sites:
            await site.stop()
        server = runner.server
        transports = [handler.transport for handler in server.connections] if server else []
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        for transport in filter(None, transports):
            transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)
        await runner.cleanup()
        await asyncio.sleep(0)  # so that the transports have closed their sockets

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
        if self._url is None:
            raise RuntimeError(
                "the emulator has no URL, since it is not started: use "
                "`async with PropQEmulator() as emulator:` or `await emulator.start()`"
            )
        return self._url

    @property
    def token_requests(self) -> int:
        """Return the number of requests that reached the token endpoint."""
        return self._token_requests

    @property
    def calls(self) -> int:
        """Return the number of requests that reached any other path, the admin path apart."""
        return self._calls

    @property
    def applied(self) -> int:
        """Return the number of updates that were applied."""
        return self._applied

    @property
    def requests(self) -> deque[RecordedRequest]:
        """Return the log of the last 1,000 requests that were dealt with, the oldest first."""
        return self._requests

    @property
    def units(self) -> Mapping[tuple[str, str], Unit]:
        """Return all units as they are now, by development id and name."""
        return MappingProxyType({key: _unit(key, values) for key, values in self._units.items()})

    def unit(self, development_id: str, name: str) -> Unit:
        """Return a unit as it is now.

        Raises:
            KeyError: there is no such development or unit.
        """
        key = (development_id, name)
        values = self._units.get(key)
        if values is not None:
            return _unit(key, values)
        if development_id not in self._developments:
            raise KeyError(f"no development {development_id!r}")
        raise KeyError(f"no unit {name!r} in the development {development_id!r}")

    def add_development(self, development_id: str) -> None:
        """Add a development; one that is there stays as it is."""
        check_text("development_id", development_id)
        self._developments.add(development_id)

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
        check_unit(name, status, price, directions)
        self.add_development(development_id)
        values = UnitValues(int(status), price, tuple(directions))
        key = (development_id, name)
        self._units[key] = deque([values], maxlen=HISTORY_LENGTH)
        return _unit(key, self._units[key])

    # -- what goes wrong -------------------------------------------------------------------------

    def revoke_tokens(self) -> None:
        """Make the server refuse every token that it has issued."""
        self._tokens.clear()

    def expire_tokens(self) -> None:
        """Let every token that was issued expire now. On the wire it looks like a revocation."""
        self._tokens = dict.fromkeys(self._tokens, -math.inf)

    def throttle(self, calls: int | None, per_seconds: float = 60.0) -> None:
        """Allow so many authenticated calls in each window of time; `None` allows any number.

        A window begins with the first call after the one before has ended.
        """
        check_positive("per_seconds", per_seconds)
        if calls is not None:
            check_count("calls", calls)
        self._window = None if calls is None else Window(calls, per_seconds)

    def fail_next(
        self,
        status: int,
        *,
        times: int = 1,
        retry_after: float | str | None = None,
        body: Any = None,
        path: str | None = None,
    ) -> None:
        """Answer the next calls with this status, before anything is looked at or applied.

        What is asked for by several `fail_next` and `drop_next` happens in that order.

        Args:
            status: from 200 to 599. A redirect leads to `/login`.
            times: the number of requests.
            retry_after: the value of a `Retry-After` header, sent as it is.
            body: `None` for what the stock server sends, a `str` as an HTML page, `bytes` verbatim
                as JSON, anything else encoded as JSON.
            path: only requests for this path, as it is sent; `None` means any call, but no token
                request, which is "/oauth/token".
        """
        check_status(status)
        check_count("times", times)
        check_path(path)
        if body is None:
            content_type, content = stock.default_body(status)
        elif isinstance(body, str):
            content_type, content = stock.HTML, body.encode()
        else:
            content_type = stock.JSON
            content = body if isinstance(body, bytes) else stock.dump_json(body)
        headers = {"Content-Type": content_type}
        if retry_after is not None:
            if isinstance(retry_after, bool) or not isinstance(retry_after, int | float | str):
                raise ValueError(f"retry_after must be a number or a string, not {retry_after!r}")
            headers["Retry-After"] = str(retry_after)
        if 300 <= status < 400:  # noqa: PLR2004 - a redirect
            headers["Location"] = "/login"
        self._faults.append(Fault(status, times, path, headers, content))

    def drop_next(self, *, times: int = 1, after_applying: bool, path: str | None = None) -> None:
        """Close the connection of the next calls without an answer.

        Args:
            times: the number of requests.
            after_applying: whether the request is dealt with before.
            path: as for `fail_next`.
        """
        check_count("times", times)
        check_path(path)
        if not isinstance(after_applying, bool):
            raise ValueError(f"after_applying must be True or False, not {after_applying!r}")  # noqa: TRY004
        self._faults.append(Fault(None, times, path, {}, b"", after_applying))

    def reset(self) -> None:
        """Forget developments, units, tokens, faults, throttle, counters and the log.

        The switches get the values that they were made with. Credentials and address stay.
        """
        self._developments.clear()
        self._units.clear()
        self._tokens.clear()
        self._faults.clear()
        self._window = None
        self._requests.clear()
        self._token_requests = self._calls = self._applied = 0
        for name, value in self._switches.items():
            setattr(self, name, value)

    # -- one request -----------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        transport: Any = request.transport
        if getattr(transport, "max_size", 0) > _READ_SIZE:
            transport.max_size = _READ_SIZE
        connection = request.task
        self._connections.add(connection)
        try:
            return await self._deal_with(request)
        finally:
            self._connections.discard(connection)

    async def _deal_with(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.partition("?")[0]
        if not path.startswith("/"):  # sent through a proxy
            path = request.url.raw_path
        headers = request.headers
        if "Expect" in headers:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await request.read()
        except ConnectionError:
            # The client is gone half-way. Nobody gets this answer; aiohttp would log an error.
            return web.Response()
        if path.startswith(ADMIN_PREFIX):
            return self._admin(request, path.removeprefix(ADMIN_PREFIX), body)

        data = None
        if path == TOKEN_PATH:
            self._token_requests += 1
            latency_seconds = self.token_latency_seconds
        else:
            self._calls += 1
            latency_seconds = self.latency_seconds
            if stock.is_json(headers.get("Content-Type", "")):
                data = stock.parse_json(body)
        if latency_seconds:
            await asyncio.sleep(latency_seconds)

        fault = self._take_fault(path) if self._faults else None
        dropped = fault is not None and fault.status is None
        response = self._answer(request, path, body, data, fault)
        self._requests.append(
            RecordedRequest(request.method, path, None if dropped else response.status, data)
        )
        if dropped:
            request.protocol.force_close()
        return response

    def _answer(
        self, request: web.BaseRequest, path: str, body: bytes, data: Any, fault: Fault | None
    ) -> web.Response:
        if fault is not None and not fault.after_applying:
            # A connection that is dropped takes any answer along.
            status = fault.status or 200
            return web.Response(status=status, headers=fault.headers, body=fault.body)
        if path == TOKEN_PATH:
            return self._token_endpoint(request, body)
        return self._call(request, path, data)

    def _take_fault(self, path: str) -> Fault | None:
        for fault in self._faults:
            if fault.path == path or (fault.path is None and path != TOKEN_PATH):
                fault.left -= 1
                if not fault.left:
                    self._faults.remove(fault)
                return fault
        return None

    # -- tokens ----------------------------------------------------------------------------------

    def _token_endpoint(self, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.method != "POST":
            return self._wrong_method(request, "POST")
        form: dict[str, str] = {}
        if request.content_type == "application/x-www-form-urlencoded":
            form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            return _authorization_error(
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server.",
                "Check that all required parameters have been provided",
            )
        if not form.get("client_id"):
            return _authorization_error(
                400,
                "invalid_request",
                "The request is missing a required parameter, includes an invalid parameter value, "
                "includes a parameter more than once, or is otherwise malformed.",
                "Check the `client_id` parameter",
            )
        expected = (str(self.credentials.client_id), self.credentials.client_secret)
        if (form["client_id"], form.get("client_secret")) != expected:
            return _authorization_error(401, "invalid_client", "Client authentication failed")
        now, lifetime_seconds = self._clock(), self.token_lifetime_seconds
        token = _new_token(self.credentials.client_id, now, lifetime_seconds)
        self._tokens[token] = now + lifetime_seconds
        return _respond_json(
            200,
            {"token_type": "Bearer", "expires_in": lifetime_seconds, "access_token": token},
            {"Cache-Control": "no-store, private", "Pragma": "no-cache"},
        )

    def _is_authenticated(self, authorization: str, now: float) -> bool:
        if not authorization.startswith(_BEARER):
            return False
        return now < self._tokens.get(authorization[len(_BEARER) :], -math.inf)

    # -- calls -----------------------------------------------------------------------------------

    def _call(self, request: web.BaseRequest, path: str, data: Any) -> web.Response:
        segments = path.split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        match segments:
            case ["", "v1", "developments", development_id, "units", "update-by-name"] if (
                development_id
            ):
                if request.method == "POST":
                    return self._guarded(request, development_id, data)
                return self._wrong_method(request, "POST")
            case ["", "" | "login" as name]:
                # Where a client lands that follows a redirect, and takes it for a success.
                if request.method in _METHOD_PAGES:
                    return _respond(200, stock.HTML, stock.page("PropQ", name or "home"))
                return self._wrong_method(request, "GET, HEAD")
            case _:
                route = path.removeprefix("/")
                return _refuse(request, 404, f"The route {route} could not be found.")

    def _wrong_method(self, request: web.BaseRequest, allowed: str) -> web.Response:
        if self.wrong_method_status == 405:  # noqa: PLR2004
            message = f"The {request.method} method is not supported. Supported methods: {allowed}."
            return _refuse(request, 405, message, {"Allow": allowed})
        return _refuse(request, 419, "CSRF token mismatch.")

    def _guarded(self, request: web.BaseRequest, development_id: str, data: Any) -> web.Response:
        now = self._clock()
        headers = request.headers
        if not self._is_authenticated(headers.get("Authorization", ""), now):
            if stock.wants_json(headers.get("Accept", "")):
                return _respond_json(401, {"message": "Unauthenticated."})
            return _redirect("/login")
        if self._window is None:
            return self._update(request, development_id, data)
        allowed = self._window.hit(now)
        if allowed is None:
            refused = self._window.refusal_headers(now)
            return _refuse(request, 429, "Too Many Attempts.", refused)
        response = self._update(request, development_id, data)
        response.headers.update(allowed)
        return response

    def _update(self, request: web.BaseRequest, development_id: str, data: Any) -> web.Response:
        fields, errors = stock.validate(data if isinstance(data, dict) else {})
        if errors:
            return self._invalid(request, errors)
        name = fields["UntName"]
        values = self._units.get((development_id, name))
        if values is None:
            return self._unknown(request, development_id)
        values.append(
            UnitValues(fields["UntStatus"], fields["UntPrice"], tuple(fields["UntDirections"]))
        )
        self._applied += 1
        if self.success_body == "echo":
            return _respond_json(200, fields)
        return _respond_json(
            200, {"message": "Unit updated."} if self.success_body == "message" else {}
        )

    def _invalid(self, request: web.BaseRequest, errors: dict[str, list[str]]) -> web.Response:
        if stock.wants_json(request.headers.get("Accept", "")):
            return _respond_json(422, stock.error_summary(errors))
        return _redirect(request.headers.get("Referer", "/"))

    def _unknown(self, request: web.BaseRequest, development_id: str) -> web.Response:
        known = development_id in self._developments
        if self.unknown_status == 422:  # noqa: PLR2004
            key, attribute = ("UntName", "unt name") if known else ("development_id",) * 2
            text = f"The selected {attribute.replace('_', ' ')} is invalid."
            return self._invalid(request, {key: [text]})
        message = f"{'Unit' if known else 'Development'} not found."
        return _refuse(request, self.unknown_status, message)

    # -- the admin path --------------------------------------------------------------------------

    def _admin(self, request: web.BaseRequest, name: str, body: bytes) -> web.Response:
        # A browser tells the origin of the page that asks. The host is looked at as well, since a
        # name that resolves to loopback makes a foreign page one of the same origin.
        host = request.headers.get("Host", "")
        own = (self.url.removeprefix("http://"), f"localhost:{self._port}")
        if host not in own or request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return _respond_json(403, {"message": "Only the emulator's own origin may steer it."})
        if name == "state":
            method, answer = "GET", self._state
        elif name in admin.CALLS:
            method, answer = "POST", lambda: self._steer(request, name, body)
        else:
            names = ", ".join(("state", *admin.CALLS))
            return _respond_json(404, {"message": f"There is only {names}, not {name!r}."})
        if request.method != method:
            message = f"{name} takes {method}, not {request.method}."
            return _respond_json(405, {"message": message}, {"Allow": method})
        return answer()

    def _state(self) -> web.Response:
        state = {
            "token_requests": self._token_requests,
            "calls": self._calls,
            "applied": self._applied,
            "units": len(self._units),
        }
        return _respond_json(200, state)

    def _steer(self, request: web.BaseRequest, name: str, body: bytes) -> web.Response:
        # A page of another origin cannot send JSON without asking first, which nothing answers.
        if request.content_type != stock.JSON:
            message = f"The Content-Type must be {stock.JSON}."
            return _respond_json(415, {"message": message})
        try:
            getattr(self, name)(**admin.arguments(name, body))
        except ValueError as error:
            return _respond_json(400, {"message": f"{name}: {error}"})
        return _respond_json(200, {})


def _unit(key: tuple[str, str], values: deque[UnitValues]) -> Unit:
    development_id, name = key
    now = values[-1]
    return Unit(development_id, name, now.status, now.price, now.directions, tuple(values))
