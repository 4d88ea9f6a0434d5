"""The wire format without the wire: values to bytes, replies to values or errors. No I/O, no clock.

The sources are the vendor's pages for fields and codes, RFC 6749 for the token endpoint, and RFC
9110 for `Retry-After`.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, quote_plus

import attrs
from cattrs import Converter

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
from .hidden import HiddenBytes, HiddenDict, HiddenStr
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
MAX_FIELD_ERRORS: Final = 100
MAX_FIELD_DEPTH: Final = 10
MAX_LIFETIME: Final = timedelta(days=366)

_FIRST_SUCCESS, _FIRST_REDIRECT, _FIRST_CLIENT_ERROR, _FIRST_SERVER_ERROR = 200, 300, 400, 500


@attrs.frozen
class Call:
    """Which call an error speaks of: its method, and its URL without the query."""

    method: str
    url: str


# Not frozen: it is made for each call, and that would cost five times as much.
@attrs.define
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
    if not math.isfinite(price):
        raise ValueError("NaN and infinity have no form in JSON")
    whole = int(price)
    return whole if whole == price else float(price)


_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
# What the encoder itself takes for a string, in C where there is C.
_quoted: Final = json.encoder.encode_basestring_ascii
_raw_decode: Final = json.JSONDecoder().raw_decode

_converter: Final = Converter(detailed_validation=False)
_converter.register_unstructure_hook(UnitUpdate, lambda update: json.loads(dump_update(update)))
_converter.register_unstructure_hook(datetime, datetime.isoformat)
_converter.register_unstructure_hook(Decimal, _price)


def update_path(development_id: str) -> str:
    """Return the path of `update-by-name`, whatever characters the id has."""
    return f"/v1/developments/{quote(development_id, safe='')}/units/update-by-name"


def dump_update(update: UnitUpdate) -> bytes:
    """Return the body of `update-by-name`."""
    # Written out, since each update goes through here, and an encoder takes six times as long.
    directions = ",".join(map(_quoted, update.directions))
    price = update.price if type(update.price) is int else _price(update.price)
    text = (
        f'{{"UntName":{_quoted(update.name)},"UntStatus":{int(update.status)},'
        f'"UntPrice":{price!r},"UntDirections":[{directions}]}}'
    )
    return text.encode()


def dump_json(value: Any) -> bytes:
    """Return `value` as JSON: plain values, attrs objects, enums, `Decimal`s and `datetime`s.

    A `Decimal` becomes the number that a double holds of it: 15 digits at least.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: NaN or infinity, which JSON does not have.
    """
    return _encode(_converter.unstructure(value)).encode()


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
    if not isinstance(value, dict):
        if isinstance(value, UnexpectedResponseError):
            return value
        found = "no JSON object" if reply.body else "empty"
        return _unexpected(f"the body is {found}", reply, call, token)
    status = value.get("status")
    if value.get("error") or (isinstance(status, str) and status.strip().lower() == "error"):
        said = _message(value) or "it gives no message"
        return _unexpected(f"the body says it is an error: {said}", reply, call, token)
    return value


def _unexpected(message: str, reply: Reply, call: Call, token: Token) -> UnexpectedResponseError:
    forms = _forms(HiddenStr(token.access_token))
    reply = _scrubbed(reply, forms)
    return UnexpectedResponseError(
        _clean(HiddenStr(message), forms),
        method=call.method,
        url=call.url,
        status=reply.status,
        body=_text(reply, forms),
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
    forms = _forms(HiddenStr(token.access_token))
    reply = _scrubbed(reply, forms)
    data = _load_or_none(reply)
    text = _text(reply, forms)
    fields: dict[str, Any] = {
        "method": call.method,
        "url": call.url,
        "status": status,
        "body": text,
        "retry_after_seconds": retry_after_seconds(reply, now),
        "request_id": _clean(HiddenStr(reply.headers.get("X-Request-Id", "")), forms) or None,
        "may_have_been_applied": (
            status >= _FIRST_SERVER_ERROR and status != HTTPStatus.SERVICE_UNAVAILABLE
        )
        or status < _FIRST_SUCCESS,
    }
    message = _clean(_message(data) or _title(text) or _phrase(status), forms)
    if _FIRST_REDIRECT <= status < _FIRST_CLIENT_ERROR:
        location = _clean(HiddenStr(reply.headers.get("Location", "")), forms)
        return RedirectError(message, location=location or None, **fields)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return UnprocessableError(message, errors=_field_errors(data, forms), **fields)
    if status >= _FIRST_SERVER_ERROR:
        return ServerError(message, **fields)
    return _ERRORS.get(status, APIStatusError)(message, **fields)


def _field_errors(data: Any, forms: Sequence[str]) -> dict[str, list[str]]:
    if isinstance(data, dict) and "errors" in data:
        data = data["errors"]
    elif isinstance(data, dict):
        data = {field: texts for field, texts in data.items() if field != "message"}
    if not isinstance(data, dict):
        # Errors of no field in particular.
        data = {"": data} if data else {}
    errors: dict[str, list[str]] = {}
    room = MAX_FIELD_ERRORS
    for field, value in islice(data.items(), MAX_FIELD_ERRORS):
        texts = [_clean(text, forms) for text in islice(_texts(value), room)]
        errors.setdefault(_clean(field, forms), []).extend(texts)
        room -= len(texts)
    return errors


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif not isinstance(value, list | dict):
        yield json.dumps(value)
    elif depth == MAX_FIELD_DEPTH:
        yield "..."
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, depth + 1)
    else:
        for key, item in value.items():
            for text in _texts(item, depth + 1):
                yield f"{key}: {text}"


def _load(reply: Reply) -> Any:
    """Return the body as JSON; `ValueError` if it is none."""
    if reply.truncated:
        raise ValueError("cut off")
    try:
        if reply.body.startswith((b'{"', b"{}")):
            # What nearly all are like, without the search for white space and other encodings.
            text = reply.body.decode(errors="surrogatepass")
            value, end = _raw_decode(text)
            if end == len(text):
                return value
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


def _text(reply: Reply, forms: Sequence[str]) -> str:
    """Return the beginning of a body that is scrubbed: no secret can be cut in half here."""
    beginning = reply.body[: 4 * MAX_BODY_CHARACTERS]  # at most so many bytes
    return _clean(HiddenStr(beginning.decode(errors="replace")), forms)


def _clean(text: str, forms: Sequence[str]) -> str:
    """Return the text without the secret that has these forms, bounded, and fit to be printed."""
    for form in forms:
        text = HiddenStr(text.replace(form, "[removed]"))
    # Cut last: half a secret would not be found. JSON can hold lone surrogates, no terminal can.
    return text[:MAX_BODY_CHARACTERS].encode(errors="replace").decode()


def _scrubbed(reply: Reply, forms: Sequence[str]) -> Reply:
    """Return the reply without the secret, so that nothing that is made of it has to be hidden."""
    if not any(form.encode() in reply.body for form in forms):
        return reply
    body = HiddenBytes(reply.body)
    for form in forms:
        body = HiddenBytes(body.replace(form.encode(), b"[removed]"))
    return Reply(reply.status, reply.headers, body, truncated=reply.truncated)


def _forms(secret: HiddenStr) -> list[HiddenStr]:
    """Return the secret as it is, and as it stands in a form, a URL, HTML, and JSON."""
    forms = {secret}
    _spread(forms, quote_plus, partial(quote_plus, safe="*"), partial(quote, safe=""))
    _spread(forms, lambda form: form.replace("~", "%7E"))
    # %2f is the same as %2F.
    _spread(forms, lambda form: re.sub("%..", lambda found: found[0].lower(), form))
    forms.add(HiddenStr(html.escape(secret)))
    forms.add(HiddenStr(html.escape(secret).replace("&#x27;", "&#039;")))
    for _ in range(2):  # JSON is quoted in JSON
        _spread(
            forms,
            lambda form: json.dumps(form)[1:-1],
            lambda form: json.dumps(form, ensure_ascii=False)[1:-1],
        )
        _spread(forms, lambda form: form.replace("/", "\\/"))  # as PHP has it
    return sorted(forms, key=len, reverse=True)


def _spread(forms: set[HiddenStr], *ways: Callable[[HiddenStr], str]) -> None:
    """Add what each way makes of each form."""
    made = [map(HiddenStr, map(way, tuple(forms))) for way in ways]
    forms.update(*made)


def retry_after_seconds(reply: Reply, now: float) -> float | None:
    """Return how long the server asks to wait, in seconds; `None` if it does not say.

    Both forms of RFC 9110 section 10.2.3 are read. A date is compared with the server's own `Date`,
    if it sent one, so that a clock that is off does no harm; else with `now`, in seconds since the
    epoch.
    """
    value = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    until = _http_date(value)
    if until is None:
        return None
    since = _http_date(reply.headers.get("Date", ""))
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
        return _token(reply, asked_at) or TokenUnavailableError(
            f"the token endpoint answered {reply.status}, but with no usable token: check that the "
            "base URL is the API's, not a web page's or a proxy's",
            status=reply.status,
            attempts=1,
        )
    forms = _forms(HiddenStr(credentials.client_secret))
    reply = _scrubbed(reply, forms)
    data = _load_or_none(reply)
    said = data if isinstance(data, dict) else {}
    error, message, hint, description = (
        _clean(said[key].strip(), forms) or None if isinstance(said.get(key), str) else None
        for key in ("error", "message", "hint", "error_description")
    )
    description = description or message
    if not (error or description or hint):
        text = _text(reply, forms)
        description = _title(text) or text.strip() or _phrase(reply.status)
    words = ": ".join(filter(None, (error, description, hint)))
    if _is_refusal(reply.status):
        # A refusal in the words of RFC 6749, or one of a page that knows of no tokens.
        spoken = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
        place = "" if error is not None or reply.status in spoken else "the base URL, "
        return TokenRefusedError(
            f"the token endpoint refused the request ({reply.status} {words}): check {place}"
            "PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET",
            status=reply.status,
            error=error,
            description=description,
            hint=hint,
        )
    where = _clean(HiddenStr(reply.headers.get("Location", "")), forms)
    advice = f" (Location: {where}); no redirect is followed, check the base URL" if where else ""
    if not advice:
        redirected = reply.status < _FIRST_CLIENT_ERROR
        advice = "; check the base URL" if redirected else "; try again later"
    return TokenUnavailableError(
        f"the token endpoint answered {reply.status} {words}{advice}",
        status=reply.status,
        retry_after_seconds=retry_after_seconds(reply, asked_at),
        attempts=1,
    )


def _is_refusal(status: int) -> bool:
    passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    return _FIRST_CLIENT_ERROR <= status < _FIRST_SERVER_ERROR and status not in passing


def _token(reply: Reply, asked_at: float) -> Token | None:
    data = _load_hidden(reply)
    if not _has_token_text(data, "access_token"):
        return None
    lifetime = _lifetime(data.get("expires_in"))
    if lifetime is None:
        return None
    issued_at = datetime.fromtimestamp(asked_at, UTC)
    return Token(
        access_token=data["access_token"],
        token_type=data["token_type"] if _has_token_text(data, "token_type") else "Bearer",
        expires_at=issued_at + lifetime,
        issued_at=issued_at,
    )


def _load_hidden(reply: Reply) -> HiddenDict:
    """Return the JSON object of a body that holds a token, an empty one if it is none."""
    try:
        data = None if reply.truncated else json.loads(reply.body, object_pairs_hook=HiddenDict)
    except (ValueError, RecursionError):
        data = None
    return data if isinstance(data, HiddenDict) else HiddenDict()


def _has_token_text(data: HiddenDict, key: str) -> bool:
    # Visible ASCII: what a header can carry (RFC 6749 appendix A.12, less the space).
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
    if not isinstance(value, kind) or isinstance(value, bool):
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


def dump_token(key: TokenKey, token: Token) -> HiddenBytes:
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
    return HiddenBytes(json.dumps(_files.unstructure(file), indent=1).encode() + b"\n")


def parse_token(content: bytes, key: TokenKey) -> Token | str | None:
    """Return the token in the content of a token file.

    `None` if it belongs to another key; a text that says what is wrong with a file that is broken.
    """
    try:
        data = json.loads(content, object_pairs_hook=HiddenDict)
        if not isinstance(data, HiddenDict):
            return "it holds no JSON object"
        if data.get("version") != TOKEN_FILE_VERSION:
            return "it is of another version"
        if isinstance(data.get("access_token"), str):
            data["access_token"] = HiddenStr(data["access_token"])
        file = _files.structure(data, _TokenFile)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return "it is torn, or no token file"
    if (file.token_url, file.client_id) != (key.token_url, key.client_id):
        return None
    if not _has_token_text(data, "access_token") or file.expires_at <= file.issued_at:
        return "its token cannot be one"
    return Token(str(file.access_token), file.token_type, file.expires_at, file.issued_at)
