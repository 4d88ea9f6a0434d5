"""What `propq doctor` finds out by one token request: proxy, endpoint, TLS, secret and clock."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import ClassVar, Final

import attrs

from propq_async import AsyncPropQ, Credentials, PropQError, RetryPolicy, Token, TokenManager
from propq_async._http.pool import AskToken
from propq_async._messages import tr
from propq_async._wire.messages import Lost, Reply
from propq_async.config import TOKEN_PATH
from propq_async.errors import ConfigurationError

from .client import connect, explained
from .doctor_findings import Finding, ok, unknown, wrong
from .exit_codes import Exit

__all__ = ["Server", "examine_server"]

TIMEOUT_SECONDS: Final = 15.0

# A certificate or a token is worth nothing to a clock that is far off; a little matters to nobody.
MAX_SKEW_SECONDS: Final = 60.0
_OF_THE_SECRET: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
_BUSY: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_OF_TLS: Final = re.compile("certificate|TLS")
_NO_ANSWER: Final = tr("the server gave no answer")


async def examine_server(credentials: Credentials, *, no_proxy: bool) -> list[Finding]:
    """Fetch a token that nobody keeps, so that the secret is proved and not a cached token."""
    try:
        propq = connect(credentials, no_proxy=no_proxy, token_store=None, shared_limiter=None)
        proxy = propq.proxy
    except ConfigurationError as error:
        others = [unknown(name, tr("it needs the proxy")) for name in Server.CHECKS[1:]]
        return [wrong("proxy", str(error)), *others]
    witness = _Witness(propq._owner.ask_token)  # noqa: SLF001 - for the commands, not for users
    async with propq:
        tokens = TokenManager(
            credentials,
            token_url=propq.base_url + TOKEN_PATH,
            timeout_seconds=TIMEOUT_SECONDS,
            retry=RetryPolicy(attempts=1),
            ask=witness.ask,
        )
        outcome: Token | PropQError
        try:
            outcome = await tokens.refresh()
        except PropQError as error:
            outcome = error
    return list(Server(propq, proxy, witness, outcome).findings())


class _Witness:
    """Makes a token request as the client does, and remembers what is not secret of its answer."""

    def __init__(self, ask: AskToken) -> None:
        self._ask = ask
        self.lost: Lost | None = None
        self.status: int | None = None
        self.date = ""
        self.seconds = 0.0
        self.answered_at = 0.0

    async def ask(self, url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
        began = time.monotonic()
        answer = await self._ask(url, credentials, timeout_seconds)
        self.seconds = time.monotonic() - began
        self.answered_at = time.time()
        if isinstance(answer, Lost):
            self.lost = answer
        else:
            self.status = answer.status
            self.date = answer.headers.get("Date", "")
        return answer


@attrs.frozen
class Server:
    """The answer of the token endpoint, and what it says about each thing on the way."""

    CHECKS: ClassVar[tuple[str, ...]] = ("proxy", "token endpoint", "TLS", "secret", "clock")

    propq: AsyncPropQ
    proxy: str | None
    witness: _Witness
    outcome: Token | PropQError

    def findings(self) -> Iterator[Finding]:
        """Yield one finding for each of the `CHECKS`."""
        yield self._proxy()
        yield self._endpoint()
        yield self._tls()
        yield self._secret()
        yield self._clock()

    def _proxy(self) -> Finding:
        if self.proxy is None:
            return ok("proxy", tr("none is used"))
        if self._is_stopped_by_proxy:
            return wrong("proxy", self._said)
        return ok("proxy", tr("{proxy}; --no-proxy goes without it").format(proxy=self.proxy))

    def _endpoint(self) -> Finding:
        check, witness = "token endpoint", self.witness
        if not self._was_asked:
            return unknown(check, tr("no request was made, see secret"))
        if self._is_stopped_by_proxy:
            return unknown(check, tr("the proxy does not let this through"))
        if isinstance(self.outcome, PropQError) and not self._is_about_secret:
            return wrong(check, self._said, self._status)
        return ok(
            check,
            tr("{base_url}{token_path} answered in {seconds:.2f} s").format(
                base_url=self.propq.base_url, token_path=TOKEN_PATH, seconds=witness.seconds
            ),
        )

    def _tls(self) -> Finding:
        if not self.propq.base_url.startswith("https:"):
            return ok("TLS", tr("not used: the server is on this computer"))
        lost = self.witness.lost
        if lost is not None and _OF_TLS.search(lost.advice):
            paths = ssl.get_default_verify_paths()
            trusted = paths.cafile or paths.capath or "none"
            return wrong(
                "TLS",
                tr(
                    "{reason}; the trusted authorities are those in {trusted}; SSL_CERT_FILE "
                    "can name a file with others, such as that of a proxy of your company that "
                    "reads along"
                ).format(reason=lost.reason, trusted=trusted),
            )
        if self.witness.status is None or self._is_stopped_by_proxy:
            return unknown("TLS", _NO_ANSWER)
        return ok("TLS", tr("the server's certificate is trusted"))

    def _secret(self) -> Finding:
        if isinstance(self.outcome, Token):
            return ok("secret", tr("the server takes it"))
        if self._is_about_secret or not self._was_asked:
            return wrong("secret", self._said)
        return unknown("secret", _NO_ANSWER)

    def _clock(self) -> Finding:
        try:
            server = parsedate_to_datetime(self.witness.date).timestamp()
        except ValueError:
            stated = tr("the server stated no time")
            return unknown("clock", _NO_ANSWER if self.witness.status is None else stated)
        ahead = self.witness.answered_at - server
        if abs(ahead) <= MAX_SKEW_SECONDS:
            return ok("clock", tr("as the server's"))
        how = tr("ahead of") if ahead > 0 else tr("behind")
        off = timedelta(seconds=round(abs(ahead)))
        return wrong(
            "clock",
            tr("this computer's is {off} {how} the server's: set it").format(off=off, how=how),
        )

    @property
    def _status(self) -> Exit:
        """Return whether to try again later, or to look for another address."""
        status = self.witness.status
        is_passing = status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Exit.STOPPED if is_passing or status in _BUSY else Exit.UNUSABLE

    @property
    def _said(self) -> str:
        return explained(self.outcome, self.propq) if isinstance(self.outcome, PropQError) else ""

    @property
    def _was_asked(self) -> bool:
        return self.witness.status is not None or self.witness.lost is not None

    @property
    def _is_stopped_by_proxy(self) -> bool:
        lost = self.witness.lost
        asks = self.witness.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        return asks or (lost is not None and "the proxy answered" in lost.reason)

    @property
    def _is_about_secret(self) -> bool:
        """Return whether the endpoint said yes or no to the credentials."""
        return isinstance(self.outcome, Token) or self.witness.status in _OF_THE_SECRET
