"""The routes of the API, and the order of a Laravel server's checks, without any I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import attrs

from propq_async.testing import _laravel as laravel

from ._framework import FRAMEWORKS, Framework
from ._input import ApiRequest
from ._inventory import Inventory
from ._limiter import DEFAULT_LIMIT, Limiter
from ._oauth import Tokens
from ._replies import Reply, html_reply, json_reply, redirect, refuse, throttled
from ._settings import Settings
from ._update_rules import Update, error_summary, validate
from ._values import UnitValues

__all__ = ["Api"]

# The bodies of a successful update other than the echo.
_BODIES: Final[dict[str, dict[str, Any]]] = {
    "empty": {},
    "message": {"message": "Unit updated."},
    "status": {"status": "success"},
}
_NO_HEADERS: Final[Mapping[str, str]] = {}


@attrs.define
class Api:
    """The server as a client sees it. It has no clock and no connections."""

    settings: Settings
    tokens: Tokens
    inventory: Inventory = attrs.field(factory=Inventory, init=False)
    limiter: Limiter | None = attrs.field(default=None, init=False)
    token_limiter: Limiter | None = attrs.field(default=None, init=False)
    # The headers of the answers while the server is down for maintenance.
    maintenance: dict[str, str] | None = attrs.field(default=None, init=False)

    def clear(self) -> None:
        """Forget developments, throttles and maintenance."""
        self.inventory.clear()
        self.limiter = self.token_limiter = self.maintenance = None

    def answer(self, request: ApiRequest, now: float) -> Reply:
        """Answer a request that arrives at this time."""
        framework = self._framework
        try:
            # The framework matches the decoded path, without slashes at its end.
            sent = request.path.encode(errors="surrogateescape")
            path = unquote_to_bytes(sent).decode().rstrip("/")
        except UnicodeDecodeError:
            if framework.checks_path:
                return _refuse(request, 400, "Malformed URL.")
            return self._no_route(request)
        method = request.meant_method(framework.trimmed)
        if method is None:
            return _refuse(request, *framework.bad_override)
        route = self._routed(request, path, now)
        return self._no_route(request) if route is None else self._answer(request, method, *route)

    def _routed(
        self, request: ApiRequest, path: str, now: float
    ) -> tuple[str, Callable[[], Reply]] | None:
        """Return the methods of the route at a path, and what answers there."""
        match path.split("/"):
            case ["", "oauth", "token"]:
                return "POST", lambda: self._token(request, now)
            case ["", "v1", "developments", development_id, "units", "update-by-name"] if (
                development_id
            ):
                return "POST", lambda: self._call(request, development_id, now)
            case [""] | ["", "login"]:
                # A client that follows redirects lands here, and takes the page for a success.
                name = path.removeprefix("/") or "home"
                return "GET, HEAD", lambda: html_reply(laravel.page("PropQ", name))
            case _:
                return None

    def down(self, request: ApiRequest) -> Reply | None:
        """Return the answer of a server that is down for maintenance, `None` if it is not."""
        if self.maintenance is None:
            return None
        return _refuse(request, 503, "Service Unavailable", self.maintenance)

    @property
    def _framework(self) -> Framework:
        return FRAMEWORKS[self.settings.framework_version]

    def _no_route(self, request: ApiRequest) -> Reply:
        names = self._framework.names_route
        route = _route_of(request)
        return _refuse(request, 404, f"The route {route} could not be found." if names else "")

    def _answer(
        self, request: ApiRequest, method: str, allowed: str, answer: Callable[[], Reply]
    ) -> Reply:
        if method in allowed.split(", "):
            return answer()
        if method == "OPTIONS":
            return html_reply(b"", headers={"Allow": allowed.replace(" ", "")})
        if self.settings.wrong_method_status == 405:  # noqa: PLR2004
            route = _route_of(request) if self._framework.names_route else None
            message = (
                f"The {method} method is not supported for "
                f"{'this route' if route is None else f'route {route}'}. "
                f"Supported methods: {allowed}."
            )
            return _refuse(request, 405, message, {"Allow": allowed})
        return _refuse(request, 419, "CSRF token mismatch.")

    def _token(self, request: ApiRequest, now: float) -> Reply:
        framework = self._framework
        allowed: dict[str, str] = {}
        if self.token_limiter is not None:
            hit = self.token_limiter.hit(now)
            if hit is None:
                headers = self.token_limiter.refusal_headers(now)
                return throttled(headers, as_json=request.wants_json)
            allowed = hit
        elif framework.reads_any_token_body:
            # Passport's own throttle, which a test has to switch on, states itself at any time.
            allowed = Limiter(DEFAULT_LIMIT, 60.0).hit(now) or {}
        reply = self.tokens.answer(
            request,
            framework,
            now=now,
            lifetime_seconds=self.settings.token_lifetime_seconds,
            style=self.settings.token_error_style,
        )
        reply.headers.update(allowed)
        return reply

    def _call(self, request: ApiRequest, development_id: str, now: float) -> Reply:
        first = self._framework.throttles_first
        is_known = self.tokens.accepts(request.headers.get("Authorization", ""), now)
        if not is_known and not first:
            return _unauthenticated(request)
        allowed: dict[str, str] = {}
        if self.limiter is not None:
            hit = self.limiter.hit(now)
            if hit is None:
                headers = self.limiter.refusal_headers(now)
                return throttled(headers, as_json=request.wants_json)
            allowed = hit
        reply = self._update(request, development_id) if is_known else _unauthenticated(request)
        reply.headers.update(allowed)
        return reply

    def _update(self, request: ApiRequest, development_id: str) -> Reply:
        settings = self.settings
        # The framework checks the client's rights before it validates what was sent.
        if self.inventory.is_foreign(development_id):
            return _refuse(request, 403, "This action is unauthorized.")
        update = validate(request.input(), self._framework, settings.known_directions)
        if not isinstance(update, Update):
            return self._invalid(request, update)
        key = self.inventory.find(
            development_id, update.name, exactly=settings.case_sensitive_names
        )
        if key is None:
            return self._unknown(request, development_id)
        if math.isinf(update.price) or not laravel.is_text(update.echo):
            return _refuse(request, 500, "Server Error")  # PHP could not send it back
        self.inventory.update(key, UnitValues(update.status, update.price, update.directions))
        return json_reply(200, _BODIES.get(settings.success_body, update.echo))

    def _invalid(self, request: ApiRequest, errors: dict[str, list[str]]) -> Reply:
        if request.wants_json:
            return json_reply(422, error_summary(errors, self._framework))
        return redirect(request.host, request.headers.get("Referer", "/"))

    def _unknown(self, request: ApiRequest, development_id: str) -> Reply:
        known = self.inventory.is_known(development_id)
        status = self.settings.unknown_status
        if status == 422:  # noqa: PLR2004
            key, attribute = ("UntName", "unt name") if known else ("development_id",) * 2
            text = f"The selected {attribute.replace('_', ' ')} is invalid."
            return self._invalid(request, {key: [text]})
        return _refuse(request, status, f"{'Unit' if known else 'Development'} not found.")


def _refuse(
    request: ApiRequest, status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS
) -> Reply:
    return refuse(status, message, headers, as_json=request.wants_json)


def _unauthenticated(request: ApiRequest) -> Reply:
    if request.wants_json:
        return json_reply(401, {"message": "Unauthenticated."})
    return redirect(request.host, "/login")


def _route_of(request: ApiRequest) -> str:
    return request.path.strip("/") or "/"
