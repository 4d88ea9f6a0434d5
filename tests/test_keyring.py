"""Accounts in the keyring: in a real one that is a file, in a Secret Service, and where is none."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import pytest
from keyring.errors import KeyringLocked

from propq_async import ConfigurationError, Credentials
from propq_async._keyring import (
    SERVICE,
    Entry,
    account_names,
    delete_account,
    store_name,
    write_account,
)
from propq_async._secret import SecretStr, UnusableSecretError
from tests.helpers.secrets import file_keyring

SECRET = "hunter2-the-secret"
INSTEAD = "without a keyring, keep the secret in a file that only you can read and name it in "


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    file_keyring(monkeypatch)


def keep(account: str, client_id: int, secret: str = SECRET) -> None:
    write_account(account, Entry(client_id, SecretStr(secret)))


def problem_of(account: Any = "default") -> str:
    """Return the message, after a look at what a crash reporter would show of it."""
    with pytest.raises(ConfigurationError) as caught:
        Credentials.from_keyring(account)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(told.format())
    assert SECRET not in shown
    assert "propq_async" in shown
    return str(caught.value)


@pytest.mark.usefixtures("store")
def test_what_is_kept_is_found_again_and_listed() -> None:
    assert account_names() == []
    keep("default", 42)
    keep("costa", 43, "ñ\"'\\")
    keep("default", 42, "another")
    assert account_names() == ["costa", "default"]
    costa = Credentials.from_keyring("costa")
    assert (costa.client_id, costa.client_secret()) == (43, "ñ\"'\\")
    assert Credentials.from_keyring().client_secret() == "another"
    assert delete_account("costa")
    assert not delete_account("costa")
    assert account_names() == ["default"]
    assert problem_of("costa") == (
        "the keyring has no account 'costa': `propq login --account costa` keeps one there"
    )
    assert delete_account("default")
    assert "`propq login` keeps one there" in problem_of()
    assert store_name() == "file PlaintextKeyring"


@pytest.mark.usefixtures("store")
def test_the_secret_is_read_again_each_time_and_kept_nowhere() -> None:
    keep("default", 42)
    credentials = Credentials.from_keyring()
    assert pickle.loads(pickle.dumps(credentials)) == credentials
    assert SECRET.encode() not in pickle.dumps(credentials)
    assert SECRET not in repr(credentials)
    keep("default", 42, "another")
    assert credentials.client_secret() == "another"
    keep("default", 43, "another")
    with pytest.raises(UnusableSecretError, match="is that of client 43 now"):
        credentials.client_secret()
    delete_account("default")
    with pytest.raises(UnusableSecretError, match="has no account 'default' any more"):
        credentials.client_secret()
    assert str(credentials.client_secret).startswith("the secret in the account 'default' of the")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("account", ["", " a", "a\n", "x" * 65, 7, None])
def test_a_name_that_nobody_can_read_is_refused(account: Any) -> None:
    assert "an account needs a name of at most 64 visible characters" in problem_of(account)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    "entry",
    [
        SECRET,
        f'"{SECRET}"',
        f'{{"client_secret": "{SECRET}"}}',
        f'{{"client_id": "42", "client_secret": "{SECRET}"}}',
        f'{{"client_id": 42, "client_secret": ["{SECRET}"]}}',
        f'{{"client_id": true, "client_secret": "{SECRET}"}}',
        "{" + SECRET,
    ],
)
def test_an_entry_of_something_else_is_told_and_not_shown(entry: str) -> None:
    keyring.set_password(SERVICE, "default", entry)
    assert "was not made by `propq login`" in problem_of()
    # It can be removed all the same.
    assert delete_account("default")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("index", ["no JSON", '{"a": 1}', "[7, null]"])
def test_a_list_of_names_that_is_none_hides_no_account(index: str) -> None:
    keep("default", 42)
    keyring.set_password(f"{SERVICE} accounts", "all", index)
    assert account_names() == []
    assert Credentials.from_keyring().client_id == 42
    keep("costa", 43)
    assert account_names() == ["costa"]
    assert delete_account("default")


class _Failing(keyring.backend.KeyringBackend):
    """A keyring whose errors show what it was given."""

    def get_password(self, service: str, username: str) -> str | None:
        if service == SERVICE and username == "locked":
            password = f"{SECRET} of {username}"
            raise KeyringLocked(password)
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError(f"cannot keep {password} of {username} for {service}")

    delete_password = get_password  # type: ignore[assignment] # it deletes nothing


def test_an_error_of_a_keyring_is_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyring.core._keyring_backend", _Failing())  # type: ignore[no-untyped-call] # keyring has no type for it
    message = problem_of("locked")
    assert message.startswith("the keyring failed (KeyringLocked): it may be locked; " + INSTEAD)
    with pytest.raises(UnusableSecretError) as caught:
        keep("x", 42)
    assert str(caught.value).startswith("the keyring failed (OSError): it may be locked; ")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in told.stack if "tests" not in frame.filename]
    assert frames
    assert SECRET not in repr([frame.locals for frame in frames])
    assert caught.value.__context__ is None


def test_a_keyring_that_keeps_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with pytest.raises(UnusableSecretError, match="the keyring did not keep the account; without"):
        keep("default", 42)


def test_a_machine_without_a_keyring_says_what_to_use_instead() -> None:
    assert problem_of() == (
        "this machine has no keyring that can be used; without a keyring, keep the secret in a "
        "file that only you can read and name it in PROPQ_CLIENT_SECRET_FILE, with the id in "
        "PROPQ_CLIENT_ID"
    )
    with pytest.raises(UnusableSecretError, match="this machine has no keyring"):
        store_name()


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "the keyring needs a package: pip install 'propq-async[keyring]'" in problem_of()


def test_a_backend_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "no.such.Keyring")
    assert "the keyring failed (ModuleNotFoundError)" in problem_of()


@pytest.mark.campaign
@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="needs gnome-keyring and dbus",
)
def test_a_secret_service_keeps_accounts(tmp_path: Path) -> None:
    """As GNOME has it, on a session bus of its own."""
    (tmp_path / "use.py").write_text(
        "from propq_async import Credentials\n"
        "from propq_async._keyring import *\n"
        "from propq_async._secret import SecretStr\n"
        "print(store_name())\n"
        "write_account('costa', Entry(42, SecretStr('s3cret')))\n"
        "print(account_names(), Credentials.from_keyring('costa').client_secret())\n"
        "print(delete_account('costa'), account_names())\n"
    )
    script = (
        f"printf pass | gnome-keyring-daemon --unlock --components=secrets && "
        f"'{sys.executable}' '{tmp_path}/use.py'"
    )
    environment = {
        **os.environ,
        **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"), str(tmp_path)),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring",
    }
    done = subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-3:] == [
        "SecretService Keyring",
        "['costa'] s3cret",
        "True []",
    ], done.stderr
