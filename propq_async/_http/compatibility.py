"""Whether the installed aiohttp fits the fast transport.

The fast transport makes some requests to a server that is part of this module, without a network.
If one goes wrong, the plain transport serves all calls.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from functools import cache, partial
from typing import Any, Final, TypeVar, cast

import aiohttp
from yarl import URL

from propq_async._wire.messages import Lost

from .fast import FastTransport
from .fast_connection import FastConnection
from .transport import Attempt

logger = logging.getLogger("propq_async.http")
_T = TypeVar("_T")

# The answer to one request, in pieces (`None`: the connection is lost), and the status and body to
# be read (`None`: `Lost`).
_Trial = tuple[tuple[bytes | None, ...], tuple[int, bytes] | None]

# Answers that have not been delivered yet.
_Due = list[Callable[[], None]]

_CHUNKED: Final = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    b"3\r\n[1]\r\n0\r\n\r\n"
)

_ANSWERS: Final[list[_Trial]] = [
    (
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}",),
        (404, b"{}"),
    ),
    ((b"HTTP/1.1 204 No\r\nX-Request-Id: 1\r\n\r\n",), (204, b"")),
    ((_CHUNKED,), (200, b"[1]")),
]

# Each series begins with a new connection.
_TRIALS: Final[list[list[_Trial]]] = [
    _ANSWERS,
    [((None,), None)],
    [((b"HTTP/1.1 200 OK\r\n", None), None)],
    [((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", None), None)],
]

# After this status the connection goes back to the connector. So the second request uses an idle
# connection of the transport, and the third an idle connection of the connector.
_RELEASE_AFTER: Final = 204


class _Echo(asyncio.Transport):
    """Answers each request with the next of the trials."""

    def __init__(self, connection: FastConnection, trials: list[_Trial], due: _Due) -> None:
        super().__init__()
        self._connection = connection
        self._answers = iter(trials)
        self._due = due

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: object) -> None:  # noqa: ARG002 - each request gets the next answer
        pieces, _expected = next(self._answers)
        self._due.extend(partial(self._say, piece) for piece in pieces)

    def _say(self, piece: bytes | None) -> None:
        if piece is None:
            self._connection.connection_lost(None)
        else:
            self._connection.get_buffer(-1)[: len(piece)] = piece
            self._connection.buffer_updated(len(piece))

    def resume_reading(self) -> None: ...

    def close(self) -> None: ...


class _TrialConnector(aiohttp.TCPConnector):
    """Connects to nowhere. A new connection would answer with the first trial again."""

    def __init__(self, trials: list[_Trial], due: _Due) -> None:
        super().__init__(resolver=aiohttp.ThreadedResolver())
        self._trials = trials
        self._due = due

    async def _create_connection(self, *_: object, **__: object) -> Any:
        connection: Any = self._factory()
        connection.connection_made(_Echo(connection, self._trials, self._due))
        return connection


@cache
def fits() -> bool:
    """Return whether some requests without a network go as they should.

    Needs a running event loop, and does no I/O.
    """
    try:
        problem = None if aiohttp.__version__.startswith("3.") else "its major version is not 3"
        problem = problem or next(filter(None, map(_try, _TRIALS)), None)
    except Exception as error:  # noqa: BLE001 - the plain transport serves, whatever it is
        problem = repr(error)
    if problem is not None:
        logger.info(
            "aiohttp %s does not fit the fast transport, so calls use the plain one: %s",
            aiohttp.__version__,
            problem,
        )
    return problem is None


def _try(trials: list[_Trial]) -> str | None:
    due: _Due = []
    transport = FastTransport(_TrialConnector(trials, due))
    url = URL("http://127.0.0.1/")
    try:
        for _, expected in trials:
            reply = _run(transport.send("POST", url, None, b"{}", math.inf, Attempt()), due)
            read = None if isinstance(reply, Lost) else (reply.status, reply.body)
            if read != expected:
                return f"an answer was read as {reply!r}"
            if read is not None and read[0] == _RELEASE_AFTER:
                transport.release_idle()
    finally:
        _run(transport.close(), due)
    return None


def _run(coroutine: Coroutine[Any, Any, _T], due: _Due) -> _T:
    """Run it without the event loop: whenever it waits, deliver an answer that is due."""
    for _ in range(10):
        try:
            waits_for: Any = coroutine.send(None)
        except StopIteration as end:
            return cast("_T", end.value)
        while due and not waits_for.done():
            due.pop(0)()
    coroutine.close()
    raise RuntimeError("it waits")
