"""Hosts of one's own: network namespaces with addresses of their own, on one bridge."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import attrs
import pytest

__all__ = ["Host", "Hosts", "running_hosts"]


@attrs.frozen
class Host:
    """A namespace, and the end of its cable that is not in it."""

    name: str
    cable: str
    address: str

    @property
    def prefix(self) -> list[str]:
        """Return what goes before a command, so that it runs there."""
        return ["ip", "netns", "exec", self.name]

    def cut_off(self) -> None:
        """Pull the cable."""
        _ip("link", "set", self.cable, "down")

    def connect(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self.cable, "up")


@attrs.frozen
class Hosts:
    """The others, and the address at which they reach this one."""

    address: str
    others: list[Host]


@contextmanager
def running_hosts(count: int) -> Iterator[Hosts]:
    """Run so many hosts beside this one, or skip the test where that is not permitted."""
    number = os.getpid() % 65536
    network = f"10.{64 + number // 1024}.{number // 4 % 256}"
    bridge = f"pqb{number}"
    with ExitStack() as stack:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            stack.callback(_ip, "link", "del", bridge)
            _ip("addr", "add", f"{network}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            others = [_add(stack, bridge, network, number, index) for index in range(count)]
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", b"") or b""
            why = f"network namespaces are not permitted here: {error} {said.decode().strip()}"
            if os.environ.get("CI") and shutil.which("ip") is None:
                pytest.fail(f"{why}: apt-get install iproute2")
            pytest.skip(why)
        yield Hosts(f"{network}.1", others)


def _add(stack: ExitStack, bridge: str, network: str, number: int, index: int) -> Host:
    address = f"{network}.{index + 2}"
    host = Host(f"propq-{number}-{index}", f"pqc{number}-{index}", address)
    _ip("netns", "add", host.name)
    stack.callback(_ip, "netns", "del", host.name)
    _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    _ip("link", "set", host.cable, "master", bridge, "up")
    inside = ["-n", host.name]
    _ip(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "link", "set", "eth0", "up")
    return host


def _ip(*arguments: str) -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    subprocess.run(
        ["ip", *arguments], check=True, capture_output=True, env=os.environ | {"PATH": path}
    )
