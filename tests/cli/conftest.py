"""What the tests of the commands start with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.app import run
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.commands import (
    NAMES,
    Said,
)


@pytest.fixture
def temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PropQEmulator]:
    with run_in_thread(PropQEmulator()) as emulator:
        for name in NAMES:
            emulator.add_unit("4711", name)
        monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
        monkeypatch.chdir(tmp_path)
        yield emulator


@pytest.fixture
def propq(capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*arguments: str) -> Said:
        status = run(arguments)
        return Said(status, *capsys.readouterr())

    return command
