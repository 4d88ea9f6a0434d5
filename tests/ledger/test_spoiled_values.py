"""What another program may have left in a ledger."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async._comparison import alike
from propq_async.ledger import Entry, Ledger, LedgerBusyError, LedgerError, Unit
from propq_async.ledger._entries import entry_of, usual_entries
from tests.helpers.ledgers import ME, entry, spoil, take_lock


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("price", "0", "'0'"),
        ("price", "abc", "'abc'"),
        ("price", "NaN", "'NaN'"),
        ("price", "-1", "'-1'"),
        ("price", "1e999999999", "'1e999999999'"),
        ("price", "1_0", "'1_0'"),
        ("price", "9" * 1000, f"'{'9' * 59}..."),
        ("price", None, "NULL"),
        ("price", b"1", "b'1'"),
        ("status", None, "NULL"),
        ("status", 3, "3"),
        ("status", "SOLD", "'SOLD'"),
        ("directions", "[", "'['"),
        ("directions", "[" * 100_000, f"'{'[' * 59}..."),
        ("directions", "[]", "'[]'"),
        ("directions", "[1]", "'[1]'"),
        ("directions", '[""]', "'[\"\"]'"),
        ("directions", '"N"', "'\"N\"'"),
        ("directions", b'["N"]', "b'[\"N\"]'"),
        ("acknowledged_at", "today", "'today'"),
        ("acknowledged_at", None, "NULL"),
        ("in_doubt_since", "today", "'today'"),
        ("missed_at", b"", "b''"),
        ("source", b"list", "b'list'"),
        ("alike", "else", "'else'"),
    ],
)
async def test_a_value_that_we_never_write_names_its_unit(
    column: str, value: object, shown: str, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    await spoil(path, f"UPDATE unit SET {column} = ?", value)
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError) as caught:
            await entry(ledger)
    assert str(caught.value) == (
        f"the ledger {path} holds a value that propq never writes, for the unit 'A-101' of "
        f"'4711': {column} is {shown}; put it right there, or make it a new unit with `propq "
        "ledger forget`"
    )


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE unit SET name = x'41'", r"the unit b'A' of '4711': name is b'A'; put it right"),
        ("UPDATE unit SET name = ''", r"the unit '' of '4711': name is ''; put it right"),
        (
            "UPDATE unit SET source = CAST(x'FF' AS TEXT)",
            r"the unit 'A-101' of '4711': source is b'\\xff'; put it right",
        ),
        (
            "DROP TABLE unit",
            "no such table: unit; put back a copy that `propq ledger backup` has made",
        ),
    ],
)
async def test_what_is_no_text_and_what_is_missing_is_told(
    statement: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    await spoil(path, statement)
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match=problem):
            await ledger.entries(ME, ["4711"], "list")


async def test_a_unit_of_a_list_whose_development_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    await spoil(path, "UPDATE unit SET development_id = x'FF'")
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match=r"of b'\\xff': development_id is b'\\xff'"):
            await ledger.entries(ME, ["4711"], "list")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM state",
        "INSERT INTO state (generation) VALUES (1)",
        "UPDATE state SET generation = 'many'",
        "UPDATE state SET generation = 1e300",
    ],
)
async def test_a_ledger_without_its_generation_is_damaged(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    await spoil(path, statement)
    async with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match="is damaged: its table `state` must have one"):
            await ledger.generation()


@pytest.mark.parametrize(
    ("statement", "who"),
    [
        ("DELETE FROM state", ""),
        ("UPDATE state SET holder = 'me'", ""),
        ("UPDATE state SET held_since = 'noon'", r" \(process \d+\)"),
        ("UPDATE state SET held_since = 1e300", r" \(process \d+\)"),
        ("UPDATE state SET held_since = NULL", r" \(process \d+\)"),
    ],
)
async def test_a_holder_that_is_not_known_is_not_named(
    statement: str, who: str, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    async with Ledger(path) as ledger, Ledger(path) as other, ledger.exclusive():
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(statement)
        with pytest.raises(LedgerBusyError, match=rf"with the ledger {path}{who}: wait for"):
            await asyncio.create_task(take_lock(other))


_COLUMNS: Final = (
    "development_id", "name", "alike", "status", "price", "directions", "acknowledged_at",
    "in_doubt_since", "source", "missed_at",
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    column=st.sampled_from(_COLUMNS),
    value=st.one_of(
        st.none(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(st.characters(codec="utf-8")),
        st.binary(),
        st.decimals().map(str),
        st.lists(st.text(st.characters(codec="utf-8"))).map(json.dumps),
    ),
    as_text=st.booleans(),
)
def test_any_value_in_any_column_is_sound_or_told(
    tmp_path_factory: pytest.TempPathFactory, column: str, value: object, *, as_text: bool
) -> None:
    async def story() -> None:
        path = tmp_path_factory.mktemp("ledger") / "x"
        given = "CAST(? AS TEXT)" if as_text else "?"
        with suppress(sqlite3.IntegrityError):
            await spoil(path, f"UPDATE unit SET {column} = {given}", value)
        async with Ledger(path) as ledger:
            found: dict[Unit, Entry] = {}
            told = ""
            try:
                found = await ledger.entries(ME, ["4711"], "list")
            except LedgerError as error:
                told = str(error)
        # A name that is changed no longer fits what it is found by.
        assert not told or f": {column} is " in told or (column == "name" and ": alike is " in told)
        for (development_id, name), known in found.items():
            assert development_id.encode()
            assert name.encode()
            assert known.price is None or 0 < known.price < Decimal("1e400")
            assert all(known.directions)

    asyncio.run(story())


_TEXTS: Final = st.sampled_from(["4711", "A-1", "á 1", " ", "", "A\u0130", b"4711", 1, None])
_TIMES: Final = st.sampled_from([None, None, 1.0, 0.0, 1, "1", b""])


@st.composite
def _rows(draw: st.DrawFn) -> tuple[object, ...]:
    """Return a row of the table, with one or two values at most that are unusual."""
    usual: list[Any] = ["4711", draw(st.sampled_from(["A-1", "á 1", "A\u0130"]))]
    usual += [draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from(["1", "250000.50"]))]
    usual += [draw(st.sampled_from(['["N"]', '["S", "E"]'])), 1.5, None, "list", None, ""]
    usual[9] = alike(usual[1])
    columns = (
        _TEXTS, _TEXTS, st.sampled_from([None, 3, 2.0, True, "SOLD"]),
        st.sampled_from([None, "0", "1e5", "-1", b"1", 1]),
        st.sampled_from([None, "[]", "[1]", '"N"', b'["N"]']), _TIMES, _TIMES, _TEXTS, _TIMES,
        _TEXTS,
    )  # fmt: skip
    for index in draw(st.sets(st.integers(0, len(columns) - 1), max_size=2)):
        usual[index] = draw(columns[index])
    if draw(st.booleans()):
        usual[2:6] = [None] * 4
    return tuple(usual)


@given(rows=st.lists(_rows(), min_size=1, max_size=3))
def test_several_rows_are_the_entries_that_each_of_them_is(rows: list[tuple[object, ...]]) -> None:
    known = [usual_entries([row]) for row in rows]
    for one, row in zip(known, rows, strict=True):
        assert one is None or one == [entry_of(row)]
    together = None if None in known else [entry_of(row) for row in rows]
    assert usual_entries(rows) == together


def test_rows_as_we_write_them_are_usual() -> None:
    row = ("4711", "A 1", 4, "199.50", '["N"]', 1.5, None, None, 2.5, "a1")
    in_doubt = ("4711", "B", 1, "1", '["S", "E"]', 1.5, 3.5, "list", None, "b")
    known = usual_entries([row, in_doubt])
    assert known == [entry_of(row), entry_of(in_doubt)]
    assert [(one.is_in_doubt, one.is_missed) for one in known] == [(False, True), (True, False)]
    assert usual_entries([row, (*row[:2], None, None, None, None, *row[6:])]) is None
