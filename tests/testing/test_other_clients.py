"""The emulator as clients see it that are not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from propq_async.testing import PropQEmulator
from tests.helpers.emulator_client import HANG_SECONDS, PATH, UPDATE

AS_JSON = {"Accept": "application/json"}


def sold(emulator: PropQEmulator) -> bool:
    unit = emulator.unit("4711", "A-101")
    return (unit.status, unit.price, unit.directions) == (4, 250_000, ("N", "S"))


# -- curl ----------------------------------------------------------------------------------------


def curl(*arguments: str) -> tuple[int, str, str]:
    """Return status, headers and body of the last answer."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--include",
         *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers = done.stdout.replace("\r\n", "\n").split("HTTP/1.1 ")
    head, _, body = answers[-1].partition("\n\n")
    return int(head.split()[0]), head, body


def curl_token(emulator: PropQEmulator) -> str:
    credentials = emulator.credentials
    _, _, body = curl(
        f"{emulator.url}/oauth/token", "-d", "grant_type=client_credentials",
        "-d", f"client_id={credentials.client_id}",
        "--data-urlencode", f"client_secret={credentials.client_secret}",
    )  # fmt: skip
    token: str = json.loads(body)["access_token"]
    return token


def test_curl_does_the_main_job(server: PropQEmulator) -> None:
    token = curl_token(server)
    call = ["-H", f"Authorization: Bearer {token}", "-H", "Accept: application/json"]
    call += ["-d", json.dumps(UPDATE), server.url + PATH]
    status, head, body = curl("-H", "Content-Type: application/json", *call)
    assert (status, json.loads(body)) == (200, UPDATE)
    assert "Content-Type: application/json" in head
    assert sold(server)
    # curl says that a body is a form, unless told otherwise.
    status, _, body = curl(*call)
    assert (status, len(json.loads(body)["errors"])) == (422, 4)


def test_curl_that_follows_redirects_is_fooled(server: PropQEmulator) -> None:
    call = ["-H", "Content-Type: application/json", "-d", json.dumps(UPDATE), server.url + PATH]
    status, head, _ = curl(*call)
    assert (status, f"Location: {server.url}/login" in head) == (302, True)
    status, _, body = curl("--location", *call)
    assert (status, "login" in body) == (200, True)
    assert server.applied == 0
    assert [(item.method, item.path, item.status) for item in server.requests] == [
        ("POST", PATH, 302),
        ("POST", PATH, 302),
        ("GET", "/login", 200),
    ]


def test_curl_meets_the_token_endpoint(server: PropQEmulator) -> None:
    url = f"{server.url}/oauth/token"
    form = {"grant_type": "client_credentials", "client_id": 1, "client_secret": "x"}
    status, _, body = curl(url, "--json", json.dumps(form))
    assert (status, json.loads(body)["error"]) == (401, "invalid_client")
    server.framework_version = "10"
    status, _, body = curl(url, "--json", json.dumps(form))
    assert (status, json.loads(body)["error"]) == (400, "unsupported_grant_type")
    status, _, body = curl(url, "-d", "grant_type=client_credentials")
    assert (status, json.loads(body)["hint"]) == (400, "Check the `client_id` parameter")
    status, _, body = curl(url, *(f"-d{name}={value}" for name, value in form.items()))
    assert status == 401
    assert json.loads(body) == {
        "error": "invalid_client",
        "message": "Client authentication failed",
    }
    assert curl(url)[0] == 419


def test_curl_sees_what_goes_wrong(server: PropQEmulator) -> None:
    token = curl_token(server)
    call = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
    call += ["-H", "Accept: application/json", "-d", json.dumps(UPDATE), server.url + PATH]
    server.throttle(1, per_seconds=3600)
    assert "X-RateLimit-Remaining: 0" in curl(*call)[1]
    status, head, body = curl(*call)
    assert (status, json.loads(body)) == (429, {"message": "Too Many Attempts."})
    assert "Retry-After: 3600" in head or "Retry-After: 3599" in head
    server.throttle(None)
    server.maintenance(retry_after=7)
    assert "Retry-After: 7" in curl(*call)[1]
    server.maintenance(on=False)
    server.fail_next(502)
    assert "<h1>502 Bad Gateway</h1>" in curl(*call)[2]
    server.drop_next(after_applying=True)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        curl(*call)
    assert caught.value.returncode == 52, "curl: empty reply from server"
    assert server.applied == 2


# -- authlib -------------------------------------------------------------------------------------


@pytest.fixture
def _loopback_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.mark.usefixtures("_loopback_without_tls")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_authlib_gets_a_token_and_uses_it(server: PropQEmulator, method: str) -> None:
    credentials = server.credentials
    server.token_lifetime_seconds = 7200
    with OAuth2Session(
        str(credentials.client_id), credentials.client_secret, token_endpoint_auth_method=method
    ) as session:
        token = session.fetch_token(f"{server.url}/oauth/token", grant_type="client_credentials")
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 7200)
        assert not token.is_expired()
        answer = session.post(server.url + PATH, json=UPDATE, headers=AS_JSON)
        assert (answer.status_code, answer.json()) == (200, UPDATE)
        server.revoke_tokens()
        assert session.post(server.url + PATH, json=UPDATE, headers=AS_JSON).status_code == 401
    assert sold(server)


@pytest.mark.usefixtures("_loopback_without_tls")
def test_authlib_reads_the_errors_of_the_token_endpoint(server: PropQEmulator) -> None:
    server.token_error_style = "both"
    with (
        OAuth2Session("1", "wrong", token_endpoint_auth_method="client_secret_post") as session,
        pytest.raises(OAuthError, match="invalid_client: Client authentication failed"),
    ):
        session.fetch_token(f"{server.url}/oauth/token", grant_type="client_credentials")


# -- requests ------------------------------------------------------------------------------------


@pytest.fixture
def http(server: PropQEmulator) -> Iterator[requests.Session]:
    credentials = server.credentials
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
    }
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{server.url}/oauth/token", data=form, timeout=HANG_SECONDS)
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield session


def test_requests_does_the_main_job(server: PropQEmulator, http: requests.Session) -> None:
    answer = http.post(server.url + PATH, json=UPDATE, headers=AS_JSON, timeout=HANG_SECONDS)
    assert (answer.status_code, answer.json()) == (200, UPDATE)
    assert sold(server)


def test_requests_takes_a_page_for_a_success(server: PropQEmulator, http: requests.Session) -> None:
    # It follows redirects by default, and asks for */*.
    answer = http.post(server.url + PATH, json={}, timeout=HANG_SECONDS)
    assert (answer.ok, [item.status_code for item in answer.history]) == (True, [302])
    assert server.applied == 0


def test_requests_meets_a_server_that_restarts(
    server: PropQEmulator, http: requests.Session
) -> None:
    server.drop_next(after_applying=False)
    with pytest.raises(requests.ConnectionError):
        http.post(server.url + PATH, json=UPDATE, headers=AS_JSON, timeout=HANG_SECONDS)
    assert server.applied == 0
    server.latency_seconds = 3600
    with pytest.raises(requests.ReadTimeout):
        http.post(server.url + PATH, json=UPDATE, headers=AS_JSON, timeout=0.05)
    server.latency_seconds = 0
    answer = http.post(server.url + PATH, json=UPDATE, headers=AS_JSON, timeout=HANG_SECONDS)
    assert answer.ok
