"""What the emulator has beside the API: its page, the description of the API, the admin path."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import attrs
from aiohttp import web

from . import stock
from .api import Api
from .faults import Faults
from .journal import Journal
from .listener import Listener
from .replies import Reply, json_reply
from .values import RecordedRequest, Unit

if TYPE_CHECKING:
    from .emulator import PropQEmulator

__all__ = ["ACTIONS", "ADMIN_PREFIX", "Desk"]

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

# No other page may read what is here, or show it in a frame of its own.
_GUARDED: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@cache
def _page() -> Reply:
    page = _file("page.html")
    hashes = {}
    for element in (b"script", b"style"):
        (content,) = re.findall(rb"<%s>(.*?)</%s>" % (element, element), page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        hashes[element.decode()] = f"'sha256-{digest}'"
    policy = (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
    return Reply(200, headers | _GUARDED, page)


@cache
def _description() -> Mapping[str, Any]:
    description: dict[str, Any] = json.loads(_file("openapi.json"))
    return description


def _file(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


@cache
def _parameters(method: Callable[..., object]) -> Mapping[str, bool]:
    """Return the names of the arguments, and whether each of them must be there."""
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


def _unit(unit: Unit) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "development_id": unit.development_id,
        "name": unit.name,
        "status": unit.status,
        "price": unit.price,
        "directions": unit.directions,
        "updates": len(unit.history) - 1,
        "before": None,
    }
    if shown["updates"]:
        before = unit.history[-2]
        shown["before"] = {"status": before.status, "price": before.price}
    return shown


def _requests(numbered: Iterable[tuple[int, RecordedRequest]]) -> list[dict[str, Any]]:
    return [{"number": number, **attrs.asdict(entry, recurse=False)} for number, entry in numbered]


@attrs.define
class Desk:
    """Answers those who look at the emulator and steer it. What it is asked is no call."""

    _emulator: PropQEmulator
    _api: Api
    _journal: Journal
    _faults: Faults
    _listener: Listener

    def answer(self, request: web.BaseRequest, path: str, body: bytes) -> Reply | None:
        """Return the answer, `None` if the request is for the API."""
        is_read = request.method in ("GET", "HEAD")
        # Only a browser asks for HTML by name. Any other client has followed a redirect to "/".
        if path == "/" and is_read and "text/html" in request.headers.get("Accept", ""):
            return _page()
        if path == DESCRIPTION_PATH and is_read:
            # Its own address, so that a tool that is given this does not call the vendor's server.
            described = {**_description(), "servers": [{"url": self._emulator.url}]}
            return json_reply(200, described, _GUARDED)
        if path.startswith(ADMIN_PREFIX):
            reply = self._admin(request, path.removeprefix(ADMIN_PREFIX), body)
            reply.headers |= _GUARDED
            return reply
        return None

    def _is_own(self, headers: Mapping[str, str]) -> bool:
        # A browser tells the origin of the page that asks. The host is looked at as well, since a
        # name that resolves to loopback makes a foreign page one of the same origin.
        address, port = self._emulator.url.removeprefix("http://"), self._listener.port
        hosts = {address, f"localhost:{port}"}
        if port == 80:  # noqa: PLR2004 - which browsers leave out
            hosts |= {host.removesuffix(":80") for host in hosts}
        host = headers.get("Host", "").lower()
        origin = headers.get("Origin", f"http://{host}")
        site = headers.get("Sec-Fetch-Site", "none")
        return host in hosts and origin == f"http://{host}" and site in ("none", "same-origin")

    def _admin(self, request: web.BaseRequest, name: str, body: bytes) -> Reply:
        if not self._is_own(request.headers):
            return json_reply(403, {"message": "Only the emulator's own origin may steer it."})
        reads: dict[str, Callable[[], object]] = {
            "state": self._state,
            "units": lambda: [_unit(unit) for unit in self._api.estate.units()],
            "requests": lambda: _requests(self._journal.numbered(0)),
            "changes": lambda: self._changes(request.query),
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
        # Without a body no type is needed: the origin was looked at.
        is_bare = not body and "Content-Type" not in request.headers
        if method == "POST" and request.content_type != stock.JSON and not is_bare:
            return json_reply(415, {"message": f"The Content-Type must be {stock.JSON}."})
        try:
            answer = reads[name]() if name in reads else self._steer(name, _arguments(body))
        except ValueError as error:
            return json_reply(400, {"message": f"{name}: {error}"})
        return json_reply(200, answer)

    def _steer(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        if name == _SET:
            self._set(given)
        else:
            _check_names(given, _parameters(getattr(type(self._emulator), name)))
            getattr(self._emulator, name)(**given)
        return {}

    def _set(self, switches: dict[str, Any]) -> None:
        """Set them all, or none."""
        before = self._emulator.switches
        _check_names(switches, dict.fromkeys(before, False))
        try:
            for name, value in switches.items():
                setattr(self._emulator, name, value)
        except ValueError:
            for name in switches:
                setattr(self._emulator, name, before[name])
            raise

    def _state(self) -> dict[str, Any]:
        emulator, window, tokens = self._emulator, self._api.window, self._api.token_window
        return {
            "token_requests": emulator.token_requests,
            "calls": emulator.calls,
            "applied": emulator.applied,
            "units": len(self._api.estate),
            "faults": len(self._faults),
            "throttle": window and {"calls": window.calls, "per_seconds": window.per_seconds},
            "throttle_tokens": tokens
            and {"calls": tokens.calls, "per_seconds": tokens.per_seconds},
            "maintenance": self._api.maintenance is not None,
            "switches": emulator.switches,
        }

    def _changes(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return what is new since an earlier answer, whose `now` is repeated in the query."""
        now = {"units": self._api.estate.revision, "requests": self._journal.length}
        since = dict.fromkeys(now, 0)
        for name, text in query.items():
            if name == "run":
                continue
            if name not in now or not text.isdecimal():
                raise ValueError(f"expected run, {', '.join(now)}, not {name}={text!r}")
            since[name] = int(text)
        run = self._emulator.run_id
        is_whole = query.get("run") != run
        if is_whole:
            since = dict.fromkeys(now, 0)
        return {
            "now": {"run": run, **now},
            "whole": is_whole,
            "state": self._state(),
            "units": [_unit(unit) for unit in self._api.estate.units(since["units"])],
            "requests": _requests(self._journal.numbered(since["requests"])),
        }
