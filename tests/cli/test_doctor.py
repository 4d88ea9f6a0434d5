"""`propq doctor` in each situation that it is for, as text and as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socketserver
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from propq_async import __main__ as main
from propq_async._cli.app import run
from propq_async._cli.exit_codes import Exit
from propq_async._keyring import Entry, write_account
from propq_async._secret import SecretStr
from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.commands import FIRST, LIST, PROPQ
from tests.helpers.lists import text_list
from tests.helpers.postgres import ENCODED, Server
from tests.helpers.processes import Process, hold_ledger
from tests.helpers.proxies import PASSWORD, Proxy, TLSFront, serving
from tests.helpers.redis_servers import running_redis
from tests.helpers.secrets import file_keyring
from tests.helpers.support import answer

CHECKS = [
    "versions",
    "credentials",
    "base URL",
    "proxy",
    "token endpoint",
    "TLS",
    "secret",
    "clock",
    "token",
    "ledger",
]


class Doctor:
    """Runs the command as text and as JSON, and looks whether both say the same."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.secrets = [PASSWORD]
        self.status = -1
        self.last = ""

    def __call__(self, *options: str) -> dict[str, tuple[str, str]]:
        """Return state and text of each check."""
        status = run(["doctor", *options])
        text = self._capsys.readouterr()
        assert run(["doctor", "--json", *options]) == status
        plain = self._capsys.readouterr()
        document = json.loads(plain.out)
        found = {one["check"]: (one["state"], one["text"]) for one in document["checks"]}
        assert list(found) == CHECKS
        assert document["ok"] == (status == Exit.DONE)
        assert (status == Exit.DONE) == all(state == "ok" for state, _ in found.values())
        assert status in (Exit.DONE, Exit.UNUSABLE, Exit.STOPPED)
        self.status = status
        for check, (state, _) in found.items():
            assert re.search(rf"^  {state} +{check} ", text.out, re.MULTILINE), text.out
        self.last = text.out.rstrip().splitlines()[-1]
        assert (self.last == "All is well.") == document["ok"]
        # Safe to mail.
        for secret in filter(None, self.secrets):
            assert secret not in text.out + plain.out + text.err + plain.err
        return found


@pytest.fixture
def doctor(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Doctor:  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path))
    doctor = Doctor(capsys)
    doctor.secrets.append(emulator.credentials.client_secret)
    return doctor


def not_ok(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {check: text for check, (state, text) in found.items() if state == "wrong"}


def test_all_is_well(doctor: Doctor, emulator: PropQEmulator) -> None:
    found = doctor()
    assert {state for state, _ in found.values()} == {"ok"}
    texts = {check: text for check, (_, text) in found.items()}
    assert re.fullmatch(r"propq-async \S+, \w+ \S+, aiohttp \S+, .+", texts.pop("versions"))
    endpoint = texts.pop("token endpoint")
    assert re.fullmatch(re.escape(emulator.url) + r"/oauth/token answered in \d\.\d\d s", endpoint)
    assert re.fullmatch(r"kept in ~/cache/propq-async/token-1-\w+\.json", texts.pop("token"))
    assert texts == {
        "credentials": "client 1, from PROPQ_CLIENT_ID, PROPQ_CLIENT_SECRET",
        "base URL": f"{emulator.url}, from PROPQ_BASE_URL",
        "proxy": "none is used",
        "TLS": "not used: the server is on this computer",
        "secret": "the server takes it",
        "clock": "as the server's",
        "ledger": "none yet: the first push makes ~/data/propq-async/ledger.sqlite3",
    }


def test_the_secret_is_proved_while_a_token_is_cached(
    doctor: Doctor, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert propq("token", "refresh").status == Exit.DONE
    (file,) = tmp_path.rglob("token-*.json")
    before = file.read_bytes()
    assert not not_ok(doctor())
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "mistyped-s3cret")
    doctor.secrets.append("mistyped-s3cret")
    # The cached token still serves, so nobody would notice.
    assert propq("token", "show").status == Exit.DONE
    wrong = not_ok(doctor())
    assert list(wrong) == ["secret"]
    assert "invalid_client" in wrong["secret"]
    assert "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET" in wrong["secret"]
    # The doctor leaves it alone.
    assert file.read_bytes() == before
    assert before.decode().split('"access_token": "')[1][:20] not in repr(wrong)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (
            [],
            "there are no credentials: log in with `propq login`, which keeps them in the keyring",
        ),
        (["PROPQ_CLIENT_ID"], "the environment variable PROPQ_CLIENT_SECRET is not set"),
        (["PROPQ_CLIENT_SECRET"], "the environment variable PROPQ_CLIENT_ID is not set"),
    ],
)
def test_nothing_or_half_is_set(
    left: list[str], words: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {"PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET"} - {*left}:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PROPQ_BASE_URL")
    found = doctor()
    wrong = not_ok(found)
    assert list(wrong) == ["credentials"]
    assert found["base URL"] == ("ok", "https://api.propq.com, the default")
    assert wrong["credentials"].startswith(words)
    # In one line.
    assert "\n" not in wrong["credentials"]
    assert found["secret"] == ("not checked", "it needs the credentials")
    assert found["token"][0] == "not checked"


def test_credentials_are_named_by_where_they_come_from(
    doctor: Doctor, emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_text(emulator.credentials.client_secret)
    monkeypatch.delenv("PROPQ_CLIENT_SECRET")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET_FILE", str(file))
    text = doctor()["credentials"][1]
    assert text == "client 1, from PROPQ_CLIENT_ID, PROPQ_CLIENT_SECRET_FILE"
    file_keyring(monkeypatch)
    entry = Entry(1, SecretStr(emulator.credentials.client_secret))
    for account in ("costa", "default"):
        write_account(account, entry)
    where = "client 1, from the account 'costa' of the keyring"
    assert doctor("--account", "costa")["credentials"][1] == f"{where} (--account)"
    monkeypatch.setenv("PROPQ_ACCOUNT", "costa")
    assert doctor()["credentials"][1] == f"{where} (PROPQ_ACCOUNT)"
    for name in ("PROPQ_ACCOUNT", "PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET_FILE"):
        monkeypatch.delenv(name)
    text = doctor()["credentials"][1]
    assert text == "client 1, from the account 'default' of the keyring"


def test_a_source_that_gives_nothing_is_the_secret_s_fault(
    doctor: Doctor, emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A keyring that is locked between two looks at it, for example."""
    from propq_async._keyring import KeyringSource  # noqa: PLC0415 - what is replaced below

    file_keyring(monkeypatch)
    write_account("costa", Entry(1, SecretStr(emulator.credentials.client_secret)))

    def fail(_: KeyringSource) -> SecretStr:
        raise OSError(emulator.credentials.client_secret)

    monkeypatch.setattr(KeyringSource, "__call__", fail)
    found = doctor("--account", "costa")
    assert list(not_ok(found)) == ["secret"]
    assert "the source of the secret failed (OSError)" in found["secret"][1]
    assert found["token endpoint"] == ("not checked", "no request was made, see secret")


def test_there_is_no_network(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPQ_BASE_URL", "https://127.0.0.1:1")
    found = doctor()
    wrong = not_ok(found)
    assert list(wrong) == ["token endpoint"]
    assert "gave no answer: there is no connection" in wrong["token endpoint"]
    for check in ("TLS", "secret", "clock"):
        assert found[check] == ("not checked", "the server gave no answer")
    assert doctor.last == "1 check failed, 3 checks could not be made: see above"
    # It may be back in a while, unless something else is wrong as well.
    assert doctor.status == Exit.STOPPED
    monkeypatch.setenv("PROPQ_LEDGER", "/proc/x/ledger")
    doctor()
    assert doctor.last == "2 checks failed, 3 checks could not be made: see above"
    assert doctor.status == Exit.UNUSABLE


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("api.propq.com", "PROPQ_BASE_URL must look like https://api.propq.com"),
        ("http://api.propq.com", "PROPQ_BASE_URL must begin with https://"),
        (f"https://me:{PASSWORD}@api.propq.com", "PROPQ_BASE_URL must have no user"),
    ],
)
def test_the_base_url_cannot_be_one(
    url: str, words: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPQ_BASE_URL", url)
    found = doctor()
    assert list(not_ok(found)) == ["base URL"]
    assert found["base URL"][1].startswith(words)
    assert found["secret"] == ("not checked", "it needs the base URL")


def test_the_base_url_leads_to_another_place(
    doctor: Doctor, emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPQ_BASE_URL", f"{emulator.url}/v2")
    found = doctor()
    assert list(not_ok(found)) == ["token endpoint"]
    assert "404" in found["token endpoint"][1]
    assert "check the base URL" in found["token endpoint"][1]
    assert found["secret"][0] == "not checked"
    assert doctor.status == Exit.UNUSABLE


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    server = Proxy()
    with serving(server):
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@{server.place}")
        monkeypatch.setenv("PROPQ_BASE_URL", "https://api.propq.invalid")
        yield server


def test_a_proxy_asks_for_a_password(doctor: Doctor, proxy: Proxy) -> None:
    found = doctor()
    assert list(not_ok(found)) == ["proxy"]
    assert "the proxy answered 407" in found["proxy"][1]
    assert "the proxy wants a login: put it before the host" in found["proxy"][1]
    assert f"the proxy was {proxy.place}" in found["proxy"][1]
    assert found["token endpoint"] == ("not checked", "the proxy does not let this through")
    # Without it there is no such host.
    found = doctor("--no-proxy")
    assert found["proxy"] == ("ok", "none is used")
    assert list(not_ok(found)) == ["token endpoint"]


def test_a_proxy_that_lets_it_through_is_named(
    doctor: Doctor, proxy: Proxy, emulator: PropQEmulator, certificate: Path
) -> None:
    front = TLSFront(certificate, urlsplit(emulator.url).port or 0)
    proxy.hosts["api.propq.invalid"] = front.server_address[1]
    with serving(front):
        found = doctor()
    assert found["proxy"] == ("ok", f"{proxy.place}; --no-proxy goes without it")
    assert list(not_ok(found)) == ["token endpoint", "TLS"]


def test_a_proxy_that_cannot_be_one_is_told(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"socks5://me:{PASSWORD}@proxy.local:1080")
    monkeypatch.setenv("PROPQ_BASE_URL", "https://api.propq.invalid")
    found = doctor()
    assert list(not_ok(found)) == ["proxy"]
    assert "SOCKS, are not supported" in found["proxy"][1]
    assert found["secret"] == ("not checked", "it needs the proxy")


def test_the_certificate_is_of_an_authority_that_nobody_knows(
    doctor: Doctor, emulator: PropQEmulator, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = TLSFront(certificate, urlsplit(emulator.url).port or 0)
    monkeypatch.setenv("PROPQ_BASE_URL", f"https://127.0.0.1:{front.server_address[1]}")
    with serving(front):
        found = doctor()
        assert list(not_ok(found)) == ["token endpoint", "TLS"]
        assert "no known authority vouches for the certificate" in found["token endpoint"][1]
        assert "SSL_CERT_FILE can name a file with others" in found["TLS"][1]
        assert found["secret"][0] == "not checked"
        # In a process of its own, where nothing has read the authorities yet.
        done = subprocess.run(
            [*PROPQ, "doctor", "--json"],
            env=os.environ | {"SSL_CERT_FILE": f"{certificate}.crt"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == Exit.DONE, done.stdout
    checks = {one["check"]: one["text"] for one in json.loads(done.stdout)["checks"]}
    assert checks["TLS"] == "the server's certificate is trusted"


class _Handler(socketserver.StreamRequestHandler):
    server: _OneAnswer

    def handle(self) -> None:
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.lower().partition(b": ")
            length = int(value) if name == b"content-length" else length
        self.rfile.read(length)
        self.wfile.write(self.server.reply)


class _OneAnswer(socketserver.ThreadingTCPServer):
    """Gives the same answer to each token request."""

    daemon_threads = True

    def __init__(self, reply: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply


@contextmanager
def _answering(status: int, headers: dict[str, str]) -> Iterator[None]:
    """Put a server that gives this answer in the place of the emulator."""
    token = {"access_token": "t", "expires_in": 3600}
    server = _OneAnswer(answer(status, token, headers=headers | {"Connection": "close"}))
    with serving(server), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROPQ_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        yield


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (1, r"this computer's is (1:00:0\d|0:59:5\d) behind the server's: set it"),
        (-1, r"this computer's is (1:00:0\d|0:59:5\d) ahead of the server's: set it"),
    ],
)
def test_the_clock_is_an_hour_off(hours: int, words: str, doctor: Doctor) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    with _answering(200, {"Date": date}):
        found = doctor()
    assert list(not_ok(found)) == ["clock"]
    assert re.fullmatch(words, found["clock"][1])


def test_a_server_that_states_no_time_is_told(doctor: Doctor) -> None:
    with _answering(200, {}):
        assert doctor()["clock"] == ("not checked", "the server stated no time")
    assert doctor.last == "1 check could not be made: see above"
    assert doctor.status == Exit.UNUSABLE


@pytest.mark.parametrize("status", [408, 429, 503])
def test_the_server_is_down(status: int, doctor: Doctor) -> None:
    with _answering(status, {}):
        found = doctor()
    assert list(not_ok(found)) == ["token endpoint"]
    assert str(status) in found["token endpoint"][1]
    assert doctor.status == Exit.STOPPED


# --- files ----------------------------------------------------------------------------------------


def test_the_cache_cannot_be_written(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no directory").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no directory"))
    found = doctor()
    assert list(not_ok(found)) == ["token"]
    assert re.fullmatch(
        r"~/no directory/propq-async/token-1-\w+\.json: Not a directory; each process fetches its "
        r"own token; name another file in PROPQ_TOKEN_FILE",
        found["token"][1],
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.mkdir, "it is a directory; it is left as it is, choose another path"),
        (lambda path: path.write_text("{}\n"), "it is no token file"),
    ],
)
def test_the_token_file_is_something_else(
    make: Any, words: str, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make(tmp_path / "t")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(tmp_path / "t"))
    found = doctor()
    assert list(not_ok(found)) == ["token"]
    assert words in found["token"][1]


def test_the_token_file_is_open_to_others_or_theirs(
    doctor: Doctor, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "t"
    monkeypatch.setenv("PROPQ_TOKEN_FILE", str(file))
    propq("token", "refresh")
    assert not not_ok(doctor())
    file.chmod(0o644)
    assert "it is open to other users: chmod 600 ~/t" in not_ok(doctor())["token"]
    uid = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    assert "it belongs to another user" in not_ok(doctor())["token"]
    monkeypatch.delattr(os, "geteuid")
    assert not not_ok(doctor())


def test_a_token_that_is_kept_elsewhere_is_told(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROPQ_TOKEN_FILE", "memory:")
    assert doctor()["token"] == ("ok", "in memory, since PROPQ_TOKEN_FILE=memory:")
    monkeypatch.delenv("PROPQ_TOKEN_FILE")
    monkeypatch.setenv("PROPQ_REDIS_URL", f"redis://:{PASSWORD}@127.0.0.1:1/0")
    assert list(not_ok(doctor())) == ["token"]
    with running_redis(tmp_path) as server:
        monkeypatch.setenv("PROPQ_REDIS_URL", server.url)
        assert doctor()["token"] == ("ok", "kept in Redis, since PROPQ_REDIS_URL is set")
    monkeypatch.setenv("PROPQ_REDIS_URL", "no URL")
    assert list(not_ok(doctor())) == ["token"]


def test_another_program_holds_the_ledger(doctor: Doctor) -> None:
    path = Ledger().path
    with asyncio.Runner() as runner:
        holder = runner.run(Process.start(hold_ledger, path))
        try:
            found = doctor()
        finally:
            runner.run(holder.kill())
    assert list(not_ok(found)) == ["ledger"]
    assert re.fullmatch(
        r"~/data/propq-async/ledger\.sqlite3 is in use by another push \(process \d+, since .*\): "
        r"a push would not start now",
        found["ledger"][1],
    )


def test_a_ledger_is_looked_at_where_it_is(
    doctor: Doctor, propq: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text_list(Path("x.csv"), *LIST)
    assert propq("push", "x.csv", FIRST).status == Exit.DONE
    found = doctor()
    assert found["ledger"] == (
        "ok",
        "~/data/propq-async/ledger.sqlite3, whole, 30 units, 0 in doubt",
    )
    Ledger().path.chmod(0o666)
    assert "others may write to" in not_ok(doctor())["ledger"]
    broken = tmp_path / "broken"
    broken.write_bytes(b"nothing of the kind " * 100)
    assert "is no ledger" in not_ok(doctor("--ledger", str(broken)))["ledger"]
    not_a_directory = str(tmp_path / "x.csv" / "ledger")
    assert "Not a directory" in not_ok(doctor("--ledger", not_a_directory))["ledger"]
    Ledger().path.chmod(0o600)
    monkeypatch.setattr("propq_async.ledger._sqlite.network_file_system", lambda *_: "nfs4")
    assert "is on a network file system (nfs4)" in not_ok(doctor())["ledger"]


def test_a_first_push_could_make_no_ledger(doctor: Doctor, tmp_path: Path) -> None:
    # Where not even root may write.
    assert not_ok(doctor("--ledger", "/proc/a/b/ledger")) == {
        "ledger": "there is none, and /proc/a/b/ledger cannot be made (No such file or directory): "
        "give access to /proc, or name another file in PROPQ_LEDGER"
    }
    before = sorted(tmp_path.rglob("*"))
    assert not not_ok(doctor("--ledger", str(tmp_path / "a" / "b" / "ledger")))
    assert sorted(tmp_path.rglob("*")) == before


# --- an old Python --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["doctor"], ["doctor", "--json"], ["push", "x.csv", "--json"]]
)
def test_an_old_python_is_told(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    monkeypatch.setattr(sys, "argv", ["propq", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == Exit.UNUSABLE
    said = capsys.readouterr()
    text = "Python 3.11 or later is needed, and this is 3.10.13"
    if arguments == ["doctor", "--json"]:
        finding = {"check": "versions", "state": "wrong", "text": text}
        assert json.loads(said.out) == {"ok": False, "checks": [finding]}
    else:
        assert (said.out, said.err) == ("", f"propq: {text}\n")


def _old_pythons() -> list[Path]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return [one for minor in (8, 9, 10) for one in root.glob(f"3.{minor}.*/bin/python")]


@pytest.mark.skipif(not _old_pythons(), reason="needs an old Python")
def test_a_real_old_python_is_told() -> None:
    for python in _old_pythons():
        done = subprocess.run(
            [python, "-m", "propq_async", "doctor"],
            cwd=Path(__file__).parents[2],
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == Exit.UNUSABLE, done
        assert "Python 3.11 or later is needed, and this is 3." in done.stderr


def test_a_ledger_on_a_server_is_looked_at(
    doctor: Doctor, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    doctor.secrets.append(ENCODED)
    monkeypatch.setenv("PROPQ_LEDGER", url)
    where = Ledger(url).location
    assert doctor()["ledger"] == ("ok", f"none yet: the first push makes its tables in {where}")
    monkeypatch.setenv("PROPQ_LEDGER", url.replace("ledger_", "nowhere_"))
    assert "see that the server is running and can be reached" in not_ok(doctor())["ledger"]
