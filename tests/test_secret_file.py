"""Credentials in files: what is read, what is refused, and what is said about it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from propq_async import AsyncPropQ, ConfigurationError, Credentials
from propq_async._secret import UnusableSecretError
from propq_async._secret_file import MAX_FILE_BYTES, SecretFile
from propq_async.credentials import client_id_from_env, secret_problem
from tests.helpers.secrets import SecretOnDisk

SECRET = "hunter2-the-secret"
VARIABLE = "PROPQ_CLIENT_SECRET_FILE"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def read(path: Path) -> str:
    return str(SecretFile(VARIABLE, path)())


def from_env(path: Path, **others: str) -> Credentials:
    return Credentials.from_env({"PROPQ_CLIENT_ID": "7", VARIABLE: str(path), **others})


def refused(path: Path) -> str:
    """Return the message, after a look at what a crash reporter would show."""
    with pytest.raises(ConfigurationError) as caught:
        from_env(path)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(told.format())
    message = str(caught.value)
    assert VARIABLE in message
    assert str(path) in message
    return message


# --- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        SECRET.encode(),
        f"{SECRET}\n".encode(),
        f"{SECRET}\r\n".encode(),
        b"\xef\xbb\xbf" + SECRET.encode() + b"\r\n",
    ],
    ids=["bare", "line break", "line break of Windows", "mark of an editor"],
)
def test_one_line_break_at_the_end_is_no_part_of_the_secret(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert from_env(file).client_secret() == SECRET


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=50))
def test_whatever_is_a_secret_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, secret: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "any-secret"
    file.touch(0o600)
    file.write_bytes(secret.encode() + b"\n")
    assume(not secret.endswith("\r") and not secret.startswith("\ufeff"))
    if secret_problem(secret) is not None or "\0" in secret:
        with pytest.raises(ConfigurationError):
            from_env(file)
    else:
        assert from_env(file).client_secret() == secret


def test_the_file_is_read_again_each_time(file: Path) -> None:
    source = from_env(file).client_secret
    assert source() == SECRET
    file.write_text("another")
    assert source() == "another"


def test_id_and_secret_may_both_be_in_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = file.with_name("id")
    ids.touch(0o600)
    ids.write_text("12345\n")
    monkeypatch.setenv("PROPQ_CLIENT_ID_FILE", str(ids))
    monkeypatch.setenv(VARIABLE, str(file))
    credentials = Credentials.from_env()
    assert (credentials.client_id, credentials.client_secret()) == (12345, SECRET)
    assert client_id_from_env() == 12345
    assert AsyncPropQ.from_env().client_id == 12345
    ids.write_text("seven")
    for ask in (Credentials.from_env, client_id_from_env):
        with pytest.raises(ConfigurationError) as caught:
            ask()
        assert str(caught.value) == (
            f"the file in PROPQ_CLIENT_ID_FILE, {ids}, must be a positive integer"
        )
    ids.unlink()
    with pytest.raises(ConfigurationError, match=r"PROPQ_CLIENT_ID_FILE.* cannot be read"):
        Credentials.from_env()


def test_a_path_may_begin_with_a_tilde_or_be_relative(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.chdir(file.parent)
    for written in ("~/secret", "secret", "./secret"):
        credentials = from_env(Path("x"), **{VARIABLE: written})
        assert credentials.client_secret.path == file


def test_a_variable_that_is_blank_leaves_it_to_the_file(file: Path) -> None:
    """As an empty line in a file of variables does."""
    assert from_env(file, PROPQ_CLIENT_SECRET=" ").client_secret() == SECRET


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET"])
def test_a_variable_beside_the_one_of_its_file_is_refused(file: Path, name: str) -> None:
    environ = {"PROPQ_CLIENT_ID": "7", "PROPQ_CLIENT_SECRET": SECRET, name + "_FILE": str(file)}
    with pytest.raises(ConfigurationError) as caught:
        Credentials.from_env(environ)
    assert str(caught.value) == (
        f"the environment variables {name} and {name}_FILE are both set: unset one"
    )


def test_a_missing_variable_tells_of_the_file() -> None:
    for environ in ({}, {"PROPQ_CLIENT_ID": "7"}, {"PROPQ_CLIENT_ID_FILE": " "}):
        with pytest.raises(ConfigurationError, match=r"or set PROPQ_CLIENT_.*_FILE to a file"):
            Credentials.from_env(environ)


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=f"{VARIABLE} must name a file, not '/run/'"):
        from_env(Path("x"), **{VARIABLE: "/run/"})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b" \n", "is blank"),
        (b"\n\n", "is blank"),
        (SECRET.encode("utf-16"), "has no text in UTF-8"),
        (SECRET.encode() + b"\0", "has no text in UTF-8"),
        (b"\xff" + SECRET.encode(), "has no text in UTF-8"),
        (SECRET.encode() + b"\n\n", "has a line break in it or around it"),
        (b"\n" + SECRET.encode(), "has a line break in it or around it"),
        (f"id\n{SECRET}".encode(), "has a line break in it or around it"),
        (SECRET.encode() + b" \n", "has a blank before or behind it"),
        (f'"{SECRET}"\n'.encode(), "has quotes around it"),
        (b"x" * (MAX_FILE_BYTES + 1), "is larger than 64 KiB"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused(
    file: Path, content: bytes, problem: str
) -> None:
    file.write_bytes(content)
    assert problem in refused(file)


def test_the_largest_file_is_read(file: Path) -> None:
    file.write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(read(file)) == MAX_FILE_BYTES


def test_of_a_gigabyte_only_the_beginning_is_read(file: Path) -> None:
    with file.open("wb") as huge:
        huge.truncate(1 << 30)
    assert "is larger than 64 KiB" in refused(file)


def test_a_missing_file_and_a_link_to_nothing_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "nothing")
    link = tmp_path / "link"
    link.symlink_to("nothing")
    assert "cannot be read: No such file" in refused(link)
    link.unlink()
    link.symlink_to("link")
    assert "cannot be read: Too many levels" in refused(link)


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _directory(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (_fifo, "is a named pipe, not a file"),
        (_directory, "is a directory, not a file"),
        (_socket, "is a socket, not a file"),
        (_device, "is a device, not a file"),
    ],
)
def test_what_is_no_file_is_refused_and_not_opened(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(tmp_path / "it")
    assert kind in refused(tmp_path / "it")


def test_a_fifo_put_in_place_of_the_file_is_not_waited_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at it and its opening."""
    real = os.open

    def late(path: Any, *arguments: Any) -> int:
        if Path(path) == file:
            file.unlink()
            os.mkfifo(file, 0o600)
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(UnusableSecretError, match="is a named pipe"):
        read(file)


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666, 0o777])
def test_a_file_that_others_may_write_to_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert f"may be written to by other users: chmod go-w {file}" in refused(file)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o444, 0o600, 0o640, 0o644])
def test_a_file_that_others_may_read_is_read(file: Path, mode: int) -> None:
    """Docker mounts secrets with 0444 and Kubernetes with 0644."""
    file.chmod(mode)
    assert read(file) == SECRET


def test_rights_are_not_looked_at_where_there_are_none(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.chmod(0o666)  # as Windows shows each file
    monkeypatch.delattr(os, "geteuid")
    monkeypatch.delattr(os, "O_NONBLOCK")
    assert read(file) == SECRET


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_file_of_another_user_is_read_if_it_may_be() -> None:
    """In a container, secrets belong to root and programs do not run as root."""
    code = (
        "import os\n"
        "from propq_async import Credentials, ConfigurationError\n"
        "import encodings.utf_8_sig  # the new user may not read where Python is\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: print(Credentials.from_env().client_secret())\n"
        "except ConfigurationError as error: print(error)"
    )
    # Not the directory of the tests, which is private.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        file = Path(directory) / "secret"
        file.touch(0o600)
        file.write_text(SECRET)

        def as_nobody() -> str:
            environ = {"PROPQ_CLIENT_ID": "7", VARIABLE: str(file), "PATH": os.environ["PATH"]}
            command = [sys.executable, "-c", code]
            return subprocess.run(
                command, env=environ, capture_output=True, text=True, check=True
            ).stdout.strip()

        assert as_nobody() == (f"the file in {VARIABLE}, {file}, cannot be read: Permission denied")
        file.chmod(0o644)
        assert as_nobody() == SECRET


# --- while it changes ----------------------------------------------------------------------------


def test_a_reader_gets_the_old_secret_or_the_new_one_and_nothing_else(tmp_path: Path) -> None:
    """The directory of the mounted files is replaced, as Kubernetes does it."""
    secrets = ["o" * 30_000, "n" * 30_000]
    disk = SecretOnDisk(tmp_path, secrets[0])
    end = threading.Event()

    def writer() -> None:
        for number in range(200):
            disk.replace(secrets[number % 2])
        end.set()

    thread = threading.Thread(target=writer)
    thread.start()
    seen = set()
    while not end.is_set():
        seen.add(read(disk.path))
    thread.join()
    assert seen <= set(secrets)
    assert seen
