"""nginx and HAProxy, as Debian packages them, each started for one test on a port of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

__all__ = ["Frontend", "free_port", "haproxy", "nginx"]

_STARTS_WITHIN_SECONDS = 20.0

# All that nginx writes is in the folder of the test.
_NGINX = """
{user}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port}{listen};
        {server}
        location /oauth/ {{ proxy_pass {upstream}; }}
        location / {{ proxy_pass {upstream}; {location} }}
    }}
}}
"""

_HAPROXY = """
global
    log stderr format raw daemon notice
    {globals}
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    {defaults}
frontend api
    bind 127.0.0.1:{port}
    {frontend}
    default_backend emulator
backend emulator
    {backend}
    server one {upstream} {server}
"""


@attrs.frozen
class Frontend:
    """A server before the emulator.

    `reload_signal` makes it read its configuration again, with new workers for new connections.
    """

    process: subprocess.Popen[bytes]
    port: int
    reload_signal: signal.Signals

    @property
    def url(self) -> str:
        """Return its address without TLS."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """Return its address with TLS."""
        return f"https://localhost:{self.port}"

    def reload(self) -> None:
        """Replace its workers. The old ones finish what they have begun."""
        self.process.send_signal(self.reload_signal)


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _program(name: str) -> str:
    # They are in /usr/sbin, which is not on everybody's path.
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    program = shutil.which(name, path=path)
    if program is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    return program


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until it listens: it sends no event."""
    ends = time.monotonic() + _STARTS_WITHIN_SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    pytest.fail(f"{process.args!r} does not listen: {log.read_text(errors='replace')}")


@contextmanager
def _running(
    command: list[str], folder: Path, port: int, reload_signal: signal.Signals
) -> Iterator[Frontend]:
    log = folder / "output.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder
        ) as process,
    ):
        try:
            _await(process, port, log)
            yield Frontend(process, port, reload_signal)
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def nginx(
    folder: Path,
    upstream: str,
    *,
    http: str = "",
    server: str = "",
    location: str = "",
    listen: str = "",
    connections: int = 1_024,
) -> Iterator[Frontend]:
    """Run nginx before the upstream, an URL, with these directives in their contexts."""
    program, port = _program("nginx"), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            user="user root;" if os.getuid() == 0 else "",
            folder=folder,
            port=port,
            upstream=upstream,
            http=http,
            server=server,
            location=location,
            listen=listen,
            connections=connections,
        )
    )
    command = [program, "-p", str(folder), "-c", str(configuration), "-e", f"{folder}/error.log"]
    with _running(command, folder, port, signal.SIGHUP) as frontend:
        yield frontend


@contextmanager
def haproxy(
    folder: Path,
    upstream: str,
    *,
    globals_: str = "",
    defaults: str = "",
    frontend: str = "",
    backend: str = "",
    server: str = "",
) -> Iterator[Frontend]:
    """Run HAProxy before the upstream, an URL, with these lines in their sections."""
    program, port = _program("haproxy"), free_port()
    configuration = folder / "haproxy.cfg"
    configuration.write_text(
        _HAPROXY.format(
            port=port,
            upstream=upstream.removeprefix("http://"),
            globals=globals_,
            defaults=defaults,
            frontend=frontend,
            backend=backend,
            server=server,
        )
    )
    # As a master with workers, since only that can be reloaded.
    command = [program, "-W", "-db", "-f", str(configuration)]
    with _running(command, folder, port, signal.SIGUSR2) as running:
        yield running
