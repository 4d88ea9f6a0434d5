"""The recipes for many machines, as they stand in the guide."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from propq_async._cli.app import run
from propq_async._cli.exit_codes import Exit
from propq_async.ledger import Account, Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.jobs import ENDS, Job
from tests.helpers.lists import text_list, unit
from tests.helpers.pages import DOCS, blocks
from tests.helpers.postgres import Server, program
from tests.helpers.support import an_update

# Dask brings it along. It has no types.
yaml: Any = pytest.importorskip("yaml")

PAGE = DOCS / "how-to" / "many-machines.md"
ROWS = 1_500
# Of `propq push` and `pricelist.push` where nothing else is said.
CONCURRENCY = 100


def text_of(caption: str) -> str:
    (found,) = [one.text for one in blocks(PAGE) if one.caption == caption]
    return found


def test_the_ledger_is_set_up_as_the_guide_says(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def make() -> None:
        async with Ledger(tmp_path / "ledger.sqlite3") as ledger:
            await ledger.acknowledge(Account("https://api.propq.com", 7), [an_update()])

    asyncio.run(make())
    monkeypatch.chdir(tmp_path)
    postgres.ask("postgres", "DROP DATABASE IF EXISTS propq")
    given = conninfo_to_dict(postgres.url("propq"))
    for name in ("host", "port", "user", "password"):
        monkeypatch.setenv(f"PG{name.upper()}", str(given[name]))
    (block,) = [one.text for one in blocks(PAGE) if one.language == "bash"]
    install, create, export, copy = block.splitlines()
    assert install == "pip install 'propq-async[cli,postgres]'"
    subprocess.run([program("createdb"), *shlex.split(create)[1:]], check=True)
    name, _, url = export.removeprefix("export ").partition("=")
    monkeypatch.setenv(name, re.sub("//[^/]*/", "///", url))
    assert run(shlex.split(os.path.expandvars(copy))[1:]) == Exit.DONE

    async def known() -> int:
        async with Ledger() as ledger:
            assert ledger.location.startswith("postgresql://")
            return sum(map(len, (await ledger.everything() or {}).values()))

    assert asyncio.run(known()) == 1


def test_the_manifest_says_what_the_commands_and_kubernetes_expect() -> None:
    job: dict[str, Any] = yaml.safe_load(text_of("push-job.yaml"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    # An index is given up by its status only with a limit of its own, and without restarts inside.
    assert spec["completionMode"] == "Indexed"
    assert spec["backoffLimitPerIndex"] > 0
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert int(env["JOB_COMPLETIONS"] or 0) == spec["completions"] == spec["parallelism"]
    assert set(env) == {
        "JOB_COMPLETIONS", "PROPQ_TOKEN_FILE", "PROPQ_CLIENT_ID", "PROPQ_CLIENT_SECRET",
        "PROPQ_LEDGER",
    }  # fmt: skip
    assert all(one in env for one in ("PROPQ_CLIENT_SECRET", "PROPQ_LEDGER"))
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailIndex"
    given_up = set(rule["onExitCodes"]["values"])
    assert given_up == ENDS - {0}
    # What may go well the next time is tried again.
    assert not given_up & {Exit.STOPPED, Exit.BUSY, Exit.INTERRUPTED, Exit.BUG}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert {one["name"] for one in pod["volumes"]} == set(mounts)
    assert any(one.startswith(mounts["lists"]) for one in container["command"])


@asynccontextmanager
async def _an_emulator(rows: int) -> AsyncIterator[PropQEmulator]:
    async with PropQEmulator(latency_seconds=0.005) as emulator:
        for number in range(rows):
            emulator.add_unit("4711", f"A-{number}")
        yield emulator


@pytest.mark.campaign
@pytest.mark.timeout(300)
async def test_the_indexed_job_survives_its_pods(postgres: Server, tmp_path: Path) -> None:
    manifest = yaml.safe_load(text_of("push-job.yaml"))["spec"]
    (container,) = manifest["template"]["spec"]["containers"]
    path = text_list(tmp_path / "prices.csv", *(unit(f"A-{number}") for number in range(ROWS)))
    command = [str(path) if one == "/lists/prices.csv" else one for one in container["command"]]
    async with _an_emulator(ROWS) as emulator:
        ledger = postgres.new_database()
        kills = [ROWS // 3, ROWS // 2]
        job = Job(emulator, ledger, manifest["completions"], kills, random.Random(1))
        # The first push of a list needs a yes, in each part.
        await job.run(command)
        assert {one["status"] for one in job.results.values()} == {Exit.UNCONFIRMED}
        assert emulator.applied == 0
        await job.run([*command, "--accept", "unknown-to-ledger"])
        assert {one["status"] for one in job.results.values()} == {Exit.DONE}
        assert job.killed == 2
        assert ROWS <= emulator.applied < ROWS + job.killed * CONCURRENCY
        assert {one.price for one in emulator.units.values()} == {250_000}


@pytest.mark.campaign
@pytest.mark.timeout(300)
async def test_the_recipe_for_dask_survives_a_worker(postgres: Server, tmp_path: Path) -> None:
    recipe = tmp_path / "push_on_dask.py"
    recipe.write_text(text_of(recipe.name), encoding="utf-8")
    assert len(recipe.read_text(encoding="utf-8").splitlines()) <= 60
    path = text_list(tmp_path / "prices.csv", *(unit(f"A-{number}") for number in range(ROWS)))
    async with (
        _an_emulator(ROWS) as emulator,
        _a_cluster(emulator, postgres.new_database()) as (
            scheduler,
            workers,
        ),
    ):
        killed: list[asyncio.subprocess.Process] = []

        def on_request(_: object) -> None:
            if emulator.applied == ROWS // 3 and not killed:
                killed.append(workers[0])
                os.killpg(workers[0].pid, signal.SIGKILL)

        emulator.on_request = on_request
        driver = await asyncio.create_subprocess_exec(
            sys.executable, str(recipe), str(path), scheduler, "unknown-to-ledger",
            stdout=asyncio.subprocess.PIPE,
            env={name: v for name, v in os.environ.items() if not name.startswith("COV")},
        )  # fmt: skip
        out, _ = await driver.communicate()
        assert driver.returncode == 0, out
        assert killed
        assert b" failed\n" in out
        assert ROWS <= emulator.applied < ROWS + CONCURRENCY
        assert {one.price for one in emulator.units.values()} == {250_000}


@asynccontextmanager
async def _a_cluster(
    emulator: PropQEmulator, ledger: str
) -> AsyncIterator[tuple[str, list[asyncio.subprocess.Process]]]:
    """Run a scheduler and two workers, each in a group of its own, with what a push needs."""
    dask = Path(sys.executable).with_name("dask")
    # Only the workers know the secret.
    env = {name: v for name, v in os.environ.items() if not name.startswith(("COV", "PROPQ"))}
    secrets = {
        "PROPQ_BASE_URL": emulator.url,
        "PROPQ_CLIENT_ID": str(emulator.credentials.client_id),
        "PROPQ_CLIENT_SECRET": emulator.credentials.client_secret,
        "PROPQ_LEDGER": ledger,
        "PROPQ_TOKEN_FILE": "memory:",
    }
    running: list[asyncio.subprocess.Process] = []

    async def start(*command: str, **more: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            str(dask), *command, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True, env=env | more,
        )  # fmt: skip
        running.append(process)
        return process

    async def says(process: asyncio.subprocess.Process, pattern: str) -> str:
        assert process.stderr is not None
        async for line in process.stderr:
            if found := re.search(pattern, line.decode()):
                reading = asyncio.create_task(process.stderr.read())
                readers.append(reading)
                return found[1]
        raise AssertionError(pattern)

    readers: list[asyncio.Task[bytes]] = []
    try:
        scheduler = await start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"
        )
        address = await says(scheduler, r"Scheduler at: +(tcp://\S+)")
        options = ["--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard"]
        workers = [await start("worker", address, *options, **secrets) for _ in range(2)]
        for worker in workers:
            await says(worker, r"Registered to: +(tcp://\S+)")
        yield address, workers
    finally:
        for process in running:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        await asyncio.gather(*readers)
