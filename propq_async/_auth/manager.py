"""The token manager: one token for everybody, one request for it at a time.

The manager has a current token or none. `lifetime` tells when the token is fresh, ageing or
expired, `refusals` what becomes of it when the server refuses it, and `single_flight` how one
request serves all callers:

    fresh     the token is served
    ageing    the token is served, and a flight is started that nobody waits for
    expired   callers wait for the flight
    refused   callers wait for the flight; unless too many tokens were refused lately for one more
              request: then the flight only looks into the store, and the refused token stays if
              there is no other
"""

from __future__ import annotations

import asyncio
import copy
import random as _random
from collections.abc import Callable
from typing import Any, Final

from propq_async._http.pool import AskToken, ask_token_once
from propq_async._process_bound import Unpicklable
from propq_async._settings import check_at_least, check_base_url
from propq_async._waiting import finish
from propq_async.clock import Clock
from propq_async.config import BASE_URL, TIMEOUT_SECONDS, TOKEN_PATH
from propq_async.credentials import Credentials, Token, TokenKey
from propq_async.retry import RetryPolicy

from .fetching import Fetcher
from .guarded_store import GuardedStore
from .refused_secret import RefusedSecret
from .secret_reader import SecretReader
from .single_flight import Flight, Flights, Outcome, Progresses, landed
from .state import Cause, TokenState
from .stores import LOCK_MARGIN_SECONDS, TokenStore

# Rounding may leave next to nothing to wait for.
LEAST_WAIT_SECONDS: Final = 0.05


class TokenManager(Unpicklable):
    """Fetches, shares, renews and remembers the access token of one client.

    It may be made outside of an event loop, and used in several: one after another, or at the same
    time in threads.

    Example::

        tokens = TokenManager(Credentials(42, "secret"), store=JsonFileTokenStore("token.json"))
        token = await tokens.get_token()
        headers = {"Authorization": f"{token.token_type} {token.access_token}"}

    Args:
        credentials: the client's.
        token_url: the token endpoint; https, unless its host is loopback.
        store: where tokens outlive the process and are shared with others; `None` for memory.
        timeout_seconds: for one token request.
        retry: attempts and delays of one flight, for all who wait for it; after the total time no
            further attempt is begun.
        clock: where time comes from.
        random: a source of [0, 1) for jitter.
        ask: how a token request is made; by default over a connection of its own.

    Raises:
        ConfigurationError: a setting cannot work.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        token_url: str = BASE_URL + TOKEN_PATH,
        store: TokenStore | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        clock: Clock = Clock(),  # noqa: B008 - frozen
        random: Callable[[], float] = _random.random,
        ask: AskToken = ask_token_once,
    ) -> None:
        check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)
        self._credentials = credentials
        self._token_url = check_base_url(token_url, name="token_url")
        lock_seconds = timeout_seconds + LOCK_MARGIN_SECONDS
        guarded: GuardedStore | None = None
        if store is not None:
            key = TokenKey(self._token_url, credentials.client_id)
            guarded = GuardedStore(store, key, lock_seconds=lock_seconds, monotonic=clock.monotonic)
        self._wall = clock.wall
        self._monotonic = clock.monotonic
        self._state = TokenState(clock, random, has_store=store is not None)
        # The token of the last call that the server took.
        self._working: Token | None = None
        # One attempt may cost the time of the store's lock twice: once for the lock itself, and
        # once for the request.
        self._flights = Flights(clock.monotonic, step_seconds=2 * lock_seconds)
        self._fetcher = Fetcher(
            secrets=SecretReader(credentials),
            token_url=self._token_url,
            state=self._state,
            store=guarded,
            timeout_seconds=timeout_seconds,
            retry=retry,
            clock=clock,
            random=random,
            ask=ask,
            refused_secret=RefusedSecret(clock.monotonic),
        )

    def __repr__(self) -> str:
        # A traceback with locals also shows an object whose constructor has refused.
        token_url = getattr(self, "_token_url", None)
        client_id = self._credentials.client_id if token_url else None
        return f"{type(self).__name__}(client_id={client_id}, token_url={token_url!r})"

    @property
    def refreshes(self) -> int:
        """Return how many tokens it has fetched from the token endpoint so far."""
        return self._fetcher.refreshes

    @property
    def current(self) -> Token | None:
        """Return the token that it has now, `None` if it has none yet. It may have expired."""
        timed = self._state.current
        return None if timed is None else timed.token

    async def get_token(self) -> Token:
        """Return a token that can be used now.

        Raises:
            TokenRefusedError: the token endpoint refused the credentials.
            TokenUnavailableError: it gave no usable answer, in spite of retries.
            ConfigurationError: the proxy that the environment names cannot be used.
        """
        return self._cached_token() or await self._get_token()

    async def refresh(self) -> Token:
        """Return a token that is fetched now, or by the flight that is already under way.

        Raises:
            PropQError: as `get_token`.
        """
        while True:
            token = await self._join("forced")
            # The flight under way may have been one that kept what was refused.
            if token not in self._state.refusals:
                return token

    def invalidate(self, token: Token) -> None:
        """Take note that the server refused this token. No I/O.

        If it is the current one it is dropped, and the next caller waits for another. If too many
        were refused lately it stays, since a new one would fare no better, until somebody else has
        left another one in the store.
        """
        self._state.refuse(token)

    async def aclose(self) -> None:
        """Cancel the flight of this event loop, if there is one, and wait until it has ended.

        The manager remains usable.
        """
        flight = self._detach()
        if flight is not None:
            await finish(asyncio.wait((flight,)))

    def _cached_token(self) -> Token | None:
        """Return the current token if it is fresh: two clock reads and two comparisons.

        For each call. `TimedToken.is_fresh` says the same, for a caller that has time.
        """
        current = self._state.current
        # Variables, since to call an attribute takes longer.
        wall, monotonic = self._wall, self._monotonic
        if (
            current is not None
            and wall() < current.soft_wall
            and monotonic() < current.soft_monotonic
        ):
            return current.token
        return None

    def _worked(self, token: Token) -> None:
        """Take note that the server took a call with this token, if `_working` is another."""
        self._working = token
        self._state.refusals.worked(token)

    def _are_credentials_proven(self, refused: Token) -> bool:
        """Return whether the refused token, or the one that took its place, has worked."""
        state = self._state
        tokens = [refused] if state.current is None else [refused, state.current.token]
        return any(map(state.refusals.has_worked, tokens))

    def _seconds_until_another(self) -> float:
        """Return how long it takes until a refused token may be replaced."""
        return max(LEAST_WAIT_SECONDS, self._state.refusals.seconds_until_one_more())

    def _detach(self) -> asyncio.Task[Any] | None:
        """Cancel the flight of this event loop and return it. The next caller starts another."""
        return self._flights.detach()

    async def _get_token(self) -> Token:
        while True:
            offer = self._state.offer()
            if isinstance(offer, Token):
                if self._flights.under_way() is None and self._state.answer(ahead=True) is None:
                    self._start("ahead of expiry")
                return offer
            token = await self._join(offer)
            # It may have been refused between its landing and our turn.
            if self._state.stays(token):
                return token

    async def _join(self, cause: Cause) -> Token:
        flight = self._flights.under_way()
        if flight is None:
            error = self._state.answer()
            if error is not None:
                raise copy.deepcopy(error)
            flight = self._start(cause)
        return await landed(flight)

    def _start(self, cause: Cause) -> Flight:
        before = self._state.current

        async def work(progresses: Progresses) -> Outcome:
            settled = self._state.settled(cause, before)
            return settled or await self._fetcher.bring(cause, progresses)

        return self._flights.start(work)
