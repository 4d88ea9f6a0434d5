"""`propq emulate`, as a program that is not ours meets it."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from propq_async._cli.commands import _emulation
from propq_async.testing import PropQEmulator
from tests.helpers.commands import PROPQ, propq, read_until
from tests.helpers.emulator_client import HANG_SECONDS, PATH, UPDATE


def send(url: str, data: bytes, **headers: str) -> tuple[int, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, {"Accept": "application/json", **names})
    try:
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def start(process: subprocess.Popen[str]) -> tuple[str, bytes]:
    """Return the address, and a token request."""
    said = dict(re.findall(r"export (\w+)=(\S+)", read_until(process, "PROPQ_CLIENT_SECRET")))
    form = {
        "grant_type": "client_credentials",
        "client_id": said["PROPQ_CLIENT_ID"],
        "client_secret": said["PROPQ_CLIENT_SECRET"],
    }
    return said["PROPQ_BASE_URL"], urllib.parse.urlencode(form).encode()


def test_the_switches_are_options() -> None:
    options = [
        "--token-lifetime-seconds=7200",
        "--throttle-tokens=2/h",
        "--token-error-style=description",
        "--unknown-status=422",
        "--wrong-method-status=405",
        "--success-body=status",
        "--quiet",
        "--framework-version=8",
        "--no-case-sensitive-names",
        "--throttle=500/h",
    ]
    with propq("emulate", *options, "--known-directions", "N S") as process:
        url, form = start(process)
        assert send(url + "/oauth/token", b"")[1].keys() == {"error", "error_description", "hint"}
        status, token = send(url + "/oauth/token", form)
        assert (status, token["expires_in"]) == (200, 7200)
        assert send(url + "/oauth/token", form)[0] == 429

        bearer = {
            "Authorization": "Bearer " + token["access_token"],
            "Content_Type": "application/json",
        }
        body = json.dumps(UPDATE | {"UntName": "a-101"}).encode()
        unit = json.dumps({"development_id": "4711", "name": "A-101"}).encode()
        assert send(url + PATH, body, **bearer)[0] == 422
        assert send(url + "/_emulator/add_unit", unit, **bearer) == (200, {})
        assert send(url + PATH, body, **bearer) == (200, {"status": "success"})
        west = json.dumps(UPDATE | {"UntDirections": ["W"]}).encode()
        assert send(url + PATH, west, **bearer)[1]["message"] == "The given data was invalid."
        with pytest.raises(urllib.error.HTTPError, match="405"):
            urllib.request.urlopen(url + PATH, timeout=HANG_SECONDS)
        process.terminate()
        _, err = process.communicate(timeout=HANG_SECONDS)
    assert "without units every update is a 422: name a price list with --units" in err
    assert "POST" not in err


def test_every_switch_is_an_option_with_its_default() -> None:
    switches = PropQEmulator().switches
    options = inspect.signature(_emulation.emulate).parameters
    assert {name: options[name].default for name in switches} == switches


def test_what_is_logged_is_short_and_cannot_steer_a_terminal() -> None:
    with propq("emulate") as process:
        url, form = start(process)
        send(url + "/oauth/token", form)
        for text in ("\x1b]0;owned\x07", "x" * 1000):
            body = json.dumps({"UntName": text}).encode()
            assert send(url + "/v1/x", body, Content_Type="application/json")[0] == 404
        drop = b'{"after_applying": false}'
        send(url + "/_emulator/drop_next", drop, Content_Type="application/json")
        with pytest.raises(ConnectionError):
            send(url + "/v1/%1b%5bx", b"")
        process.terminate()
        _, err = process.communicate(timeout=HANG_SECONDS)
    lines = [re.sub(r"^[0-9:]{8} ", "", line) for line in err.splitlines()]
    assert "\x1b" not in err
    assert r'404 POST /v1/x {"UntName": "\u001b]0;owned\u0007"}' in lines
    assert any(line.endswith("xxx...") and len(line) < 230 for line in lines)
    assert "drop POST /v1/%1b%5bx" in lines
    assert form.decode().rpartition("=")[2] not in err


HEADER = "development_id,name,status,price,directions\n"


def test_what_is_kept_of_it_ends_with_it(tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(HEADER + "4711,A-101,SOLD,250000,N\n", encoding="utf-8")
    secret = "of-the-environment"
    credentials = {"PROPQ_CLIENT_ID": "7", "PROPQ_CLIENT_SECRET": secret}
    kept = tmp_path / "secret"
    kept.touch(0o600)
    kept.write_text(secret)
    in_file = {"PROPQ_CLIENT_ID": "7", "PROPQ_CLIENT_SECRET_FILE": str(kept)}
    options = ["--units", str(prices), "--quiet", "--credentials-from-env"]
    port = "0"
    for variables in (credentials, in_file):
        environment = {**os.environ, **variables, "TMPDIR": str(tmp_path)}
        with propq("emulate", *options, "--port", port, env=environment) as process:
            told = read_until(process, "PROPQ_CLIENT_ID")
            said = dict(re.findall(r"export (\w+)=(\S+)", told))
            port = said["PROPQ_BASE_URL"].rpartition(":")[2]
            pushed = subprocess.run(
                [*PROPQ, "push", str(prices), "--yes"],
                env=environment | said, capture_output=True, text=True, check=True,
                timeout=HANG_SECONDS,
            )  # fmt: skip
            with urllib.request.urlopen(said["PROPQ_BASE_URL"] + "/_emulator/state") as state:
                assert json.load(state)["applied"] == 1, pushed.stdout
            files = [Path(said[name]) for name in ("PROPQ_TOKEN_FILE", "PROPQ_LEDGER")]
            assert [file.is_relative_to(tmp_path) for file in files] == [True, True]
            assert [file.exists() for file in files] == [True, True]
            process.terminate()
            # Not communicate(), which leaves out what was read ahead.
            assert process.stdout is not None
            assert process.stderr is not None
            told += process.stdout.read() + process.stderr.read()
        assert "ended after" in told
        assert secret not in told
        assert not files[0].parent.exists()


def test_the_options_of_a_list_are_respected(tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(HEADER + "4711,A-101,Under contract,250000,N\n", encoding="utf-8")
    with propq("emulate", "--units", str(prices), "--end-with-stdin") as process:
        start(process)
        _, err = process.communicate(timeout=HANG_SECONDS)
    assert "left out: " in err
    assert f"is a 404: no row of {prices} could be read; mend it, or add one on the page" in err
    word = ["--status-word", "Under contract=RESERVED"]
    with propq("emulate", "--units", str(prices), "--end-with-stdin", *word) as process:
        url, _ = start(process)
        with urllib.request.urlopen(url + "/_emulator/units") as units:
            assert [unit["status"] for unit in json.load(units)] == [8]


def test_it_goes_on_when_nobody_reads_its_log() -> None:
    with propq("emulate", "--end-with-stdin") as process:
        url, form = start(process)
        assert process.stderr is not None
        while "watch and disturb" not in process.stderr.readline():
            pass
        process.stderr.close()
        for _ in range(3):
            assert send(url + "/oauth/token", form)[0] == 200
