"""A real Laravel application, served by PHP. See `tests/testing/laravel/index.php`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

APPLICATION: Final = Path(__file__).parents[1] / "testing" / "laravel" / "index.php"
FRAMEWORK: Final = Path("/usr/share/php/Illuminate/Foundation/Application.php")
TOKEN: Final = "abc123"
HANG_SECONDS: Final = 60


def missing() -> str | None:
    """Return what is not installed, `None` if all is there."""
    if shutil.which("php") is None:
        return "there is no PHP: install the Debian package php-cli"
    if not FRAMEWORK.exists():
        return "there is no Laravel: install the Debian package php-laravel-framework"
    return None


@attrs.frozen
class Request:
    """A request as it goes over the wire."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""

    def send(self, host: str) -> Response:
        """Send it on a connection of its own."""
        connection = http.client.HTTPConnection(host, timeout=HANG_SECONDS)
        with contextlib.closing(connection):
            connection.putrequest(
                self.method, self.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in (("Host", host), *self.headers):
                connection.putheader(name, value)
            if self.body or self.method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(self.body)))
            connection.endheaders(self.body)
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read(), host)


@attrs.frozen
class Response:
    """An answer, and the host that gave it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str

    def header(self, name: str) -> str | None:
        """Return a header without the host that it may name."""
        value = {key.lower(): value for key, value in self.headers.items()}.get(name.lower())
        return None if value is None else value.replace(self.host, "HOST")


@attrs.define
class Laravel:
    """The application while it is served. What it must know is in files of its directory."""

    home: Path
    host: str
    units: dict[str, dict[str, int]] = attrs.field(factory=dict, init=False)
    foreign: list[str] = attrs.field(factory=list, init=False)

    @property
    def url(self) -> str:
        """Return its base URL."""
        return f"http://{self.host}"

    def state(self, *, limit: int | None = None, per_seconds: int = 60) -> None:
        """Tell it what it has, and how many calls it allows."""
        state = {
            "units": self.units,
            "foreign": self.foreign,
            "limit": limit,
            "per_seconds": per_seconds,
        }
        new = self.home / "state.new"
        new.write_text(json.dumps(state))
        new.replace(self.home / "state.json")

    def forget_calls(self) -> None:
        """Begin a new window of the throttle."""
        shutil.rmtree(self.home / "cache")
        (self.home / "cache").mkdir()

    def maintenance(self, *, retry_after: int | None = None, on: bool = True) -> None:
        """Take it down, as `php artisan down` does."""
        down = self.home / "storage" / "framework" / "down"
        if on:
            down.write_text(json.dumps({"status": 503, "retry": retry_after}))
        else:
            down.unlink()

    def revoke(self) -> None:
        """Refuse every token that was issued."""
        for token in (self.home / "tokens").iterdir():
            token.unlink()

    def forget_applied(self) -> None:
        """Forget the updates that were applied."""
        (self.home / "applied.jsonl").unlink(missing_ok=True)

    @property
    def applied(self) -> list[Any]:
        """Return the updates that were applied."""
        path = self.home / "applied.jsonl"
        return (
            [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextlib.contextmanager
def laravel(home: Path, workers: int = 2) -> Iterator[Laravel]:
    """Serve the application from an empty directory; skip the test if it is not installed."""
    if reason := missing():
        pytest.skip(reason)
    for name in ("bootstrap/cache", "tokens", "cache", "views", "storage/framework"):
        (home / name).mkdir(parents=True)
    (home / "tokens" / TOKEN).touch()
    app = Laravel(home, f"127.0.0.1:{_free_port()}")
    app.state()
    environment = {
        **os.environ,
        "PROPQ_LARAVEL_HOME": str(home),
        "PHP_CLI_SERVER_WORKERS": str(workers),
    }
    command = ["php", "-S", app.host, str(APPLICATION)]
    with (
        (home / "php.log").open("wb") as log,
        subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            _wait_for(app, process)
            yield app
        finally:
            # Its workers are processes of the same group.
            os.killpg(process.pid, 15)


def _wait_for(app: Laravel, process: subprocess.Popen[bytes]) -> None:
    host, port = app.host.split(":")
    while True:
        assert process.poll() is None, (app.home / "php.log").read_text()
        with contextlib.suppress(ConnectionError):
            socket.create_connection((host, int(port)), timeout=HANG_SECONDS).close()
            return
