"""Successes of the API: a value, or what a 2xx that is no success means."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import attrs

from propq_async._secret import SecretStr
from propq_async.credentials import Token
from propq_async.errors import ServerError, UnexpectedResponseError

from .framework_messages import status_said
from .json_parsing import load_json, load_json_or_none
from .messages import Call, Lost, Reply
from .redaction import clean, scrubbed, secret_forms
from .reply_texts import body_text, message_in
from .status_errors import ERRORS
from .statuses import rule_of

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
        error.advice = ERRORS.get(status, ServerError).advice
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
        said = message_in(value) or "it gives no message"
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
