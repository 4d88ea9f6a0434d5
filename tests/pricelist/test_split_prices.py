from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import PriceListError, Row
from tests.helpers.lists import (
    broken,
    good,
    spaced,
)

AREA = ("development_id", "name", "status", "directions", "price", "Floor area")
NAMELESS = (*AREA[:5], "", "")
PLOT = (*AREA[:4], "plot", "price", "notes")


def _lines(path: Path, header: Sequence[str], *ends: str, delimiter: str = ",") -> Path:
    lines = [header, *(["4711", f"A-{n}", "SOLD", "N", end] for n, end in enumerate(ends))]
    path.write_text("".join(delimiter.join(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "end", "whole"),
    [
        (NAMELESS, "250,000,", "250,000"),
        (NAMELESS, "€ 250,000 €,", "€ 250,000 €"),
        (NAMELESS, "250,000.50,", "250,000.50"),
        (NAMELESS, "1,250,000", "1,250"),
        (NAMELESS, '"1,250",000,', "1,250,000"),
        (NAMELESS, "250,5,", "250,5"),
        (NAMELESS, "199500,50,", "199500,50"),
        (NAMELESS, "199500,5,", "199500,5"),
        (NAMELESS, '"199,500",50,', "199,500,50"),
        (AREA, "250,000", "250,000"),
        (AREA, "12,500 EUR", "12,500 EUR"),
        # The split number is a column further to the left.
        (PLOT, "1,250,", "1,250"),
        (PLOT, " 1, 250 ,", "1,250"),
        (PLOT, "1,250,250000", "250,250000"),
        ((*PLOT[:5], "m2", "price", "notes", ""), "1,250,85,1,000", "1,250"),
        (("development_id", "name", "status", "directions", "price", "id"), "250,001", "250,001"),
    ],
)
def test_a_price_that_commas_may_have_split_is_asked_about(
    header: Sequence[str], end: str, whole: str, tmp_path: Path
) -> None:
    columns = {"name": "name", "development_id": "development_id"}
    path = _lines(tmp_path / "x.csv", header, end)
    (problem,) = broken(path, columns=columns, decimal=".")
    assert problem.startswith("line 2, column price: found ")
    assert problem.endswith(
        f"; expected a price in one cell: commas separate columns here, and {whole} may be one "
        "number; write it without grouping or in quotes, or with its decimals if it is whole"
    )


def test_a_price_that_no_comma_can_have_split_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    ends = ["250000,120", '"250,000",120', "1000,500", "250.00,120", "250,85", "250,85 m2", "250,x"]
    prices = [one.price for one in good(_lines(path, AREA, *ends))]
    assert prices == [250_000, 250_000, 1000, 250, 250, 250, 250]
    ends = ["250000,120,", "250,,", "250.00,000,", '"1,250.00",00,', "1250.5,85,9"]
    assert [one.price for one in good(_lines(path, NAMELESS, *ends))] == [
        250_000, 250, 250, 1250, Decimal("1250.5"),
    ]  # fmt: skip
    # Before the price, what is read is no part of it.
    header = ("development_id", "status", "directions", "name", "price")
    path.write_text(",".join(header) + "\n4711,SOLD,N,101,250\n")
    assert [one.price for one in good(path)] == [250]
    ends = ["12,1250,", "12,25,", "120,250000,", "1200,250,", "x,250,"]
    assert [one.price for one in good(_lines(path, PLOT, *ends))] == [
        1250, 25, 250_000, 250, 250,
    ]  # fmt: skip
    # Nobody groups by semicolons.
    (update,) = good(_lines(path, AREA[:6], "250;000", delimiter=";"))
    assert update.price == 250


@settings(deadline=None, max_examples=80)
@given(
    price=st.integers(1000, 99_999_999),
    cents=st.sampled_from(["", ".5", ".50", ",5", ",50"]),
    group=st.sampled_from(["", ","]),
    before=st.lists(st.sampled_from(["", "x", "85", "120", "1,250"]), max_size=3),
    after=st.lists(st.sampled_from(["", "x", "85", "120"]), max_size=3),
    names=st.sampled_from([("", ""), ("", "m2"), ("m2", ""), ("m2", "beds")]),
)
def test_no_price_that_commas_have_split_is_sent(
    tmp_path_factory: pytest.TempPathFactory,
    price: int,
    cents: str,
    group: str,
    before: list[str],
    after: list[str],
    names: tuple[str, str],
) -> None:
    path = tmp_path_factory.mktemp("list") / "x.csv"
    if cents.startswith(","):
        # In a column with a name, a 50 beside a price is what it is called.
        names = ("", names[1])
    header = (*AREA[:4], *(f"c{n}" for n in range(len(before))), "price", *names)
    _lines(path, header, ",".join([*before, spaced(price, group) + cents, *after]))
    try:
        (row,) = pricelist.read(path)
    except PriceListError as error:
        # What is beside the price may be one as well.
        assert "more than one column for price" in str(error)  # noqa: PT017 - it may be read, too
        return
    assert not isinstance(row, Row) or row.update.price == Decimal(
        f"{price}{cents.replace(',', '.')}"
    )
