"""Proxies: the one that is given, and those that the environment names."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from propq_async import (
    AsyncPropQ,
    ConfigurationError,
    Credentials,
    TokenUnavailableError,
)
from propq_async._http.pool import Pool
from propq_async._http.proxies import proxy_for, proxy_problem
from propq_async._http.transport import PoolSettings
from propq_async._wire.messages import Lost
from propq_async.testing import PropQEmulator
from tests.helpers.http import ONCE, PATH, a_client, scripted, update
from tests.helpers.proxies import BAD_PROXIES, PASSWORD
from tests.helpers.support import ScriptedServer, Step, an_update, answer, token_answer


class Proxy(ScriptedServer):
    """Answers itself, as a proxy does for http; for https it is asked to CONNECT first."""

    def __init__(self, *connect: Step) -> None:
        by_path: dict[str, list[Step]] = {
            "http://127.0.0.1:9/oauth/token": [token_answer()],
            "127.0.0.1:9": list(connect) or [answer(407, content_type="text/html")],
        }
        super().__init__(answer(200, {"by": "proxy"}), by_path=by_path)


NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("in_environment", [False, True])
@pytest.mark.parametrize("user", ["", "me:pass%40word@"])
async def test_calls_and_token_requests_go_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, user: str, *, in_environment: bool
) -> None:
    async with Proxy() as server:
        proxy = server.url.replace("//", f"//{user}")
        if in_environment:
            monkeypatch.setenv("http_proxy", proxy)
            propq = a_client(NOWHERE, trust_env=True)
        else:
            propq = a_client(NOWHERE, proxy=proxy)
        assert await update(propq) == {"by": "proxy"}
    assert "word" not in repr(propq._connections)
    assert [seen.path for seen in server.seen] == [f"{NOWHERE}/oauth/token", NOWHERE + PATH]
    for seen in server.seen:
        assert ("proxy-authorization" in seen.headers) is bool(user)


@pytest.mark.parametrize("excepted", [True, False])
async def test_the_environment_counts_only_if_it_is_trusted(
    emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch, *, excepted: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1" if excepted else "")
    propq = AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, trust_env=excepted
    )
    assert await update(propq)


@pytest.mark.parametrize(
    ("variables", "through"),
    [
        ({"http_proxy": "PROXY"}, True),
        ({"HTTP_PROXY": "PROXY"}, True),
        ({"http_proxy": "PROXY", "HTTP_PROXY": "http://127.0.0.1:1"}, True),
        ({"all_proxy": "PROXY"}, True),
        ({"ALL_PROXY": "PROXY"}, True),
        ({"all_proxy": "PROXY", "ALL_PROXY": "http://127.0.0.1:1"}, True),
        ({"http_proxy": "PROXY", "all_proxy": "http://127.0.0.1:1"}, True),
        ({"http_proxy": "", "all_proxy": "PROXY"}, True),
        ({"https_proxy": "PROXY"}, False),
        # A program that a web server runs has what a header "Proxy:" says in this variable.
        ({"HTTP_PROXY": "PROXY", "REQUEST_METHOD": "GET"}, False),
        ({"http_proxy": "PROXY", "REQUEST_METHOD": "GET"}, True),
        ({"http_proxy": "PROXY", "no_proxy": "127.0.0.1"}, False),
        ({"http_proxy": "PROXY", "NO_PROXY": "127.0.0.1"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "other", "NO_PROXY": "127.0.0.1"}, True),
        ({"http_proxy": "PROXY", "no_proxy": "a.example, 127.0.0.1:9"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "127.0.0.1:8"}, True),
        ({"ALL_PROXY": "PROXY", "NO_PROXY": "127.0.0.1:9"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "*"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "10.0.0.0/8, 127.0.0.0/8"}, False),
        ({"http_proxy": "PROXY", "no_proxy": "10.0.0.0/8,::1/128,rubbish/8"}, True),
        ({"http_proxy": "PROXY", "no_proxy": "localhost"}, True),
    ],
)
async def test_the_environment_is_read_as_curl_and_requests_read_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, through: bool
) -> None:
    async with Proxy() as server:
        for name, value in variables.items():
            monkeypatch.setenv(name, server.url if value == "PROXY" else value)
        propq = a_client(NOWHERE, trust_env=True, retry=ONCE)
        if through:
            assert await update(propq) == {"by": "proxy"}
        else:
            with pytest.raises(TokenUnavailableError, match="no connection"):
                await update(propq)
    assert bool(server.seen) is through


@pytest.mark.parametrize(
    ("no_proxy", "url", "excepted"),
    [
        ("example.com", "https://example.com", True),
        ("example.com", "https://api.example.com", True),
        (".example.com", "https://api.example.com", True),
        (".example.com", "https://example.com", True),
        ("EXAMPLE.com", "https://api.Example.COM", True),
        ("example.com", "https://notexample.com", False),
        ("api.example.com", "https://example.com", False),
        ("example.com:443", "https://example.com", True),
        ("example.com:443", "https://api.example.com:443", True),
        (".example.com:8443", "https://api.example.com:8443", True),
        ("example.com:8443", "https://example.com", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", "https://example.com", False),
        ("::1", "https://[::1]", True),
        ("[::1]", "https://[::1]", True),
        ("[::1]:443", "https://[::1]", True),
        ("[::1]:444", "https://[::1]", False),
        ("fd00::/8", "https://[fd00::1]", True),
    ],
)
def test_no_proxy_names_hosts_suffixes_ports_and_networks(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, *, excepted: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.local")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert proxy_for(URL(url)) == (None if excepted else "http://proxy.local")


@pytest.mark.parametrize("value", [proxy for proxy, _ in BAD_PROXIES if isinstance(proxy, str)])
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_a_bad_proxy_is_reported_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, value: str
) -> None:
    if not value:
        return  # as if it were not set
    caplog.set_level(0)
    monkeypatch.setenv(name, value)
    propq = a_client(NOWHERE, trust_env=True)
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=f"^the environment variable {name} cannot be used: "
        ) as caught:
            await update(propq)
        frames = [frame.f_locals for frame, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
        text = f"{caught.value}{caplog.text}{frames}"
        assert PASSWORD not in text
        assert "alice" not in text


async def test_a_bad_proxy_of_the_environment_ends_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "socks5://proxy.local:1080")
    async with a_client(NOWHERE, trust_env=True).session() as session:
        with pytest.raises(ConfigurationError, match="SOCKS"):
            async for _ in session.units.update_many(an_update(f"A-{row}") for row in range(300)):
                pass


async def test_no_url_of_aiohttps_errors_gets_into_a_loss() -> None:
    async with Pool(PoolSettings(proxy=f"alice:{PASSWORD}@proxy.local:3128")) as pool:
        lost = await pool.ask_token(NOWHERE, Credentials(1, "x"), 5)
    assert lost == Lost("there is no connection: a URL is not valid", sent=False)


def test_a_proxy_of_the_operating_system_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("propq_async._http.proxies.getproxies", lambda: {"https": "rubbish"})
    with pytest.raises(ConfigurationError, match=r"^the operating system's proxy for https"):
        proxy_for(URL("https://example.com"))


async def test_a_password_in_netrc_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with scripted(answer(200, {})) as server:
        await update(a_client(server.url, trust_env=True))
    token, call = server.seen
    assert "authorization" not in token.headers
    assert call.headers["authorization"] == "Bearer token-1"


async def test_what_a_proxy_says_is_said_to_be_the_proxys() -> None:
    async with Proxy() as server:
        propq = a_client("https://127.0.0.1:9", proxy=server.url.replace("//", "//me:pass@"))
        with pytest.raises(TokenUnavailableError, match="the proxy answered 407") as caught:
            await update(propq)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(("proxy", "words"), BAD_PROXIES)
def test_what_is_wrong_with_a_proxy_is_told_without_its_password(proxy: Any, words: str) -> None:
    problem = proxy_problem(proxy)
    assert problem is not None
    assert words in problem
    assert PASSWORD not in problem
    assert "alice" not in problem


@pytest.mark.parametrize(
    "proxy",
    [
        "http://proxy.local",
        "https://proxy.local:3128/",
        "HTTP://me:pass%40word@10.0.0.1:65535",
        "http://[::1]:3128",
        "http://me@my_proxy:1",
        "http://me:a:b%zz@p",
        "http://:é%C3%A9@p",
    ],
)
def test_a_proxy_that_can_be_used_has_no_problem(proxy: str) -> None:
    assert proxy_problem(proxy) is None


@given(
    st.lists(
        st.sampled_from([*"ab1:@/%#?[]é .", "%40", "%3A", "http://", "https://"])
        | st.text(max_size=2),
        max_size=8,
    ).map("".join)
)
@example("a:b@proxy:1")
@example("[@a")
def test_aiohttp_takes_every_proxy_that_is_accepted(rest: str) -> None:
    """Its own parser must find a host, and it must be able to log in there."""
    for proxy in (rest, "http://" + rest):
        if proxy_problem(proxy) is None:
            url = URL(proxy)
            assert url.host
            assert url.port
            assert url.path == "/"
            assert not url.query_string
            assert not url.fragment
            # As aiohttp writes them.
            assert ":" not in (url.user or "")
            assert f"{url.user}:{url.password}".encode("latin-1")
