"""A proxy, a server with TLS, and URLs of proxies that cannot be used, with what the error says."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["BAD_PROXIES", "PASSWORD", "Listener", "Proxy", "TLSFront", "serving"]

PASSWORD = "Pr0xyPassw0rd"
BAD_PROXIES = [
    (f"alice:{PASSWORD}@proxy.local:3128", "it does not begin with http"),
    ("proxy.local:3128", "it does not begin with http"),
    ("//proxy.local:3128", "it does not begin with http"),
    ("", "it does not begin with http"),
    (f"socks5://alice:{PASSWORD}@proxy.local:1080", "SOCKS, are not supported: use the HTTP port"),
    (f"ftp://alice:{PASSWORD}@proxy.local", "it does not begin with http"),
    (f"http://alice:Pr0xy#{PASSWORD}@proxy.local:3128", '"#" %23'),
    (f"http://alice:Pr0xy/{PASSWORD}@proxy.local:3128", '"/" is written %2F'),
    (f"http://alice:12/{PASSWORD}@proxy.local:3128", '"/" is written %2F'),
    (f"http://alice:Pr0xy?{PASSWORD}@proxy.local:3128", '"?" %3F'),
    (f"http://alice:Pr0xy@{PASSWORD}@proxy.local:3128", '"@" %40'),
    (f"http://alice:{PASSWORD} @proxy.local:3128", "percent-encoded"),
    (f"http://alice:{PASSWORD}@proxy.local:3128\n", "percent-encoded"),
    ("http://proxy.local:3128/path", "it has a path"),
    ("http://proxy.local:3128?", "percent-encoded"),
    (f"http://alice:{PASSWORD}@proxy.local:99999", "its port is not a number from 1 to 65535"),
    ("http://proxy.local:0", "its port"),
    ("http://proxy.local:", "its port"),
    ("http://proxy.local:http", "its port"),
    ("http://proxy.local:\u0663", "its port"),
    ("http://proxy.local:²", "its port"),
    ("http://", "it names no host"),
    (f"http://alice:{PASSWORD}@", "it names no host"),
    ("http://:3128", "it names no host"),
    ("http://[::1", "it names no host"),
    ("http://a:b:c", "it names no host"),
    ("http://pröxy.local", "not in ASCII"),
    (f"http://al%3Aice:{PASSWORD}@proxy.local", "a colon"),
    (f"http://alice:пароль{PASSWORD}@proxy.local", "Latin-1"),
    (f"http://alice:%E2%82%AC{PASSWORD}@proxy.local", "Latin-1"),
    (3128, "it is no string"),
    (b"http://proxy.local", "it is no string"),
]


class Proxy(socketserver.ThreadingTCPServer):
    """Remembers what it is asked for, and refuses all but the hosts that it knows."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.passwords: set[str] = set()
        # Where it finds hosts, by their name.
        self.hosts: dict[str, int] = {}

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    # What is read ahead would be lost to the tunnel.
    rbufsize = 0
    server: Proxy

    def handle(self) -> None:
        request = self.rfile.readline()
        self.server.asked.append(request.decode().strip())
        head = []
        while (line := self.rfile.readline()).strip():
            name, _, value = line.decode().partition(": ")
            if name.lower() == "proxy-authorization":
                encoded = value.strip().removeprefix("Basic ")
                self.server.passwords.add(base64.b64decode(encoded).decode())
            else:
                head.append(line)
        method, target, _ = request.decode().split()
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        port = self.server.hosts.get(url.hostname or "")
        if port is None:
            self.wfile.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as there:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                there.sendall(f"{method} {url.path} HTTP/1.1\r\n".encode())
                there.sendall(b"".join(head) + b"Connection: close\r\n\r\n")
            relay(self.connection, there)


class TLSFront(socketserver.ThreadingTCPServer):
    """Speaks TLS for a server on loopback that does not."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, certificate: Path, port: int, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _TLSHandler)
        self.behind = port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)


class _TLSHandler(socketserver.BaseRequestHandler):
    server: TLSFront

    def handle(self) -> None:
        with (
            suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as here,
            socket.create_connection(("127.0.0.1", self.server.behind)) as there,
        ):
            relay(here, there)


class Listener(socketserver.ThreadingTCPServer):
    """Hands on to a server on loopback, and keeps what the clients send."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _ListeningHandler)
        self.behind = port
        self.sent = bytearray()


class _ListeningHandler(socketserver.BaseRequestHandler):
    server: Listener

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.behind)) as there:
            relay(self.request, there, self.server.sent)


def relay(here: socket.socket, there: socket.socket, sent: bytearray | None = None) -> None:
    """Hand on what either side sends, until one has no more. `sent` keeps what `here` sends."""

    def hand_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if sent is not None and source is here:
                    sent.extend(chunk)
                target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=hand_on, args=(there, here))
    back.start()
    hand_on(here, there)
    back.join()


@contextmanager
def serving(server: socketserver.ThreadingTCPServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
