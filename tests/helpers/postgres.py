"""A PostgreSQL server of the tests' own, which may be killed and restarted, and a pooler."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

PASSWORD: Final = "s3cret/of:the@database"
ENCODED: Final = "s3cret%2Fof%3Athe%40database"
USER: Final = "propq_tests"
_BIN: Final = "/usr/lib/postgresql"


def program(name: str) -> str:
    """Return the path of a program; skip the test if it is missing, or fail it in CI."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    for version in sorted(Path(_BIN).glob("*/bin"), reverse=True):
        found = found if found and name == "pgbouncer" else shutil.which(name, path=str(version))
        if found:
            break
    if not found:
        reason = f"{name} is missing (Debian: apt-get install postgresql pgbouncer)"
        if os.environ.get("CI") or os.environ.get("PROPQ_CAMPAIGN") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def _as_postgres() -> dict[str, Any]:
    """Return what runs a process as somebody else than root, which the server refuses to be."""
    return {} if os.geteuid() else {"user": "postgres", "group": "postgres", "extra_groups": []}


class Server:
    """A server in a directory that is removed at its end."""

    def __init__(self) -> None:
        self._initdb, self._postgres = program("initdb"), program("postgres")
        # Not below pytest's directory, which is for its user alone.
        self.directory = Path(tempfile.mkdtemp(prefix="propq-postgres-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count()

    def make(self) -> None:
        if not os.geteuid():
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        (self.directory / "password").write_text(PASSWORD)
        (self.directory / "password").chmod(0o644)
        command = [
            self._initdb, "--no-sync", "--encoding=UTF8", "--locale=C", f"--username={USER}",
            "--auth=scram-sha-256", f"--pwfile={self.directory / 'password'}",
            str(self.directory / "data"),
        ]  # fmt: skip
        subprocess.run(
            command, check=True, capture_output=True, cwd=self.directory, **_as_postgres()
        )

    def start(self, *settings: str) -> None:
        """Start it, and wait until it takes connections."""
        fast = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60")
        command = [
            self._postgres, "-D", str(self.directory / "data"), "-p", str(self.port),
            "-h", "127.0.0.1", "-k", str(self.directory),
        ]  # fmt: skip
        for setting in (*fast, *settings):
            command += ["-c", setting]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.directory, **_as_postgres()
            )
        deadline = time.monotonic() + 30
        while True:
            # The server tells nobody when it is ready.
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres")).close()
                return
            assert self._process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, (self.directory / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts connections off, SIGQUIT is as a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait()

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory)

    def url(self, database: str, port: int | None = None) -> str:
        return f"postgresql://{USER}:{ENCODED}@127.0.0.1:{port or self.port}/{database}"

    def location(self, database: str, port: int | None = None) -> str:
        """Return the URL as it is shown."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database, and return its URL."""
        name = f"ledger_{next(self._names)}"
        self.ask("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def ask(self, database: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, and return what the last one has found."""
        where = database if "://" in database else self.url(database)
        with psycopg.connect(where, autocommit=True) as db:
            found = db.cursor()
            for statement in statements:
                found.execute(statement.encode())
            return found.fetchall() if found.description else []


@contextlib.contextmanager
def a_server() -> Iterator[Server]:
    server = Server()
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def a_pooler(server: Server, mode: str, settings: Sequence[str] = ()) -> Iterator[int]:
    """Run pgbouncer before a server, and return its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="propq-pooler-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (directory / "ini").write_text(
            "\n".join(
                [
                    "[databases]",
                    f"* = host=127.0.0.1 port={server.port}",
                    "[pgbouncer]",
                    "listen_addr = 127.0.0.1",
                    f"listen_port = {port}",
                    "unix_socket_dir =",
                    "auth_type = scram-sha-256",
                    f"auth_file = {directory / 'users'}",
                    f"pool_mode = {mode}",
                    *settings,
                ]
            )
        )
        process = subprocess.Popen(
            [program("pgbouncer"), "-q", str(directory / "ini")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **_as_postgres(),
        )
        try:
            deadline = time.monotonic() + 10
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield port
        finally:
            process.kill()
            process.communicate()
