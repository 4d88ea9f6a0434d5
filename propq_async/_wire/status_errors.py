"""What a status other than 2xx becomes: the error, with all that the reply says.

Whether it is retried is in `statuses.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

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
    UnprocessableError,
    WrongMethodError,
)

from .advice import advice_on
from .headers import retry_after_seconds
from .json_parsing import load_json_or_none
from .messages import (
    FIRST_CLIENT_ERROR,
    FIRST_REDIRECT,
    FIRST_SERVER_ERROR,
    Call,
    Reply,
)
from .redaction import clean, scrubbed, secret_forms
from .reply_texts import body_text, message_in, page_title, reason_phrase
from .statuses import rule_of

MAX_FIELD_ERRORS: Final = 100
MAX_FIELD_DEPTH: Final = 10

ERRORS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: WrongMethodError,
    419: WrongMethodError,
    429: RateLimitError,
}


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
    message = clean(message_in(data) or page_title(text, status) or reason_phrase(status), forms)
    if FIRST_REDIRECT <= status < FIRST_CLIENT_ERROR:
        kind: type[APIStatusError] = RedirectError
        fields["location"] = clean(SecretStr(reply.headers.get("Location", "")), forms) or None
    elif status == HTTPStatus.UNPROCESSABLE_ENTITY:
        kind = UnprocessableError
        fields["errors"] = _field_errors(data, forms)
    else:
        kind = ERRORS.get(status, ServerError if status >= FIRST_SERVER_ERROR else APIStatusError)
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
