"""What is looked up for a row is what looking at each of its cells would find."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import UnitStatus, pricelist
from propq_async.pricelist import BrokenRow, Row
from propq_async.pricelist._garbage_collection import collector_paused
from propq_async.pricelist._reading import jsonlines
from propq_async.pricelist._reading.csv_records import _careful, _Feed, records
from propq_async.pricelist._reading.row_parser import RowParser
from tests.helpers.lists import ENGLISH, json_lines, text_list

NAMES = st.sampled_from(["A-1", "A-2", "B-10", " B-1", "1.0", '="01"', "1/2/2026", "Á 1", ""])
STATES = st.sampled_from(["SOLD", "Vendido", "sold?", "", " SOLD", "True"])
PRICES = st.sampled_from(["250000", "250.000", "1.250.000,50 €", "199,50", "0", "-", "250"])
DIRECTIONS = st.sampled_from(["N", "N S", "Norte", "S-W", "", "x", "1"])
NUMBERS = st.sampled_from([1, 1.0, True, 2.5, 250_000, 250_000.0, 0, -1, None])
OTHERS = st.sampled_from([["N"], [1], [True], [["N"]], [], {"N": 1}, ["N", "E"]])
OPTIONS: dict[str, Any] = {
    "direction_words": {"1": "N"},
    "status_words": {"1": UnitStatus.HOLD, "2": UnitStatus.SOLD, "True": UnitStatus.SOLD},
}


class _Unknown(RowParser):
    """Looks at each cell of each row."""

    def several(self) -> Iterator[list[Row | BrokenRow]]:
        self._known.rows = lambda records: [None] * len(records)  # type: ignore[method-assign]
        yield from super().several()


def _said(rows: Iterator[Row | BrokenRow]) -> list[Any]:
    return [attrs.asdict(row, recurse=False) for row in rows]


def _check(path: Path) -> None:
    prices = pricelist.read(path, **OPTIONS)
    for found, style in prices.sources:
        parsers = (kind(found, style, prices._words) for kind in (RowParser, _Unknown))
        quick, careful = (_said(iter(parser)) for parser in parsers)
        assert quick == careful


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["4711", ""]), NAMES, STATES, PRICES, DIRECTIONS), max_size=6
    ),
    delimiter=st.sampled_from(",;"),
)
def test_a_row_of_a_text_is_the_same(
    rows: list[tuple[str, ...]], delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("text") / "x.csv"
    _check(text_list(path, *rows, *rows, delimiter=delimiter))


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.just("4711"), NUMBERS),
            st.one_of(NAMES, NUMBERS, OTHERS),
            st.one_of(STATES, NUMBERS, OTHERS),
            st.one_of(PRICES, NUMBERS, OTHERS),
            st.one_of(DIRECTIONS, NUMBERS, OTHERS),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_a_row_of_json_is_the_same(
    rows: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where 1, 1.0 and True are equal and not alike, and a list cannot be looked up."""
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    objects = [dict(zip(ENGLISH, row, strict=True)) for row in rows * 2]
    _check(json_lines(path, *objects))


LINES = st.lists(
    st.sampled_from(
        [
            *['{"a": 1}', '{"a": 1}, {"b": 2}', '{"c": [{}', "{}]}", '{"a": 1', '"b": 2}', "[1"],
            *["2]", "", '{"a": 1, "a": 2}', '{"a": "x:y"}', '{"a": "{"}', '{"a": {}}', "7", "{"],
            *['{"a": 1e99999}', '{"a": NaN}', '{"a": [[1], 2]}', '{"b": ' + "[" * 30 + "]" * 30],
        ]
    ),
    min_size=1,
    max_size=6,
)


@given(lines=LINES)
def test_lines_of_json_are_the_same_together(lines: list[str]) -> None:
    alone = [jsonlines._object(number, line) for number, line in enumerate(lines)]
    assert jsonlines._flat_objects(lines) in (None, alone)


def test_plain_lines_of_json_are_read_together() -> None:
    lines = [json.dumps({"a": number, "b": ["N", "S"]}) for number in range(5)]
    assert jsonlines._flat_objects(lines) == [json.loads(line) for line in lines]


@given(
    lines=st.lists(
        st.sampled_from(
            [
                "a,b\n",
                '"a",b\n',
                '"a\n',
                'b",c\n',
                '"a""b",c\n',
                'a"b,c\n',
                '"a"b,c\n',
                "\n",
                "a\r\n",
            ]
        )
    ),
    width=st.sampled_from([None, 2]),
)
def test_rows_of_csv_are_the_same_quickly(lines: list[str], width: int | None) -> None:
    quick = [attrs.asdict(one) for one in records(lines, ",", width)]
    assert quick == [attrs.asdict(one) for one in _careful(_Feed(iter(lines), 0), ",", width)]


@pytest.mark.parametrize("is_on", [True, False])
def test_the_collector_is_as_it_was_before(*, is_on: bool) -> None:
    was_on = gc.isenabled()
    try:
        (gc.enable if is_on else gc.disable)()
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() == is_on
    finally:
        (gc.enable if was_on else gc.disable)()


def test_a_price_of_too_many_digits_is_no_known_one(tmp_path: Path) -> None:
    prices = ["250000", "12345678901234.55", "12345678901234.55"]
    rows = [["4711", f"A-{n}", "SOLD", price, "N"] for n, price in enumerate(prices)]
    read = list(pricelist.read(text_list(tmp_path / "x.csv", *rows)))
    assert [isinstance(row, BrokenRow) for row in read] == [False, True, True]


def test_what_is_not_read_stays_where_it_is_beside_a_stated_development(tmp_path: Path) -> None:
    rows = [[f"A-{n}", "SOLD", "250000", "N", f"note {n}"] for n in range(3)]
    path = text_list(tmp_path / "x.csv", *rows, header=[*ENGLISH[1:], "note"])
    read = list(pricelist.read(path, development_id="4711"))
    assert [list(row.cells) for row in read] == rows
