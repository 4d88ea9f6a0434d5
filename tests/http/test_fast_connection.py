"""A connection of the fast transport, at moments that no server can bring about at will."""

from __future__ import annotations

import asyncio
import ssl
from types import SimpleNamespace
from typing import Any

import pytest

from propq_async._http import fast_connection
from propq_async._http.connections import OpenConnections
from propq_async._http.fast_connection import Buffers, FastConnection


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    closed = False

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


@pytest.fixture
async def connection() -> Any:
    made = FastConnection(OpenConnections(), Buffers(), asyncio.get_running_loop())
    made.connection_made(Wire())
    return made


async def test_a_connection_lost_before_its_handshake_is_said_to_be_lost(connection: Any) -> None:
    connection.connection_lost(None)
    with pytest.raises(ConnectionError):
        await connection.start_tls(ssl.create_default_context(), "localhost")


async def test_what_comes_after_the_end_is_not_read(connection: Any) -> None:
    answer, wire = connection.answer, connection.transport
    answer.expect(is_head_only=False)
    connection.close()
    assert wire.closed
    connection.close()
    connection.get_buffer(-1)[:4] = b"HTTP"
    connection.buffer_updated(4)
    connection.eof_received()
    assert not answer.has_begun
    assert not answer.has_ended


async def test_who_waits_for_the_end_hears_of_it(connection: Any) -> None:
    closed = connection.closed
    assert connection.closed is closed
    connection.close()
    connection.connection_lost(None)
    await closed
    assert not connection.is_connected()
    another = FastConnection(OpenConnections(), Buffers(), asyncio.get_running_loop())
    another.connection_made(Wire())
    another.connection_lost(None)
    assert another.closed is None


@pytest.mark.parametrize("has_tls", [True, False])
async def test_an_end_that_acknowledges_no_request_says_so_with_tls_as_well(
    monkeypatch: pytest.MonkeyPatch, connection: Any, *, has_tls: bool
) -> None:
    """nginx closes idle connections without the goodbye of TLS."""
    monkeypatch.setattr(fast_connection, "unacknowledged_bytes", lambda _: 5)
    if has_tls:
        connection.tls = SimpleNamespace(is_open=True, say_goodbye=lambda: None)
    connection.answer.expect(is_head_only=False)
    connection.answer.feed(memoryview(b"HTTP/1.1 200 OK\r\n\r\nhalf"))
    connection.eof_received()
    assert connection.closed_first
    assert connection.should_close
    # But anybody can end what TLS runs over.
    assert connection.answer.has_ended is not has_tls
