"""Batches before a server of random faults, in virtual time, and in programs that end anyhow."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from propq_async import AsyncPropQ, Clock, PropQError, RetryPolicy, Token, UnitUpdate
from propq_async._http.transport import Attempt
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator
from tests.helpers.simulation import OK, Simulated, status, units
from tests.helpers.support import an_update, run_virtual
from tests.helpers.truth import Pushed, check_batch

# What the server does with a request: whether it applies it, and what comes back.
FAULTS: dict[str, tuple[bool, Reply | Lost]] = {
    "ok": (True, OK),
    "no object": (True, Reply(200, {}, b"<html>")),
    "answer lost": (True, Lost("the connection was lost", sent=True)),
    "answer too late": (True, Lost("no answer", sent=True, timed_out=True)),
    "request lost": (False, Lost("the connection was lost", sent=True)),
    "refused": (False, Lost("there is no connection", sent=False)),
    "stale": (False, Lost("there is no connection", sent=False, stale=True)),
    "applied, then broken": (True, status(500)),
    "broken": (False, status(500)),
    "gateway gave up": (True, status(504)),
    "down": (False, status(503)),
    "maintenance": (False, status(503, Retry_After="3")),
    "throttled": (False, status(429, Retry_After="2")),
    "throttled without a word": (False, status(429)),
    "unknown": (False, status(404)),
    "invalid": (False, status(422)),
    "redirect": (False, status(302, Location="/login")),
}


class Unreliable(Simulated):
    """Plays a script for each unit, then does as it is told, and keeps what it applied."""

    def __init__(self, clock: Clock, scripts: dict[str, list[str]], latency: float) -> None:
        super().__init__(clock, lambda *_: OK, latency_seconds=latency)
        self._scripts = {unit: iter(script) for unit, script in scripts.items()}
        self.applied: dict[str, list[float]] = defaultdict(list)
        self.running: Counter[str] = Counter()

    async def send(
        self, _: str, __: URL, ___: Token, body: bytes | None, ____: float, attempt: Attempt, /
    ) -> Reply | Lost:
        sent = json.loads(body or b"")
        unit = sent["UntName"]
        self.running[unit] += 1
        assert self.running[unit] == 1, "two at once for one unit"
        try:
            applies, reply = FAULTS[next(self._scripts[unit], "ok")]
            await asyncio.sleep(self._latency_seconds / 2)
            if isinstance(reply, Reply) or reply.sent:
                attempt.sent = True
            if applies:
                self.applied[unit].append(sent["UntPrice"])
            await asyncio.sleep(self._latency_seconds / 2)
        finally:
            self.running[unit] -= 1
        return reply


UNITS = ("a", "b", "c")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.sampled_from(UNITS), max_size=25),
    scripts=st.fixed_dictionaries(
        {unit: st.lists(st.sampled_from(sorted(FAULTS)), max_size=40) for unit in UNITS}
    ),
    concurrency=st.integers(1, 5),
    connections=st.integers(1, 5),
    attempts=st.integers(1, 4),
    patience=st.sampled_from([0.0, 1.0, 30.0, 1e6]),
    end=st.sampled_from(["", "", "stop", "close", "cancel"]),
    after=st.integers(1, 20),
    repeat=st.booleans(),
)
def test_random_faults_neither_lose_nor_invent_nor_reorder(  # noqa: C901 - a world
    rows: list[str],
    scripts: dict[str, list[str]],
    concurrency: int,
    connections: int,
    attempts: int,
    patience: float,
    end: str,
    after: int,
    *,
    repeat: bool,
) -> None:
    pushed = Pushed()

    def updates() -> Iterator[UnitUpdate]:
        for number, unit in enumerate(rows):
            pushed.pulled.append(an_update(unit, number + 1, development_id=unit))
            yield pushed.pulled[-1]

    async def consume(batch: Any) -> None:
        async with batch:
            async for outcome in batch:
                pushed.outcomes.append(outcome)
                if len(pushed.outcomes) == after:
                    if end == "stop":
                        batch.stop()
                    elif end == "close":
                        return
                    elif end == "cancel":
                        task = asyncio.current_task()
                        assert task is not None
                        task.cancel()

    async def main(clock: Clock) -> Unreliable:
        server = Unreliable(clock, scripts, latency=0.1)
        policy = RetryPolicy(attempts=attempts, retry_unacknowledged=repeat)
        one = units(clock, server, max_connections=connections, retry=policy)
        batch = one.update_many(updates(), concurrency=concurrency, max_outage_seconds=patience)
        consumer = asyncio.create_task(consume(batch))
        await asyncio.wait((consumer,))
        if not consumer.cancelled() and (error := consumer.exception()) is not None:
            assert isinstance(error, PropQError)
        pushed.outcomes += batch.unfinished
        timer = one._state.entered().throttle.detach()
        if timer is not None:
            await asyncio.wait((timer,))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert one._state.entered().throttle.is_idle
        return server

    server = run_virtual(main)
    check_batch(pushed, lambda unit: server.applied[unit])
    if not end and patience == 1e6:
        assert len(pushed.outcomes) == len(rows)


# --- programs -------------------------------------------------------------------------------------


PROGRAM = """
import asyncio, gc, logging, sys
from propq_async import AsyncPropQ, UnitStatus, UnitUpdate
from propq_async.testing import PropQEmulator

logging.basicConfig(level=logging.WARNING)

def row(number):
    return UnitUpdate("4711", f"{{number % 100}}", UnitStatus.SOLD, 1, ["N"])

def plain():
    number = 0
    while True:
        number += 1
        yield row(number)

async def asynchronous():
    for update in plain():
        await asyncio.sleep(0)
        yield update

async def stuck():
    for number in range(5):
        yield row(number)
    await asyncio.Event().wait()

class Broken(Exception):
    pass

{programs}

async def main(program):
    asyncio.get_running_loop().slow_callback_duration = 60
    async with PropQEmulator() as emulator:
        for number in range(100):
            emulator.add_unit("4711", f"{{number}}")
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
        for updates in (plain, asynchronous, stuck):
            try:
                async with propq.session() as session:
                    await program(session, updates())
            except Broken:
                pass
            gc.collect()

for program in {names}:
    try:
        asyncio.run(main(program))
    except KeyboardInterrupt:
        pass
    gc.collect()
    print(program.__name__, file=sys.stderr)
"""

PROGRAMS = {
    "the body breaks out": """
        async for outcome in session.units.update_many(updates, concurrency=9):
            seen += 1
            if seen == 5:
                break
    """,
    "the body raises": """
        async for outcome in session.units.update_many(updates, concurrency=9):
            raise Broken
    """,
    "the body raises inside of async with": """
        async with session.units.update_many(updates, concurrency=9) as batch:
            async for outcome in batch:
                raise Broken
    """,
    "the program is interrupted": """
        async for outcome in session.units.update_many(updates, concurrency=9):
            raise KeyboardInterrupt
    """,
    "nobody looks at the batch": """
        session.units.update_many(updates)
    """,
    "one outcome is taken and the batch forgotten": """
        await anext(session.units.update_many(updates, concurrency=9))
        gc.collect()
    """,
    "the consumer is cancelled": """
        async def consume():
            async for outcome in session.units.update_many(updates, concurrency=9):
                pass
        consumer = asyncio.create_task(consume())
        await anext(session.units.update_many(plain(), concurrency=9))
        consumer.cancel()
        await asyncio.wait([consumer])
    """,
    "a consumer is left behind": """
        async def consume():
            async for outcome in session.units.update_many(updates, concurrency=9):
                pass
        globals().setdefault("left", []).append(asyncio.create_task(consume()))
        await anext(session.units.update_many(plain(), concurrency=9))
    """,
    "it is closed twice at once": """
        batch = session.units.update_many(updates, concurrency=9)
        await anext(batch)
        await asyncio.gather(batch.aclose(), batch.aclose())
    """,
    "a time limit ends it": """
        try:
            async with asyncio.timeout(0.05):
                async for outcome in session.units.update_many(updates, concurrency=9):
                    pass
        except TimeoutError:
            pass
    """,
    "it is stopped while its input keeps it waiting": """
        batch = session.units.update_many(updates, concurrency=9)
        async for outcome in batch:
            seen += 1
            if seen == 5:
                batch.stop()
    """,
}


def test_a_program_ends_without_complaints_of_python(tmp_path: Path) -> None:
    names = [name.replace(" ", "_") for name in PROGRAMS]
    programs = [
        f"async def {name}(session, updates):\n    seen = 0\n"
        + textwrap.indent(textwrap.dedent(program).strip("\n"), "    ")
        for name, program in zip(names, PROGRAMS.values(), strict=True)
    ]
    script = tmp_path / "program.py"
    script.write_text(PROGRAM.format(programs="\n\n".join(programs), names=f"[{', '.join(names)}]"))
    command = [sys.executable, "-X", "dev", "-W", "error", str(script)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    # Each says that it has ended, and Python says nothing.
    assert run.stderr.splitlines() == names
    assert run.returncode == 0


# --- the consumer ---------------------------------------------------------------------------------


async def test_a_slow_consumer_holds_the_calls_back_and_loses_nothing(
    emulator: PropQEmulator,
) -> None:
    for name in range(60):
        emulator.add_unit("4711", f"{name}")
    pulled = 0

    async def updates() -> AsyncIterator[UnitUpdate]:
        nonlocal pulled
        for name in range(60):
            pulled += 1
            yield an_update(f"{name}")

    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    taken = 0
    async with propq.session() as session:
        async for outcome in session.units.update_many(updates(), concurrency=7):
            taken += 1
            assert outcome.ok
            for _ in range(30):
                await asyncio.sleep(0)
            assert emulator.calls <= pulled <= taken + 7
    assert taken == emulator.applied == 60
