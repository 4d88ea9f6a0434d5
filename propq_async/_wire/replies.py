"""Replies of the API: a value, or the error that a reply means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

import attrs

from propq_async._secret import SecretStr
from propq_async.credentials import Token
from propq_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    ServerError,
    UnexpectedResponseError,
    UnprocessableError,
    WrongMethodError,
)

from .advice import advice_on
from .headers import retry_after_seconds
from .json_parsing import load_json, load_json_or_none
from .messages import (
    FIRST_CLIENT_ERROR,
    FIRST_REDIRECT,
    FIRST_SERVER_ERROR,
    Call,
    Lost,
    Reply,
)
from .redaction import MAX_BODY_CHARACTERS, clean, scrubbed, secret_forms
from .said import status_said
from .statuses import rule_of

MAX_FIELD_ERRORS: Final = 100
MAX_FIELD_DEPTH: Final = 10

# Where a web page must have begun.
MAX_SPACE_BYTES: Final = 1024


def read_json(reply: Reply, call: Call, token: Token) -> Any | UnexpectedResponseError:
    """Return the JSON value of a 2xx, `None` for an empty body, or the error that it means.

    Errors are returned rather than raised: a traceback with local variables would show the reply,
    in which the server may echo the token.
    """
    if not reply.body and not reply.truncated:
        return None
    try:
        value = load_json(reply)
    except ValueError:
        what = "too long" if reply.truncated else "not JSON"
        return _unexpected(f"the body is {what}", reply, call, token)
    # Checked here as well as in `status_said`: the call alone would take as long as all the rest.
    if (
        isinstance(value, dict)
        and "message" in value
        and (status := status_said(value)) is not None
    ):
        error = _unexpected(f"the body says {value['message']!r}", reply, call, token)
        error.may_have_been_applied = rule_of(status).may_have_been_applied
        error.advice = _ERRORS.get(status, ServerError).advice
        return error
    return value


def read_object(reply: Reply, call: Call, token: Token) -> dict[str, Any] | UnexpectedResponseError:
    """Return the JSON object of a 2xx that means "done", or the error that it means."""
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


def meaning_of_success(reply: Reply) -> Reply | Lost:
    """Return the outcome that a success without a usable value amounts to.

    A body that is missing is an answer that was lost on its way: that is how a gateway ends the
    answer if the server behind it dies after the head. But 204 and 205 never have a body (RFC 9110
    sections 15.3.5, 15.3.6). A web page is from a gateway that could not reach the server (nginx:
    `error_page 502 =200`). Anything else would be the same the next time.
    """
    if not reply.body and not reply.truncated:
        is_final = reply.status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT)
        return Lost("the answer has no body", sent=True, final=is_final)
    if _is_page(reply):
        return attrs.evolve(reply, status=HTTPStatus.BAD_GATEWAY)
    status = status_said(load_json_or_none(reply))
    if status is None:
        return Lost("the answer is of no use", sent=True, final=True)
    return attrs.evolve(reply, status=status)


def _is_page(reply: Reply) -> bool:
    return reply.body[:MAX_SPACE_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _unexpected(message: str, reply: Reply, call: Call, token: Token) -> UnexpectedResponseError:
    forms = secret_forms(SecretStr(token.access_token))
    reply = scrubbed(reply, forms)
    return call.error(
        UnexpectedResponseError,
        clean(SecretStr(message), forms),
        status=reply.status,
        body=body_text(reply, forms),
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
    """Return the error that a reply other than 2xx means.

    Args:
        reply: the reply.
        call: the call that it answers.
        token: the token that was sent. If the server echoes it, it is removed.
        now: the time of day in seconds since the epoch, for a `Retry-After` that is a date.
    """
    status = reply.status
    forms = secret_forms(SecretStr(token.access_token))
    reply = scrubbed(reply, forms)
    data = load_json_or_none(reply)
    text = body_text(reply, forms)
    fields: dict[str, Any] = {
        "status": status,
        "body": text,
        "retry_after_seconds": retry_after_seconds(reply, now),
        "request_id": _request_id(reply, forms),
        "may_have_been_applied": rule_of(status).may_have_been_applied,
    }
    message = clean(_message(data) or page_title(text, status) or reason_phrase(status), forms)
    if FIRST_REDIRECT <= status < FIRST_CLIENT_ERROR:
        kind: type[APIStatusError] = RedirectError
        fields["location"] = clean(SecretStr(reply.headers.get("Location", "")), forms) or None
    elif status == HTTPStatus.UNPROCESSABLE_ENTITY:
        kind = UnprocessableError
        fields["errors"] = _field_errors(data, forms)
    else:
        kind = _ERRORS.get(status, ServerError if status >= FIRST_SERVER_ERROR else APIStatusError)
    error = call.error(kind, message, **fields)
    if FIRST_CLIENT_ERROR <= status < FIRST_SERVER_ERROR:
        error.advice = advice_on(reply, text) or error.advice
    return error


def request_id(reply: Reply, token: Token) -> str | None:
    """Return the `X-Request-Id` of an answer, `None` if it has none."""
    if "X-Request-Id" not in reply.headers:
        return None
    return _request_id(reply, secret_forms(SecretStr(token.access_token)))


def _request_id(reply: Reply, forms: Sequence[str]) -> str | None:
    return clean(SecretStr(reply.headers.get("X-Request-Id", "")), forms) or None


def _field_errors(data: Any, forms: Sequence[str]) -> dict[str, list[str]]:
    if isinstance(data, dict) and "errors" in data:
        data = data["errors"]
    elif isinstance(data, dict):
        data = {field: texts for field, texts in data.items() if field != "message"}
    if not isinstance(data, dict):
        # Errors that belong to no field.
        data = {"": data} if data else {}
    errors: dict[str, list[str]] = {}
    room = MAX_FIELD_ERRORS
    for field, value in islice(data.items(), MAX_FIELD_ERRORS):
        texts = [clean(text, forms) for text in islice(_texts(value), room)]
        errors.setdefault(clean(field, forms), []).extend(texts)
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


def _message(data: Any) -> str | None:
    """Return the message in a JSON answer, whichever key has it."""
    if not isinstance(data, dict):
        return None
    for key in ("message", "error_description", "error"):
        said = data.get(key)
        if isinstance(said, dict):
            said = said.get("message")
        if isinstance(said, str) and said.strip():
            return said.strip()
    return None


def page_title(text: str, status: int) -> str | None:
    """Return the title of a web page, without the status that it begins with."""
    found = re.search(r"<title[^>]*>([^<]*)", text, re.IGNORECASE)
    words = found[1].split() if found else []
    return " ".join(words[1:] if words[:1] == [str(status)] else words) or None


def reason_phrase(status: int) -> str:
    """Return the standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return _PHRASES.get(status, "unknown status")


def body_text(reply: Reply, forms: Sequence[str]) -> str:
    """Return the beginning of a body as text.

    The body must be scrubbed already, so that no secret is cut in half here. Unlike other texts it
    keeps its lines: it appears in no `str()` and no log record, and JSON in it can be parsed.
    """
    beginning = reply.body[: 4 * MAX_BODY_CHARACTERS]  # at most 4 bytes a character
    text = SecretStr(beginning.decode(errors="replace").replace("\r\n", "\n"))
    return clean(text, forms, allowed="\n\t")
