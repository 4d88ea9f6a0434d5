"""`propq token show`, `refresh` and `clear`."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator
from tests.helpers.commands import lines


def test_the_token_is_shown_without_its_value(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    none = propq("token", "show")
    assert (none.status, none.err) == (Exit.ROWS_FAILED, "")
    assert re.fullmatch(
        r"no token for client 1 in /.*/token-1-\w+\.json: the next call fetches one\n", none.out
    )
    fetched = propq("token", "refresh")
    shown = propq("token", "show")
    for said in (fetched, shown):
        assert (said.status, said.err) == (Exit.DONE, "")
        lines(
            said.out,
            rf"^  client   1 at {emulator.url}/oauth/token$",
            r"^  file     /.*\.json$",
            r"^  type     Bearer$",
            r"^  issued   \d{4}-",
            r"^  expires  .*, in 29 days, 23:59:\d\d$",
        )
        for token in tmp_path.rglob("token-*.json"):
            assert json.loads(token.read_text())["access_token"] not in said.out
    assert emulator.token_requests == 1
    assert re.fullmatch(r"forgot the token of client 1 in /.*\n", propq("token", "clear").out)
    assert propq("token", "clear").out.startswith("there was no token of client 1 in /")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path / "mine.json"))
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    refused = propq("token", "refresh")
    assert refused.status == Exit.UNUSABLE
    assert "invalid_client" in refused.err
    assert str(tmp_path / "mine.json") in propq("token", "show").out


def test_the_token_is_shown_to_programs_and_without_a_secret(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path / "t"))
    fixed = {
        "client_id": 1,
        "token_url": f"{emulator.url}/oauth/token",
        "file": str(tmp_path / "t"),
    }
    none = propq("token", "show", "--json")
    assert (none.status, none.err) == (Exit.ROWS_FAILED, "")
    assert json.loads(none.out) == fixed | {"has_token": False}
    assert propq("token", "refresh").status == Exit.DONE
    monkeypatch.delenv("PROPQ_CLIENT_SECRET")
    assert propq("token", "show").status == Exit.DONE
    shown = propq("token", "show", "--json")
    assert (shown.status, shown.err) == (Exit.DONE, "")
    kept = json.loads((tmp_path / "t").read_text("utf-8"))
    assert kept["access_token"] not in shown.out
    times = {name: datetime.fromisoformat(kept[name]) for name in ("issued_at", "expires_at")}
    assert json.loads(shown.out) == fixed | {"has_token": True, "token_type": "Bearer"} | {
        name: moment.isoformat() for name, moment in times.items()
    }
    refused = propq("token", "refresh")
    assert refused.status == Exit.UNUSABLE
    assert refused.err.startswith("propq: the environment variable PROPQ_CLIENT_SECRET is not set")
    assert propq("token", "clear").status == Exit.DONE
    monkeypatch.setenv("PROPQ_CLIENT_ID", "one")
    said = propq("token", "show")
    assert said.status == Exit.UNUSABLE
    assert (
        said.err == "propq: the environment variable PROPQ_CLIENT_ID must be a positive integer\n"
    )


def test_a_new_token_that_cannot_be_kept_is_told(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path))
    said = propq("token", "refresh")
    assert (said.status, said.out) == (Exit.UNUSABLE, "")
    assert f"propq: fetched a new access token, but {tmp_path} does not hold it: " in said.err
    assert emulator.token_requests == 1


@pytest.mark.parametrize("command", ["show", "refresh", "clear"])
def test_no_token_command_works_on_one_that_stays_in_memory(
    propq: Any, monkeypatch: pytest.MonkeyPatch, emulator: PropQEmulator, command: str
) -> None:
    monkeypatch.setenv("PROPQ_TOKEN_FILE", "memory:")
    said = propq("token", command)
    assert (said.status, said.out) == (Exit.USAGE, "")
    assert said.err.startswith("propq: PROPQ_TOKEN_FILE=memory: keeps no token for other commands")
    assert emulator.token_requests == 0


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("command", ["show", "refresh", "clear"])
def test_a_token_needs_a_home_or_a_named_file(
    command: str, propq: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    pwd = pytest.importorskip("pwd")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    said = propq("token", command)
    assert said.status == Exit.UNUSABLE
    assert said.err == (
        "propq: this user has no home directory to keep the token file in: name the file in "
        "PROPQ_TOKEN_FILE\n"
    )


def test_what_is_no_token_file_is_told(
    emulator: PropQEmulator, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The commands say what the SDK logs: they would fetch a token each time."""
    path = tmp_path / "prices.csv"
    path.write_text("name,price\nA-101,250000\n", encoding="utf-8")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(path))
    emulator.add_unit("4711", "A-101")
    update = ("update", "4711", "A-101", "--status", "SOLD", "--price", "250000")
    for command in (("token", "show"), (*update, "--directions", "N")):
        said = propq(*command)
        assert said.status == (Exit.ROWS_FAILED if command[0] == "token" else Exit.DONE)
        lines(said.err, rf"warning: the token file {re.escape(str(path))} is not used: ")
    assert path.read_text(encoding="utf-8") == "name,price\nA-101,250000\n"
