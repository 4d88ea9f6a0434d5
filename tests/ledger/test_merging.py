"""What two ledgers know together never claims more than is certain."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import Clock
from propq_async.ledger import Account, Ledger, LedgerBusyError, LedgerError
from propq_async.ledger import _changes as changes
from propq_async.ledger import _queries as queries
from propq_async.ledger import _sqlite_session as sqlite_session
from propq_async.ledger._backend import Session
from tests.helpers.ledgers import ME, UNIT, Place, entry, freed, spoil
from tests.helpers.processes import Process, hold_ledger
from tests.helpers.support import an_update

# "a-1" and "A-1" may be one unit to the server.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from(["A-1", "a-1", "B-2"]),
        st.integers(1, 3),
        st.sampled_from(["lost", "lost and applied", "acknowledged"]),
    ),
    max_size=8,
)


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def _in_memory() -> sqlite_session.SqliteSession:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(sqlite_session._SCHEMA)
    return sqlite_session.SqliteSession(db, "x")


def _certain(db: Session) -> dict[str, Decimal | None]:
    found = queries.entries(db, ME, ["4711"], None)
    return {name: one.price for (_, name), one in found.items() if not one.is_in_doubt}


# Enough to find each rule that is left out.
@settings(max_examples=200, deadline=None)
@given(steps=_STEPS, into=st.sampled_from([0, 1]))
def test_what_is_certain_after_a_merge_is_what_the_server_has(
    steps: list[tuple[int, str, int, str]], into: int
) -> None:
    """Two computers push, each with a ledger of its own; the server may fold the case of names."""
    with closing(_in_memory()) as first, closing(_in_memory()) as second:
        ledgers = [first, second]
        exact: dict[str, int] = {}
        folded: dict[str, int] = {}
        for moment, (who, name, price, became) in enumerate(steps):
            updates = [an_update(name, price)]
            changes.mark(ledgers[who], ME, updates, moment)
            if became != "lost":
                exact[name] = folded[name.casefold()] = price
            if became == "acknowledged":
                changes.acknowledge(ledgers[who], ME, updates, None, moment)
        here, there = ledgers[into], ledgers[1 - into]
        theirs = queries.stored_units(there).get(ME, {})
        changes.add(here, ME, theirs, 100.0)
        for name, known in _certain(here).items():
            assert known == exact[name] == folded[name.casefold()]
        assert changes.add(here, ME, theirs, 200.0) == 0


async def test_a_ledger_that_is_moved_is_the_same(place: Place) -> None:
    async with Ledger(place("old")) as old, Ledger(place("new")) as new:
        await old.acknowledge(ME, [an_update()], "list.csv")
        await old.mark(ME, [an_update(name="a-101"), an_update(name="B")])
        await old.note_missing(ME, [UNIT])
        before = await new.generation()
        assert await new.merge(old) == 3
        assert await new.everything() == await old.everything()
        # A plan that was made before is made again.
        assert await new.generation() > before
        after = await new.generation()
        assert await new.merge(old) == 0
        assert await new.generation() == after


async def test_the_newer_acknowledgement_wins(place: Place) -> None:
    now = [100.0]
    clock = Clock(wall=lambda: now[0])
    async with (
        Ledger(place("a"), clock=clock) as mine,
        Ledger(place("b"), clock=clock) as theirs,
    ):
        await mine.acknowledge(ME, [an_update(price=1), an_update(name="B", price=1)], "mine")
        await theirs.acknowledge(ME, [an_update(name="C", price=2)], "theirs")
        now[0] = 200.0
        await theirs.acknowledge(ME, [an_update(price=2)])
        await theirs.acknowledge(ME, [an_update(name="C", price=3)])
        await mine.acknowledge(ME, [an_update(name="C", price=4)])
        now[0] = 50.0
        await theirs.acknowledge(ME, [an_update(name="B", price=2)], "theirs")
        assert await mine.merge(theirs) == 2
        found = {name: one for (_, name), one in (await mine.entries(ME, ["4711"])).items()}
    assert [(name, one.price, one.source) for name, one in found.items()] == [
        # The list that it belongs to is not forgotten.
        ("A-101", Decimal(2), "mine"),
        ("B", Decimal(1), "mine"),
        ("C", Decimal(4), "theirs"),
    ]
    # Acknowledged at one moment with two values: nobody knows which was the last.
    assert {name for name, one in found.items() if one.is_in_doubt} == {"C"}


async def test_the_memory_of_a_client_is_carried_over(place: Place) -> None:
    new = Account(ME.base_url, 77)
    async with Ledger(place("x")) as ledger:
        await ledger.acknowledge(ME, [an_update()], "list.csv")
        assert await ledger.merge(ledger, {ME: new}) == 1
        assert await entry(ledger, new) == await entry(ledger) is not None
        with pytest.raises(LedgerError) as caught:
            await ledger.merge(ledger, {Account(ME.base_url, 5): new})
        assert str(caught.value) == (
            f"the ledger {ledger.location} knows no unit of client 5 at https://api.propq.com, but "
            "of: 7 at https://api.propq.com, 77 at https://api.propq.com"
        )


async def test_nothing_is_merged_from_what_is_no_ledger(tmp_path: Path) -> None:
    await spoil(tmp_path / "spoiled", "UPDATE unit SET price = 'x'")
    async with Ledger(tmp_path / "x") as ledger:
        for name, problem in (("none", "there is no ledger"), ("spoiled", "price is 'x'")):
            async with Ledger(tmp_path / name) as other:
                with pytest.raises(LedgerError, match=problem):
                    await ledger.merge(other)
    assert names_in(tmp_path) == {"spoiled"}


async def test_units_are_forgotten_whatever_is_known_of_them(place: Place) -> None:
    path = place("x")
    await spoil(path, "UPDATE unit SET price = 'x'")
    async with Ledger(path) as ledger:
        other = an_update("a-101", development_id="900")
        await ledger.mark(ME, [other, an_update(name="B")])
        generation = await ledger.generation()
        assert await ledger.named(ME, ["a-101"], "900") == [("900", "a-101")]
        assert await ledger.named(ME, [" A-101"]) == [UNIT, ("900", "a-101")]
        assert await ledger.named(Account(ME.base_url, 5), ["A-101"]) == []
        with pytest.raises(LedgerError, match="make it a new unit with `propq ledger forget`"):
            await entry(ledger)
        await ledger.forget(ME, [UNIT])
        assert set(await ledger.entries(ME, ["4711", "900"])) == {("900", "a-101"), ("4711", "B")}
        assert await ledger.generation() > generation


async def test_a_push_at_work_keeps_others_from_changing_the_ledger(place: Place) -> None:
    path = place("x")
    async with Ledger(path) as ledger, Ledger(place("other")) as other:
        await other.mark(ME, [an_update()])
        await ledger.mark(ME, [an_update()])
        pushing = await Process.start(hold_ledger, path)
        with pytest.raises(LedgerBusyError):
            await ledger.forget(ME, [UNIT])
        with pytest.raises(LedgerBusyError):
            await ledger.merge(other)
        # It is only read.
        assert await other.merge(ledger) == 0
        await pushing.kill()
        await freed(ledger)
        await ledger.forget(ME, [UNIT])
        assert await entry(ledger) is None
