"""Everything that can go wrong, as plain values.

PropQError
├── ConfigurationError (ValueError)      the settings cannot work
├── InvalidUpdateError (ValueError)      an update that must not be sent
├── PriceListError (ValueError)          a price list that cannot be read
├── UnconfirmedError                     a price list that needs a yes before it is pushed
├── LedgerError                          the ledger cannot be used
│   └── LedgerBusyError                  ... since another push is using it
├── TokenError                           no access token
│   ├── TokenRefusedError                the token endpoint refused the credentials
│   └── TokenUnavailableError            the token endpoint gave no usable answer
└── APIError                             a call failed
    ├── APIConnectionError               no complete answer
    │   └── APITimeoutError              ... in time
    ├── SupersededError                  a newer update of the unit has taken its place
    ├── UnexpectedResponseError          a 2xx that is not a success
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

An error can be pickled, copied and printed. It holds no response object, no headers, no secret and
no token. No exception of the HTTP library is chained to it: the message includes what that said.
Control characters and other invisible ones are escaped in texts from a server. Only `body` keeps
its lines.

This is one long module, since it is a list of plain classes: whoever looks for an error, or wants
to know what it tells, has one place to look at.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict, TypeVar, Unpack

from propq_async._messages import joined, tr

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "InvalidUpdateError",
    "LedgerBusyError",
    "LedgerError",
    "NotFoundError",
    "PermissionDeniedError",
    "PriceListError",
    "PropQError",
    "RateLimitError",
    "RedirectError",
    "ServerError",
    "SupersededError",
    "TokenError",
    "TokenRefusedError",
    "TokenUnavailableError",
    "UnconfirmedError",
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

    `message` says what happened. `may_have_been_applied` is `True` if the call may have taken
    effect on the server in spite of this error. `is_retryable` is `True` if the same may succeed
    later, without anybody changing anything. `unit` is the development id and the name of the unit
    that was to be updated, `None` elsewhere.
    """

    may_have_been_applied = False
    is_retryable: bool = False
    unit: tuple[str, str] | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    # Exception.__reduce__ calls the class with `args` only, which fails if a keyword is required.
    # A deep copy has no traceback and shares nothing: each of many waiters can raise one.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, self.__dict__.copy())


class ConfigurationError(PropQError, ValueError):
    """A setting is missing or cannot work. The message names it."""


class InvalidUpdateError(PropQError, ValueError):
    """An update that must not be sent.

    `errors` has every problem at once, by the name of the field of `UnitUpdate`.
    """

    def __init__(self, errors: dict[str, list[str]]) -> None:
        problems = joined(
            "; ",
            (joined(": ", (field, text)) for field, texts in errors.items() for text in texts),
        )
        super().__init__(tr("the update is not valid: {problems}").format(problems=problems))
        self.errors = errors


class PriceListError(PropQError, ValueError):
    """A price list that cannot be read at all. The message says what to do about it."""


class UnconfirmedError(PropQError):
    """A plan has warnings that nobody has accepted, so nothing was sent.

    `warnings` has their texts by kind. Once a person has looked at them, `accept=error.warnings`
    says yes to these kinds.
    """

    def __init__(self, message: str, *, warnings: dict[str, list[str]]) -> None:
        super().__init__(message)
        self.warnings = warnings


class LedgerError(PropQError):
    """The ledger cannot be used. The message says what to do."""


class LedgerBusyError(LedgerError):
    """Another push is using the ledger.

    `process_id` is the process, `None` if it is not known. `host` is the computer that it runs on,
    `None` for a ledger in a file.
    """

    is_retryable: bool = True

    def __init__(self, message: str, *, process_id: int | None, host: str | None = None) -> None:
        super().__init__(message)
        self.process_id = process_id
        self.host = host


class TokenError(PropQError):
    """There is no access token for the call."""


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
    `worth_attempts` is how many make sense where no retry can help, `None` where one may.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        attempts: int = 0,
        worth_attempts: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.attempts = attempts
        self.worth_attempts = worth_attempts
        self.is_retryable: bool = worth_attempts is None


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

    advice: str = ""
    """What to do about it. It is part of `str()`."""

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
        of_unit = tr(" (unit {unit!r})").format(unit=self.unit[1]) if self.unit else ""
        parts: list[str] = [self.method, " ", self.url, of_unit, ": ", self.said]
        if self.attempts > 1:
            parts.append(tr(" (after {attempts} attempts)").format(attempts=self.attempts))
        if self.advice:
            parts += [" - ", self.advice]
        if self.may_have_been_applied:
            parts.append(tr(" [it may have been applied]"))
        return joined("", parts)

    @property
    def said(self) -> str:
        """Return what happened, without the call and without advice."""
        return self.message


class APIConnectionError(APIError):
    """There was no complete answer: no connection, or one that broke."""

    is_retryable: bool = True
    advice: str = tr("check the network, the proxy and the base URL")


class APITimeoutError(APIConnectionError):
    """There was no complete answer in time."""

    advice: str = tr(
        "check the network, or give it more time (timeout_seconds, total_timeout_seconds)"
    )


class SupersededError(APIError):
    """A newer update of the same unit has taken the place of this one, which is not sent (again).

    `attempts` says how often it was sent, and `may_have_been_applied` is about these attempts.
    """

    advice: str = tr("what the newer update sets is what counts")


class UnexpectedResponseError(APIError):
    """A 2xx with a body that is not the body of a success.

    `status` is the HTTP status and `body` the beginning of the body as text.
    """

    advice: str = tr("check that the base URL is the API's, not a web page's or a proxy's")

    def __init__(
        self, message: str, *, status: int, body: str = "", **call: Unpack[_CallFields]
    ) -> None:
        super().__init__(message, **call)
        self.status = status
        self.body = body

    @property
    def said(self) -> str:
        """Return what happened, without the call and without advice."""
        return tr("{status}, but {message}").format(status=self.status, message=self.message)


class APIStatusError(APIError):
    """The server answered with a status other than 2xx.

    `status` is the HTTP status, `message` what the server said (the status's standard phrase if it
    said nothing), `body` the beginning of the body as text, `retry_after_seconds` what the server
    asked to wait, counted from its answer and not cut short, and `request_id` its `X-Request-Id`;
    the last two are `None` if it sent none.
    """

    advice: str = tr("that is all the server said: ask Resales Online what it means")

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
        """Return what happened, without the call and without advice."""
        asked = self.retry_after_seconds
        wait = (
            "" if asked is None else tr("; the server asks to wait {asked:g} s").format(asked=asked)
        )
        return joined("", (str(self.status), " ", self.message, wait))


class RedirectError(APIStatusError):
    """3xx. No redirect is followed: `location` is where it pointed, `None` if nowhere."""

    advice: str = tr(
        "the API never redirects: check the base URL, and whether a proxy strips "
        "the headers Content-Type or Accept"
    )

    def __init__(
        self, message: str, *, location: str | None = None, **fields: Unpack[_StatusFields]
    ) -> None:
        super().__init__(message, **fields)
        self.location = location

    @property
    def said(self) -> str:
        """Return what happened, without the call and without advice."""
        return tr("{said} (Location: {location})").format(
            said=super().said, location=self.location or tr("none")
        )


class BadRequestError(APIStatusError):
    """400: the server could not process the request."""

    advice: str = tr("check the development id and the values of the update")


class AuthenticationError(APIStatusError):
    """401: the access token was refused, and so was a new one, or there was no new one."""

    advice: str = tr(
        "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET, and with Resales Online "
        "that this client is still active"
    )


class PermissionDeniedError(APIStatusError):
    """403: these credentials may not make this call."""

    advice: str = tr("check that the development belongs to this client")


class NotFoundError(APIStatusError):
    """404: no such development, unit or path."""

    advice: str = tr(
        "check the development id and the unit name: the name must match exactly, "
        "spaces and case included"
    )


class WrongMethodError(APIStatusError):
    """405 or 419: the path does not take this HTTP method."""

    advice: str = tr("check the HTTP method and the path")


class UnprocessableError(APIStatusError):
    """422: the server's validation failed.

    `errors` maps the server's field names to its messages; it is empty if the server named none.
    """

    advice: str = tr("correct the fields that it names, or check all if it names none")

    def __init__(
        self,
        message: str,
        *,
        errors: dict[str, list[str]] | None = None,
        **fields: Unpack[_StatusFields],
    ) -> None:
        super().__init__(message, **fields)
        self.errors: dict[str, list[str]] = errors or {}

    @property
    def said(self) -> str:
        """Return what happened, without the call and without advice."""
        named = "; ".join(
            f"{field}: {text}" for field, all_ in self.errors.items() for text in all_
        )
        return joined("", (super().said, " (", named, ")")) if named else super().said


class RateLimitError(APIStatusError):
    """429: too many calls."""

    is_retryable: bool = True
    advice: str = tr("try again later, or set max_calls_per_second below the server's limit")


class ServerError(APIStatusError):
    """5xx: the server, or a gateway before it, failed."""

    is_retryable: bool = True
    advice: str = tr("try again later")
