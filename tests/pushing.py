"""Pushes that are killed: `python -m tests.pushing <arguments as JSON>`.

Reads lines of JSON, each with a list and a number of seconds. Pushes the list in a child, kills
that after so long, and prints whether it was still at work.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

from propq_async import AsyncPropQ, Credentials, pricelist
from propq_async.ledger import Ledger


async def push(url: str, client_id: int, secret: str, ledger_path: str, path: str) -> None:
    propq = AsyncPropQ(Credentials(client_id, secret), base_url=url, token_store=None)
    async with propq, Ledger(ledger_path) as ledger:
        plan = await pricelist.plan(pricelist.read(path), propq, ledger)
        async with pricelist.push(plan, propq, ledger, concurrency=CONCURRENCY) as outcomes:
            async for outcome in outcomes:
                assert outcome.ok, outcome.error


CONCURRENCY = 8


def main() -> None:
    url, client_id, secret, ledger = json.loads(sys.argv[1])
    for line in sys.stdin:
        path, seconds = json.loads(line)
        child = os.fork()
        if child == 0:
            asyncio.run(push(url, client_id, secret, ledger, path))
            os._exit(0)
        deadline = time.monotonic() + seconds
        done, status = 0, 0
        while not done and time.monotonic() < deadline:
            time.sleep(0.002)
            done, status = os.waitpid(child, os.WNOHANG)
        if not done:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0
        sys.stdout.write(json.dumps(killed) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
