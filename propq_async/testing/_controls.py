"""What a test can ask the emulator, and what it can make go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ._faults import Match
from ._inventory import Units
from ._laravel import TOKEN_PATH
from ._limiter import DEFAULT_LIMIT, Limiter
from ._settings import Settings, set_version
from ._state import State
from ._validators import check_bool, check_count, check_positive, check_retry_after
from ._values import RecordedRequest, Unit

__all__ = ["Controls"]


def _limiter(calls: int | None, per_seconds: float) -> Limiter | None:
    check_positive("per_seconds", per_seconds)
    if calls is None:
        return None
    check_count("calls", calls)
    return Limiter(calls, per_seconds)


@attrs.define(eq=False, repr=False, kw_only=True)
class Controls(Settings):
    """The synchronous part of `PropQEmulator`, for any thread. It does no I/O."""

    _first_switches: dict[str, Any] = attrs.field(init=False)
    _state: State = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        set_version(self, None, self.validation_style)
        self._first_switches = self.switches
        self._state = State(self)

    # -- what it has -----------------------------------------------------------------------------

    @property
    def token_requests(self) -> int:
        """Return the number of requests that reached the token endpoint."""
        return self._state.token_requests

    @property
    def calls(self) -> int:
        """Return the number of requests that reached any other path of the API."""
        return self._state.calls

    @property
    def applied(self) -> int:
        """Return the number of updates that were applied."""
        return self._state.api.inventory.updates

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """Return the last 1,000 requests that were processed, the oldest first."""
        with self._state.lock:
            return self._state.request_log.entries()

    @property
    def units(self) -> Mapping[tuple[str, str], Unit]:
        """Return all units as they are now, by development id and name."""
        with self._state.lock:
            return Units(self._state.api.inventory.glances())

    def unit(self, development_id: str, name: str) -> Unit:
        """Return a unit as it is now.

        Raises:
            KeyError: there is no such development or unit.
        """
        with self._state.lock:
            return self._state.api.inventory.unit(development_id, name)

    def add_development(self, development_id: str, *, foreign: bool = False) -> None:
        """Add a development.

        Args:
            development_id: its id.
            foreign: whether it belongs to another client, so that updates of its units get a 403.
        """
        with self._state.lock:
            self._state.api.inventory.add_development(development_id, foreign=foreign)

    def add_unit(
        self,
        development_id: str,
        name: str,
        *,
        status: int = 1,
        price: float = 100_000,
        directions: Sequence[str] = ("N",),
    ) -> Unit:
        """Add a unit, and its development if there is none. A unit of that name is replaced.

        Raises:
            ValueError: the server could not have a unit like this.
        """
        with self._state.lock:
            inventory = self._state.api.inventory
            return inventory.add_unit(development_id, name, status, price, directions)

    # -- what goes wrong -------------------------------------------------------------------------

    def revoke_tokens(self) -> None:
        """Make the server refuse every token that it has issued."""
        with self._state.lock:
            self._state.tokens.revoke()

    def expire_tokens(self) -> None:
        """Let every token that was issued expire now. On the wire it looks like a revocation."""
        with self._state.lock:
            self._state.tokens.expire()

    def throttle(self, calls: int | None, per_seconds: float = 60.0) -> None:
        """Allow so many authenticated calls in each window of time; `None` allows any number.

        A window begins with the first call after the previous window has ended.
        """
        limiter = _limiter(calls, per_seconds)
        with self._state.lock:
            self._state.api.limiter = limiter

    def throttle_tokens(self, calls: int | None = DEFAULT_LIMIT, per_seconds: float = 60.0) -> None:
        """Allow so many token requests in each window of time; `None` allows any number.

        A Laravel server allows 60 a minute unless it is configured otherwise. The emulator allows
        any number until this is called.
        """
        limiter = _limiter(calls, per_seconds)
        with self._state.lock:
            self._state.api.token_limiter = limiter

    def maintenance(
        self,
        on: bool = True,  # noqa: FBT001, FBT002 - `maintenance(False)` reads like `throttle(None)`
        *,
        retry_after: float | str | None = None,
    ) -> None:
        """Answer everything with 503, as a server that is down for maintenance does.

        Args:
            on: whether it is down.
            retry_after: the value of a `Retry-After` header, sent as it is.
        """
        check_bool("on", on)
        check_retry_after(retry_after)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        with self._state.lock:
            self._state.api.maintenance = headers if on else None

    def fail_next(
        self,
        status: int,
        *,
        times: int = 1,
        retry_after: float | str | None = None,
        body: Any = None,
        path: str | None = None,
        match: Match | None = None,
    ) -> None:
        """Answer the next calls with this status, before anything is checked or applied.

        The faults of several `fail_next` and `drop_next` happen in the order of these calls.

        Args:
            status: from 200 to 599. A redirect leads to `/login`; 405 has `Allow`, and 429 the
                `X-RateLimit-*` of the current throttle, or of 60 a minute.
            times: the number of requests.
            retry_after: the value of a `Retry-After` header, sent as it is.
            body: `None` for what a Laravel server sends, a `str` as an HTML page, `bytes` verbatim
                as JSON, anything else encoded as JSON. By default, the body of a 200 is a JSON
                object that says that it is an error, and 400 and 401 of the token endpoint are in
                its `token_error_style`.
            path: only requests for this path, as it is sent. `None` means any call, but no token
                request: name "/oauth/token" for those.
            match: only requests whose JSON body has these fields with these values, such as
                `{"UntName": "A-101"}`, or for which this function of the `RecordedRequest`, whose
                status is still `None`, is true. If it raises, the answer is a 501 that says so.
        """
        with self._state.lock:
            is_of_token = path == TOKEN_PATH
            limiter = self._state.api.token_limiter if is_of_token else self._state.api.limiter
            self._state.faults.fail(
                status, times, retry_after, body, path, match,
                style=self.token_error_style,
                limit=limiter.calls if limiter else DEFAULT_LIMIT,
            )  # fmt: skip

    def drop_next(
        self,
        *,
        times: int = 1,
        after_applying: bool = False,
        path: str | None = None,
        match: Match | None = None,
    ) -> None:
        """Close the connection of the next calls without an answer.

        Args:
            times: the number of requests.
            after_applying: whether the request is processed first, so that only its answer is
                lost. By default nothing is checked or applied, as with `fail_next`.
            path: as for `fail_next`.
            match: as for `fail_next`.
        """
        with self._state.lock:
            self._state.faults.drop(times, path, match, after_applying=after_applying)

    def reset(self) -> None:
        """Forget developments, units, tokens, faults, throttles, maintenance, counters and the log.

        The switches get the values that they were made with. Credentials and address stay. The
        connections of requests in flight are closed without an answer.
        """
        with self._state.lock:
            self._state.clear()
            for name, value in self._first_switches.items():
                setattr(self, name, value)
