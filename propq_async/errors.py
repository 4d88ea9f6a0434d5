"""Everything that can go wrong, as plain values.

PropQError
├── ConfigurationError (ValueError)      the settings cannot work
├── InvalidUpdateError (ValueError)      an update that must not be sent
├── TokenError                           no access token
│   ├── TokenRefusedError                the token endpoint refused the credentials
│   └── TokenUnavailableError            the token endpoint gave no usable answer
└── APIError                             a call failed
    ├── APIConnectionError               no complete answer
    │   └── APITimeoutError              ... in time
    ├── UnexpectedResponseError          a success that is none
    └── APIStatusError                   the server said no
        ├── RedirectError                3xx
        ├── BadRequestError              400
        ├── AuthenticationError          401
        ├── PermissionDeniedError        403
        ├── NotFoundError                404
        ├── WrongMethodError             405, 419
        ├── UnprocessableError           422
        ├── RateLimitError               429
        └── ServerError                  5xx

An error can be pickled, copied and printed. It carries no response object, no header set, no secret
and no token, and has no exception of the HTTP library behind it: what that said is in the message.
"""

from __future__ import annotations

import copy
from typing import Any, NotRequired, Self, TypedDict, TypeVar, Unpack

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "InvalidUpdateError",
    "NotFoundError",
    "PermissionDeniedError",
    "PropQError",
    "RateLimitError",
    "RedirectError",
    "ServerError",
    "TokenError",
    "TokenRefusedError",
    "TokenUnavailableError",
    "UnexpectedResponseError",
    "UnprocessableError",
    "WrongMethodError",
]


_E = TypeVar("_E", bound="PropQError")


def _restore(cls: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class PropQError(Exception):
    """The root of all errors of this package. Catch it to catch them all.

    `message` says what happened. `may_have_been_applied` is `True` if a call that ended in this
    error may have taken effect on the server all the same.
    """

    may_have_been_applied = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    # Exception's own __reduce__ calls the class with `args` alone, which a required keyword breaks.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())

    def fresh(self) -> Self:
        """Return an equal error without a traceback, so that many waiters can each raise one.

        It shares nothing with this one: what one waiter adds to its error (a note, say) is not
        added to everybody's.
        """
        return copy.deepcopy(self)


class ConfigurationError(PropQError, ValueError):
    """A setting is missing or cannot work. The message names it."""


class InvalidUpdateError(PropQError, ValueError):
    """An update that must not be sent.

    `errors` has every problem at once, by the name of the field of `UnitUpdate`.
    """

    def __init__(self, errors: dict[str, list[str]]) -> None:
        problems = "; ".join(
            f"{field}: {text}" for field, texts in errors.items() for text in texts
        )
        super().__init__(f"the update is not valid: {problems}")
        self.errors = errors


class TokenError(PropQError):
    """There is no access token to make a call with."""


class TokenRefusedError(TokenError):
    """The token endpoint refused the request: any 4xx but 408 and 429. Not retried.

    `status` is the HTTP status; `error`, `description` and `hint` are what the server said
    (RFC 6749 section 5.2), `None` where it said nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error: str | None = None,
        description: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.description = description
        self.hint = hint


class TokenUnavailableError(TokenError):
    """The token endpoint gave no usable answer, and retries did not help.

    `status` is the HTTP status of the last answer, `None` if there was none;
    `retry_after_seconds` what the server asked to wait; `attempts` the requests made.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.attempts = attempts


class _CallFields(TypedDict):
    method: str
    url: str
    attempts: NotRequired[int]
    may_have_been_applied: NotRequired[bool]


class _StatusFields(_CallFields):
    status: int
    body: NotRequired[str]
    retry_after_seconds: NotRequired[float | None]
    request_id: NotRequired[str | None]


class APIError(PropQError):
    """A call failed.

    `message` says what happened, `method` and `url` (without its query) to which call. `attempts`
    counts the attempts that the `RetryPolicy` counts; one of them is enough to set
    `may_have_been_applied`.
    """

    advice = ""
    """What to do about it; a part of `str()`."""

    def __init__(
        self,
        message: str,
        *,
        method: str,
        url: str,
        attempts: int = 1,
        may_have_been_applied: bool = False,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.url = url
        self.attempts = attempts
        self.may_have_been_applied = may_have_been_applied

    def __str__(self) -> str:
        parts = [f"{self.method} {self.url}: {self.said}"]
        if self.attempts > 1:
            parts.append(f" (after {self.attempts} attempts)")
        if self.advice:
            parts.append(f" - {self.advice}")
        if self.may_have_been_applied:
            parts.append(" [it may have been applied]")
        return "".join(parts)

    @property
    def said(self) -> str:
        """Return what happened, in words: without the call, and without advice."""
        return self.message


class APIConnectionError(APIError):
    """There was no complete answer: no connection, or one that broke."""

    advice = "check the network, the proxy and the base URL"


class APITimeoutError(APIConnectionError):
    """There was no complete answer in time."""

    advice = "check the network, or give it more time (timeout_seconds, total_timeout_seconds)"


class UnexpectedResponseError(APIError):
    """A 2xx whose body is not what a success looks like.

    `status` is the HTTP status and `body` the beginning of the body as text.
    """

    advice = "check that the base URL is the API's, not a web page's or a proxy's"

    def __init__(
        self, message: str, *, status: int, body: str = "", **call: Unpack[_CallFields]
    ) -> None:
        super().__init__(message, **call)
        self.status = status
        self.body = body

    @property
    def said(self) -> str:
        """Return what happened, in words: without the call, and without advice."""
        return f"{self.status}, but {self.message}"


class APIStatusError(APIError):
    """The server answered with a status that is no success.

    `status` is the HTTP status, `message` what the server said (the status's standard phrase if it
    said nothing), `body` the beginning of the body as text, `retry_after_seconds` what the server
    asked to wait, counted from its answer and not cut short, and `request_id` its `X-Request-Id`;
    the last two are `None` if it sent none.
    """

    advice = "that is all the server said: ask Resales Online what it means"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: str = "",
        retry_after_seconds: float | None = None,
        request_id: str | None = None,
        **call: Unpack[_CallFields],
    ) -> None:
        super().__init__(message, **call)
        self.status = status
        self.body = body
        self.retry_after_seconds = retry_after_seconds
        self.request_id = request_id

    @property
    def said(self) -> str:
        """Return what happened, in words: without the call, and without advice."""
        asked = self.retry_after_seconds
        wait = "" if asked is None else f"; the server asks to wait {asked:g} s"
        return f"{self.status} {self.message}{wait}"


class RedirectError(APIStatusError):
    """3xx. No redirect is followed: `location` is where it pointed, `None` if nowhere."""

    advice = (
        "the API never redirects: check the base URL, and whether a proxy strips the headers "
        "Content-Type or Accept"
    )

    def __init__(
        self, message: str, *, location: str | None = None, **fields: Unpack[_StatusFields]
    ) -> None:
        super().__init__(message, **fields)
        self.location = location

    @property
    def said(self) -> str:
        """Return what happened, in words: without the call, and without advice."""
        return f"{super().said} (Location: {self.location or 'none'})"


class BadRequestError(APIStatusError):
    """400: the server could not process the request."""

    advice = "check the development id and the values of the update"


class AuthenticationError(APIStatusError):
    """401: the access token was refused, and so was a new one, or none was to be had."""

    advice = (
        "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET, and with Resales Online that this client "
        "is still active"
    )


class PermissionDeniedError(APIStatusError):
    """403: these credentials may not make this call."""

    advice = "check that the development belongs to this client"


class NotFoundError(APIStatusError):
    """404: no such development, unit or path."""

    advice = (
        "check the development id and the unit name: the name must match exactly, spaces and case "
        "included"
    )


class WrongMethodError(APIStatusError):
    """405 or 419: the path does not take this HTTP method."""

    advice = "check the HTTP method and the path"


class UnprocessableError(APIStatusError):
    """422: the server's validation failed.

    `errors` maps the server's field names to its messages; it is empty if the server named none.
    """

    advice = "correct the fields named, or check all of them if none is"

    def __init__(
        self,
        message: str,
        *,
        errors: dict[str, list[str]] | None = None,
        **fields: Unpack[_StatusFields],
    ) -> None:
        super().__init__(message, **fields)
        self.errors = errors or {}

    @property
    def said(self) -> str:
        """Return what happened, in words: without the call, and without advice."""
        named = "; ".join(
            f"{field}: {text}" for field, all_ in self.errors.items() for text in all_
        )
        return f"{super().said} ({named})" if named else super().said


class RateLimitError(APIStatusError):
    """429: too many calls."""

    advice = "try again later, or set max_calls_per_second below the server's limit"


class ServerError(APIStatusError):
    """5xx: the server, or a gateway before it, failed."""

    advice = "try again later"
