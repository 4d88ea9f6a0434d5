"""How the next token is brought: from the store if somebody else left one, else from the endpoint.

The log records that end a flight can be counted: they have the attributes `propq_event` ("fetched",
"adopted" from the store, "failed"), `propq_cause` (why the flight was started),
`propq_duration_seconds` and `propq_attempts`.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import attrs

from propq_async._http.pool import AskToken
from propq_async._messages import tr
from propq_async._wire.messages import Lost
from propq_async._wire.oauth import read_token
from propq_async.clock import Clock
from propq_async.credentials import Credentials, Token
from propq_async.errors import ConfigurationError, PropQError, TokenUnavailableError
from propq_async.retry import RetryPolicy

from .failures import retry_delay
from .guarded_store import GuardedStore
from .lifetime import TimedToken
from .refused_secret import RefusedSecret
from .secret_reader import SecretReader
from .single_flight import Outcome, Progresses
from .state import Cause, TokenState, expired_on_arrival

logger = logging.getLogger("propq_async.tokens")

# How long a token request may take, at least, after a source of the secret that took its time.
LEAST_REQUEST_SECONDS: Final = 1.0

Event: TypeAlias = Literal["fetched", "adopted", "kept"]


@attrs.define(kw_only=True, eq=False, repr=False)
class Fetcher:
    """Brings tokens into a `TokenState`, for one flight at a time.

    The arguments are those of `TokenManager`; `secrets` reads its credentials. `refreshes` counts
    the tokens that were fetched from the endpoint.
    """

    secrets: SecretReader
    token_url: str
    state: TokenState
    store: GuardedStore | None
    timeout_seconds: float
    retry: RetryPolicy
    clock: Clock
    random: Callable[[], float]
    ask: AskToken
    refused_secret: RefusedSecret
    refreshes: int = attrs.field(default=0, init=False)

    async def bring(self, cause: Cause, progresses: Progresses) -> Outcome:
        """Return the next token, or the error that all attempts ended in.

        `progresses` is told before each further attempt, with the seconds until it begins.
        """
        started = self.clock.monotonic()
        attempts = 0
        if self.store is not None:
            self.store.begin()
        while True:
            attempts += 1
            event, outcome = await self._attempt(cause)
            elapsed = self.clock.monotonic() - started
            if isinstance(outcome, TimedToken):
                # Once more, since the store may have taken its time.
                if not outcome.is_expired(self.state.now()):
                    if event != "kept":
                        self._arrived(event, outcome.token, cause, attempts, elapsed)
                    return outcome.token
                outcome = expired_on_arrival()
            delay = retry_delay(
                outcome, self.retry, attempts=attempts, elapsed=elapsed, random=self.random
            )
            if delay is None:
                return self._failed(outcome, cause, attempts, elapsed)
            # One warning for several failures in a row.
            first = attempts == 1 and self.state.failure is None
            level = logging.WARNING if first else logging.DEBUG
            logger.log(
                level, "token request %d failed, next in %.2f s: %s", attempts, delay, outcome
            )
            progresses(delay)
            await self.clock.sleep(delay)

    async def _attempt(self, cause: Cause) -> tuple[Event, TimedToken | PropQError]:
        """Look for a token that somebody else has fetched, or else fetch one."""
        if self.store is None:
            return "fetched", await self._fetch(cause)
        adopted = await self._adopt(self.store, cause)
        if adopted is not None:
            return "adopted", adopted
        retained = self.state.retained() if cause == "refused" else None
        if retained is not None:
            return "kept", retained
        async with self.store.lock():
            # The previous holder of the lock may have left what we need.
            adopted = await self._adopt(self.store, cause)
            if adopted is not None:
                return "adopted", adopted
            interval = self.state.refusals.interval_seconds
            if cause == "refused" and not await self.store.may_replace(interval):
                retained = self.state.exhaust()
                if retained is not None:
                    return "kept", retained
            outcome = await self._fetch(cause)
            if isinstance(outcome, TimedToken):
                await self.store.save(outcome.token)
                if cause == "refused":
                    await self.store.replaced(interval)
            return "fetched", outcome

    async def _adopt(self, store: GuardedStore, cause: Cause) -> TimedToken | None:
        token = None if cause == "forced" else await store.load()
        return None if token is None else self.state.adopt(token)

    async def _fetch(self, cause: Cause) -> TimedToken | PropQError:
        began = self.clock.monotonic()
        credentials = await self.secrets.read(self.timeout_seconds)
        if isinstance(credentials, PropQError):
            return credentials
        refused = None if cause == "forced" else await self._refused(credentials)
        if refused is not None:
            return refused
        asked_at = self.state.now()
        known_refusals = self.state.refusals.known()
        # The lock of the store is held meanwhile, so both share the timeout.
        left = max(
            self.timeout_seconds - (asked_at.monotonic - began),
            min(LEAST_REQUEST_SECONDS, self.timeout_seconds),
        )
        try:
            reply = await self.ask(self.token_url, credentials, left)
        except ConfigurationError as error:  # a proxy of the environment, for example
            return copy.deepcopy(error)
        if isinstance(reply, Lost):
            return TokenUnavailableError(
                tr("the token endpoint {token_url} gave no answer: {reason}; ").format(
                    token_url=self.token_url, reason=reply.reason
                )
                + (reply.advice or tr("check the network, the proxy and the base URL")),
                worth_attempts=1 if reply.final else reply.worth_attempts,
            )
        outcome = read_token(
            reply, asked_at=asked_at.wall, credentials=credentials, origin=self.secrets.origin
        )
        self.refused_secret.note(credentials, outcome)
        if isinstance(outcome, PropQError):
            if self.store is not None and self.store.shares_refusals:
                refusal = await self.refused_secret.to_tell(credentials)
                if refusal is not None:
                    await self.store.tell_refusal(refusal)
            return outcome
        return self.state.accept(outcome, asked_at, known_refusals, cause)

    async def _refused(self, credentials: Credentials) -> PropQError | None:
        """Return what this process, or another one, was told a moment ago of these credentials."""
        answer = self.refused_secret.answer(credentials)
        if answer is not None or self.store is None:
            return answer
        refusal = await self.store.refusal()
        if refusal is not None:
            await self.refused_secret.told(credentials, refusal, self.secrets.origin)
        return self.refused_secret.answer(credentials)

    def _arrived(
        self, event: Event, token: Token, cause: Cause, attempts: int, duration: float
    ) -> None:
        self.state.failure = None
        if event == "fetched":
            self.refreshes += 1
        logger.info(
            "%s a token in %.2f s (%s); it expires at %s",
            "took over from the store" if event == "adopted" else "fetched",
            duration,
            cause,
            token.expires_at.isoformat(timespec="seconds"),
            extra=_extra(event, cause, attempts, duration),
        )

    def _failed(
        self, error: PropQError, cause: Cause, attempts: int, duration: float
    ) -> PropQError:
        if isinstance(error, TokenUnavailableError):
            error.attempts = attempts
        failure = self.state.failed(error, self.retry)
        level = logging.WARNING if failure.streak == 1 else logging.DEBUG
        extra = _extra("failed", cause, attempts, duration)
        logger.log(level, "no new token (%s): %s", cause, error, extra=extra)
        return error


def _extra(
    event: Event | Literal["failed"], cause: Cause, attempts: int, duration: float
) -> dict[str, str | int | float]:
    return {
        "propq_event": event,
        "propq_cause": cause,
        "propq_attempts": attempts,
        "propq_duration_seconds": duration,
    }
