"""The commands behind a proxy: a real one on loopback, which sees where they want to go.

A host on loopback is reached directly, so what lies behind the proxy has a name that only the proxy
knows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from propq_async import AsyncPropQ, ConfigurationError, Credentials
from propq_async._cli.app import run
from propq_async._cli.exit_codes import Exit
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.commands import FIRST, PROPQ
from tests.helpers.lists import text_list, unit
from tests.helpers.proxies import Proxy, TLSFront, serving
from tests.helpers.support import an_update

UPDATE = ["update", "4711", "A-1", "--status", "SOLD", "--price", "5000", "--directions", "N"]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Proxy]:
    monkeypatch.setenv("PROPQ_CLIENT_ID", "1")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "hush")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.chdir(tmp_path)
    text_list(Path("x.csv"), unit("A-1"))
    server = Proxy()
    with serving(server):
        monkeypatch.setenv("https_proxy", f"http://me:hunter2@{server.place}")
        monkeypatch.setenv("http_proxy", f"http://me:hunter2@{server.place}")
        yield server


@pytest.mark.parametrize(
    "command", [UPDATE, ["token", "refresh"], ["push", "x.csv", FIRST, "--max-outage-seconds", "0"]]
)
def test_a_command_goes_through_the_proxy_and_names_it(
    command: list[str], proxy: Proxy, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("PROPQ_BASE_URL", "https://api.propq.invalid")
    assert run(command) == Exit.STOPPED
    said = "".join(capsys.readouterr())
    assert set(proxy.asked) == {"CONNECT api.propq.invalid:443 HTTP/1.1"}
    assert "the proxy answered 407" in said
    assert f"(the proxy was {proxy.place}; --no-proxy goes without it)" in said
    assert "hunter2" not in said


def test_commands_reach_a_server_through_a_tunnel(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = tmp_path / "of-the-server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test",
         "-addext", "subjectAltName=DNS:api.propq.invalid",
         "-keyout", str(certificate), "-out", f"{certificate}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_bytes(certificate.read_bytes() + Path(f"{certificate}.crt").read_bytes())
    with run_in_thread(PropQEmulator()) as emulator:
        emulator.add_unit("4711", "A-1")
        front = TLSFront(certificate, urlsplit(emulator.url).port or 0)
        proxy.hosts["api.propq.invalid"] = front.server_address[1]
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
        monkeypatch.setenv("PROPQ_BASE_URL", "https://api.propq.invalid")
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
        with serving(front):
            # In processes of their own, where nothing has read the certificates yet.
            for command in (["token", "refresh"], UPDATE, ["push", "x.csv", "--yes"]):
                done = subprocess.run(
                    [*PROPQ, *command], capture_output=True, text=True, timeout=60, check=False
                )
                assert done.returncode == Exit.DONE, done
        assert emulator.applied == 2
        assert emulator.token_requests == 1
    assert set(proxy.asked) == {"CONNECT api.propq.invalid:443 HTTP/1.1"}
    assert proxy.passwords == {"me:hunter2"}


async def test_a_client_reaches_a_server_without_tls_through_a_proxy(proxy: Proxy) -> None:
    """Which is the emulator's only, and only where a proxy is given: the commands go directly."""
    with run_in_thread(PropQEmulator()) as emulator:
        emulator.add_unit("4711", "A-101")
        proxy.hosts["127.0.0.1"] = urlsplit(emulator.url).port or 0
        propq = AsyncPropQ(
            emulator.credentials, base_url=emulator.url, token_store=None,
            proxy=f"http://me:hunter2@{proxy.place}",
        )  # fmt: skip
        async with propq.session() as session:
            await session.units.update(an_update())
        assert emulator.applied == 1
        path = "/v1/developments/4711/units/update-by-name"
        assert proxy.asked == [
            f"POST {emulator.url}/oauth/token HTTP/1.1", f"POST {emulator.url}{path} HTTP/1.1",
        ]  # fmt: skip
    assert proxy.passwords == {"me:hunter2"}


def test_without_the_proxy_none_is_asked(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Nobody listens there, and the name needs no server of names.
    monkeypatch.setenv("PROPQ_BASE_URL", "https://0.0.0.0:1")
    assert run(["token", "refresh", "--no-proxy"]) == Exit.STOPPED
    assert "(no proxy was used)" in capsys.readouterr().err
    assert proxy.asked == []


def test_an_emulator_is_reached_directly(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with run_in_thread(PropQEmulator()) as emulator:
        emulator.add_unit("4711", "A-1")
        monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
        assert run(UPDATE) == Exit.DONE, capsys.readouterr()
        assert run(["push", "x.csv", "--yes"]) == Exit.DONE, capsys.readouterr()
        # An error that does not speak of a proxy is left as it is.
        text_list(Path("x.csv"), unit("A-1"), unit("nobody"))
        assert run(["push", "x.csv", FIRST, "--no-proxy"]) == Exit.ROWS_FAILED
        assert "proxy" not in capsys.readouterr().out.replace("--no-proxy", "")
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("proxy_url", "place"),
    [
        (None, None),
        ("http://me:hunter2@proxy.example:3128", "proxy.example:3128"),
        ("https://proxy.example", "proxy.example:443"),
    ],
)
def test_a_client_names_its_proxy_without_its_user(
    proxy_url: str | None, place: str | None
) -> None:
    propq = AsyncPropQ(Credentials(1, "x"), token_store=None, proxy=proxy_url)
    assert propq.proxy == place


@pytest.mark.parametrize("value", ["me:hunter2@proxy.example:3128", "http://me:hunter2@["])
def test_an_unusable_proxy_is_named_without_its_password(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", value)
    propq = AsyncPropQ(Credentials(1, "x"), token_store=None, trust_env=True)
    with pytest.raises(ConfigurationError, match="https_proxy cannot be used") as caught:
        _ = propq.proxy
    assert "hunter2" not in str(caught.value)
