"""Pushes that are killed: `python -m tests.helpers.pushing <arguments as JSON>`.

Reads lines of JSON, each with a list, and after how many outcomes to stop. Pushes the list in a
child, prints its process id, and at its end whether it was killed.

Fewer changes are marked at once than by default, so that a short list has groups to be killed
between.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from propq_async import AsyncPropQ, Credentials, pricelist
from propq_async.ledger import Ledger
from propq_async.pricelist import _pushing

CONCURRENCY = 8
MARKED_AT_ONCE = 100


async def push(
    url: str, client_id: int, secret: str, ledger_path: str, path: str, stop_after: int
) -> None:
    propq = AsyncPropQ(Credentials(client_id, secret), base_url=url, token_store=None)
    async with propq, Ledger(ledger_path) as ledger:
        plan = await pricelist.plan(pricelist.read(path), propq, ledger)
        push = pricelist.push(plan, propq, ledger, accept="all", concurrency=CONCURRENCY)
        async with push as outcomes:
            async for outcome in outcomes:
                assert outcome.ok, outcome.error
                if outcomes.standing.done == stop_after:
                    outcomes.stop()


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    _pushing.MARKED_AT_ONCE = MARKED_AT_ONCE  # type: ignore[misc]
    url, client_id, secret, ledger = json.loads(sys.argv[1])
    for line in sys.stdin:
        path, stop_after = json.loads(line)
        child = os.fork()
        if child == 0:
            asyncio.run(push(url, client_id, secret, ledger, path, stop_after))
            os._exit(0)
        say(child)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status)
        assert killed or os.WEXITSTATUS(status) == 0
        say(killed)


if __name__ == "__main__":
    main()
