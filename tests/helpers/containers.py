"""Commands in a container of the strictest kind: a namespace of its own, with nothing of the host.

The user has no name and no home, the root is read-only, and there is no `/tmp` and no `/etc`. The
interpreter and the packages are bound into it, so that this works wherever they are installed, also
below a home directory that others may not enter.
"""

from __future__ import annotations

import functools
import json
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

import propq_async

USER = 12345
WORK = "/data"
OWN = "/own"

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")


# In one process, since most of the time of a command is that of its imports.
_COMMANDS = """
import contextlib, io, json, sys
from propq_async._cli.app import run

results = []
for command in json.loads(sys.argv[1]):
    raw = io.BytesIO()
    said = io.TextIOWrapper(raw, encoding="utf-8")
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = run(command)
        said.flush()
    results.append([status, raw.getvalue().decode()])
print(json.dumps(results))
"""


@functools.cache
def why_there_is_none() -> str | None:
    """Return why this machine can run no container, `None` if it can."""
    try:
        done = subprocess.run(
            ["unshare", "--mount", "mount", "--make-rprivate", "/"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        return str(error)
    return done.stderr.strip() or None if done.returncode else None


@attrs.frozen
class Container:
    """A container whose root is made at `root`, an empty directory.

    Args:
        root: where its root is mounted, in its own namespace only.
        work: what it has as its working directory, `/data`, read-only.
        own: what it has as `/own`, the one place where it may write, if there is any.
    """

    root: Path
    work: Path
    own: Path | None = None

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start `python ...` in it."""
        environment = {"PYTHONPATH": "/packages:/libraries", "PATH": "/usr/bin:/bin", **variables}
        inside = [
            "/usr/bin/env", "-i", f"--chdir={WORK}",
            *(f"{name}={value}" for name, value in environment.items()),
            str(Path(sys.base_prefix) / "bin" / "python3"), *arguments,
        ]  # fmt: skip
        enter = ["exec", "chroot", f"--userspec={USER}:{USER}", "--groups=", str(self.root)]
        script = "\n".join((*self._mounts(), shlex.join([*enter, *inside])))
        pipe: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-euc", script],
            stdin=subprocess.DEVNULL, text=True, **pipe,
        )  # fmt: skip

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run `python ...` in it; return its status and what it said."""
        with self.start(*arguments, **variables) as process:
            try:
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
        return process.returncode, out + err

    def commands(self, *commands: list[str], **variables: str) -> Iterator[tuple[int, str]]:
        """Run `propq ...` in it for each command; return their statuses and what they said."""
        status, said = self.run("-c", _COMMANDS, json.dumps(commands), **variables)
        assert status == 0, said
        yield from json.loads(said)

    def _mounts(self) -> list[str]:
        root = shlex.quote(str(self.root))
        places = [(one, one) for one in _SYSTEM if Path(one).exists()]
        if not sys.base_prefix.startswith("/usr"):
            places.append((sys.base_prefix, sys.base_prefix))
        places += [
            (sysconfig.get_path("purelib"), "/libraries"),
            (str(Path(propq_async.__file__).parent), "/packages/propq_async"),
            (str(self.work), WORK),
        ]
        lines = ["umask 022", "mount --make-rprivate /", f"mount -t tmpfs tmpfs {root}"]
        for outside, inside in places:
            place = root + shlex.quote(inside)
            lines += [
                f"mkdir -p {place}",
                f"mount --bind {shlex.quote(outside)} {place}",
                f"mount -o remount,bind,ro {place}",
            ]
        if self.own is not None:
            lines += [
                f"mkdir {root}{OWN}",
                f"mount --bind {shlex.quote(str(self.own))} {root}{OWN}",
            ]
        lines += [f"mkdir {root}/dev {root}/proc", f"mount --rbind /proc {root}/proc"]
        for device in ("null", "urandom"):
            file = f"{root}/dev/{device}"
            lines += [f": > {file}", f"mount --bind /dev/{device} {file}"]
        return [*lines, f"mount -o remount,ro {root}"]
