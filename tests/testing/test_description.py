"""The description of the API, and whether the emulator is what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from openapi_spec_validator import validate

from propq_async.testing import PropQEmulator
from tests.helpers.emulator_client import HANG_SECONDS

CAMPAIGN = (pytest.mark.campaign, pytest.mark.timeout(600))
OTHERWISE: dict[str, Any] = {
    "framework_version": "8",
    "token_error_style": "description",
    "success_body": "empty",
}


def described() -> Any:
    return json.loads(resources.files("propq_async.testing").joinpath("openapi.json").read_text())


def test_it_is_valid_and_describes_what_is_published() -> None:
    description = described()
    validate(description)
    paths = {path: [*methods] for path, methods in description["paths"].items()}
    assert paths == {
        "/oauth/token": ["post"],
        "/v1/developments/{development_id}/units/update-by-name": ["post"],
    }


@attrs.frozen
class Report:
    status: int
    text: str


def schemathesis(
    server: PropQEmulator, description: str, cases: int, directory: Path, *options: str
) -> Report:
    """Run it, with the same requests each time: in a new directory, where it keeps nothing."""
    form = {
        "grant_type": "client_credentials",
        "client_id": server.credentials.client_id,
        "client_secret": server.credentials.client_secret,
    }
    answer = requests.post(f"{server.url}/oauth/token", data=form, timeout=HANG_SECONDS)
    command = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run(
        [command, "run", description, "--url", server.url, "--generation-deterministic",
         "--max-examples", str(cases), "--workers", "1", "--no-color",
         "--continue-on-failure", "--request-timeout", "20", *options,
         "-H", "Accept: application/json",
         "-H", f"Authorization: Bearer {answer.json()['access_token']}"],
        capture_output=True, text=True, check=False, cwd=directory,
    )  # fmt: skip
    return Report(done.returncode, done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("cases", "switches"),
    [
        pytest.param(2, {}, id="a few"),
        pytest.param(500, {}, id="many", marks=CAMPAIGN),
        pytest.param(100, OTHERWISE, id="other switches", marks=CAMPAIGN),
    ],
)
def test_the_emulator_is_what_it_says(
    server: PropQEmulator, cases: int, switches: dict[str, Any], tmp_path: Path
) -> None:
    server.wrong_method_status = 405  # which is what it expects of any server
    for name, value in switches.items():
        setattr(server, name, value)
    server.add_unit("0", "Test")  # of its example
    statuses = set()
    server.on_request = lambda request: statuses.add(request.status)
    report = schemathesis(server, f"{server.url}/openapi.json", cases, tmp_path)
    assert report.status == 0, report.text
    assert "No issues found" in report.text
    # It got beyond what is refused at the door.
    assert {200, 400, 401, 405, 422} <= statuses
    assert server.applied > 1


@pytest.mark.campaign
def test_a_difference_would_be_found(server: PropQEmulator, tmp_path: Path) -> None:
    description = described()
    update = description["paths"]["/v1/developments/{development_id}/units/update-by-name"]
    del update["post"]["responses"]["422"]
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(description))
    server.wrong_method_status = 405
    report = schemathesis(server, str(file), 5, tmp_path, "--phases", "coverage")
    assert report.status == 1, report.text
    assert "[422]" in report.text
    assert "Undocumented" in report.text
