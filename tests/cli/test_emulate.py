"""`propq emulate`, as a user runs it."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from propq_async import AsyncPropQ, Credentials, RateLimitError, RetryPolicy
from propq_async._cli.app import run
from propq_async._cli.exit_codes import Exit
from tests.helpers.commands import price_list, propq, read_until
from tests.helpers.support import an_update

pytestmark = pytest.mark.usefixtures("temporary_directory")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_emulate_serves_until_it_is_asked_to_end(
    number: signal.Signals, tmp_path: Path
) -> None:
    path = price_list(tmp_path / "prices.csv", "4711,A-101,HOLD,199500.50,N S", "4711,A-102,SOLD")
    with propq("emulate", "--units", str(path), "--throttle", "1/h") as process:
        said = read_until(process, "PROPQ_CLIENT_SECRET")
        assert re.fullmatch(r"(export PROPQ_\w+=[\w:/.-]+\n){5}", said)
        variables = dict(re.findall(r"export (\w+)=(\S+)", said))
        url = variables["PROPQ_BASE_URL"]
        factory = AsyncPropQ(
            Credentials.from_env(variables),
            base_url=url,
            token_store=None,
            retry=RetryPolicy(attempts=1),
        )
        async with factory.session() as session:
            await session.units.update(an_update())
            with pytest.raises(RateLimitError):
                await session.units.update(an_update())
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "<time> ", line) for line in err.splitlines()]
    call = (
        "POST /v1/developments/4711/units/update-by-name "
        '{"UntName": "A-101", "UntStatus": 4, "UntPrice": 250000, "UntDirections": ["N", "S"]}'
    )
    assert lines == [
        f"propq: left out: {path}, line 3, expected 5 columns separated by commas, not 3",
        f"PropQ emulator at {url} with 1 unit, at most 1 call in 3600 s; Ctrl-C ends it",
        f"watch and disturb it at {url}/",
        "<time> 200 POST /oauth/token",
        f"<time> 200 {call}",
        f"<time> 429 {call}",
        "ended after 1 token request and 2 calls; 1 update was applied",
    ]


def test_emulate_can_end_with_its_standard_input() -> None:
    with propq("emulate", "--end-with-stdin") as process:
        read_until(process, "PROPQ_CLIENT_SECRET")
        _, err = process.communicate("not read\n", timeout=60)
    assert process.returncode == 0
    assert "without units every update is a 404: name a price list" in err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(["emulate", "--port", str(port)]) == Exit.STOPPED
    assert re.fullmatch(
        rf"propq: cannot listen at port {port} of 127.0.0.1: Address .*; choose another --port, "
        "or leave it out and get a free one\n",
        capsys.readouterr().err,
    )
