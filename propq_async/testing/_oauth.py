"""The token endpoint of a Passport server, without any I/O."""

from __future__ import annotations

import base64
import hashlib
import math
import secrets
import string
from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from propq_async.credentials import Credentials
from propq_async.testing import _laravel as laravel

from ._framework import Framework
from ._input import ApiRequest
from ._php import FORM
from ._replies import Reply, json_reply, refuse

__all__ = ["TOKEN_START", "ErrorStyle", "Tokens", "default_refusal", "new_credentials"]

ErrorStyle = Literal["message", "both", "description"]

_BEARER: Final = "Bearer "
_BASIC: Final = "basic "

_MALFORMED: Final = (
    "The request is missing a required parameter, includes an invalid parameter value, "
    "includes a parameter more than once, or is otherwise malformed."
)
_UNKNOWN_CLIENT: Final = "Client authentication failed"
_UNKNOWN_SCOPE: Final = "The requested scope is invalid, unknown, or malformed"


def new_credentials() -> Credentials:
    """Return credentials with a random secret."""
    alphabet = string.ascii_letters + string.digits
    return Credentials(1, "".join(secrets.choice(alphabet) for _ in range(40)))


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


TOKEN_START: Final = _encode(laravel.dump_json({"typ": "JWT", "alg": "RS256"})) + "."
"""What each token begins with."""


def _new_token(client_id: int, now: float, lifetime_seconds: float) -> str:
    # The shape of a Passport token: a JWT signed with RS256 and a key of 4096 bits. To a client it
    # is opaque, so the signature is only noise.
    claims = {
        "aud": str(client_id),
        "jti": secrets.token_hex(40),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_seconds,
        "sub": "",
        "scopes": [],
    }
    return f"{TOKEN_START}{_encode(laravel.dump_json(claims))}.{_encode(secrets.token_bytes(512))}"


def _digest(token: str) -> bytes:
    # A header may hold bytes that are no UTF-8, which aiohttp passes on as surrogates.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _basic(authorization: str) -> dict[str, str]:
    """Return the credentials of HTTP Basic, which Passport accepts as well."""
    if authorization[: len(_BASIC)].lower() != _BASIC:
        return {}
    try:
        decoded = base64.b64decode(authorization[len(_BASIC) :], validate=True).decode()
    except ValueError:
        return {}
    client_id, colon, secret = decoded.partition(":")
    return {"client_id": client_id, "client_secret": secret} if colon else {}


def _refusal(
    style: ErrorStyle,
    status: int,
    error: str,
    message: str,
    hint: str = "",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    body = {"error": error}
    if style != "message":
        body["error_description"] = message
    if hint:
        body["hint"] = hint
    if style != "description":
        body["message"] = message
    return json_reply(status, body, headers or {})


def default_refusal(status: int, style: ErrorStyle) -> Reply | None:
    """Return the token error that usually comes with a status, `None` if there is none."""
    match status:
        case 400:
            return _refusal(style, 400, "invalid_request", _MALFORMED)
        case 401:
            return _refusal(style, 401, "invalid_client", _UNKNOWN_CLIENT)
        case _:
            return None


@attrs.define
class Tokens:
    """The access tokens that were issued, and when each of them expires.

    Of a token only its digest is kept, so that nothing can show it.
    """

    _credentials: Credentials
    _expiry: dict[bytes, float] = attrs.field(factory=dict, init=False)

    def revoke(self) -> None:
        """Forget all of them."""
        self._expiry.clear()

    def expire(self) -> None:
        """Let them all expire now."""
        self._expiry = dict.fromkeys(self._expiry, -math.inf)

    def accepts(self, authorization: str, now: float) -> bool:
        """Return whether the header carries a valid token."""
        if not authorization.startswith(_BEARER):
            return False
        token = authorization[len(_BEARER) :].strip()
        return now < self._expiry.get(_digest(token), -math.inf)

    def answer(
        self,
        request: ApiRequest,
        framework: Framework,
        *,
        now: float,
        lifetime_seconds: float,
        style: ErrorStyle,
    ) -> Reply:
        """Answer a POST to the endpoint."""
        form = self._form(request, framework)
        if form is None:
            return refuse(400, "Bad request.", as_json=request.wants_json)
        if form.get("grant_type") != "client_credentials":
            return _refusal(
                style,
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server.",
                "Check that all required parameters have been provided",
            )
        if refused := self._refused(request, form, style):
            return refused
        if float(lifetime_seconds).is_integer():  # 7200 and not 7200.0
            lifetime_seconds = int(lifetime_seconds)
        token = _new_token(self._credentials.client_id, now, lifetime_seconds)
        self._expiry[_digest(token)] = now + lifetime_seconds
        return json_reply(
            200,
            {"token_type": "Bearer", "expires_in": lifetime_seconds, "access_token": token},
            {
                "Content-Type": "application/json; charset=UTF-8",
                "Cache-Control": "no-store, private",
                "Pragma": "no-cache",
            },
        )

    def _refused(
        self, request: ApiRequest, form: dict[str, Any], style: ErrorStyle
    ) -> Reply | None:
        """Return the answer to a client that gets no token."""
        basic = _basic(request.headers.get("Authorization", ""))
        given = {**basic, **form}
        client_id = given.get("client_id")
        if not client_id:
            hint = "Check the `client_id` parameter"
            return _refusal(style, 400, "invalid_request", _MALFORMED, hint)
        if isinstance(client_id, list | dict):
            return refuse(500, "Server Error", as_json=request.wants_json)
        if not self._are_mine(client_id, given.get("client_secret")):
            challenge = {"WWW-Authenticate": 'Basic realm="OAuth"'} if basic else {}
            return _refusal(style, 401, "invalid_client", _UNKNOWN_CLIENT, headers=challenge)
        if scope := given.get("scope"):
            hint = f"Check the `{scope}` scope"
            return _refusal(style, 400, "invalid_scope", _UNKNOWN_SCOPE, hint)
        return None

    def _form(self, request: ApiRequest, framework: Framework) -> dict[str, Any] | None:
        """Return what was sent, `None` if it claims to be JSON and is none."""
        media_type = request.content_type.partition(";")[0].strip().lower()
        if media_type != FORM and not framework.reads_any_token_body:
            return {}
        if laravel.is_json(request.content_type) and request.body and request.data is None:
            return None
        return {
            name: value.strip(framework.trimmed) if isinstance(value, str) else value
            for name, value in request.sent().items()
        }

    def _are_mine(self, client_id: Any, secret: Any) -> bool:
        # The database compares the id as a number.
        text = str(client_id)
        number = int(text) if text.isascii() and text.isdigit() else None
        expected = self._credentials
        return (number, secret) == (expected.client_id, expected.client_secret)
