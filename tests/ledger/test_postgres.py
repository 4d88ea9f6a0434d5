"""What is particular to a ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import signal
import socket
import sys
import time
from decimal import Decimal
from pathlib import Path
from types import TracebackType

import psycopg
import pytest

from propq_async import AsyncPropQ, Clock, ConfigurationError
from propq_async.ledger import Account, Ledger, LedgerBusyError, LedgerError
from propq_async.ledger import _postgres_session as session
from propq_async.ledger._postgres import PostgresBackend
from propq_async.testing import PropQEmulator
from tests.helpers.ledgers import ME, change, entry, spoil, take_lock
from tests.helpers.postgres import ENCODED, PASSWORD, Server, a_pooler, free_port
from tests.helpers.processes import Process, hold_ledger
from tests.helpers.proxies import Listener, serving
from tests.helpers.support import an_update

OTHER = Account(ME.base_url, 8)
# A statement alone, or Flush or Sync after several: then the client waits for what it has asked.
WAITS = re.compile(rb"Q\x00\x00\x00\x0aBEGIN\x00|(?:[HS]\x00\x00\x00\x04)+")
BUSY = r"another push is at work with the ledger .* \(process \d+ on host .*, since .*\): wait for"


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def connection(ledger: Ledger) -> session.PostgresSession:
    backend = ledger._backend
    assert isinstance(backend, PostgresBackend)
    assert backend._db is not None
    return backend._db


def cut_off(server: Server, ledger: Ledger) -> None:
    """End the connection, as a server does that is restarted or tired of an idle one."""
    server.ask("postgres", f"SELECT pg_terminate_backend({connection(ledger).process}, 5000)")


# --- the password ---------------------------------------------------------------------------------


def shown_in(error: BaseException) -> str:
    """Return all that a report of an error shows: its text, its causes, and their frames."""
    texts: list[str] = []
    seen: list[BaseException | None] = [error]
    for one in seen:
        if one is None:
            continue
        texts += [repr(one), str(one), repr(vars(one))]
        trace: TracebackType | None = one.__traceback__
        while trace is not None:
            if "propq_async" in trace.tb_frame.f_code.co_filename:
                texts += map(_shown, trace.tb_frame.f_locals.values())
            trace = trace.tb_next
        seen += [one.__cause__, one.__context__]
    return "\n".join(texts)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:  # an object that is being made
        return ""


def is_secret(text: str) -> bool:
    return "s3cret" in text or "the@database" in text


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("{url}", "database .nowhere. does not exist; see that .* and database are"),
        ("{wrong}", "password authentication failed for user .*; see that"),
        ("{gone}", "Connection refused.*; see that the server is running and can be reached"),
    ],
)
async def test_no_error_shows_the_password(
    postgres: Server, caplog: pytest.LogCaptureFixture, url: str, problem: str
) -> None:
    made = postgres.url("nowhere")
    where = url.format(
        url=made,
        wrong=made.replace(ENCODED, f"{ENCODED}x"),
        gone=postgres.url("nowhere", free_port()),
    )
    with caplog.at_level(logging.DEBUG):
        async with Ledger(where) as ledger:
            for use in (entry(ledger), ledger.mark(ME, [an_update()]), take_lock(ledger)):
                with pytest.raises(LedgerError, match=problem) as caught:
                    await use
                assert not is_secret(shown_in(caught.value))
    assert not is_secret(f"{ledger!r} {caplog.text}")


@pytest.mark.parametrize(
    "url",
    [
        # What is special is not encoded.
        f"postgresql://me:{PASSWORD}@127.0.0.1/ledger",
        "postgresql://me:s3cret@the@database/ledger",
        "postgresql://me:s3cret%@127.0.0.1/ledger",
        "postgresql://me:s3cret/x@127.0.0.1/ledger",
        "postgres://me:s3cret@[127.0.0.1/ledger",
        "postgresql://me:s3cret@127.0.0.1/ledger?no=option",
        # Another server.
        "mysql://me:s3cret@127.0.0.1/ledger",
    ],
)
@pytest.mark.parametrize("way", ["argument", "variable"])
def test_a_url_that_cannot_be_read_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str, way: str
) -> None:
    monkeypatch.setenv("PROPQ_LEDGER", url)
    name = "the ledger" if way == "argument" else "PROPQ_LEDGER"
    with pytest.raises(ConfigurationError, match=rf"^{name} .*postgresql://user") as caught:
        Ledger(url if way == "argument" else None)
    assert not is_secret(shown_in(caught.value))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:s3cret@[::1]:5433/my%20db", "postgresql://me@[::1]:5433/my%20db"),
        ("postgres://a,b/db?password=s3cret", "postgresql://a,b/db"),
        ("postgresql:///db?host=/run/x&user=me", "postgresql://me@%2Frun%2Fx/db"),
        ("postgresql://", "postgresql:///"),
    ],
)
def test_a_ledger_is_shown_without_its_password(url: str, shown: str) -> None:
    ledger = Ledger(url)
    assert repr(ledger) == f"Ledger({shown!r})"
    assert ledger.location == shown
    with pytest.raises(AttributeError, match="is no file: it has no path"):
        _ = ledger.path


async def test_the_environment_names_a_server(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROPQ_LEDGER", postgres.new_database())
    async with Ledger() as ledger:
        assert ledger.location.startswith("postgresql://")
        await ledger.mark(ME, [an_update()])


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "propq_async.ledger._postgres", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'propq-async\[postgres\]'"):
        Ledger("postgresql://host/db")


# --- the locks ------------------------------------------------------------------------------------


async def test_two_accounts_push_side_by_side(postgres: Server) -> None:
    url = postgres.new_database()
    async with Ledger(url) as ledger, Ledger(url) as other:
        async with ledger.exclusive(ME), other.exclusive(OTHER):
            seen = await ledger.generation(ME)
            await other.mark(OTHER, [an_update()])
            # What the other one does makes no plan out of date.
            assert await ledger.generation(ME) == seen
            with pytest.raises(LedgerBusyError, match=BUSY) as caught:
                await take_lock(other, ME)
            assert caught.value.host == socket.gethostname()
            # Nobody gets all of them.
            with pytest.raises(LedgerBusyError, match=BUSY):
                await take_lock(other)
        async with ledger.exclusive():
            for account in (ME, OTHER, None):
                with pytest.raises(LedgerBusyError, match=BUSY):
                    await take_lock(other, account)
            async with ledger.exclusive(ME):
                pass
        await take_lock(other, ME)


async def test_two_tasks_with_one_ledger_push_side_by_side(postgres: Server) -> None:
    async with Ledger(postgres.new_database()) as ledger, ledger.exclusive(ME):
        for account in (ME, None):
            with pytest.raises(LedgerBusyError, match=BUSY):
                await asyncio.create_task(take_lock(ledger, account))
        await asyncio.create_task(take_lock(ledger, OTHER))
        holder = (await ledger.check()).holder or ""
        assert re.fullmatch(r"another push \(process \d+ on host .*, since [\d:]+\)", holder)


async def test_shards_push_side_by_side(postgres: Server) -> None:
    url = postgres.new_database()
    async with Ledger(url) as ledger, Ledger(url) as other, ledger.exclusive(ME, shard=(1, 2)):
        seen = await other.generation(ME)
        await ledger.mark(ME, [an_update()])
        assert not await other.is_outdated(ME, seen)
        async with other.exclusive(ME, shard=(2, 2)), other.exclusive(OTHER):
            pass
        # Neither the same part, nor one that may have some of its units.
        for account, shard in ((ME, (1, 2)), (ME, (3, 3)), (ME, None), (None, None)):
            with pytest.raises(LedgerBusyError, match=r", since .*, shard 1 of 2\): wait for its"):
                async with other.exclusive(account, shard=shard):
                    pass
    async with Ledger(url) as ledger, Ledger(url) as other, ledger.exclusive(ME):
        async with ledger.exclusive(ME, shard=(1, 2)):
            pass
        with pytest.raises(LedgerBusyError):
            async with other.exclusive(ME, shard=(1, 2)):
                pass


# --- the connection -------------------------------------------------------------------------------


async def test_an_idle_connection_that_was_cut_off_is_made_anew(postgres: Server) -> None:
    async with Ledger(postgres.new_database()) as ledger:
        await ledger.mark(ME, [an_update()])
        for use in (ledger.acknowledge(ME, [an_update()]), ledger.everything()):
            cut_off(postgres, ledger)
            await use
        found = await entry(ledger)
        assert found is not None
        assert not found.is_in_doubt


async def test_a_push_ends_when_its_lock_is_lost(postgres: Server) -> None:
    """Somebody else may have pushed meanwhile."""
    async with Ledger(postgres.new_database()) as ledger:
        async with ledger.exclusive(ME):
            await ledger.mark(ME, [an_update()])
            cut_off(postgres, ledger)
            with pytest.raises(LedgerError, match="was lost during a push, and with it the lock:"):
                await ledger.acknowledge(ME, [an_update()])
        found = await entry(ledger)
        assert found is not None
        assert found.is_in_doubt
        async with ledger.exclusive(ME):
            cut_off(postgres, ledger)
        await take_lock(ledger, ME)


async def test_a_push_of_another_account_ends_as_well(postgres: Server) -> None:
    async with Ledger(postgres.new_database()) as ledger, ledger.exclusive(ME):
        lost = asyncio.create_task(take_lock(ledger, OTHER))
        await lost
        cut_off(postgres, ledger)
        with pytest.raises(LedgerError, match="was lost during a push"):
            await asyncio.create_task(take_lock(ledger, OTHER))
        with pytest.raises(LedgerError, match="was lost during a push"):
            await ledger.mark(ME, [an_update()])


async def test_a_connection_that_changes_is_told(postgres: Server) -> None:
    """As behind a pooler that was not noticed."""
    async with Ledger(postgres.new_database()) as ledger:
        await ledger.mark(ME, [an_update()])
        connection(ledger).process += 1
        with pytest.raises(LedgerError, match="is behind a pooler that gives each transaction ano"):
            await ledger.mark(ME, [an_update()])


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("transaction", "is behind a pooler .*: name the server itself, or a pool in session mode"),
        ("statement", "cannot be used: .*transaction blocks not allowed in statement pooling mode"),
        ("session", None),
    ],
)
async def test_a_pooler_is_refused_unless_it_keeps_sessions(
    postgres: Server, mode: str, problem: str | None
) -> None:
    url = postgres.new_database()
    with a_pooler(postgres, mode) as port:
        async with Ledger(url.replace(f":{postgres.port}/", f":{port}/")) as ledger:
            for _ in range(2):
                if problem is None:
                    async with ledger.exclusive(ME):
                        await ledger.mark(ME, [an_update()])
                else:
                    with pytest.raises(LedgerError, match=problem):
                        await ledger.mark(ME, [an_update()])
    # Nothing was left behind on a connection that others use.
    assert postgres.ask(url, "SELECT to_regclass('propq.unit') IS NULL") == [(problem is not None,)]


# --- the tables -----------------------------------------------------------------------------------


async def test_the_ledger_of_a_later_version_is_left_as_it_is(postgres: Server) -> None:
    url = postgres.new_database()
    await spoil(url, "UPDATE version SET number = 99")
    async with Ledger(url) as ledger:
        for use in (entry(ledger), ledger.mark(ME, [an_update()])):
            with pytest.raises(LedgerError, match="was made by a later version of propq-async: in"):
                await use


@pytest.mark.parametrize("use", ["read", "write"])
async def test_an_older_ledger_is_brought_up_to_date_at_once_or_not_at_all(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    url = postgres.new_database()
    async with Ledger(url) as ledger:
        await ledger.mark(ME, [an_update()])

    async def again() -> None:
        async with Ledger(url) as ledger:
            await (entry(ledger) if use == "read" else ledger.mark(ME, [an_update()]))

    def version() -> object:
        return postgres.ask(url, "SELECT number FROM propq.version")

    now = len(session._VERSIONS)
    step = "ALTER TABLE unit ADD COLUMN note TEXT;"
    monkeypatch.setattr(session, "_VERSIONS", (*session._VERSIONS, step, "SELECT 1 / 0"))
    with pytest.raises(LedgerError, match="division by zero"):
        await again()
    assert version() == [(now,)]
    monkeypatch.setattr(session, "_VERSIONS", session._VERSIONS[: now + 1])
    await again()
    assert version() == [(now + 1,)]
    change(url, "UPDATE unit SET note = 'x'")
    await again()


async def test_many_that_make_a_ledger_at_the_same_time_make_one(postgres: Server) -> None:
    url = postgres.new_database()

    async def use(name: str) -> None:
        async with Ledger(url) as ledger:
            await ledger.mark(ME, [an_update(name)])

    await asyncio.gather(*(use(f"A-{number}") for number in range(8)))
    async with Ledger(url) as ledger:
        assert len(await ledger.entries(ME, ["4711"])) == 8


async def test_what_is_made_beside_another_is_seen(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    async with Ledger(url) as ledger, Ledger(url) as other:
        await ledger.mark(ME, [an_update()])
        # As the other one saw it before.
        monkeypatch.setattr("propq_async.ledger._postgres.is_there", lambda _: False)
        await other.acknowledge(ME, [an_update()])
    assert postgres.ask(url, "SELECT count(*) FROM propq.version") == [(1,)]


async def test_tables_in_a_schema_that_an_administrator_has_made(postgres: Server) -> None:
    url = postgres.new_database()
    postgres.ask(url, "CREATE SCHEMA propq")
    async with Ledger(url) as ledger:
        assert await ledger.everything() is None
        await ledger.mark(ME, [an_update()])


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DROP TABLE unit", '"unit" does not exist; put back a copy that `propq ledger backup`'),
        (
            "ALTER DATABASE {name} SET default_transaction_read_only = on",
            "in a read-only transaction; it is a standby: name the primary",
        ),
        (
            None,
            "permission denied for schema propq; grant this to the user of the URL",
        ),
    ],
)
async def test_what_is_wrong_with_a_server_is_told(
    postgres: Server, statement: str | None, problem: str
) -> None:
    url = postgres.new_database()
    await spoil(url, "SELECT 1")
    name = url.rpartition("/")[2]
    if statement is None:
        postgres.ask("postgres", "CREATE ROLE guest LOGIN PASSWORD 'guest'")
        url = f"postgresql://guest:guest@127.0.0.1:{postgres.port}/{name}"
    else:
        change(url, statement.format(name=name))
    async with Ledger(url) as ledger:
        with pytest.raises(LedgerError, match=problem):
            await ledger.mark(ME, [an_update()])


async def test_a_transaction_that_a_person_left_open_is_told(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session._SETTINGS, "lock_timeout", "100ms")
    url = postgres.new_database()
    async with Ledger(url) as ledger:
        await ledger.mark(ME, [an_update()])
        with psycopg.connect(url) as person:
            person.execute("LOCK TABLE propq.unit IN ACCESS EXCLUSIVE MODE")
            for use in (ledger.mark(ME, [an_update()]), ledger.everything()):
                with pytest.raises(
                    LedgerError, match="another program has a transaction open in i"
                ):
                    await use
        await ledger.mark(ME, [an_update()])


async def test_a_mark_is_durable_whatever_the_server_does_by_default(postgres: Server) -> None:
    url = postgres.new_database()
    name = url.rpartition("/")[2]
    postgres.ask(url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    async with Ledger(url) as ledger:
        await ledger.mark(ME, [an_update()])
        assert connection(ledger).execute("SHOW synchronous_commit").fetchone() == ("on",)


async def test_a_push_may_wait_for_as_long_as_it_takes(postgres: Server) -> None:
    """For the server at its pace, or for somebody who says yes."""
    url = postgres.new_database()
    name = url.rpartition("/")[2]
    postgres.ask(url, f"ALTER DATABASE {name} SET idle_session_timeout = '1min'")
    async with Ledger(url) as ledger:
        await ledger.mark(ME, [an_update()])
        assert connection(ledger).execute("SHOW idle_session_timeout").fetchone() == ("0",)


async def test_clients_on_two_machines_mark_the_same_units(postgres: Server) -> None:
    """Each waits for the other, and what both have sent at once stays in doubt."""
    url = postgres.new_database()

    async def work(ledger: Ledger, price: int) -> None:
        for number in range(20):
            update = an_update(f"A-{number % 2}", price)
            marks = await ledger.mark(ME, [update])
            until = {(update.development_id, update.name): marks.generation}
            await ledger.acknowledge(ME, [update], None, until)

    async with Ledger(url) as ledger, Ledger(url) as other:
        await ledger.mark(ME, [an_update("A-0"), an_update("A-1")])
        seen = await ledger.generation(ME)
        await asyncio.gather(work(ledger, 1), work(other, 2))
        assert await ledger.generation(ME) == seen + 80
        ours, theirs = await ledger.mark(ME, [an_update()]), await other.mark(ME, [an_update()])
        for one, marks in ((ledger, ours), (other, theirs)):
            await one.acknowledge(ME, [an_update()], None, {("4711", "A-101"): marks.generation})
        found = await entry(ledger)
        assert found is not None
        assert found.is_in_doubt


async def test_a_service_notes_its_updates_on_a_server(postgres: Server) -> None:
    async with PropQEmulator() as emulator, Ledger(postgres.new_database()) as ledger:
        for number in range(30):
            emulator.add_unit("4711", f"A-{number}")
        propq = AsyncPropQ(
            emulator.credentials, base_url=emulator.url, token_store=None, ledger=ledger
        )
        account = Account(propq.base_url, propq.client_id)
        async with propq, propq.session() as service:

            async def update(price: int) -> None:
                updates = [an_update(f"A-{number}", price) for number in range(30)]
                await asyncio.gather(*map(service.units.update, updates))

            await update(1)
            # The connection of a service that slept may be gone.
            cut_off(postgres, ledger)
            await update(2)
        entries = (await ledger.entries(account, ["4711"])).values()
        assert [(one.price, one.is_in_doubt) for one in entries] == [(Decimal(2), False)] * 30


async def test_values_that_we_never_write_name_their_unit(postgres: Server) -> None:
    url = postgres.new_database()
    await spoil(url, "UPDATE unit SET price = 'NaN'")
    async with Ledger(url) as ledger:
        with pytest.raises(
            LedgerError, match="for the unit 'A-101' of '4711': price is 'NaN'; put"
        ):
            await entry(ledger)
        assert len((await ledger.check()).problems) == 1


async def test_a_copy_of_a_server_is_a_file(postgres: Server, tmp_path: Path) -> None:
    clock = Clock(wall=lambda: 1.8e9)
    async with Ledger(postgres.new_database(), clock=clock) as ledger:
        with pytest.raises(LedgerError, match=r"there is no ledger postgresql://.*nothing to copy"):
            await ledger.backup(tmp_path / "copy")
        await ledger.acknowledge(ME, [an_update(), an_update("B")], "list")
        await ledger.mark(ME, [an_update()])
        await ledger.mark(OTHER, [an_update()])
        await ledger.backup(tmp_path / "copy")
        async with Ledger(tmp_path / "copy") as copy:
            assert await copy.everything() == await ledger.everything()
        with pytest.raises(LedgerError, match="exists already"):
            await ledger.backup(tmp_path / "copy")
    assert names_in(tmp_path) == {"copy"}


# --- what it costs -------------------------------------------------------------------------------


async def test_to_note_rows_takes_few_round_trips(postgres: Server) -> None:
    url = postgres.new_database()
    listener = Listener(postgres.port)
    with serving(listener):
        through = url.replace(f":{postgres.port}/", f":{listener.server_address[1]}/")
        async with Ledger(through) as ledger:
            updates = [an_update(f"A-{number}") for number in range(500)]
            await ledger.mark(ME, updates)
            trips = []
            for work in (ledger.mark(ME, updates), ledger.acknowledge(ME, updates, "list")):
                listener.sent.clear()
                await work
                trips.append(len(WAITS.findall(listener.sent)))
    # Each begins, enters, looks for units alike, writes, and makes plans out of date.
    assert trips == [6, 5]


async def test_a_long_ledger_costs_no_more_than_a_short_one(postgres: Server) -> None:
    """Of a table that was filled just now the server knows nothing."""
    url = postgres.new_database()
    async with Ledger(url) as ledger:
        for part in range(8):
            await ledger.mark(ME, [an_update(f"{part}-{number}") for number in range(500)])
        updates = [an_update(f"A-{number}") for number in range(100)]
        read = [_rows_read(postgres, ledger, url)]
        for work in (
            ledger.mark(ME, updates),
            ledger.acknowledge(ME, updates),
            ledger.touched(ME, updates, 0),
        ):
            await work
            read.append(_rows_read(postgres, ledger, url))
    costs = [after - before for before, after in itertools.pairwise(read)]
    assert all(0 <= cost <= 5 * len(updates) for cost in costs), costs


def _rows_read(postgres: Server, ledger: Ledger, url: str) -> int:
    connection(ledger).execute("SELECT pg_stat_force_next_flush()")
    connection(ledger).execute("SELECT 1")
    question = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'unit'"
    ((count,),) = postgres.ask(url, question)
    assert isinstance(count, int)
    return count


async def test_a_client_library_that_sends_nothing_ahead_serves(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    async with Ledger(postgres.new_database()) as ledger:
        marks = await ledger.mark(ME, [an_update()])
        assert marks.new == [("4711", "A-101")]
        await ledger.acknowledge(ME, [an_update()])
        found = await entry(ledger)
        assert found is not None
        assert not found.is_in_doubt


async def test_the_first_version_of_the_tables_goes_on(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.new_database()
    with monkeypatch.context() as earlier:
        earlier.setattr(session, "_VERSIONS", session._VERSIONS[:1])
        async with Ledger(url) as ledger:
            await ledger.acknowledge(ME, [an_update("a-101")], "list")
    async with Ledger(url) as ledger:
        # It is alike to one that an earlier version has noted.
        await ledger.mark(ME, [an_update("A-101")])
        entries = await ledger.entries(ME, ["4711"])
    assert {name: one.is_in_doubt for (_, name), one in entries.items()} == {
        "A-101": True,
        "a-101": True,
    }


# --- a server that dies ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_marks_survive_the_server(postgres: Server, how: signal.Signals) -> None:
    url = postgres.new_database()
    async with Ledger(url) as ledger:
        async with ledger.exclusive(ME):
            await ledger.mark(ME, [an_update()])
            postgres.stop(how)
            with pytest.raises(LedgerError, match=r"connection .* was lost during a push"):
                await ledger.acknowledge(ME, [an_update()])
        with pytest.raises(LedgerError, match="see that the server is running"):
            await entry(ledger)
        postgres.start()
        found = await entry(ledger)
        assert found is not None
        assert found.is_in_doubt
        await take_lock(ledger, ME)


async def test_the_lock_of_a_killed_process_is_free(postgres: Server) -> None:
    url = postgres.new_database()
    other = await Process.start(hold_ledger, url)
    async with Ledger(url) as ledger:
        waiting = asyncio.create_task(_held(ledger, wait_seconds=60))
        with pytest.raises(LedgerBusyError, match=f"process {other.process.pid} on host"):
            await take_lock(ledger, ME)
        await other.kill()
        killed_at = time.monotonic()
        await waiting
        assert time.monotonic() - killed_at < 1


async def _held(ledger: Ledger, *, wait_seconds: float) -> None:
    async with ledger.exclusive(ME, wait_seconds=wait_seconds):
        pass
