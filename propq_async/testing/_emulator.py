"""A PropQ server on loopback that behaves as the vendor's pages say.

Where they are silent, it behaves as a Laravel server with Passport does: at the token endpoint, in
the one published call, in content negotiation, validation and throttling, and in how these fail.
"""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn, Self

import attrs

from ._admin import Admin
from ._controls import Controls
from ._dispatch import Answers
from ._handler import Handler
from ._listener import Listener
from ._views import Views

__all__ = ["PropQEmulator"]


@attrs.define(eq=False, repr=False, kw_only=True)
class PropQEmulator(Controls):
    """A PropQ server on loopback to test against: `async with PropQEmulator() as emulator:`.

    What the vendor's pages leave open is a switch. Each switch is a keyword argument, and an
    attribute that can be set at any time. An invalid value is a `ValueError`. A misspelt name is a
    `TypeError` as an argument and an `AttributeError` as an attribute.

    Units, tokens, counters and switches outlive `close()`. When it is started again, the emulator
    listens at the port that it had, so that a test can play an outage. Everything but `start` and
    `close` is synchronous and may be used from any thread. `run_in_thread` serves the emulator for
    programs that are not asynchronous or bring their own event loop.

    Example::

        async with PropQEmulator() as emulator:
            emulator.add_unit("4711", "A-101")
            emulator.fail_next(503)
            propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
            async with propq.session() as session:
                await session.units.update(
                    UnitUpdate("4711", "A-101", UnitStatus.SOLD, 250_000, ["N"])
                )
            assert emulator.unit("4711", "A-101").status == UnitStatus.SOLD

    Args:
        host: the loopback address to listen at.
        port: the port to listen at; 0 lets the system choose.
        credentials: the client that may get tokens. By default they are made up, with a random
            secret.
        clock: the time of day in seconds since the epoch, for the expiry of tokens and the windows
            of `throttle` and `throttle_tokens`.
        on_request: called in the emulator's event loop with each request that was processed, after
            it was logged. If it raises, the answer is a 501 that says so, which no client retries.
        latency_seconds: how long a call waits before it is processed.
        token_latency_seconds: the same for token requests.
        token_lifetime_seconds: the lifetime of the tokens issued from now on, sent as `expires_in`.
            The vendor's prose says 2592000, its sample 7200.
        token_error_style: how the token endpoint words its errors: "message" (`error`, `message`
            and `hint`, as the vendor's pages do), "description" (`error_description` instead of
            `message`, as the newest servers do) or "both".
        unknown_status: what an unknown development or unit gets: 404, 400 or 422.
        wrong_method_status: what a wrong method gets: 419, or 405 with `Allow`.
        success_body: the body of a successful update: "echo" (the four fields as understood),
            "empty" (`{}`), "message" or "status" (`{"status": "success"}`).
        framework_version: the version of Laravel whose texts and habits it has: "12", "10" or "8".
        validation_style: the older name of that: "current" for "12", "older" for "8". It warns.
        case_sensitive_names: whether the name of a unit must match with its case.
        known_directions: the directions that are valid; `None` takes any string.

    Raises:
        ValueError: a setting cannot work; the message names it.
    """

    _listener: Listener = attrs.field(init=False)
    _handler: Handler = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._listener = Listener(self._host, self._port)
        admin = Admin(self, Views(self, self._state), self._listener)
        answers = Answers(self._state, self._clock)
        self._handler = Handler(self, self._state, admin, answers)

    def __repr__(self) -> str:
        return f"<PropQEmulator {self._listener.url or 'not started'}>"

    async def start(self) -> None:
        """Listen.

        Raises:
            RuntimeError: it is started already.
            OSError: the port is taken.
        """
        await self._listener.start(self._handler.handle)

    async def close(self) -> None:
        """Stop listening and drop every connection, whatever is in flight.

        Closing it again is harmless.
        """
        await self._listener.close()

    def __enter__(self) -> NoReturn:
        raise TypeError(
            "use `async with PropQEmulator() as emulator:`, or "
            "`with run_in_thread(PropQEmulator()) as emulator:` where nothing is asynchronous"
        )

    __exit__ = __enter__  # which the language looks up first

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Return the base URL, without a trailing slash.

        Raises:
            RuntimeError: it is not started.
        """
        url = self._listener.url
        if url is None:
            raise RuntimeError(
                "the emulator has no URL, since it is not started: use "
                "`async with PropQEmulator() as emulator:` or `await emulator.start()`"
            )
        return url

    @property
    def is_started(self) -> bool:
        """Return whether it listens."""
        return self._listener.url is not None

    @property
    def in_flight(self) -> int:
        """Return the number of requests that are being processed."""
        return self._listener.in_flight
