"""The routes of the API, and the order in which a stock server looks at a call, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol
from urllib.parse import unquote

import attrs

from . import stock
from .estate import Estate
from .limiter import Window
from .oauth import ErrorStyle, Tokens
from .replies import Reply, json_reply, redirect, refuse, throttled
from .values import UnitValues

__all__ = ["Api", "Call", "Switches"]

# What a successful update is answered with, if it is not an echo.
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "empty": {},
    "message": {"message": "Unit updated."},
    "status": {"status": "success"},
}
_METHOD_PAGES: Final = ("GET", "HEAD")


class Switches(Protocol):
    """What the answers depend on."""

    token_lifetime_seconds: float
    token_error_style: ErrorStyle
    unknown_status: Literal[400, 404, 422]
    wrong_method_status: Literal[405, 419]
    success_body: Literal["echo", "empty", "message", "status"]
    validation_style: stock.ValidationStyle
    case_sensitive_names: bool
    known_directions: tuple[str, ...] | None


@attrs.frozen
class Call:
    """A request. `data` is what its body says in JSON, if it was said to be JSON.

    `content_type` is that of a token request, without parameters.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    data: Any

    @property
    def accept(self) -> str:
        """Return the header `Accept`."""
        return self.headers.get("Accept", "")


@attrs.define
class Api:
    """The server, as far as a client can tell. It has no clock and no connections."""

    switches: Switches
    tokens: Tokens
    estate: Estate = attrs.field(factory=Estate, init=False)
    window: Window | None = attrs.field(default=None, init=False)
    token_window: Window | None = attrs.field(default=None, init=False)
    # The headers of the answers while the server is down for maintenance.
    maintenance: dict[str, str] | None = attrs.field(default=None, init=False)

    def clear(self) -> None:
        """Forget developments, throttles and maintenance."""
        self.estate.clear()
        self.window = self.token_window = self.maintenance = None

    def answer(self, call: Call, now: float) -> Reply:
        """Answer a request at a time."""
        if call.path == stock.TOKEN_PATH:
            return self._token_endpoint(call, now)
        segments = call.path.split("/")
        if "%" in call.path:
            segments = [unquote(segment) for segment in segments]
        match segments:
            case ["", "v1", "developments", development_id, "units", "update-by-name"] if (
                development_id
            ):
                if call.method == "POST":
                    return self._guarded(call, development_id, now)
                return self._wrong_method(call, "POST")
            case ["", "" | "login" as name]:
                # Where a client lands that follows a redirect, and takes it for a success.
                if call.method in _METHOD_PAGES:
                    body = stock.page("PropQ", name or "home")
                    return Reply(200, {"Content-Type": stock.HTML}, body)
                return self._wrong_method(call, "GET, HEAD")
            case _:
                route = call.path.removeprefix("/")
                return refuse(call.accept, 404, f"The route {route} could not be found.")

    def down(self, call: Call) -> Reply | None:
        """Return the answer of a server that is down for maintenance, `None` if it is not."""
        if self.maintenance is None:
            return None
        return refuse(call.accept, 503, "Service Unavailable", self.maintenance)

    def _wrong_method(self, call: Call, allowed: str) -> Reply:
        if call.method == "OPTIONS":
            return Reply(200, {"Content-Type": stock.HTML, "Allow": allowed.replace(" ", "")}, b"")
        if self.switches.wrong_method_status == 405:  # noqa: PLR2004
            route = call.path.removeprefix("/") or "/"
            message = (
                f"The {call.method} method is not supported for route {route}. "
                f"Supported methods: {allowed}."
            )
            return refuse(call.accept, 405, message, {"Allow": allowed})
        return refuse(call.accept, 419, "CSRF token mismatch.")

    def _token_endpoint(self, call: Call, now: float) -> Reply:
        if call.method != "POST":
            return self._wrong_method(call, "POST")
        allowed: dict[str, str] = {}
        if self.token_window is not None:
            hit = self.token_window.hit(now)
            if hit is None:
                return throttled(call.accept, self.token_window.refusal_headers(now))
            allowed = hit
        reply = self.tokens.answer(
            call.content_type,
            call.headers.get("Authorization", ""),
            call.body,
            now=now,
            lifetime_seconds=self.switches.token_lifetime_seconds,
            style=self.switches.token_error_style,
        )
        reply.headers.update(allowed)
        return reply

    def _guarded(self, call: Call, development_id: str, now: float) -> Reply:
        if not self.tokens.accepts(call.headers.get("Authorization", ""), now):
            if stock.wants_json(call.accept):
                return json_reply(401, {"message": "Unauthenticated."})
            return redirect("/login")
        if self.window is None:
            return self._update(call, development_id)
        allowed = self.window.hit(now)
        if allowed is None:
            return throttled(call.accept, self.window.refusal_headers(now))
        reply = self._update(call, development_id)
        reply.headers.update(allowed)
        return reply

    def _update(self, call: Call, development_id: str) -> Reply:
        switches = self.switches
        # The framework asks whether a client may before it looks at what it sent.
        if self.estate.is_foreign(development_id):
            return refuse(call.accept, 403, "This action is unauthorized.")
        given = call.data if isinstance(call.data, dict) else {}
        fields, errors = stock.validate(given, switches.validation_style, switches.known_directions)
        if errors:
            return self._invalid(call, errors)
        key = self.estate.find(
            development_id, fields["UntName"], exactly=switches.case_sensitive_names
        )
        if key is None:
            return self._unknown(call, development_id)
        directions = fields["UntDirections"]
        if isinstance(directions, dict):
            directions = directions.values()
        self.estate.update(
            key, UnitValues(fields["UntStatus"], fields["UntPrice"], tuple(directions))
        )
        body = _BODIES.get(switches.success_body, fields)
        return json_reply(200, body)

    def _invalid(self, call: Call, errors: dict[str, list[str]]) -> Reply:
        if stock.wants_json(call.accept):
            summary = stock.error_summary(errors, self.switches.validation_style)
            return json_reply(422, summary)
        return redirect(call.headers.get("Referer", "/"))

    def _unknown(self, call: Call, development_id: str) -> Reply:
        known = self.estate.is_known(development_id)
        status = self.switches.unknown_status
        if status == 422:  # noqa: PLR2004
            key, attribute = ("UntName", "unt name") if known else ("development_id",) * 2
            text = f"The selected {attribute.replace('_', ' ')} is invalid."
            return self._invalid(call, {key: [text]})
        return refuse(call.accept, status, f"{'Unit' if known else 'Development'} not found.")
