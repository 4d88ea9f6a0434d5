"""Redis servers of one's own, on free ports, that tests kill, freeze and restart."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
from redis import Redis
from redis.exceptions import RedisError

from .frontends import free_port

__all__ = ["RedisServer", "program", "running_redis"]

_STARTS_WITHIN_SECONDS = 20.0


@attrs.define
class RedisServer:
    """A server of one test. It keeps nothing on the disk, so a restart empties it."""

    folder: Path
    arguments: list[str]
    port: int = attrs.field(factory=free_port)
    password: str | None = None
    certificate: Path | None = None
    address: str = "127.0.0.1"
    # What goes before the command, to run it on another host.
    prefix: list[str] = attrs.field(factory=list)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its URL, for whoever has all rights."""
        user = f":{self.password}@" if self.password else ""
        return self.url_for(user)

    def url_for(self, user: str) -> str:
        """Return its URL with this user, which is empty or ends with an @."""
        if self.certificate is not None:
            return f"rediss://{user}{self.address}:{self.port}/0?ssl_ca_certs={self.certificate}"
        return f"redis://{user}{self.address}:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ports = ["--port", str(self.port)]
        if self.certificate is not None:
            tls = ["cert", "key", "ca-cert"]
            files = [word for name in tls for word in (f"--tls-{name}-file", str(self.certificate))]
            ports = ["--port", "0", "--tls-port", str(self.port), *files]
            ports += ["--tls-auth-clients", "no"]
        common = ["--bind", self.address, "--save", ""]
        log = (self.folder / f"redis-{self.port}.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [*self.prefix, program(), *ports, *common, *self.arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ends = time.monotonic() + _STARTS_WITHIN_SECONDS
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                with self.client() as client:
                    client.ping()
            except RedisError:
                time.sleep(0.02)
            else:
                return
        self.kill()
        text = Path(log.name).read_text(errors="replace")
        pytest.fail(f"redis-server does not answer: {text}")

    def client(self, *, timeout_seconds: float | None = 5) -> Redis:
        """Return a client that looks at it from outside."""
        return Redis.from_url(self.url, decode_responses=True, socket_timeout=timeout_seconds)

    def kill(self) -> None:
        """Kill it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Let it hang: it takes connections, and answers none."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def program() -> str:
    """Return the path of redis-server; skip the test if it is missing, or fail it in CI."""
    found = shutil.which("redis-server")
    if found is None:
        how = "redis-server is not installed: apt-get install redis-server"
        if os.environ.get("CI") or os.environ.get("PROPQ_CAMPAIGN"):
            pytest.fail(how)
        pytest.skip(how)
    return found


@contextmanager
def running_redis(
    folder: Path,
    *arguments: str,
    password: str | None = None,
    certificate: Path | None = None,
    address: str = "127.0.0.1",
    prefix: Sequence[str] = (),
) -> Iterator[RedisServer]:
    """Run a server with these further arguments.

    Args:
        folder: where its log goes.
        arguments: of redis-server.
        password: of the default user.
        certificate: with its key, for TLS only.
        address: where it listens.
        prefix: what goes before the command, to run it on another host.
    """
    server = RedisServer(
        folder,
        [*arguments, *([] if password is None else ["--requirepass", password])],
        password=password,
        certificate=certificate,
        address=address,
        prefix=[*prefix],
    )
    server.start()
    try:
        yield server
    finally:
        server.kill()
