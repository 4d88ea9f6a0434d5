"""What tests of token stores have in common."""

from __future__ import annotations

import logging
import stat
import sys
from pathlib import Path

import pytest

from propq_async import Token, TokenKey
from tests.helpers.processes import KEY

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
OTHER_KEYS = [TokenKey(KEY.token_url, 8), TokenKey("https://elsewhere.example/oauth/token", 7)]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("propq_async")
    ]


def is_kept(loaded: Token | None, token: Token) -> bool:
    """Return whether a store handed out what was saved.

    Redis measures the life anew, on its own clock: to within the time that each of the two
    operations may take: the tests let it be 20 s.
    """
    if loaded is None:
        return False
    moved = loaded.expires_at - token.expires_at
    assert loaded.issued_at - token.issued_at == moved
    assert abs(moved.total_seconds()) <= 40
    return (loaded.access_token, loaded.token_type) == (token.access_token, token.token_type)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
