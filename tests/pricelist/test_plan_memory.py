"""How much memory a plan takes, which limits how long a list may be."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from propq_async import AsyncPropQ, Credentials, pricelist
from propq_async.ledger import Ledger
from propq_async.pricelist._reading import repeated_units
from tests.helpers.lists import broken, remarks, text_list, unit

ROWS = 5_000


async def test_a_row_takes_half_a_kibibyte(tmp_path: Path) -> None:
    rows = (unit(f"A-{n}", 200_000 + 500 * (n % 300), directions="S E") for n in range(ROWS))
    path = text_list(tmp_path / "list.csv", *rows)
    propq = AsyncPropQ(Credentials(7, "secret"), base_url="http://127.0.0.1:9", token_store=None)
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    small = text_list(tmp_path / "small.csv", unit())
    async with propq, ledger:
        # What is imported and remembered once is no part of it.
        await pricelist.plan(pricelist.read(small), propq, ledger)
        tracemalloc.start()
        try:
            plan = await pricelist.plan(pricelist.read(path), propq, ledger)
            retained, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert len(plan.changes) == ROWS
    assert retained / ROWS < 512
    assert most / ROWS < 640


def test_equal_cells_are_one_text(tmp_path: Path) -> None:
    path = text_list(tmp_path / "list.csv", *(unit(f"A-{n}", 200_000) for n in range(30)))
    *_, one, other = (row.cells for row in pricelist.read(path))
    assert [cell is its for cell, its in zip(one, other, strict=True)] == [
        True, False, True, True, True,
    ]  # fmt: skip
    assert (one[0], one[2:]) == ("4711", ("SOLD", "200000", "N S"))


@pytest.mark.parametrize("is_hash_shared", [False, True])
def test_names_are_told_apart_whatever_their_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_hash_shared: bool
) -> None:
    if is_hash_shared:
        monkeypatch.setattr(repeated_units, "hash", lambda _: 0, raising=False)
    rows = [
        unit("A"), unit("B"), unit("X", "?"), unit("X"), unit("x"), unit("x"), unit("B"),
        unit("B", development="2"), unit("X", "?"), unit("C", "?"), unit("b", "?"), unit("D"),
    ]  # fmt: skip
    path = text_list(tmp_path / "list.csv", *rows)
    assert remarks(path) == [
        "line 7: x is in line 6 already",
        "line 8: B is in line 3 already",
    ]
    found = list(pricelist.read(path))
    lines = [(row.line, row.rival and row.rival.line) for row in found if hasattr(row, "rival")]
    assert lines == [(4, None), (5, 4), (10, None), (11, None), (12, None)]
    assert "X has other values in line 4" in broken(path)[1]
