"""Token servers that others have written, started as processes of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from propq_async import Credentials

FOREIGN: Final = Path(__file__).parents[1] / "auth" / "foreign"
CREDENTIALS: Final = Credentials(4242, "s3cret")
HANG_SECONDS: Final = 60


@attrs.frozen
class Django:
    """django-oauth-toolkit behind two workers of gunicorn."""

    url: str
    database: Path

    def delete_tokens(self) -> None:
        """Delete every token that was issued."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as database, database:
            database.execute("DELETE FROM oauth2_provider_accesstoken")

    def count_tokens(self) -> int:
        """Return how many tokens there are."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as database:
            counted = database.execute("SELECT count(*) FROM oauth2_provider_accesstoken")
            number: int = counted.fetchone()[0]
            return number


@contextlib.contextmanager
def django(directory: Path, lifetime_seconds: int) -> Iterator[Django]:
    """Serve it from an empty directory; skip the test if it is not installed."""
    for module in ("oauth2_provider", "gunicorn"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install django-oauth-toolkit gunicorn")
    if sys.platform == "win32":
        pytest.skip("gunicorn does not run on Windows")
    database = directory / "tokens.sqlite3"
    environment = {
        **os.environ,
        "FOREIGN_DATABASE": str(database),
        "FOREIGN_LIFETIME_SECONDS": str(lifetime_seconds),
    }
    server = FOREIGN / "django_server.py"
    subprocess.run([sys.executable, server], env=environment, check=True, timeout=HANG_SECONDS)
    # The socket is handed over, so that a client that connects early only waits.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        os.set_inheritable(listening.fileno(), True)  # noqa: FBT003 - of the standard library
        command = [
            sys.executable, "-m", "gunicorn", "--workers", "2", "--chdir", str(FOREIGN),
            "--bind", f"fd://{listening.fileno()}", "--log-level", "warning",
            "--worker-tmp-dir", str(directory), "django_server:application",
        ]  # fmt: skip
        with subprocess.Popen(command, env=environment, pass_fds=[listening.fileno()]) as process:
            try:
                yield Django(f"http://127.0.0.1:{listening.getsockname()[1]}", database)
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install panva's oidc-provider, and return its entry; skip the test without npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("there is no node with npm")
    directory = tmp_path_factory.mktemp("oidc")
    done = subprocess.run(
        [npm, "install", "--silent", "--no-fund", "--no-audit", "oidc-provider@9"],
        cwd=directory, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm cannot install oidc-provider: {done.stderr[-200:]}")
    return directory / "node_modules" / "oidc-provider" / "lib" / "index.js"


@contextlib.contextmanager
def oidc(entry: Path, lifetime_seconds: int) -> Iterator[str]:
    """Serve it, and yield its URL."""
    command = ["node", str(FOREIGN / "oidc_server.mjs"), str(entry), str(lifetime_seconds)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        # Leaving closes its standard input, which ends it.
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
