"""The paths of the emulator beside the API: the page, the description, and the admin paths."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import attrs
from aiohttp import web

from propq_async.testing import _laravel as laravel

from ._controls import Controls
from ._listener import Listener
from ._pages import GUARD_HEADERS, description, page
from ._replies import Reply, json_reply
from ._views import Views

__all__ = ["ACTIONS", "ADMIN_PREFIX", "Admin", "is_own_origin"]

ADMIN_PREFIX: Final = "/_emulator/"
DESCRIPTION_PATH: Final = "/openapi.json"

ACTIONS: Final = (
    "add_development",
    "add_unit",
    "revoke_tokens",
    "expire_tokens",
    "throttle",
    "throttle_tokens",
    "maintenance",
    "fail_next",
    "drop_next",
    "reset",
)
"""The methods of the emulator that another process can call."""

_SET: Final = "set"


@cache
def _parameters(method: Callable[..., object]) -> Mapping[str, bool]:
    """Return the names of a method's arguments, and whether each of them is required."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    return {item.name: item.default is inspect.Parameter.empty for item in parameters}


def _check_names(given: Mapping[str, Any], parameters: Mapping[str, bool]) -> None:
    for name in given:
        if name not in parameters:
            takes = ", ".join(parameters) or "no arguments"
            raise ValueError(f"unknown argument {name!r}; it takes {takes}")
    for name, is_required in parameters.items():
        if is_required and name not in given:
            raise ValueError(f"the argument {name!r} is missing")


def _arguments(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is not valid JSON") from None
    if not isinstance(given, dict):
        raise ValueError("the body must be a JSON object with the arguments")  # noqa: TRY004
    return given


def is_own_origin(url: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from no browser, or from a page of the emulator at this URL.

    A browser sends the origin of the page that asks. The host is checked as well, because a name of
    another site that resolves to loopback gives that site's pages the same origin.
    """
    address = url.removeprefix("http://")
    port = address.rpartition(":")[2]
    hosts = {address, f"localhost:{port}"}
    if port == "80":  # which browsers leave out
        hosts |= {host.removesuffix(":80") for host in hosts}
    host = headers.get("Host", "").lower()
    origin = headers.get("Origin", f"http://{host}")
    site = headers.get("Sec-Fetch-Site", "none")
    return host in hosts and origin == f"http://{host}" and site in ("none", "same-origin")


@attrs.define
class Admin:
    """Answers requests that read or control the emulator. None of them counts as a call.

    The caller holds the lock of the state.
    """

    _controls: Controls
    _views: Views
    _listener: Listener

    def answer(self, request: web.BaseRequest, path: str, body: bytes) -> Reply | None:
        """Return the answer, `None` if the request is for the API."""
        is_read = request.method in ("GET", "HEAD")
        # Only a browser asks for HTML by name. Any other client has followed a redirect to "/".
        if path == "/" and is_read and "text/html" in request.headers.get("Accept", ""):
            return page()
        if path == DESCRIPTION_PATH and is_read:
            return description(self._url())
        if path.startswith(ADMIN_PREFIX):
            reply = self._admin(request, path.removeprefix(ADMIN_PREFIX), body)
            reply.headers |= GUARD_HEADERS
            return reply
        return None

    def _admin(self, request: web.BaseRequest, name: str, body: bytes) -> Reply:
        if not is_own_origin(self._url(), request.headers):
            return json_reply(403, {"message": "Only the emulator's own origin may control it."})
        reads: dict[str, Callable[[], object]] = {
            "state": self._views.state,
            "units": self._views.units,
            "requests": self._views.requests,
            "changes": lambda: self._views.changes(request.query),
        }
        actions = (*ACTIONS, _SET)
        if name not in reads and name not in actions:
            names = ", ".join((*reads, *actions))
            return json_reply(404, {"message": f"There is only {names}, not {name!r}."})
        method = "GET" if name in reads else "POST"
        if request.method != method:
            message = f"{name} takes {method}, not {request.method}."
            return json_reply(405, {"message": message}, {"Allow": method})
        # A page of another origin cannot send JSON without asking first, which nothing answers.
        # A request without a body needs no type, since its origin has been checked.
        is_bare = not body and "Content-Type" not in request.headers
        if method == "POST" and request.content_type != laravel.JSON and not is_bare:
            return json_reply(415, {"message": f"The Content-Type must be {laravel.JSON}."})
        try:
            answer = reads[name]() if name in reads else self._act(name, _arguments(body))
        except ValueError as error:
            return json_reply(400, {"message": f"{name}: {error}"})
        return json_reply(200, answer)

    def _url(self) -> str:
        # Without one, the emulator is closing, and no client gets this answer.
        return self._listener.url or ""

    def _act(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if name == _SET:
            self._set(arguments)
        else:
            _check_names(arguments, _parameters(getattr(type(self._controls), name)))
            getattr(self._controls, name)(**arguments)
        return {}

    def _set(self, switches: dict[str, Any]) -> None:
        """Set all of these switches, or none."""
        before = self._controls.switches
        _check_names(switches, dict.fromkeys(before, False))
        try:
            for name, value in switches.items():
                setattr(self._controls, name, value)
        except ValueError:
            for name in switches:
                setattr(self._controls, name, before[name])
            raise
