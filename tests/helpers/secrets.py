"""Secrets that change, on disk and on the server."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from propq_async import Credentials
from propq_async.testing import PropQEmulator


class SecretOnDisk:
    """A secret in a directory that is replaced as Kubernetes does it.

    The file is a link into `..data`, which is a link to a directory of that moment.
    """

    def __init__(self, root: Path, secret: str) -> None:
        self._root = root / "mounted"
        self._root.mkdir()
        self._version = 0
        self.path = self._root / "secret"
        self.replace(secret)
        self.path.symlink_to(Path("..data") / "secret")

    def replace(self, secret: str) -> None:
        """Put another secret in place of this one."""
        self._version += 1
        directory = self._root / f"..version-{self._version}"
        directory.mkdir()
        (directory / "secret").write_text(secret)
        (directory / "secret").chmod(0o644)
        link = self._root / "..data_tmp"
        link.symlink_to(directory.name)
        link.replace(self._root / "..data")

    def credentials(self, client_id: int) -> Credentials:
        """Return credentials that read the secret from this file."""
        return Credentials.from_env(
            {"PROPQ_CLIENT_ID": str(client_id), "PROPQ_CLIENT_SECRET_FILE": str(self.path)}
        )


def rotate(emulator: PropQEmulator, secret: str) -> None:
    """Give the client another secret, and revoke the tokens that it got with the old one."""
    state = emulator._state
    with state.lock:
        state.tokens._credentials = Credentials(emulator.credentials.client_id, secret)
    emulator.revoke_tokens()


def all_reachable(root: object, *, skip: object) -> Iterator[str]:
    """Return each string that an object holds, directly or not, but for its code."""
    seen, left = {id(root)}, [root]
    while left:
        one: Any = left.pop()
        if isinstance(one, str):
            yield one
        if one is skip or isinstance(one, type | ModuleType | FunctionType):
            continue
        for other in gc.get_referents(one):
            if id(other) not in seen:
                seen.add(id(other))
                left.append(other)


def file_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this machine a keyring, in a file of the test; for child processes, too."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    monkeypatch.setattr("keyring.core._keyring_backend", None)
