"""The wire format without the wire: values to bytes, replies to values or errors. No I/O, no clock.

The sources are the vendor's pages for fields and codes, RFC 6749 for the token endpoint, and RFC
9110 for `Retry-After`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, quote_plus

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from .errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ServerError,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
    UnexpectedResponseError,
    UnprocessableError,
    WrongMethodError,
)
from .models import Credentials, Token, TokenKey, UnitUpdate

__all__ = [
    "Call",
    "Lost",
    "Reply",
    "dump_json",
    "dump_token",
    "dump_update",
    "lost_answer",
    "parse_token",
    "read_json",
    "read_object",
    "read_token",
    "retry_after_seconds",
    "status_error",
    "update_path",
]

MAX_BODY_CHARACTERS: Final = 2_000
MAX_LIFETIME: Final = timedelta(days=366)

_FIRST_SUCCESS, _FIRST_REDIRECT, _FIRST_CLIENT_ERROR, _FIRST_SERVER_ERROR = 200, 300, 400, 500


@attrs.frozen
class Call:
    """Which call an error speaks of: its method, and its URL without the query."""

    method: str
    url: str


@attrs.frozen
class Reply:
    """What came back. The body may hold a token, so it does not show.

    `truncated` says that the body was longer than we are willing to read.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    truncated: bool = False

    @property
    def is_success(self) -> bool:
        """Return whether the status is a 2xx."""
        return _FIRST_SUCCESS <= self.status < _FIRST_REDIRECT


@attrs.frozen
class Lost:
    """Nothing usable came back, and why.

    `sent`: the server may have got the request. `stale`: it was meant for a kept connection that
    turned out to be closed before the first byte went out; a new one may do.
    """

    reason: str
    sent: bool
    timed_out: bool = False
    stale: bool = False


def lost_answer(outcome: Reply | Lost) -> bool:
    """Return whether the call may have reached the server, whose answer then did not reach us.

    A gateway says the same of the server behind it (RFC 9110 sections 15.6.3 and 15.6.5).
    """
    if isinstance(outcome, Lost):
        return outcome.sent
    return outcome.status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)


# --- values to JSON ------------------------------------------------------------------------------


def _price(price: float | Decimal) -> float:
    # A whole number goes out without a fraction, which the strictest reading of "number" accepts;
    # 15 digits at most (the model's rule) survive the way through a double unharmed.
    whole = int(price)
    return whole if whole == price else float(price)


_converter: Final = Converter(detailed_validation=False)
_converter.register_unstructure_hook(
    UnitUpdate,
    make_dict_unstructure_fn(
        UnitUpdate,
        _converter,
        development_id=override(omit=True),
        name=override(rename="UntName"),
        status=override(rename="UntStatus", unstruct_hook=int),
        price=override(rename="UntPrice", unstruct_hook=_price),
        directions=override(rename="UntDirections", unstruct_hook=list),
    ),
)
_converter.register_unstructure_hook(datetime, datetime.isoformat)
_converter.register_unstructure_hook(Decimal, _price)


def update_path(development_id: str) -> str:
    """Return the path of `update-by-name`, whatever characters the id has."""
    return f"/v1/developments/{quote(development_id, safe='')}/units/update-by-name"


def dump_update(update: UnitUpdate) -> bytes:
    """Return the body of `update-by-name`."""
    return dump_json(update)


def dump_json(value: Any) -> bytes:
    """Return `value` as JSON: plain values, attrs objects, enums, `Decimal`s and `datetime`s.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: NaN or infinity, which JSON does not have.
    """
    plain = _converter.unstructure(value)
    return json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()


# --- replies of calls ----------------------------------------------------------------------------


def read_json(reply: Reply, call: Call, token: Token) -> Any | UnexpectedResponseError:
    """Return the JSON value of a 2xx, `None` for an empty body, or the error that it is.

    Here and below errors are returned rather than raised: a traceback that shows local variables
    would show what the server sent, and a server may echo the token.
    """
    if not reply.body and not reply.truncated:
        return None
    try:
        return _load(reply)
    except ValueError:
        what = "too long" if reply.truncated else "not JSON"
        return _unexpected(f"the body is {what}", reply, call, token)


def read_object(reply: Reply, call: Call, token: Token) -> dict[str, Any] | UnexpectedResponseError:
    """Return the JSON object of a 2xx that means "done", or the error that it is."""
    value = read_json(reply, call, token)
    if isinstance(value, UnexpectedResponseError):
        return value
    if not isinstance(value, dict):
        found = "no JSON object" if reply.body else "empty"
        return _unexpected(f"the body is {found}", reply, call, token)
    if value.get("error") or str(value.get("status")).lower() == "error":
        said = _message(value) or "it gives no message"
        return _unexpected(f"the body says it is an error: {said}", reply, call, token)
    return value


def _unexpected(message: str, reply: Reply, call: Call, token: Token) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        _without(message, token.access_token)[:MAX_BODY_CHARACTERS],
        method=call.method,
        url=call.url,
        status=reply.status,
        body=_without(_text(reply), token.access_token),
        may_have_been_applied=True,
    )


_ERRORS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: WrongMethodError,
    419: WrongMethodError,
    429: RateLimitError,
}
_PHRASES: Final = {419: "Page Expired"}


def status_error(reply: Reply, call: Call, token: Token, *, now: float) -> APIStatusError:
    """Return the error that a reply other than 2xx is.

    Args:
        reply: the reply.
        call: the call that it answers.
        token: the token that was sent; if the server echoes it, it is cut out.
        now: the time of day in seconds since the epoch, for a `Retry-After` that is a date.
    """
    status = reply.status
    data = _load_or_none(reply)
    text = _without(_text(reply), token.access_token)
    fields: dict[str, Any] = {
        "method": call.method,
        "url": call.url,
        "status": status,
        "body": text,
        "retry_after_seconds": retry_after_seconds(reply.headers, now),
        "request_id": reply.headers.get("X-Request-Id"),
        "may_have_been_applied": (
            status >= _FIRST_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE
        )
        or status < _FIRST_SUCCESS,
    }
    said = _message(data) or _title(text) or _phrase(status)
    message = _without(said, token.access_token)[:MAX_BODY_CHARACTERS]
    if _FIRST_REDIRECT <= status < _FIRST_CLIENT_ERROR:
        location = _without(reply.headers.get("Location", ""), token.access_token)
        return RedirectError(message, location=location or None, **fields)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        named = {
            field: [_without(text, token.access_token) for text in texts]
            for field, texts in _field_errors(data).items()
        }
        return UnprocessableError(message, errors=named, **fields)
    if status >= _FIRST_SERVER_ERROR:
        return ServerError(message, **fields)
    return _ERRORS.get(status, APIStatusError)(message, **fields)


def _field_errors(data: Any) -> dict[str, list[str]]:
    if isinstance(data, dict) and "errors" in data:
        data = data["errors"]
    elif isinstance(data, dict):
        data = {field: texts for field, texts in data.items() if field != "message"}
    if isinstance(data, dict):
        return {str(field): _texts(texts) for field, texts in data.items()}
    # Errors of no field in particular.
    return {"": _texts(data)} if data else {}


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    if isinstance(value, dict):
        return [f"{key}: {text}" for key, item in value.items() for text in _texts(item)]
    return [value if isinstance(value, str) else json.dumps(value)]


def _load(reply: Reply) -> Any:
    """Return the body as JSON; `ValueError` if it is none."""
    try:
        return json.loads(reply.body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _load_or_none(reply: Reply) -> Any:
    try:
        return _load(reply)
    except ValueError:
        return None


def _message(data: Any) -> str | None:
    """Return what a JSON answer says in words, wherever it says it."""
    if not isinstance(data, dict):
        return None
    for key in ("message", "error_description", "error"):
        said = data.get(key)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said.strip():
            return said.strip()
    return None


def _title(text: str) -> str | None:
    found = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
    return " ".join(found[1].split()) or None if found else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _PHRASES.get(status, "unknown status")


def _text(reply: Reply) -> str:
    # Four bytes at most make one character of UTF-8.
    return reply.body[: 4 * MAX_BODY_CHARACTERS].decode(errors="replace")[:MAX_BODY_CHARACTERS]


def _without(text: str, secret: str) -> str:
    # As it is, as it stands in JSON, and as it stands in a form or a URL.
    forms = {secret, json.dumps(secret)[1:-1], quote_plus(secret), quote(secret, safe="")}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "[removed]")
    return text


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long the server asks to wait, in seconds; `None` if it does not say.

    Both forms of RFC 9110 section 10.2.3 are read. A date is compared with the server's own `Date`,
    if it sent one, so that a clock that is off does no harm; else with `now`, in seconds since the
    epoch.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    since = _http_date(headers.get("Date", ""))
    return max(0.0, until - (now if since is None else since))


def _http_date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


# --- the token endpoint --------------------------------------------------------------------------


def read_token(reply: Reply, *, asked_at: float, credentials: Credentials) -> Token | TokenError:
    """Return the token that a reply of the token endpoint holds, or the error that it is.

    It is returned rather than raised, since the frames of this module see the token.

    Args:
        reply: the reply.
        asked_at: when the request was sent, in seconds since the epoch: the lifetime's beginning.
        credentials: what was sent; if the server echoes the secret, it is cut out.
    """
    if reply.is_success:
        return _token(_load_or_none(reply), asked_at) or TokenUnavailableError(
            f"the token endpoint answered {reply.status}, but with no usable token: check that the "
            "base URL is the API's, not a web page's or a proxy's",
            status=reply.status,
            attempts=1,
        )
    data = _load_or_none(reply)
    said = {
        key: _without(value, credentials.client_secret)[:MAX_BODY_CHARACTERS]
        for key, value in (data.items() if isinstance(data, dict) else ())
        if isinstance(value, str)
    }
    description = said.get("error_description") or said.get("message")
    if description is None and not said:
        text = _without(_text(reply), credentials.client_secret)
        description = _title(text) or text.strip() or _phrase(reply.status)
    error, hint = said.get("error"), said.get("hint")
    words = ": ".join(filter(None, (error, description, hint)))
    if _is_refusal(reply.status):
        return TokenRefusedError(
            f"the token endpoint refused the request ({reply.status} {words}): check "
            "PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET",
            status=reply.status,
            error=error,
            description=description,
            hint=hint,
        )
    where = _without(reply.headers.get("Location", ""), credentials.client_secret)
    redirected = f" (Location: {where}); no redirect is followed, check the URL" if where else ""
    return TokenUnavailableError(
        f"the token endpoint answered {reply.status} {words}{redirected}",
        status=reply.status,
        retry_after_seconds=retry_after_seconds(reply.headers, asked_at),
        attempts=1,
    )


def _is_refusal(status: int) -> bool:
    passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return _FIRST_CLIENT_ERROR <= status < _FIRST_SERVER_ERROR and status not in passing


def _token(data: Any, asked_at: float) -> Token | None:
    if not isinstance(data, dict) or not _is_token_text(data.get("access_token")):
        return None
    lifetime = _lifetime(data.get("expires_in"))
    if lifetime is None:
        return None
    issued_at = datetime.fromtimestamp(asked_at, UTC)
    token_type = data.get("token_type")
    return Token(
        access_token=data["access_token"],
        token_type=token_type if isinstance(token_type, str) and token_type else "Bearer",
        expires_at=issued_at + lifetime,
        issued_at=issued_at,
    )


def _is_token_text(value: object) -> bool:
    # Visible ASCII: what a header can carry (RFC 6749 appendix A.12, less the space).
    return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None


def _lifetime(value: object) -> timedelta | None:
    if isinstance(value, str):
        numeric = re.fullmatch(r"\d+(\.\d+)?", value.strip(), re.ASCII)
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


# --- the token file ------------------------------------------------------------------------------

TOKEN_FILE_VERSION: Final = 1


@attrs.frozen
class _TokenFile:
    version: int
    token_url: str
    client_id: int
    access_token: str = attrs.field(repr=False)
    token_type: str
    expires_at: datetime
    issued_at: datetime


def _exactly(value: Any, kind: type[Any]) -> Any:
    # cattrs would take str(None) for a string, and the message must not show the value.
    if type(value) is not kind:
        raise TypeError(f"not of type {kind.__name__}")
    return value


def _aware(value: Any, _: object) -> datetime:
    moment = datetime.fromisoformat(_exactly(value, str))
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment


_files: Final = Converter(detailed_validation=False)
_files.register_unstructure_hook(datetime, datetime.isoformat)
_files.register_structure_hook(datetime, _aware)
_files.register_structure_hook(int, _exactly)
_files.register_structure_hook(str, _exactly)


def dump_token(key: TokenKey, token: Token) -> bytes:
    """Return the content of the token file."""
    file = _TokenFile(
        TOKEN_FILE_VERSION,
        key.token_url,
        key.client_id,
        token.access_token,
        token.token_type,
        token.expires_at,
        token.issued_at,
    )
    return json.dumps(_files.unstructure(file), indent=1).encode() + b"\n"


def parse_token(content: bytes, key: TokenKey) -> Token | str | None:
    """Return the token in the content of a token file.

    `None` if it belongs to another key; a text that says what is wrong with a file that is broken.
    """
    try:
        data = json.loads(content)
        if not isinstance(data, dict):
            return "it holds no JSON object"
        if data.get("version") != TOKEN_FILE_VERSION:
            return "it is of another version"
        file = _files.structure(data, _TokenFile)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return "it is torn, or no token file"
    if (file.token_url, file.client_id) != (key.token_url, key.client_id):
        return None
    if not _is_token_text(file.access_token) or file.expires_at <= file.issued_at:
        return "its token cannot be one"
    return Token(file.access_token, file.token_type, file.expires_at, file.issued_at)
