"""What a lost request says, and how many attempts make sense after it."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from propq_async._http.exceptions import lost_on_the_way, ran_out_of_time
from propq_async._http.transport import Attempt
from propq_async._wire.messages import Lost

# What aiohttp tells of a connection, of which only host and port are shown.
KEY: Any = ConnectionKey("api.propq.com", 443, True, True, None, None, None)  # noqa: FBT003 - no names
REQUEST = aiohttp.RequestInfo(URL("https://x/"), "GET", CIMultiDictProxy(CIMultiDict()))


def attempt(*, sent: bool = False, stale: bool = False) -> Attempt:
    made = Attempt()
    made.sent, made.stale = sent, stale
    return made


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def certificate_error(verify_code: int) -> aiohttp.ClientConnectorCertificateError:
    error = ssl.SSLCertVerificationError(1, "bad")
    error.verify_code = verify_code
    return aiohttp.ClientConnectorCertificateError(KEY, error)


def proxy_error(status: int) -> aiohttp.ClientHttpProxyError:
    return aiohttp.ClientHttpProxyError(REQUEST, (), status=status, message="No")


@pytest.mark.parametrize(
    ("error", "worth_attempts", "advice"),
    [
        (OSError("unreachable"), None, ""),
        (aiohttp.ClientConnectorError(KEY, OSError("refused")), None, ""),
        (aiohttp.ClientConnectorDNSError(KEY, OSError("no such name")), 2, "check the host name"),
        (certificate_error(62), 1, "for another host"),
        (certificate_error(64), 1, "for another host"),
        (certificate_error(9), 1, "check the clock"),
        (certificate_error(10), 1, "check the clock"),
        (certificate_error(18), 1, "no known authority"),
        (aiohttp.ClientConnectorSSLError(KEY, ssl_error("HTTP_REQUEST")), 1, "not speak TLS"),
        (ssl_error("WRONG_VERSION_NUMBER"), 1, "not speak TLS"),
        (ssl_error("NO_CIPHERS_AVAILABLE"), 1, "in common"),
        (ssl_error("UNEXPECTED_EOF"), None, ""),
        (proxy_error(407), 1, "wants a login"),
        (proxy_error(403), 1, "does not let this through"),
        (proxy_error(408), None, ""),
        (proxy_error(429), None, ""),
        (proxy_error(502), None, ""),
    ],
)
def test_what_cannot_change_is_not_worth_many_attempts(
    error: Exception, worth_attempts: int | None, advice: str
) -> None:
    lost = lost_on_the_way(attempt(), error)
    assert lost.reason.startswith("there is no connection: ")
    assert (lost.sent, lost.worth_attempts, lost.final) == (False, worth_attempts, False)
    assert advice in lost.advice
    assert bool(lost.advice) is bool(advice)


def test_a_request_that_was_sent_is_worth_every_attempt() -> None:
    lost = lost_on_the_way(attempt(sent=True), certificate_error(10))
    assert lost.reason.startswith("the connection was lost: ")
    assert (lost.sent, lost.worth_attempts, lost.advice) == (True, None, "")


def test_a_stale_connection_is_said_to_be_one() -> None:
    assert lost_on_the_way(attempt(stale=True), aiohttp.ServerDisconnectedError()).stale


def test_half_a_head_is_not_shown() -> None:
    head: Any = {"X-Echo": "t0ken"}
    lost = lost_on_the_way(attempt(sent=True), aiohttp.ServerDisconnectedError(head))
    assert lost.reason == (
        "the connection was lost: the server disconnected in the middle of its answer"
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LineTooLong(b"X", 65_536), "the answer's headers are larger than 65,536 bytes"),
        (BadHttpMessage("Too many headers"), "the answer has too many headers"),
    ],
)
def test_too_large_a_head_is_final_wherever_it_is_found(error: Exception, reason: str) -> None:
    outer = aiohttp.ClientError()
    outer.__cause__ = error
    for found in (error, outer):
        assert lost_on_the_way(attempt(sent=True), found) == Lost(reason, sent=True, final=True)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (proxy_error(407), "the proxy answered 407 No"),
        (aiohttp.InvalidURL("http://me:s3cret@x"), "a URL is not valid"),
        (aiohttp.ClientResponseError(REQUEST, (), message="s3cret"), "the answer is not HTTP"),
        (BadHttpMessage("s3cret"), "the answer is not HTTP"),
        (aiohttp.ServerDisconnectedError(), "Server disconnected"),
        (
            aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
            "Cannot connect to host api.propq.com:443 [refused]",
        ),
        (
            aiohttp.ClientConnectorDNSError(KEY, OSError("no such name")),
            "Cannot connect to host api.propq.com:443 [no such name]",
        ),
        (certificate_error(18), "Cannot connect to host api.propq.com:443 [bad]"),
        (OSError(), "OSError"),
        (
            aiohttp.ClientOSError(None, "Can not write request body for https://x/?q=s3cret"),
            "it was closed while the request was being sent",
        ),
        (aiohttp.ClientOSError(None, "gone"), "gone"),
        (aiohttp.ClientOSError(104, "gone"), "[Errno 104] gone"),
        (OSError("a\n b"), "a b"),
    ],
)
def test_a_loss_says_why_without_what_was_sent(error: Exception, words: str) -> None:
    assert lost_on_the_way(attempt(), error).reason == f"there is no connection: {words}"


@pytest.mark.parametrize(("sent", "what"), [(False, "connection"), (True, "answer")])
def test_a_timeout_says_what_did_not_come(what: str, *, sent: bool) -> None:
    lost = ran_out_of_time(attempt(sent=sent), 2.5)
    assert lost == Lost(f"no {what} within 2.5 s", sent, timed_out=True)
