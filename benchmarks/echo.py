"""The server of the call benchmarks, in a process of its own: as little as can be, and it counts.

Each update is answered with the name that it carried, so that every answer can be checked by who
asked; and each is counted here, under the run that its path names, so that no call can be made up.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

import attrs

__all__ = ["HEADS", "Echo", "certificate", "running"]

BACKLOG: Final = 4096

# What stands in the head of an answer besides its length.
_BARE: Final = "Content-Type: application/json"
_REAL: Final = """\
Date: Sun, 29 Nov 2026 12:00:00 GMT
Server: nginx/1.24.0
Content-Type: application/json
Connection: keep-alive
Vary: Accept-Encoding, Origin
Cache-Control: no-cache, private
Access-Control-Allow-Origin: *
X-Frame-Options: SAMEORIGIN
X-XSS-Protection: 1; mode=block
X-Content-Type-Options: nosniff
Referrer-Policy: no-referrer-when-downgrade
Strict-Transport-Security: max-age=31536000; includeSubDomains"""
_LIMITS: Final = f"{_REAL}\nX-RateLimit-Limit: 100000\nX-RateLimit-Remaining: 99000"
# As little as can be; as of a framework behind nginx; and with the limits of a stock Laravel.
HEADS: Final = {
    name: head.replace("\n", "\r\n")
    for name, head in (("bare", _BARE), ("real", _REAL), ("limits", _LIMITS))
}


@attrs.frozen
class Echo:
    """The server, as its clients see it. `certificate`: the file of the one to trust, for https."""

    url: str
    control: str
    certificate: str | None

    def count(self, run: str) -> int:
        """Return how many updates of a run the server has answered."""
        with urllib.request.urlopen(f"{self.control}/count/{run}", timeout=60) as answer:
            return int(answer.read())


@contextmanager
def certificate() -> Iterator[Path]:
    """Make a certificate for localhost, with its key in the same file."""
    with tempfile.TemporaryDirectory() as directory:
        pem = Path(directory, "certificate.pem")
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        alternatives = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        alternatives += ["-addext", "basicConstraints=critical,CA:false"]
        files = ["-keyout", f"{pem}.key", "-out", str(pem)]
        subprocess.run([*command.split(), *alternatives, *files], check=True, capture_output=True)
        pem.write_bytes(pem.read_bytes() + Path(f"{pem}.key").read_bytes())
        yield pem


@contextmanager
def running(certificate: Path | None = None, head: str = "bare") -> Iterator[Echo]:
    """Run the server, with TLS if there is a certificate (with its key in the same file).

    `head`: one of `HEADS`, for all its answers.
    """
    command = [sys.executable, "-m", "benchmarks.echo", head]
    command += [str(certificate)] if certificate else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Leaving closes the server's stdin, which ends it; so does the death of this process.
        url, control = process.stdout.readline().decode().split()
        yield Echo(url, control, str(certificate) if certificate else None)


# --- in the server's process ------------------------------------------------------------------

_TOKEN: Final = json.dumps(
    {"access_token": "t" * 900, "token_type": "Bearer", "expires_in": 24 * 3600}
).encode()
_counts: Final[Counter[bytes]] = Counter()


class _Protocol(asyncio.Protocol):
    def __init__(self, head: str) -> None:
        self._head = f"HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: ".encode()

    def _answer(self, body: bytes) -> bytes:
        return self._head + str(len(body)).encode() + b"\r\n\r\n" + body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance(): uvloop's is no subclass.
        self._transport = cast(asyncio.Transport, transport)
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            _, _, length = head.lower().partition(b"\r\ncontent-length:")
            size = int(length.partition(b"\r\n")[0] or 0)
            if len(rest) < size:
                return
            self._buffer = rest[size:]
            self._transport.write(self._answer(_reply(head.split(b" ", 2)[1], rest[:size])))


def _reply(path: bytes, body: bytes) -> bytes:
    # /v1/developments/{run}/units/update-by-name
    if path.endswith(b"/update-by-name"):
        _counts[path.split(b"/")[3]] += 1
        return b'{"UntName":' + body.partition(b'"UntName":')[2].partition(b",")[0].strip() + b"}"
    if path == b"/oauth/token":
        return _TOKEN
    return str(_counts[path.rpartition(b"/")[2]]).encode()


async def _serve(head: str, certificate: str | None = None) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.set_alpn_protocols(["http/1.1"])
    loop = asyncio.get_running_loop()
    made = partial(_Protocol, HEADS[head])
    server = await loop.create_server(made, "127.0.0.1", 0, ssl=context, backlog=BACKLOG)
    control = await loop.create_server(made, "127.0.0.1", 0)
    scheme, host = ("http", "127.0.0.1") if context is None else ("https", "localhost")
    port, control_port = (one.sockets[0].getsockname()[1] for one in (server, control))
    print(f"{scheme}://{host}:{port} http://127.0.0.1:{control_port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(*sys.argv[1:]))
