"""Batches through real servers: nginx and HAProxy before the emulator.

Whatever they do, each row has one outcome, no row is reported as not applied that was, and none is
reported as applied that was not.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from http.client import HTTPConnection
from pathlib import Path

import attrs
import pytest

from propq_async import AsyncPropQ, TokenRefusedError, UnitOutcome, UnitUpdate
from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.frontends import Frontend, haproxy, nginx
from tests.helpers.support import an_update
from tests.helpers.truth import Row, check

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(300)]

FIRST_PRICE = 100_000  # what a unit has before it is updated; no update has it

Disturb = Callable[[Frontend, PropQEmulator], Coroutine[None, None, None]]


@pytest.fixture
def upstream() -> Iterator[PropQEmulator]:
    with run_in_thread(PropQEmulator()) as emulator:
        yield emulator


@attrs.frozen
class Pushed:
    """What came of a batch, and how it went at the server."""

    outcomes: list[UnitOutcome]
    refused: int

    @property
    def failures(self) -> Counter[str]:
        return Counter(type(one.error).__name__ for one in self.outcomes if one.error is not None)


async def push(
    frontend: Frontend,
    emulator: PropQEmulator,
    *,
    rows: int,
    concurrency: int = 50,
    context: ssl.SSLContext | None = None,
    disturb: Disturb | None = None,
) -> Pushed:
    """Send a batch, each row to a unit of its own, and check what the client says of each.

    While the batch is being disturbed there are more rows.
    """
    pulled = 0
    disturbing: asyncio.Task[None] | None = None

    def updates() -> Iterator[UnitUpdate]:
        nonlocal pulled
        while pulled < rows or (disturbing is not None and not disturbing.done()):
            pulled += 1
            update = an_update(f"unit {pulled}", FIRST_PRICE + pulled)
            emulator.add_unit(update.development_id, update.name, price=FIRST_PRICE)
            yield update

    propq = AsyncPropQ(
        emulator.credentials,
        base_url=frontend.url if context is None else frontend.tls_url,
        token_store=None,
        ssl_context=context,
    )
    async with propq.session() as session:
        await propq.tokens.get_token()
        if disturb is not None:
            disturbing = asyncio.create_task(disturb(frontend, emulator))
        outcomes = [
            outcome
            async for outcome in session.units.update_many(updates(), concurrency=concurrency)
        ]
        if disturbing is not None:
            await disturbing
    assert sorted(outcome.index for outcome in outcomes) == list(range(pulled))
    for outcome in outcomes:
        unit = emulator.unit(outcome.update.development_id, outcome.update.name)
        check(Row(outcome.update, outcome.ok, outcome.error), [float(unit.price)])
    return Pushed(outcomes, propq.stats().refused)


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("burst", ["burst=20", "burst=20 nodelay", ""])
async def test_limit_req_with_429_takes_each_row(
    tmp_path: Path, upstream: PropQEmulator, burst: str
) -> None:
    zone = "limit_req_zone $binary_remote_addr zone=one:1m rate=100r/s; limit_req_status 429;"
    limit = f"limit_req zone=one {burst};"
    with nginx(tmp_path, upstream.url, http=zone, location=limit) as frontend:
        pushed = await push(frontend, upstream, rows=300 if burst else 60)
    assert pushed.failures == {}
    assert pushed.refused


async def test_limit_req_with_its_own_503_tells_the_truth(
    tmp_path: Path, upstream: PropQEmulator
) -> None:
    zone = "limit_req_zone $binary_remote_addr zone=one:1m rate=100r/s;"
    limit = "limit_req zone=one burst=20;"
    with nginx(tmp_path, upstream.url, http=zone, location=limit) as frontend:
        pushed = await push(frontend, upstream, rows=300)
    assert pushed.failures == {}


@pytest.mark.parametrize("connections", [5, 10])
async def test_limit_conn_with_429_takes_each_row(tmp_path: Path, connections: int) -> None:
    zone = "limit_conn_zone $binary_remote_addr zone=one:1m; limit_conn_status 429;"
    limit = f"limit_conn one {connections};"
    with (
        run_in_thread(PropQEmulator(latency_seconds=0.02)) as upstream,
        nginx(tmp_path, upstream.url, http=zone, location=limit) as frontend,
    ):
        pushed = await push(frontend, upstream, rows=500)
    assert pushed.failures == {}
    assert pushed.refused


@pytest.mark.parametrize("wait", ["", "hdr Retry-After 1"])
async def test_a_rate_of_a_stick_table_takes_each_row(
    tmp_path: Path, upstream: PropQEmulator, wait: str
) -> None:
    rules = f"""
    stick-table type ip size 1k expire 1m store http_req_rate(1s)
    http-request track-sc0 src if {{ path_beg /v1 }}
    http-request return status 429 {wait} if {{ path_beg /v1 }} {{ sc_http_req_rate(0) gt 100 }}
    """
    with haproxy(tmp_path, upstream.url, frontend=rules) as frontend:
        pushed = await push(frontend, upstream, rows=600)
    assert pushed.failures == {}
    assert pushed.refused


@pytest.mark.parametrize(
    ("globals_", "server"), [("", "maxconn 5"), ("maxconn 20", "")], ids=["server", "process"]
)
async def test_connections_that_queue_at_haproxy_lose_nothing(
    tmp_path: Path, upstream: PropQEmulator, globals_: str, server: str
) -> None:
    # What waits gets a connection only when another one is idle for this long.
    idle = "timeout http-keep-alive 100ms"
    with haproxy(
        tmp_path, upstream.url, globals_=globals_, defaults=idle, server=server
    ) as frontend:
        pushed = await push(frontend, upstream, rows=500, concurrency=100)
    assert pushed.failures == {}


async def test_too_few_connections_of_nginx_lose_nothing(
    tmp_path: Path, upstream: PropQEmulator
) -> None:
    """It closes what it has no room for."""
    with nginx(tmp_path, upstream.url, connections=24) as frontend:
        await push(frontend, upstream, rows=500, concurrency=100)


async def test_a_tarpit_tells_the_truth(tmp_path: Path, upstream: PropQEmulator) -> None:
    rules = "http-request tarpit deny_status 503 if { path_beg /v1 } { rand(100) lt 5 }"
    with haproxy(
        tmp_path, upstream.url, defaults="timeout tarpit 300ms", frontend=rules
    ) as frontend:
        pushed = await push(frontend, upstream, rows=400)
    assert pushed.failures == {}


# --- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "http",
    [
        "keepalive_timeout 1s;",
        "keepalive_requests 5;",
        "keepalive_timeout 0;",
        "proxy_http_version 1.0;",
        'proxy_http_version 1.1; proxy_set_header Connection "";',
        "chunked_transfer_encoding off; proxy_buffering off;",
        "lingering_close off; reset_timedout_connection on; keepalive_requests 3;",
    ],
)
async def test_each_row_gets_through_nginx(
    tmp_path: Path, upstream: PropQEmulator, http: str
) -> None:
    with nginx(tmp_path, upstream.url, http=http) as frontend:
        pushed = await push(frontend, upstream, rows=500)
    assert pushed.failures == {}


async def test_each_row_gets_through_where_answers_come_compressed(
    tmp_path: Path, upstream: PropQEmulator
) -> None:
    """Before the server stands one that asks for gzip, whatever the client asks for."""
    behind = f"unix:{tmp_path}/behind.sock"
    http = f"""
        proxy_set_header Accept-Encoding gzip;
        server {{
            listen {behind};
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            gzip_proxied any;
            gzip_http_version 1.0;
            location / {{ proxy_pass {upstream.url}; }}
        }}
    """
    with nginx(tmp_path, f"http://{behind}", http=http) as frontend:
        connection = HTTPConnection("127.0.0.1", frontend.port)
        connection.request("GET", "/v1/", headers={"Accept-Encoding": "identity"})
        assert connection.getresponse().headers["Content-Encoding"] == "gzip"
        connection.close()
        pushed = await push(frontend, upstream, rows=500)
    assert pushed.failures == {}


async def test_idle_connections_that_nginx_closes_are_no_failure(
    tmp_path: Path, upstream: PropQEmulator
) -> None:
    with nginx(tmp_path, upstream.url, http="keepalive_timeout 1s;") as frontend:
        for _ in range(3):
            pushed = await push(frontend, upstream, rows=100)
            assert pushed.failures == {}
            await asyncio.sleep(1.02)


@pytest.mark.parametrize("mode", ["http-server-close", "http-keep-alive", "httpclose"])
async def test_each_row_gets_through_haproxy(
    tmp_path: Path, upstream: PropQEmulator, mode: str
) -> None:
    with haproxy(tmp_path, upstream.url, defaults=f"option {mode}") as frontend:
        pushed = await push(frontend, upstream, rows=500)
    assert pushed.failures == {}


# --- reloads and kills ----------------------------------------------------------------------------


async def reloads(frontend: Frontend, _: PropQEmulator) -> None:
    for _time in range(6):
        await asyncio.sleep(0.3)
        frontend.reload()


async def kills(_: Frontend, emulator: PropQEmulator) -> None:
    for _time in range(3):
        await asyncio.sleep(0.2)
        await emulator.close()
        await asyncio.sleep(0.2)
        await emulator.start()


async def test_reloads_of_nginx_lose_nothing(tmp_path: Path, upstream: PropQEmulator) -> None:
    with nginx(tmp_path, upstream.url) as frontend:
        pushed = await push(frontend, upstream, rows=1_500, disturb=reloads)
    assert pushed.failures == {}


async def test_reloads_of_haproxy_lose_nothing(tmp_path: Path, upstream: PropQEmulator) -> None:
    with haproxy(tmp_path, upstream.url) as frontend:
        pushed = await push(frontend, upstream, rows=1_500, disturb=reloads)
    assert pushed.failures == {}


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_an_upstream_that_dies_loses_nothing(
    tmp_path: Path, upstream: PropQEmulator, kind: str
) -> None:
    made = nginx(tmp_path, upstream.url) if kind == "nginx" else haproxy(tmp_path, upstream.url)
    with made as frontend:
        pushed = await push(frontend, upstream, rows=1_000, disturb=kills)
    assert pushed.failures == {}


async def test_an_error_page_with_status_200_is_no_success(
    tmp_path: Path, upstream: PropQEmulator
) -> None:
    page = """
        error_page 502 504 =200 /down.html;
        location = /down.html { internal; default_type text/html; return 200 "<h1>Down</h1>"; }
    """
    with nginx(tmp_path, upstream.url, server=page) as frontend:
        pushed = await push(frontend, upstream, rows=1_000, disturb=kills)
    assert pushed.failures == {}


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def client_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that signs itself, in one file."""
    folder = tmp_path_factory.mktemp("mtls")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=client"
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    pem = folder / "client.pem"
    pem.write_bytes((folder / "key").read_bytes() + (folder / "certificate").read_bytes())
    return pem


def tls(certificate: Path, more: str = "") -> str:
    return f"ssl_certificate {certificate}; ssl_certificate_key {certificate}; {more}"


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.mark.parametrize(
    "settings",
    [
        "ssl_session_tickets on; ssl_session_cache shared:one:1m;",
        "ssl_session_tickets off; ssl_session_cache none;",
        "ssl_session_tickets on; ssl_protocols TLSv1.2;",
        "ssl_session_tickets off; ssl_protocols TLSv1.2; keepalive_requests 5;",
        "keepalive_timeout 1s; keepalive_requests 5;",
    ],
)
async def test_each_row_gets_through_tls(
    tmp_path: Path, upstream: PropQEmulator, certificate: Path, settings: str
) -> None:
    with nginx(
        tmp_path, upstream.url, server=tls(certificate, settings), listen=" ssl"
    ) as frontend:
        pushed = await push(frontend, upstream, rows=300, context=trusting(certificate))
    assert pushed.failures == {}


async def test_reloads_under_tls_lose_nothing(
    tmp_path: Path, upstream: PropQEmulator, certificate: Path
) -> None:
    with nginx(tmp_path, upstream.url, server=tls(certificate), listen=" ssl") as frontend:
        pushed = await push(
            frontend, upstream, rows=1_500, context=trusting(certificate), disturb=reloads
        )
    assert pushed.failures == {}


async def test_each_row_gets_through_mutual_tls(
    tmp_path: Path, upstream: PropQEmulator, certificate: Path, client_certificate: Path
) -> None:
    settings = f"ssl_client_certificate {client_certificate}; ssl_verify_client on;"
    context = trusting(certificate)
    context.load_cert_chain(client_certificate)
    with nginx(
        tmp_path, upstream.url, server=tls(certificate, settings), listen=" ssl"
    ) as frontend:
        pushed = await push(frontend, upstream, rows=300, context=context)
    assert pushed.failures == {}


async def test_mutual_tls_without_a_certificate_says_what_is_missing(
    tmp_path: Path, upstream: PropQEmulator, certificate: Path, client_certificate: Path
) -> None:
    settings = f"ssl_client_certificate {client_certificate}; ssl_verify_client on;"
    with (
        nginx(tmp_path, upstream.url, server=tls(certificate, settings), listen=" ssl") as frontend,
        pytest.raises(TokenRefusedError, match="No required SSL certificate was sent") as caught,
    ):
        await push(frontend, upstream, rows=1, context=trusting(certificate))
    assert "load_cert_chain" in str(caught.value)
    assert "PROPQ_CLIENT" not in str(caught.value)
