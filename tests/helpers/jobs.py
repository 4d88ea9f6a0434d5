"""An indexed job as Kubernetes runs it: a process for each index, started again when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import attrs

from propq_async.testing import PropQEmulator, RecordedRequest

ROOT = Path(__file__).parents[2]
ENDS = {0, 1, 4, 6, 64}


@attrs.define
class Job:
    """The pods of a job, some of which are killed when the server has taken so many updates."""

    emulator: PropQEmulator
    ledger: str
    shards: int
    kills: list[int]
    drawn: random.Random
    killed: int = 0
    pods: dict[int, asyncio.subprocess.Process] = attrs.field(factory=dict)
    results: dict[int, dict[str, Any]] = attrs.field(factory=dict)
    prices: dict[str, list[float]] = attrs.field(factory=dict)

    async def run(self, command: list[str]) -> None:
        """Run a pod for each index until it has come to its end."""
        self.emulator.on_request = self._on_request
        async with asyncio.TaskGroup() as group:
            for index in range(self.shards):
                group.create_task(self._keep_running(command, index))

    def _on_request(self, request: RecordedRequest) -> None:
        if not request.path.endswith("/update-by-name"):
            return
        body = request.body
        self.prices.setdefault(body["UntName"], []).append(body["UntPrice"])
        if self.kills and self.emulator.applied >= self.kills[0]:
            living = [pod for pod in self.pods.values() if pod.returncode is None]
            if living:
                self.kills.pop(0)
                self.drawn.choice(living).kill()

    async def _keep_running(self, command: list[str], index: int) -> None:
        credentials = self.emulator.credentials
        env = {name: v for name, v in os.environ.items() if not name.startswith(("COV", "PROPQ"))}
        env |= {
            "PROPQ_BASE_URL": self.emulator.url,
            "PROPQ_CLIENT_ID": str(credentials.client_id),
            "PROPQ_CLIENT_SECRET": credentials.client_secret,
            "PROPQ_LEDGER": self.ledger,
            "PROPQ_TOKEN_FILE": "memory:",
            "JOB_COMPLETIONS": str(self.shards),
            "JOB_COMPLETION_INDEX": str(index),
        }
        status, out = -1, b""
        while status not in ENDS:
            self.pods[index] = pod = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "propq_async", *command[1:],
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT, env=env,
            )  # fmt: skip
            out, err = await pod.communicate()
            assert pod.returncode is not None
            status = pod.returncode
            self.killed += status < 0
            assert status < 0 or status in ENDS, (status, out, err)
        self.results[index] = {"status": status, **json.loads(out)}
