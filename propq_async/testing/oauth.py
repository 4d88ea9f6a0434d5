"""The token endpoint of a Passport server, without any I/O."""

from __future__ import annotations

import base64
import math
import secrets
import string
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import parse_qsl

import attrs

from propq_async.models import Credentials

from . import stock
from .replies import Reply, json_reply

__all__ = ["TOKEN_START", "ErrorStyle", "Tokens", "default_refusal", "new_credentials"]

ErrorStyle = Literal["message", "both", "description"]

_FORM: Final = "application/x-www-form-urlencoded"
_BEARER: Final = "Bearer "
_BASIC: Final = "basic "

_MALFORMED: Final = (
    "The request is missing a required parameter, includes an invalid parameter value, "
    "includes a parameter more than once, or is otherwise malformed."
)
_UNKNOWN_CLIENT: Final = "Client authentication failed"


def new_credentials() -> Credentials:
    """Return credentials with a secret of their own."""
    alphabet = string.ascii_letters + string.digits
    return Credentials(1, "".join(secrets.choice(alphabet) for _ in range(40)))


def _encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


TOKEN_START: Final = _encode(stock.dump_json({"typ": "JWT", "alg": "RS256"})) + "."
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
    return f"{TOKEN_START}{_encode(stock.dump_json(claims))}.{_encode(secrets.token_bytes(512))}"


def _basic(authorization: str) -> dict[str, str]:
    """Return the credentials of HTTP Basic, which the stock server takes as well."""
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
    """Return the error that usually comes with a status, `None` if it is none of the endpoint's."""
    match status:
        case 400:
            return _refusal(style, 400, "invalid_request", _MALFORMED)
        case 401:
            return _refusal(style, 401, "invalid_client", _UNKNOWN_CLIENT)
        case _:
            return None


@attrs.define
class Tokens:
    """The access tokens that were issued, and when each of them expires."""

    _credentials: Credentials
    _tokens: dict[str, float] = attrs.field(factory=dict, init=False)

    def revoke(self) -> None:
        """Know none of them any more."""
        self._tokens.clear()

    def expire(self) -> None:
        """Let them all expire now."""
        self._tokens = dict.fromkeys(self._tokens, -math.inf)

    def accepts(self, authorization: str, now: float) -> bool:
        """Return whether the header has a token that is valid."""
        if not authorization.startswith(_BEARER):
            return False
        return now < self._tokens.get(authorization[len(_BEARER) :], -math.inf)

    def answer(
        self,
        content_type: str,
        authorization: str,
        body: bytes,
        *,
        now: float,
        lifetime_seconds: float,
        style: ErrorStyle,
    ) -> Reply:
        """Answer a POST."""
        form: dict[str, str] = {}
        if content_type == _FORM:
            form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            return _refusal(
                style,
                400,
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server.",
                "Check that all required parameters have been provided",
            )
        basic = _basic(authorization)
        given = {**basic, **form}
        if not given.get("client_id"):
            return _refusal(
                style,
                400,
                "invalid_request",
                _MALFORMED,
                "Check the `client_id` parameter",
            )
        expected = (str(self._credentials.client_id), self._credentials.client_secret)
        if (given["client_id"], given.get("client_secret")) != expected:
            challenge = {"WWW-Authenticate": 'Basic realm="OAuth"'} if basic else {}
            return _refusal(style, 401, "invalid_client", _UNKNOWN_CLIENT, headers=challenge)
        if float(lifetime_seconds).is_integer():  # 7200 and not 7200.0
            lifetime_seconds = int(lifetime_seconds)
        token = _new_token(self._credentials.client_id, now, lifetime_seconds)
        self._tokens[token] = now + lifetime_seconds
        return json_reply(
            200,
            {"token_type": "Bearer", "expires_in": lifetime_seconds, "access_token": token},
            {"Cache-Control": "no-store, private", "Pragma": "no-cache"},
        )
