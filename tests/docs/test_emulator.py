"""What the pages say of the emulator: its commands, and that its tables are complete."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from propq_async.testing import PropQEmulator, plugin
from tests.helpers.pages import (
    DOCS,
    PRICES,
    README,
    actual_parameters,
    block,
    defaults,
    parameters,
    section,
    table,
)

PAGE = DOCS / "reference" / "emulator.md"


def test_the_emulator_runs_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(PRICES, encoding="utf-8")
    start, *steer = block(PAGE, "propq emulate", "bash").splitlines()
    command = [sys.executable, "-m", "propq_async", *shlex.split(start)[1:]]
    # Somebody else may have the port of the page.
    place = command.index("--port") + 1
    address = f"http://127.0.0.1:{command[place]}"
    command[place] = "0"
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            exports: dict[str, str] = {}
            while "PROPQ_CLIENT_SECRET" not in exports:
                line = process.stdout.readline()
                assert line, "it ended before it had printed the variables"
                exports |= dict(re.findall(r"(PROPQ_\w+)=(\S+)", line))
            environment, url = os.environ | exports, exports["PROPQ_BASE_URL"]
            assert all(address in line for line in steer)
            for line in steer if shutil.which("curl") else ():
                arguments = shlex.split(line.replace(address, url))
                subprocess.run([*arguments, "--fail", "--silent"], check=True, timeout=60)
            update = [sys.executable, "-c", block(README, "AsyncPropQ")]
            subprocess.run(update, env=environment, check=True, timeout=60)
            with urllib.request.urlopen(f"{url}/_emulator/requests", timeout=60) as told:
                statuses = [request["status"] for request in json.load(told)]
            faults = [503, 503] if shutil.which("curl") else []
            assert statuses == [200, *faults, 200]
        finally:
            process.terminate()


def test_the_tables_of_the_emulator_are_complete_and_true() -> None:
    switches = PropQEmulator().switches
    settings = table(PAGE, "Setting of `PropQEmulator`")
    actual = defaults(PropQEmulator.__init__)
    assert list(settings) == [name for name in actual if name not in switches]
    for name in ("host", "port", "on_request"):
        assert eval(settings[name]) == actual[name]
    told = table(PAGE, "Switch of `PropQEmulator`")
    assert {name: eval(text) for name, text in told.items()} == switches

    controls = table(PAGE, "Control of `PropQEmulator`")
    public = {name for name in dir(PropQEmulator) if not name.startswith("_")}
    apart = {"credentials", "is_started", "on_request", "switches", "url", "validation_style"}
    assert set(controls) == public - set(switches) - apart

    cells = [
        row.split("|")[1] for row in section(PAGE, "Control of `PropQEmulator`").splitlines()[2:]
    ]
    shown = [match for cell in cells for match in re.findall(r"`(\w+)(\(.*?\))`", cell)]
    methods = {name for name in controls if callable(getattr(PropQEmulator, name))}
    assert {name for name, _ in shown} == methods
    for name, text in shown:
        assert parameters(name, text) == actual_parameters(getattr(PropQEmulator, name)), name

    fixtures = table(DOCS / "tutorials" / "testing.md", "Fixture")
    assert list(fixtures) == ["propq_emulator", "propq", "propq_settings", "propq_env"]
    assert sorted(fixtures) == plugin.__all__
