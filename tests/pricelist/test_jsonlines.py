from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from propq_async import pricelist
from propq_async.pricelist import BrokenRow, Failures, PriceListError, Row
from tests.helpers.lists import (
    ENGLISH,
    good,
    json_lines,
    unit,
)
from tests.helpers.support import an_update


def test_absurd_numbers_break_their_row_and_no_other(tmp_path: Path) -> None:
    line = '{"development_id": "4711", "name": %s, "status": %s, "price": %s, "directions": %s}'
    absurd = ["1e99999999", "1E+9999999999", "-1e-9999999999", "1e99999999999999999999", "1e9999"]
    fine = line % ('"A"', "4", "1.25e5", '"N"')
    path = tmp_path / "x.jsonl"
    for number in absurd:
        lines = [
            fine,
            line % ('"B"', "4", number, '"N"'),
            line % ('"C"', number, "5", '"N"'),
            line % ('"D"', "4", "5", number),
            line % ('"E"', "4", "5", f'["N", {number}]'),
        ]
        path.write_text("\n".join(lines))
        prices = pricelist.read(path)
        good, *bad = prices
        assert isinstance(good, Row)
        assert good.update.price == 125_000
        columns = [one.problems[0].column for one in bad if isinstance(one, BrokenRow)]
        assert columns == ["price", "status", "directions", "directions"]
        assert all(len("".join(row.cells)) < 11_000 for row in bad)
        with Failures(prices, tmp_path / "x.failed.csv") as failures:
            for row in bad:
                failures.add(row, "why")
        again = list(pricelist.read(tmp_path / "x.failed.csv"))
        assert [type(row) for row in again] == [BrokenRow] * 4


@pytest.mark.parametrize("depth", [21, 900, 100_000])
def test_deep_nesting_breaks_its_row_and_no_other(tmp_path: Path, depth: int) -> None:
    nested = ["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth]
    lines = [json.dumps(dict(zip(ENGLISH, unit(), strict=True)))]
    lines += [lines[0][:-1] + f', "{key}": {one}}}' for one in nested for key in ("extra", "m2")]
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join(lines))
    good, *bad = pricelist.read(path)
    assert isinstance(good, Row)
    assert len(bad) == 4
    for row in bad:
        assert "a JSON object of texts and numbers, without lists deep inside" in str(row)


def test_brackets_in_a_text_are_no_nesting(tmp_path: Path) -> None:
    row = dict(zip(ENGLISH, unit("[{" * 30), strict=True))
    (update,) = good(json_lines(tmp_path / "x.jsonl", row))
    assert update.name == "[{" * 30


def test_many_keys_of_an_object_are_compared_once(tmp_path: Path) -> None:
    """Comparing each of these with all before it would take hours."""
    keys = [f"k{number}" for number in range(200_000)]
    text = "{" + ",".join(f'"{key}":1' for key in [*keys, keys[-1]]) + "}"
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(dict(zip(ENGLISH, unit(), strict=True))) + "\n" + text + "\n")
    _, row = pricelist.read(path)
    assert "'k199999' stands in it twice" in str(row)


def test_objects_that_have_no_keys_in_common_are_no_list(tmp_path: Path) -> None:
    """A row is as wide as all keys together, so that it would take the square of the file."""
    path = tmp_path / "x.jsonl"
    objects = [{f"k{number}-{key}": 1 for key in range(100)} for number in range(200)]
    json_lines(path, *objects)
    with pytest.raises(PriceListError, match="line 164: expected objects with the same keys"):
        pricelist.read(path)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"development_id": 4711, "name": "A-101", "status": 4, "price": 250000, '
        '"directions": ["N", "Sur"]}\n\n'
        '{"unidad": "x"}\n[1]\n{"name":\n{"price": NaN}\n'
        '{"name": ["x"], "development_id": "1", "status": true, "price": true, '
        '"directions": ["N", "?"]}\n'
        '{"directions": "O", "price": "199.500,50 €", "status": "Vendido", "name": "B", '
        '"development_id": "4711"}\n',
        encoding="utf-8",
    )
    with pytest.raises(
        PriceListError, match=r"more than one column for name: name: .*, unidad: 'x'; state which"
    ):
        pricelist.read(path)
    rows = list(pricelist.read(path, columns={"name": "name"}))
    updates = [row.update for row in rows if isinstance(row, Row)]
    assert updates == [
        an_update(),
        an_update("B", 199_500.5, directions=["W"]),
    ]
    problems = [str(row) for row in rows if isinstance(row, BrokenRow)]
    assert [int(re.findall(r"line (\d+)", text)[0]) for text in problems] == [3, 4, 5, 6, 7]
    assert "found '[1]'; expected a JSON object" in problems[1]
    assert "expected a JSON object: Expecting value" in problems[2]
    assert "NaN is no JSON" in problems[3]
    assert problems[4].count("expected") == 4


def test_a_line_of_json_holds_one_object_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    good = json.dumps(dict(zip(ENGLISH, unit("A"), strict=True)))
    path.write_text(f"  {good}\t \n{good} {good}\n{good},\n{good}\u2003\n", encoding="utf-8")
    first, two, comma, last = pricelist.read(path)
    assert isinstance(first, Row)
    for row in (two, comma):
        assert isinstance(row, BrokenRow)
        assert "expected a JSON object: Extra data" in str(row)
    assert isinstance(last, Row)
    assert last.update == first.update


def test_a_key_that_stands_twice_is_a_problem_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    rest = '"development_id": "4711", "status": 4, "directions": "N"'
    lines = [
        f'{{"name": "A", "price": 1, "price": 250000, {rest}}}',
        f'{{"name": "B", "price": 1.50, "Price":  "250.000", {rest}}}',
        f'{{"name": "C", "notes": 1, "Notes": 2, "Price": "1.234.567", {rest}}}',
        f'{{"name": "D", " PRICE ": 5, {rest}}}',
        f'{{"name": "E", "price": 5, "m2": {{"a": 1, "a": 2}}, {rest}}}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    twice, differently, good, also, nested = pricelist.read(path)
    assert str(twice).endswith("; expected a JSON object: 'price' stands in it twice")
    assert twice.cells == (lines[0],)
    assert "expected a JSON object: 'price' stands in it twice, also as 'Price'" in str(differently)
    assert differently.cells == (lines[1],)
    assert isinstance(good, Row)
    assert good.update.price == 1_234_567
    assert isinstance(also, Row)
    assert also.update.price == 5
    assert "'a' stands in it twice" in str(nested)


@pytest.mark.parametrize("content", ["\n", "[1, 2]", "nothing"])
def test_json_without_an_object(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    with pytest.raises(PriceListError, match="expected JSON lines, which is one object in each"):
        pricelist.read(path)


def test_values_are_many_or_few_and_all_are_read(tmp_path: Path) -> None:
    path = json_lines(
        tmp_path / "x.jsonl",
        *(dict(zip(ENGLISH, unit(f"A-{at}", 200_000 + at), strict=True)) for at in range(120)),
    )
    updates = good(path)
    assert [update.name for update in updates] == [f"A-{at}" for at in range(120)]
    assert updates[-1].price == 200_119
