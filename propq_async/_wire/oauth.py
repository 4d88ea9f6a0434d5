"""Replies of the token endpoint (RFC 6749): a token, or the reason why there is none."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from propq_async._messages import joined, tr
from propq_async._secret import SecretDict, SecretStr
from propq_async.credentials import Credentials, Token
from propq_async.errors import (
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)

from .advice import advice_on, advice_on_oauth_error, is_page
from .headers import retry_after_seconds
from .json_parsing import load_json_or_none, load_secret_json
from .messages import FIRST_CLIENT_ERROR, FIRST_SERVER_ERROR, Reply
from .redaction import MAX_BODY_CHARACTERS, clean, scrubbed, secret_forms
from .reply_texts import body_text, page_title, reason_phrase

MAX_LIFETIME: Final = timedelta(days=366)
_ORIGIN: Final = joined(tr(" and "), ("PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET"))
_PERMANENT: Final = (HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT)


def read_token(
    reply: Reply,
    *,
    asked_at: float,
    credentials: Credentials,
    origin: str = _ORIGIN,
) -> Token | TokenError:
    """Return the token of a reply, or the error that the reply means.

    The error is returned rather than raised, since its traceback would show the token.

    Args:
        reply: the reply of the token endpoint.
        asked_at: when the request was sent, in seconds since the epoch. The lifetime begins then.
        credentials: what was sent. If the server echoes the secret, it is removed.
        origin: where they come from, for the advice if they are refused.
    """
    if reply.is_success:
        return _token(reply, asked_at) or _no_token(reply)
    forms = secret_forms(SecretStr(credentials.client_secret))
    reply = scrubbed(reply, forms)
    data = load_json_or_none(reply)
    said = data if isinstance(data, dict) else {}
    error, message, hint, description = (
        clean(said[key].strip(), forms) or None if isinstance(said.get(key), str) else None
        for key in ("error", "message", "hint", "error_description")
    )
    description = description or message
    if not (error or description or hint):
        text = body_text(reply, forms)
        description = (
            page_title(text, reply.status)
            or clean(text.strip(), forms)
            or reason_phrase(reply.status)
        )
    words = ": ".join(filter(None, (error, description, hint)))
    if _is_refusal(reply.status):
        # Anything but a refusal as in RFC 6749 may come from a page that is no token endpoint.
        spoken = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
        place = "" if error is not None or reply.status in spoken else tr("the base URL, ")
        advice: str = (
            advice_on_oauth_error(error)
            or advice_on(reply, body_text(reply, forms))
            or tr("check {place}{origin}").format(place=place, origin=origin)
        )
        return TokenRefusedError(
            tr("the token endpoint refused the request ({status} {words}): {advice}").format(
                status=reply.status, words=words, advice=advice
            ),
            status=reply.status,
            error=error,
            description=description,
            hint=hint,
        )
    where = clean(SecretStr(reply.headers.get("Location", "")), forms)
    advice = (
        tr(" (Location: {where}); no redirect is followed, check the base URL").format(where=where)
        if where
        else ""
    )
    is_redirect = reply.status < FIRST_CLIENT_ERROR
    if not advice:
        advice = tr("; check the base URL") if is_redirect else tr("; try again later")
    return TokenUnavailableError(
        tr("the token endpoint answered {status} {words}{advice}").format(
            status=reply.status, words=words, advice=advice
        ),
        status=reply.status,
        retry_after_seconds=retry_after_seconds(reply, asked_at),
        attempts=1,
        # A redirect that is not permanent may lead to a page about maintenance.
        worth_attempts=(1 if reply.status in _PERMANENT else 2) if is_redirect else None,
    )


def _no_token(reply: Reply) -> TokenUnavailableError:
    """Return the error of a 2xx without a usable token."""
    said = tr("the token endpoint answered {status}, but with no usable token").format(
        status=reply.status
    )
    if not reply.body and not reply.truncated:
        # A server that dies between head and body sends such an answer.
        return TokenUnavailableError(
            tr("{said}, since the answer is empty; try again later").format(said=said),
            status=reply.status,
            attempts=1,
        )
    beginning = reply.body[:MAX_BODY_CHARACTERS].decode(errors="replace")
    what: str = tr(", since the answer is a web page") if is_page(SecretStr(beginning)) else ""
    return TokenUnavailableError(
        tr(
            "{said}{what}: check that the base URL is the API's, not a web page's or a proxy's"
        ).format(said=said, what=what),
        status=reply.status,
        attempts=1,
        worth_attempts=2,
    )


def _is_refusal(status: int) -> bool:
    passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return FIRST_CLIENT_ERROR <= status < FIRST_SERVER_ERROR and status not in passing


def _token(reply: Reply, asked_at: float) -> Token | None:
    data = load_secret_json(reply)
    if not has_token_text(data, "access_token"):
        return None
    lifetime = _lifetime(data.get("expires_in"))
    if lifetime is None:
        return None
    issued_at = datetime.fromtimestamp(asked_at, UTC)
    return Token(
        access_token=data["access_token"],
        token_type=data["token_type"] if has_token_text(data, "token_type") else "Bearer",
        expires_at=issued_at + lifetime,
        issued_at=issued_at,
    )


def has_token_text(data: SecretDict, key: str) -> bool:
    """Return whether a value is visible ASCII, which a header can carry.

    This is RFC 6749 appendix A.12 without the space.
    """
    return isinstance(data.get(key), str) and re.fullmatch(r"[!-~]+", data[key]) is not None


def _lifetime(value: object) -> timedelta | None:
    if isinstance(value, str):
        numeric = re.fullmatch(r"\d+(\.\d+)?([eE][+-]?\d+)?", value.strip(), re.ASCII)
        value = float(value) if numeric else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    if not math.isfinite(seconds) or seconds <= 0:
        return None
    return timedelta(seconds=min(seconds, MAX_LIFETIME.total_seconds())) or None
