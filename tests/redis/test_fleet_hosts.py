"""A fleet on several hosts, one of which is cut off for a while."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from propq_async.testing import PropQEmulator, RecordedRequest, run_in_thread
from tests.helpers import processes
from tests.helpers.hosts import Hosts, running_hosts
from tests.helpers.processes import Process
from tests.helpers.proxies import TLSFront, serving
from tests.helpers.redis_servers import running_redis

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="network namespaces"),
    pytest.mark.campaign,
]

ROWS, LIMIT, SECONDS, SIZE = 900, 150, 2, 3
# Ten seconds in all, with the two until the first look.
CUT_OFF_AFTER_SECONDS, CUT_OFF_SECONDS = 3, 8


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with running_hosts(SIZE + 1) as running:
        yield running


@pytest.fixture
def certificate_of_this_host(hosts: Hosts, tmp_path: Path) -> Path:
    pem, public = tmp_path / "host.pem", tmp_path / "host.crt"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=propq"
    alternatives = ["-addext", f"subjectAltName=IP:{hosts.address}"]
    files = ["-keyout", str(pem), "-out", str(public)]
    subprocess.run([*command.split(), *alternatives, *files], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + public.read_bytes())
    return pem


@pytest.mark.timeout(120)
@pytest.mark.parametrize("cut_off", [0, SIZE], ids=["worker", "redis"])
async def test_a_host_that_is_cut_off_loses_no_row(
    hosts: Hosts,
    certificate_of_this_host: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut_off: int,
) -> None:
    *workers, apart = hosts.others
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_of_this_host.with_suffix(".crt")))
    seen: list[RecordedRequest] = []
    with (
        run_in_thread(PropQEmulator(on_request=seen.append)) as emulator,
        TLSFront(
            certificate_of_this_host, int(emulator.url.rpartition(":")[2]), hosts.address
        ) as front,
        serving(front),
        running_redis(
            tmp_path, "--protected-mode", "no", address=apart.address, prefix=apart.prefix
        ) as redis,
    ):
        for row in range(ROWS):
            emulator.add_unit("4711", f"A-{row}")
        emulator.throttle(LIMIT, SECONDS)
        credentials = emulator.credentials
        about = (
            f"https://{hosts.address}:{front.server_address[1]}",
            redis.url,
            credentials.client_secret,
            credentials.client_id,
        )
        jobs = await asyncio.gather(
            *(
                Process.start(processes.share, *about, number, SIZE, ROWS, 2, on=host.prefix)
                for number, host in enumerate(workers)
            )
        )
        for job in jobs:
            job.go()
        await asyncio.sleep(CUT_OFF_AFTER_SECONDS)
        hosts.others[cut_off].cut_off()
        await asyncio.sleep(2)  # what had arrived is answered by then
        before = len(seen)
        await asyncio.sleep(CUT_OFF_SECONDS)
        by_others = {one.body["UntName"] for one in seen[before:] if one.status == 200}
        hosts.others[cut_off].connect()
        assert await asyncio.gather(*(job.result() for job in jobs)) == [0] * SIZE
        prices = [emulator.unit("4711", f"A-{row}").price for row in range(ROWS)]
    assert prices == [1000 + row for row in range(ROWS)]
    # The others went on, and the one that was cut off did not.
    numbers = {int(name.removeprefix("A-")) % SIZE for name in by_others}
    assert numbers == {*range(SIZE)} - {cut_off}
    # Twice what an undisturbed first burst is.
    assert sum(one.status == 429 for one in seen) <= 2 * SIZE * 100
