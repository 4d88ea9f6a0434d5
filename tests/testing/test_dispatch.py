"""What a request is answered with, without a server: by maintenance, a fault or the API."""

from __future__ import annotations

import json

import pytest

from propq_async.testing import PropQEmulator
from propq_async.testing._dispatch import Answers
from propq_async.testing._input import ApiRequest
from propq_async.testing._limiter import Limiter
from propq_async.testing._oauth import TOKEN_START
from propq_async.testing._replies import Reply
from tests.helpers.emulator_client import FORM_TYPE, PATH, UPDATE, FakeClock

FORM_HEADERS = {"Content-Type": FORM_TYPE}
JSON = {"Content-Type": "application/json"}


class Server:
    """An emulator that is never started."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.emulator = PropQEmulator(clock=self.clock)
        self.emulator.add_unit("4711", "A-101")
        self.answers = Answers(self.emulator._state, self.clock)
        credentials = self.emulator.credentials
        form = (
            "grant_type=client_credentials"
            f"&client_id={credentials.client_id}&client_secret={credentials.client_secret}"
        )
        reply = self.send(ApiRequest("POST", "/oauth/token", "", FORM_HEADERS, form.encode(), None))
        assert reply is not None
        self.token: str = json.loads(reply.body)["access_token"]

    def send(self, request: ApiRequest) -> Reply | None:
        self.answers.count(request.path)
        reply, entry = self.answers.answer(request)
        assert entry == self.emulator.requests[-1]
        assert entry.status == (reply and reply.status)
        return reply

    def update(self) -> int | None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json", **JSON}
        body = json.dumps(UPDATE).encode()
        reply = self.send(ApiRequest("POST", PATH, "", headers, body, UPDATE))
        return None if reply is None else reply.status


@pytest.fixture
def server() -> Server:
    return Server()


def test_an_update_is_applied_logged_and_counted(server: Server) -> None:
    assert server.token.startswith(TOKEN_START)
    assert server.update() == 200
    emulator = server.emulator
    assert emulator.unit("4711", "A-101").price == UPDATE["UntPrice"]
    assert (emulator.token_requests, emulator.calls, emulator.applied) == (1, 1, 1)
    assert emulator.requests[-1].timestamp == server.clock.now


def test_maintenance_comes_before_faults_and_faults_before_the_api(server: Server) -> None:
    server.emulator.fail_next(500)
    server.emulator.drop_next()
    server.emulator.drop_next(after_applying=True)
    server.emulator.maintenance()
    assert server.update() == 503
    server.emulator.maintenance(on=False)
    assert [server.update() for _ in range(2)] == [500, None]
    assert server.emulator.applied == 0
    assert server.update() is None
    assert server.emulator.applied == 1
    assert server.update() == 200


def test_a_fault_uses_up_no_call_of_the_throttle(server: Server) -> None:
    server.emulator.throttle(1)
    server.emulator.fail_next(500)
    assert [server.update() for _ in range(3)] == [500, 200, 429]
    server.clock.now += 60
    assert server.update() == 200


def test_a_limiter_counts_in_windows_that_a_hit_begins() -> None:
    limiter = Limiter(2, 10)
    assert limiter.hit(100) == {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1"}
    assert limiter.hit(109.5) == {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0"}
    assert limiter.hit(109.9) is None
    assert limiter.refusal_headers(109.9) == {
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "0",
        "Retry-After": "1",
        "X-RateLimit-Reset": "110",
    }
    # The next window begins with a hit, not at the end of the previous one.
    assert limiter.hit(115) is not None
    assert limiter.hit(124) is not None
    assert limiter.hit(124.5) is None
    assert limiter.hit(125) is not None
