"""A push whose ledger is on a server that dies or fills up in the middle of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from propq_async import AsyncPropQ, pricelist
from propq_async.ledger import Ledger, LedgerError
from propq_async.testing import PropQEmulator, RecordedRequest
from tests.helpers.lists import text_list, unit
from tests.helpers.postgres import Server
from tests.helpers.support import until

ROWS = 700
CONCURRENCY = 8


class Pusher:
    """Pushes one list, with something that happens at one of its calls."""

    def __init__(self, emulator: PropQEmulator, url: str, path: Path) -> None:
        self.emulator, self.url = emulator, url
        self.path = text_list(path, *(unit(f"A-{number}") for number in range(ROWS)))

    async def push(self) -> None:
        emulator = self.emulator
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
        async with propq, Ledger(self.url) as ledger:
            made = await pricelist.plan(pricelist.read(self.path), propq, ledger)
            push = pricelist.push(made, propq, ledger, accept="all", concurrency=CONCURRENCY)
            async with push as outcomes:
                async for outcome in outcomes:
                    assert outcome.ok, outcome.error


async def survives(
    trouble: Callable[[], None], mend: Callable[[], None], url: str, path: Path
) -> str:
    """Push with some trouble at a call, and again. Return what was said of it."""
    async with PropQEmulator() as emulator:
        for number in range(ROWS):
            emulator.add_unit("4711", f"A-{number}")
        pusher = Pusher(emulator, url, path)
        tasks: list[asyncio.Task[None]] = []

        def on_request(_: RecordedRequest) -> None:
            if emulator.applied == ROWS // 3 and not tasks:
                tasks.append(asyncio.create_task(asyncio.to_thread(trouble)))

        emulator.on_request = on_request
        with pytest.raises(LedgerError) as caught:
            await pusher.push()
        await asyncio.gather(*tasks)
        await until(lambda: not emulator.in_flight)
        await asyncio.to_thread(mend)
        sent = emulator.applied
        async with Ledger(url) as ledger:
            for entries in (await ledger.everything() or {}).values():
                for entry in entries.values():
                    # It never claims more than is true.
                    applied = emulator.unit(entry.development_id, entry.name).price
                    assert entry.is_in_doubt or entry.price == applied
        await pusher.push()
        assert ROWS <= emulator.applied < ROWS + CONCURRENCY
        assert sent < ROWS
        assert {one.price for one in emulator.units.values()} == {250_000}
        return str(caught.value)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_is_restarted_amid_a_push(
    postgres: Server, tmp_path: Path, how: signal.Signals
) -> None:
    said = await survives(
        lambda: postgres.stop(how), postgres.start, postgres.new_database(), tmp_path / "list.csv"
    )
    assert "what was sent and is not noted is sent again" in said


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Return a directory of the server's with room for little more than an empty database."""
    directory = Path(tempfile.mkdtemp(prefix="propq-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=10m,mode=0777", "tmpfs", str(directory)]
    mounted = not os.geteuid() and not subprocess.run(command, check=False).returncode
    if not mounted:
        directory.rmdir()
        pytest.skip("only root may mount a small disk, and not in every container")
    shutil.chown(directory, "postgres", "postgres")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)
    directory.rmdir()


async def test_a_server_without_room_amid_a_push(
    postgres: Server, small_disk: Path, tmp_path: Path
) -> None:
    postgres.ask("postgres", f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    try:
        postgres.ask("postgres", "CREATE DATABASE cramped TABLESPACE small")

        postgres.ask("cramped", "CREATE TABLE filler (x TEXT)")

        def fill() -> None:
            # Quickly, and then page by page, so that the last one is taken, too.
            for rows in (500, 50, 7):
                more = (
                    f"INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, {rows})"
                )
                with pytest.raises(psycopg.errors.DiskFull):
                    postgres.ask("cramped", *[more] * 500)

        def make_room() -> None:
            # Even to drop the table needs some.
            command = ["mount", "-o", "remount,size=40m", str(small_disk)]
            subprocess.run(command, check=True)

        said = await survives(fill, make_room, postgres.url("cramped"), tmp_path / "list.csv")
        assert "No space left on device; make room on the server; what was sent" in said
    finally:
        postgres.ask("postgres", "DROP DATABASE IF EXISTS cramped", "DROP TABLESPACE small")
