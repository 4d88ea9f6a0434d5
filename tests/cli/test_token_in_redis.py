"""`propq token` where the environment names a Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import lines
from tests.helpers.redis_servers import RedisServer, running_redis


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        monkeypatch.setenv("PROPQ_REDIS_URL", server.url)
        yield server


@pytest.mark.usefixtures("server")
def test_the_token_in_redis_is_shown_renewed_and_forgotten(
    emulator: PropQEmulator, propq: Any
) -> None:
    none = propq("token", "show")
    assert (none.status, none.err) == (Exit.ROWS_FAILED, "")
    assert none.out == "no token for client 1 in Redis: the next call fetches one\n"
    fetched = propq("token", "refresh")
    shown = propq("token", "show")
    for said in (fetched, shown):
        assert (said.status, said.err) == (Exit.DONE, "")
        lines(said.out, r"^  file     Redis$", r"^  expires  .*, in 29 days, 23:59:\d\d$")
    facts = json.loads(propq("token", "show", "--json").out)
    assert (facts["file"], facts["has_token"]) == (None, True)
    assert propq("token", "clear").out == "forgot the token of client 1 in Redis\n"
    assert propq("token", "clear").out == "there was no token of client 1 in Redis\n"
    assert emulator.token_requests == 1


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("command", ["show", "refresh", "clear"])
def test_a_redis_that_is_not_there_is_an_error(
    server: RedisServer, propq: Any, command: str
) -> None:
    server.kill()
    said = propq("token", command)
    assert said.status == Exit.UNUSABLE
    assert "propq: Redis did not load the token (ConnectionError)" in said.err
