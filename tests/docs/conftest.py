"""What the pages are read with: an emulator that knows the units that they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.pages import Reader


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PropQEmulator]:
    monkeypatch.chdir(tmp_path)
    # In a thread of its own, since the programs of the pages bring their own loop.
    with run_in_thread(PropQEmulator()) as neighbour:
        for name in ("A-101", "A-102", "A-103"):
            neighbour.add_unit("4711", name)
        monkeypatch.setenv("PROPQ_BASE_URL", neighbour.url)
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(neighbour.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", neighbour.credentials.client_secret)
        yield neighbour


@pytest.fixture
def reader(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Reader:
    monkeypatch.setenv("COLUMNS", "100")
    # A program of a page may import another one that stands before it.
    monkeypatch.syspath_prepend(Path.cwd())
    return Reader(emulator, capsys)
