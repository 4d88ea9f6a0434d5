"""A network and a server that misbehave as a seed says, and what must hold all the same.

To play a seed again: `PROPQ_CAMPAIGN=1 pytest tests/test_faults.py -k 'campaign and asyncio-118'`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Self

import attrs
import pytest
import uvloop

from propq_async import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncPropQ,
    Clock,
    PropQError,
    PropQSession,
    RetryPolicy,
    ServerError,
    UnitBatch,
    UnitUpdate,
)
from propq_async.testing import PropQEmulator
from tests.helpers.faults import ANSWERED, UNSEEN, Fault, FaultyProxy, Kind, Outage, seeded
from tests.helpers.support import an_update, until
from tests.helpers.truth import Pushed, Row, check, check_batch

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
TIMEOUT_SECONDS = 0.1
# The waits of client and server, which are seconds, run so much faster; the network does not.
SPEED = 50.0


class Ears(logging.Handler):
    """Keep all that anybody logs at any level, with all that a formatter could get hold of."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[logging.LogRecord] = []
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record)
        self.text += f"{self.format(record)} {vars(record)}\n"

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        self._levels = {name: logging.getLogger(name).level for name in (None, "propq_async")}
        for name in self._levels:
            logging.getLogger(name).setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        logging.getLogger().removeHandler(self)


def hurried() -> Clock:
    began = time.monotonic()
    return Clock(
        wall=lambda: 1_900_000_000 + SPEED * (time.monotonic() - began),
        monotonic=lambda: SPEED * time.monotonic(),
        sleep=lambda seconds: asyncio.sleep(seconds / SPEED),
    )


def path(unit: str) -> str:
    return f"/v1/developments/{unit}/units/update-by-name"


@attrs.frozen
class World:
    """What a seed draws, and what client, network and server make of it."""

    chance: random.Random
    emulator: PropQEmulator
    session: PropQSession

    def misbehave(self) -> None:
        """Have the server itself do something that the client must cope with."""
        times = self.chance.randint(1, 3)
        match self.chance.choice(["revoke", "refuse", "throttle", "fail", "drop", "redirect"]):
            case "revoke":
                self.emulator.revoke_tokens()
            case "refuse":
                status = self.chance.choice([429, 503])
                self.emulator.fail_next(status, times=times, retry_after=self.chance.randint(0, 5))
            case "throttle":
                self.emulator.throttle(self.chance.randint(5, 20), self.chance.randint(1, 4))
            case "fail":
                self.emulator.fail_next(self.chance.choice([500, 502, 503, 504]), times=times)
            case "drop":
                self.emulator.drop_next(times=times, after_applying=self.chance.random() < 0.5)
            case "redirect":
                self.emulator.fail_next(self.chance.choice([302, 419]))

    async def input(
        self, units: list[str], prices: range, pushed: Pushed
    ) -> AsyncIterator[UnitUpdate]:
        """Yield updates, several of each unit, while things happen."""
        for price in prices:
            if self.chance.random() < 0.2:
                self.misbehave()
            unit = self.chance.choice(units)
            update = an_update("A-101", price, development_id=unit)
            pushed.pulled.append(update)
            yield update

    async def push(self, units: list[str], prices: range) -> Pushed:
        """Push a batch and end it in one of the ways there are."""
        pushed = Pushed()
        concurrency, patience = self.chance.randint(1, 8), self.chance.choice([20, 120])
        end = self.chance.choice(["", "", "stop", "close", "cancel"])
        batch = self.session.units.update_many(
            self.input(units, prices, pushed), concurrency=concurrency, max_outage_seconds=patience
        )
        after = self.chance.randint(1, len(prices))
        consumer = asyncio.create_task(self._consume(batch, pushed, end, after))
        await asyncio.wait((consumer,))
        if consumer.cancelled():
            assert end == "cancel"
        elif (error := consumer.exception()) is not None:
            # What makes every further row pointless.
            assert isinstance(error, PropQError)
            assert not all(outcome.ok for outcome in pushed.outcomes)
        pushed.outcomes += batch.unfinished
        return pushed

    async def _consume(self, batch: UnitBatch, pushed: Pushed, end: str, after: int) -> None:
        async with batch:
            async for outcome in batch:
                pushed.outcomes.append(outcome)
                if len(pushed.outcomes) < after:
                    continue
                if end == "stop":
                    batch.stop()
                elif end == "close":
                    break
                elif end == "cancel":
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()

    async def single(self, unit: str) -> Row:
        """Make one call."""
        update = an_update("A-101", 3_000, development_id=unit)
        try:
            await self.session.units.update(update)
        except PropQError as error:
            return Row(update, ok=False, error=error)
        return Row(update, ok=True, error=None)


async def play(seed: int, ears: Ears) -> None:
    """Play a seed, and check what must hold whatever it is."""
    chance = random.Random(seed)
    clock = hurried()
    shared = [f"a{number}" for number in range(5)], [f"b{number}" for number in range(3)]
    alone = [f"c{number}" for number in range(6)]
    outages = {
        chance.randint(5, 60): Outage(chance.uniform(0.01, 0.15), cut=chance.random() < 0.5)
        for _ in range(chance.randint(0, 2))
    }
    # Without a token all ends soon.
    draw = seeded(seed, chance.choice([0.1, 0.3, 0.5]), spared="/oauth/token", spared_share=0.1)
    retry = RetryPolicy(
        attempts=chance.randint(1, 4),
        base_delay_seconds=0.1,
        max_delay_seconds=1.0,
        retry_unacknowledged=chance.random() < 0.8,
    )
    async with (
        PropQEmulator(clock=clock.wall, success_body=chance.choice(["echo", "empty"])) as emulator,
        FaultyProxy(emulator.url, draw, outages) as proxy,
    ):
        for unit in (*shared[0], *shared[1], *alone):
            emulator.add_unit(unit, "A-101", price=1)
        propq = AsyncPropQ(
            emulator.credentials,
            base_url=proxy.url,
            token_store=None,
            retry=RetryPolicy(base_delay_seconds=0.1),
            timeout_seconds=TIMEOUT_SECONDS,
            max_connections=chance.choice([2, 10]),
            max_calls_per_second=chance.choice([None, None, 20]),
            clock=clock,
            jitter=random.Random(seed).random,
        )
        async with propq.session(retry=retry) as session:
            # A source of chance for each, lest it depend on whose turn is when.
            worlds = [World(random.Random(f"{seed} {n}"), emulator, session) for n in range(3)]
            first, second, singles = await asyncio.gather(
                worlds[0].push(shared[0], range(1_000, 1_025)),
                worlds[1].push(shared[1], range(2_000, 2_010)),
                asyncio.gather(*(worlds[2].single(unit) for unit in alone)),
            )
        assert (propq.stats().in_flight, propq.stats().waiting) == (0, 0)
        # What the client has given up may reach the server yet.
        await until(lambda: proxy.is_idle)
        for pushed in (first, second):
            check_batch(pushed, partial(applied, emulator), late(proxy))
        for row in singles:
            check(row, applied(emulator, row.update.development_id))
        for secret in (emulator.credentials.client_secret, *proxy.tokens):
            assert secret not in ears.text
        assert any(record.name == "propq_async.tokens" for record in ears.heard)


def late(proxy: FaultyProxy) -> set[float]:
    """Return the prices of updates that arrived after they had been given up."""
    return {json.loads(body)["UntPrice"] for body in proxy.late if body.startswith(b"{")}


def applied(emulator: PropQEmulator, unit: str) -> list[float]:
    """Return all values that the unit has had, in the order in which they were applied."""
    return [values.price for values in emulator.unit(unit, "A-101").history[1:]]


def run(main: Coroutine[Any, Any, None], loop: str = "asyncio") -> None:
    """Run it, and let no complaint of asyncio pass."""
    complaints: list[Any] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await main
        # The server's side sees the end of its connections later, or has just accepted some.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 5)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(watched())
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_nothing_is_lost_and_nothing_is_claimed(seed: int) -> None:
    with Ears() as ears:
        run(play(seed, ears), "uvloop" if seed % 2 else "asyncio")


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("loop", "seed"), [(list(LOOPS)[seed % 2], seed) for seed in range(12, 112)]
)
def test_campaign(loop: str, seed: int) -> None:
    with Ears() as ears:
        run(play(seed, ears), loop)


# --- the proxy itself -----------------------------------------------------------------------------


def test_a_seed_draws_every_kind_of_fault_again() -> None:
    def drawn(seed: int) -> list[Fault]:
        draw = seeded(seed, 0.5, spared="/oauth/token", spared_share=0)
        return [draw(path(f"a{unit}"), number) for unit in range(5) for number in range(8)]

    assert {fault.kind for seed in range(12) for fault in drawn(seed)} == set(Kind)
    assert drawn(3) == drawn(3) != drawn(4)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("loop", ["asyncio", pytest.param("uvloop", marks=pytest.mark.campaign)])
def test_each_fault_does_what_its_name_says(kind: Kind, loop: str) -> None:
    async def main() -> None:
        def draw(place: str, number: int) -> Fault:
            return Fault(kind if place != "/oauth/token" and number == 1 else Kind.NONE)

        async with PropQEmulator() as emulator, FaultyProxy(emulator.url, draw) as proxy:
            emulator.add_unit("a", "A-101", price=1)
            propq = AsyncPropQ(
                emulator.credentials,
                base_url=proxy.url,
                token_store=None,
                # A slow answer is in time on a loaded machine, too.
                timeout_seconds=TIMEOUT_SECONDS * (50 if kind in ANSWERED else 1),
                retry=RetryPolicy(attempts=1),
            )
            async with propq.session() as session:
                error = await failing(session)
                if kind is Kind.LATE_REQUEST:
                    await until(lambda: emulator.applied)
                assert proxy.met[kind] >= 1
                assert emulator.applied == (kind not in UNSEEN)
                if kind not in ANSWERED:
                    assert type(error) is ERRORS.get(kind, APIConnectionError)
                    assert error.may_have_been_applied
                elif kind is Kind.GARBAGE_AFTER_ANSWER:
                    # Where an answer ends that is followed by garbage is open to doubt.
                    assert error is None or error.may_have_been_applied
                else:
                    assert error is None
                if kind in (Kind.CLOSED_AFTER_ANSWER, Kind.RESET_AFTER_ANSWER):
                    await until(lambda: proxy.is_idle)
                    for _ in range(5):  # until the kernel's word has come to the client
                        await asyncio.sleep(0)
                # Whatever it was, the next call is not harmed by what is left of it.
                assert await failing(session) is None
            await until(lambda: proxy.is_idle)
            assert [body != b"" for body in proxy.late] == [True] * (kind is Kind.LATE_REQUEST)

    run(main(), loop)


ERRORS: dict[Kind, type[APIError]] = {
    Kind.BAD_GATEWAY: ServerError,
    Kind.GATEWAY_TIMEOUT: ServerError,
    Kind.HELD_REQUEST: APITimeoutError,
    Kind.LATE_REQUEST: APITimeoutError,
    Kind.HELD_ANSWER: APITimeoutError,
    Kind.ENDLESS_ANSWER: APITimeoutError,
}


async def failing(session: PropQSession) -> APIError | None:
    try:
        await session.units.update(an_update("A-101", 2, development_id="a"))
    except APIError as error:
        return error
    return None


@pytest.mark.parametrize("cut", [False, True])
def test_an_outage_refuses_connections_and_ends(*, cut: bool) -> None:
    async def main() -> None:
        async with (
            PropQEmulator() as emulator,
            FaultyProxy(emulator.url, lambda *_: Fault(Kind.NONE)) as proxy,
        ):
            emulator.add_unit("a", "A-101", price=1)
            propq = AsyncPropQ(
                emulator.credentials,
                base_url=proxy.url,
                token_store=None,
                retry=RetryPolicy(attempts=1),
            )
            async with propq.session() as session:
                assert await failing(session) is None
                away = asyncio.create_task(proxy.go_away(Outage(0.2, cut=cut)))
                await asyncio.sleep(0)
                if cut:
                    await until(lambda: proxy.is_idle)
                    error = await failing(session)
                    assert type(error) is APIConnectionError
                    assert not error.may_have_been_applied
                else:
                    # Who is connected stays so.
                    assert await failing(session) is None
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
                await away
                assert await failing(session) is None

    run(main())
