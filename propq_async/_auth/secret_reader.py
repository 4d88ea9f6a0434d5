"""The secret of one token request, when it comes from a source.

A source is somebody else's code: it may hang, raise or return anything. None of that may delay a
call beyond the timeout, show the secret, or end more than this one attempt.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future
from inspect import isawaitable, iscoroutinefunction
from typing import Any, Final

import attrs

from propq_async._messages import joined, tr
from propq_async._secret import NamedSource, SecretStr, UnusableSecretError
from propq_async._waiting import DAEMON_THREADS, finish, seen
from propq_async.credentials import Credentials, SecretSource, secret_problem
from propq_async.errors import TokenUnavailableError

# How long a cancelled source may take to clean up.
CLEANUP_SECONDS: Final = 1.0
_NAME: Final = tr("what the source of the secret returned")


@attrs.frozen(eq=False, repr=False)
class _Said:
    """What a source returned, or why it returned nothing. It may be the secret, so no repr."""

    value: Any = attrs.field(default=None, repr=False)
    problem: str | None = None

    @classmethod
    def failed(cls, error: BaseException) -> _Said:
        if isinstance(error, UnusableSecretError):
            return cls(problem=str(error))
        # Without the text of the error, which might show the secret.
        return cls(
            problem=tr("the source of the secret failed ({type})").format(type=type(error).__name__)
        )


@attrs.define(eq=False, repr=False)
class SecretReader:
    """Asks the source of a secret, if there is one, once for each token request."""

    _credentials: Credentials
    # The call that runs in a thread, and its process. If it hangs, the next attempt waits for the
    # same call: a new thread for each attempt would fill the process with threads that hang.
    _call: tuple[int, Future[_Said]] | None = attrs.field(default=None, init=False, repr=False)

    @property
    def origin(self) -> str:
        """Return what to look at if the server refuses the credentials."""
        if isinstance(self._credentials.client_secret, str):
            return joined(tr(" and "), ("PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET"))
        if isinstance(self._credentials.client_secret, NamedSource):
            return tr("the client id, and {client_secret}").format(
                client_secret=self._credentials.client_secret
            )
        return tr("the client id, and what the source of the secret returns")

    async def read(self, timeout_seconds: float) -> Credentials | TokenUnavailableError:
        # Not in a variable, which our frame would show.
        if isinstance(self._credentials.client_secret, str):
            return self._credentials
        task = asyncio.ensure_future(self._ask(self._credentials.client_secret))
        try:
            await asyncio.wait((task,), timeout=timeout_seconds)
        finally:
            is_late = not task.done()
            if is_late:
                task.cancel()
                task.add_done_callback(seen)
                await finish(asyncio.wait((task,), timeout=CLEANUP_SECONDS))
        if is_late:
            said = _Said(
                problem=tr(
                    "the source of the secret took longer than {timeout_seconds:g} s"
                ).format(timeout_seconds=timeout_seconds)
            )
        else:
            said = task.result()
        secret = SecretStr(said.value) if isinstance(said.value, str) else None
        problem = said.problem or secret_problem(secret, _NAME)
        if problem is not None or secret is None:
            return TokenUnavailableError(
                tr("no token was asked for: {problem}").format(problem=problem)
            )
        return Credentials(self._credentials.client_id, secret)

    async def _ask(self, source: SecretSource) -> _Said:
        is_async = iscoroutinefunction(source) or iscoroutinefunction(type(source).__call__)
        said = _called(source) if is_async else await self._in_thread(source)
        if isawaitable(said.value):
            try:
                return _Said(await said.value)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a user's source
                return _Said.failed(error)
        return said

    async def _in_thread(self, source: SecretSource) -> _Said:
        process_id = os.getpid()
        # A fork copies a call that runs, but not its thread.
        if self._call is not None and self._call[0] == process_id:
            call = self._call[1]
        else:
            call = DAEMON_THREADS.submit(_called, source)
            self._call = process_id, call
            call.add_done_callback(self._forget)
        return await asyncio.wrap_future(call)

    def _forget(self, _: Future[_Said]) -> None:
        """Let go of the secret that a call has returned."""
        self._call = None


def _called(source: SecretSource) -> _Said:
    try:
        return _Said(source())
    except BaseException as error:  # noqa: BLE001 - the same, and a future takes no StopIteration
        return _Said.failed(error)
