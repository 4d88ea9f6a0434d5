"""Requests that end in an exception: what is lost, in words, and what an exception may show."""

from __future__ import annotations

import ssl
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from propq_async._messages import joined, tr
from propq_async._wire.advice import ASKS_FOR_LOGIN
from propq_async._wire.messages import Lost
from propq_async._wire.redaction import printable

from .transport import MAX_HEADER_BYTES, Attempt

_E = TypeVar("_E", bound=BaseException)

# The module from which aiohttp calls every trace hook, and nothing else.
_CALLS_HOOKS: Final = "aiohttp.tracing"

# The exceptions with which a request ends when it is lost.
LOSSES: Final = (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError)


class OutOfTimeError(Exception):
    """A request has reached its timeout."""


def ran_out_of_time(attempt: Attempt, timeout_seconds: float) -> Lost:
    what = tr("answer") if attempt.sent else tr("connection")
    return Lost(
        tr("no {what} within {timeout_seconds:g} s").format(
            what=what, timeout_seconds=timeout_seconds
        ),
        attempt.sent,
        timed_out=True,
    )


def lost_on_the_way(attempt: Attempt, error: Exception) -> Lost:
    """Return the loss of a request that ended in one of the `LOSSES`."""
    too_large = _too_large(error)
    if too_large is not None:
        return Lost(too_large, attempt.sent, final=True)
    what = tr("the connection was lost") if attempt.sent else tr("there is no connection")
    worth_attempts, advice = (None, "") if attempt.sent else _prospects(error)
    # The text may come from the server or a proxy.
    return Lost(
        joined(": ", (what, printable(_reason(error)))),
        attempt.sent,
        stale=attempt.stale,
        worth_attempts=worth_attempts,
        advice=advice,
    )


def _too_large(error: Exception) -> str | None:
    """Return in what way the head of the answer is too large, `None` if it is not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return tr("the answer's headers are larger than {most:,} bytes").format(
                most=MAX_HEADER_BYTES
            )
        if isinstance(cause, aiohttp.http.HttpProcessingError) and "Too many" in cause.message:
            return tr("the answer has too many headers")
        cause = cause.__cause__
    return None


# OpenSSL's reasons when the other side does not speak TLS (the second: from OpenSSL 3.2 on), and
# when it has no version or cipher in common with us.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})

_NO_COMMON_TLS: Final = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "NO_CIPHERS_AVAILABLE",
    }
)

# X509_V_ERR_* of OpenSSL.
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


def _prospects(error: Exception) -> tuple[int | None, str]:
    """Return how many attempts to connect make sense after this, and what to do about it."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _prospects_of_proxy(error.status)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return 2, tr("check the host name in the base URL, the proxy and the network")
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return 1, _advice_on_certificate(cause.verify_code)
    reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
    if reason in _NO_TLS:
        return 1, tr("check host and port of the base URL: the server there does not speak TLS")
    if reason in _NO_COMMON_TLS:
        return 1, tr(
            "server and client have no version or cipher of TLS in common: see ssl_context"
        )
    return None, ""


def _cause(error: Exception) -> Exception:
    """Return what kept aiohttp from connecting; the error itself if that is not what it says."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        # It is a ClientConnectorError, too, but one without `os_error` before aiohttp 3.14.
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _prospects_of_proxy(status: int) -> tuple[int | None, str]:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return 1, ASKS_FOR_LOGIN
    passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in passing:
        return 1, tr("the proxy does not let this through: check its URL and its rules")
    return None, ""


def _advice_on_certificate(verify_code: int) -> str:
    if verify_code in (_OTHER_HOST, _OTHER_ADDRESS):
        return tr("the certificate is for another host: check the base URL")
    if verify_code in (_EXPIRED, _NOT_YET_VALID):
        return tr("check the clock of this computer; the certificate may have to be renewed")
    return tr(
        "no known authority vouches for the certificate: check the base URL, or "
        "whether a proxy reads along, and give an ssl_context that trusts the "
        "right authority"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        # Its str() has "ssl:default" in it, for addresses without TLS as well.
        cause = _cause(error)
        why = getattr(cause, "strerror", None) or _words(cause)
        return tr("Cannot connect to host {host}:{port} [{why}]").format(
            host=error.host, port=error.port, why=why
        )
    return _words(error)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return tr("the proxy answered {status} {message}").format(
            status=error.status, message=error.message
        )
    if isinstance(error, aiohttp.InvalidURL):
        return tr("a URL is not valid")  # and may be one with a password
    # The str() of these shows the URL with its query, their repr() the headers with the token, and
    # their message what the server sent.
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http.HttpProcessingError):
        return tr("the answer is not HTTP")
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        # It holds the headers that had arrived, and a server may echo the token in one.
        return tr("the server disconnected in the middle of its answer")
    if isinstance(error, OSError) and error.errno is None and error.strerror:
        # str() would begin with "[Errno None]". aiohttp ends this one in the URL with its query.
        being_sent = error.strerror.startswith("Can not write request body")
        return (
            tr("it was closed while the request was being sent") if being_sent else error.strerror
        )
    return " ".join(str(error).split()) or type(error).__name__


def raised_by_hook(error: Exception) -> Exception | None:
    """Return the exception of a trace hook that is behind this one, `None` if there is none.

    A hook may raise any exception, also one of those that mean a lost connection or a timeout. Only
    its traceback tells them apart. aiohttp wraps some exceptions in its own.
    """
    cause: BaseException | None = error
    # The CancelledError behind a timeout may have hit a hook, but is not the hook's.
    while isinstance(cause, Exception):
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            if frame.f_globals.get("__name__") == _CALLS_HOOKS:
                return cause
        cause = cause.__cause__
    return None


def bare(error: _E) -> _E:
    """Return the exception without the frames it has passed through, and without its causes.

    aiohttp's frames hold the headers with the token, the form with the secret, and the password of
    the proxy; error trackers record the variables of all frames. A note says where the exception
    was raised, since it may come from a hook of the caller's.
    """
    if isinstance(error, Exception):
        place = traceback.extract_tb(error.__traceback__)[-1]
        error.add_note(f"raised in {place.name}, {Path(place.filename).name}:{place.lineno}")
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
