"""What a ledger knows, and when."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import ConfigurationError, UnitStatus, UnitUpdate
from propq_async.ledger import Account, Entry, Ledger, LedgerError
from propq_async.ledger._sqlite import SqliteBackend
from tests.helpers.ledgers import ME, UNIT, Place, entry
from tests.helpers.support import FakeClock, an_update


async def test_only_an_acknowledgement_clears_the_mark(place: Place) -> None:
    clock = FakeClock()
    path = place("made/ledger.sqlite3")
    with blockbuster_ctx():
        async with Ledger(path, clock=clock.clock) as ledger:
            assert await entry(ledger) is None
            assert await ledger.generation() == 0
            assert await ledger.everything() is None
            await ledger.mark(ME, [an_update()])
            found = await entry(ledger)
            assert found is not None
            assert (found.status, found.is_in_doubt, found.acknowledged_at) == (None, True, None)
            assert not found.holds(an_update())
            clock.advance(5)
            await ledger.acknowledge(ME, [an_update()], "list")
            assert await entry(ledger) == Entry(
                *UNIT,
                UnitStatus.SOLD,
                Decimal(250_000),
                ("N", "S"),
                acknowledged_at=clock.wall_now,
                is_in_doubt=False,
                source="list",
                is_missed=False,
            )
            await ledger.mark(ME, [an_update(price=1)])
            generation = await ledger.generation()
        # Another process, later: A is what was acknowledged, and it is in doubt.
        async with Ledger(path) as ledger:
            found = await entry(ledger)
            assert found is not None
            assert found.holds(an_update())
            assert found.is_in_doubt
            assert await ledger.generation() == generation


async def test_each_change_is_another_generation(place: Place) -> None:
    async with Ledger(place("x")) as ledger, Ledger(place("y")) as other:
        seen = [await ledger.generation()]
        for change in (
            ledger.mark(ME, [an_update()]),
            ledger.unmark(ME, [an_update()], [UNIT]),
            ledger.acknowledge(ME, [an_update()], "a"),
            ledger.note_missing(ME, [UNIT], "a"),
            ledger.note_seen(ME, [UNIT], "a"),
        ):
            await change
            assert await ledger.generation() not in seen
            seen.append(await ledger.generation())
        # One that was lost, and in which as much has happened since, is another one.
        await other.mark(ME, [an_update()])
        assert await other.generation() not in seen


async def test_a_unit_belongs_to_the_list_that_it_was_last_seen_in(place: Place) -> None:
    async with Ledger(place("x")) as ledger:

        async def known() -> tuple[str | None, bool]:
            found = await entry(ledger)
            assert found is not None
            return found.source, found.is_missed

        await ledger.acknowledge(ME, [an_update(), an_update(name="B-1")], "a")
        assert await known() == ("a", False)
        # Another list does not have it.
        await ledger.note_missing(ME, [UNIT], "b")
        assert await known() == ("a", True)
        # It is sent again from its own list, and by itself.
        await ledger.acknowledge(ME, [an_update()], "a")
        await ledger.acknowledge(ME, [an_update()])
        assert await known() == ("a", True)
        # Its own list has it no longer.
        await ledger.note_missing(ME, [UNIT], "a")
        assert await known() == (None, True)
        await ledger.note_seen(ME, [UNIT], "b")
        assert await known() == ("b", False)
        await ledger.note_missing(ME, [UNIT], "a")
        await ledger.acknowledge(ME, [an_update()], "a")
        assert await known() == ("a", False)
        await ledger.note_missing(ME, [UNIT])
        assert await known() == (None, True)
        (other,) = [
            one for one in (await ledger.entries(ME, ["4711"])).values() if one.name == "B-1"
        ]
        assert (other.source, other.is_missed) == ("a", False)


async def test_accounts_and_developments_are_apart(place: Place) -> None:
    async with Ledger(place("x")) as ledger:
        await ledger.acknowledge(ME, [an_update(), an_update(development_id="2")], "a")
        assert await entry(ledger, Account(ME.base_url, 8)) is None
        assert await entry(ledger, Account("https://else.where", 7)) is None
        assert list(await ledger.entries(ME, ["4711"])) == [UNIT]
        assert len(await ledger.entries(ME, [], "a")) == 2
        await ledger.note_missing(ME, [UNIT])
        found = await entry(ledger)
        assert found is not None
        assert found.is_missed


async def test_names_that_may_be_one_to_the_server_share_their_doubts(place: Place) -> None:
    one, like = an_update("A-101"), an_update("a - 101", 1)
    async with Ledger(place("x")) as ledger:
        for update, other in ((one, like), (like, one)):
            await ledger.acknowledge(ME, [update])
            await ledger.mark(ME, [other])
            found = await ledger.entries(ME, ["4711"])
            assert all(known.is_in_doubt for known in found.values())
            await ledger.acknowledge(ME, [other])
            found = await ledger.entries(ME, ["4711"])
            assert not found["4711", other.name].is_in_doubt
            assert found["4711", update.name].is_in_doubt
        # The same if both are noted at once: the later one is what the server has, if it is one.
        await ledger.acknowledge(ME, [one, like])
        found = await ledger.entries(ME, ["4711"])
        assert not found["4711", like.name].is_in_doubt
        assert found["4711", one.name].is_in_doubt


@settings(deadline=None, max_examples=30)
@given(
    updates=st.lists(
        st.builds(
            UnitUpdate,
            development_id=st.just("4711"),
            name=st.from_regex(r"[a-zé'\";%_0-9]{1,9}", fullmatch=True),
            status=st.sampled_from(UnitStatus),
            price=st.one_of(
                st.integers(1, 10**14),
                st.decimals("0.01", "99999999", places=2),
                st.floats(0.125, 1e6, width=32).map(lambda price: round(price, 3)),
            ),
            directions=st.lists(
                st.text(
                    # Without the letters that nobody sees, which an update takes at neither end.
                    st.characters(
                        codec="utf-8",
                        categories=["L", "P"],
                        exclude_characters="\u115f\u1160\u3164\uffa0",
                    ),
                    min_size=1,
                ),
                min_size=1,
            ).filter(lambda found: all(one.strip() == one for one in found)),
        ),
        unique_by=lambda one: one.name,
        min_size=1,
    )
)
def test_what_is_acknowledged_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, updates: list[UnitUpdate]
) -> None:
    async def story() -> None:
        async with Ledger(tmp_path_factory.mktemp("ledger") / "x") as ledger:
            await ledger.mark(ME, updates)
            await ledger.acknowledge(ME, updates)
            found = await ledger.entries(ME, ["4711"])
            assert len(found) == len(updates)
            assert all(found["4711", one.name].holds(one) for one in updates)

    asyncio.run(story())


async def test_a_transaction_is_finished_when_its_caller_is_cancelled(place: Place) -> None:
    async with Ledger(place("x")) as ledger:
        marking = asyncio.create_task(ledger.mark(ME, [an_update()]))
        await asyncio.sleep(0)
        marking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await marking
        assert await entry(ledger) is not None


def test_a_ledger_may_be_used_in_another_event_loop(place: Place) -> None:
    """Its thread serves any loop."""
    ledger = Ledger(place("x"))

    async def use() -> None:
        async with ledger.exclusive():
            await ledger.mark(ME, [an_update()])
            await ledger.acknowledge(ME, [an_update()])
        assert await entry(ledger) is not None

    with asyncio.Runner() as one, asyncio.Runner() as another:
        one.run(ledger.__aenter__())
        one.run(use())
        another.run(use())
        another.run(ledger.__aexit__())


async def test_a_change_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger:
        await ledger.mark(ME, [an_update()])
        with closing(sqlite3.connect(path)) as db:
            db.executescript(
                "CREATE TRIGGER no BEFORE INSERT ON unit WHEN new.name = 'B' "
                "BEGIN SELECT raise(FAIL, 'no'); END"
            )
        with pytest.raises(LedgerError, match=r"cannot be used: no; make room or"):
            await ledger.acknowledge(ME, [an_update(), an_update("B")])
        found = await entry(ledger)
        assert found is not None
        assert found.is_in_doubt


async def test_it_must_be_entered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "x")
    assert repr(ledger) == f"Ledger('{tmp_path / 'x'}')"
    with pytest.raises(RuntimeError, match="is not open: use `async with Ledger"):
        await ledger.generation()
    async with ledger:
        with pytest.raises(RuntimeError, match="open already"):
            await ledger.__aenter__()
    await ledger.__aexit__()
    # By default it is where the system keeps data.
    assert Ledger().path == tmp_path / "data" / "propq-async" / "ledger.sqlite3"
    # Or where the commands look for it.
    monkeypatch.setenv("PROPQ_LEDGER", str(tmp_path / "y"))
    assert Ledger().path == tmp_path / "y"


async def test_the_ledger_in_a_home_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Ledger("~/l").path == tmp_path / "l"
    monkeypatch.setenv("PROPQ_LEDGER", "~/made/l")
    async with Ledger() as ledger:
        await ledger.mark(ME, [an_update()])
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "made" / "l").is_file()
    monkeypatch.setenv("PROPQ_LEDGER", "~/made/")
    with pytest.raises(ConfigurationError, match=r"PROPQ_LEDGER must name a file, .*: it is a d"):
        Ledger()


def test_a_user_without_a_home_must_name_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    pwd = pytest.importorskip("pwd")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME")
    with pytest.raises(ConfigurationError, match="no home directory to keep the ledger in: name"):
        Ledger()


async def test_prices_keep_their_value(place: Place) -> None:
    async with Ledger(place("x")) as ledger:
        for price in (250_000, 199_500.5, Decimal("199500.50"), Decimal("1E+5"), 1e-05):
            await ledger.acknowledge(ME, [an_update(price=float(price))])
            found = await entry(ledger)
            assert found is not None
            assert found.price == Decimal(str(float(price)))


async def test_many_developments_are_asked_for_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    updates = [an_update(name, development_id=f"{n:02}") for n in range(50) for name in "BA"]
    async with Ledger(path) as ledger:
        await ledger.acknowledge(ME, updates, "list")
        asked: list[str] = []
        backend = ledger._backend
        assert isinstance(backend, SqliteBackend)
        assert backend._db is not None
        await ledger._run(backend._db.db.set_trace_callback, asked.append)
        found = await ledger.entries(ME, [f"{n:02}" for n in range(49)], "list")
        assert list(found) == [(f"{n:02}", name) for n in range(50) for name in "AB"]
        # The account, the developments, and what else the list had.
        assert len([one for one in asked if one.startswith("SELECT")]) == 3


def test_a_ledger_is_where_the_system_keeps_data(tmp_path: Path) -> None:
    assert Ledger().path.is_relative_to(tmp_path / "data")


async def test_units_that_are_in_no_list_are_noted(place: Place) -> None:
    clock = FakeClock()
    async with Ledger(place("x"), clock=clock.clock) as ledger:
        assert ledger.now() == clock.clock.wall()
        await ledger.acknowledge(ME, [an_update(), an_update(name="B-1")], "list")
        await ledger.note_missing(ME, [UNIT])
        found = await ledger.entries(ME, ["4711"])
        assert {name: one.is_missed for (_, name), one in found.items()} == {
            "A-101": True,
            "B-1": False,
        }
        # A list has it again.
        await ledger.acknowledge(ME, [an_update()], "list")
        known = await entry(ledger)
        assert known is not None
        assert not known.is_missed
