from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import pricelist
from propq_async.pricelist import Row
from propq_async.pricelist._money import money
from propq_async.pricelist._reading.no_price import expected_instead
from propq_async.pricelist._reading.numbers import IN_DOUBT, TOO_FINE, PriceStyle, exact_price
from tests.helpers.lists import (
    ENGLISH,
    NUMBERS,
    as_text,
    broken,
    good,
    spaced,
    text_list,
    unit,
    workbook,
)

Read = int | Decimal | None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250000", 250_000),
        ("1.234.567,89 €", Decimal("1234567.89")),
        ("1,234,567.89", Decimal("1234567.89")),
        ("€ 1.234.567", 1_234_567),
        ("1'234'567.50", Decimal("1234567.50")),
        ("250 000", 250_000),
        ("250\u00a0000\u202f€", 250_000),
        ("250 000,5 euros", Decimal("250000.5")),
        ("199500.50", Decimal("199500.50")),
        ("199500,5", Decimal("199500.5")),
        ("199500.50 eur.", Decimal("199500.50")),
        ("1,234.5 eur. ", Decimal("1234.5")),
        ("Eur. 199500.50", Decimal("199500.50")),
        ("1.234.567 Eur.", 1_234_567),
        ("007", 7),
        *(
            (text, None)
            for text in (
                "", "€", "-5", "$5", "5 USD", "5%", "1e5", "1_000", "٣", "NaN", "1.", ".5", "1..5",
                "1.23.456", "1,23,456", "12.34,567", "1.234,567.8", "1 2345", "1234 567", "POA",
                "5 000 0", "0.000.000", "1.234 567", "9" * 41, "9" * 5000, "5 € €",
                "5 euro\u017f",
            )
        ),
    ],
)  # fmt: skip
def test_a_price_that_is_certain_or_none(text: str, value: Read) -> None:
    assert PriceStyle.of([text], None).read(text) == value


@pytest.mark.parametrize("text", ["1.234", "1,234 €", "12.345", "250.000 eur."])
def test_three_digits_after_the_last_separator_are_in_doubt(text: str) -> None:
    assert PriceStyle.of([text, "250000"], None).read(text) is IN_DOUBT


@pytest.mark.parametrize(
    "text",
    ["250.0000", "1.2345", "250,0000 €", "0,1234", "1.234,5678", "1 234.00000", "199500.500",
     "250000.500", "0.123", "1.234,567", "1 234.567", "1,234,567.000"],
)  # fmt: skip
@pytest.mark.parametrize("others", [[], ["99,50"], ["99.50"], ["1.234.567"], ["1,234,567"]])
def test_more_than_two_decimals_are_no_price(text: str, others: list[str]) -> None:
    assert PriceStyle.of([text, *others], None).read(text) is TOO_FINE
    # Stating the separator makes it no price, either.
    for decimals in (".", ","):
        assert PriceStyle.of([], decimals).read(text) in (TOO_FINE, None)


@given(
    whole=st.integers(0, 10**9),
    fraction=st.text("0123456789", min_size=3, max_size=12),
    number=NUMBERS,
    sign=st.sampled_from(["{}", "{} €", "{} eur.", "€ {}"]),
    others=st.lists(st.sampled_from(["99,50", "99.5", "1.234.567", "1,234,567", "5"])),
    stated=st.sampled_from([None, ".", ","]),
)
def test_nothing_with_more_than_two_decimals_is_read_with_them(
    whole: int,
    fraction: str,
    number: tuple[str, str],
    sign: str,
    others: list[str],
    stated: Literal[".", ","] | None,
) -> None:
    text = sign.format(spaced(whole, number[0]) + number[1] + fraction)
    price = PriceStyle.of([text, *others], stated).read(text)
    # At most it is a group, where that is the only thing that can be meant.
    assert price in (TOO_FINE, IN_DOUBT, None, int(f"{whole}{fraction}"))
    if len(fraction) > 3:
        assert price in (TOO_FINE, None)


def test_how_many_decimals_a_price_has_is_said(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("A", "250.0000"), unit("B", "250000"))
    (problem,) = broken(path)
    assert problem == (
        "line 2, column price: found '250.0000'; expected a price with at most two decimals (more "
        "of them are most likely a group of digits that was misread): write it without grouping, "
        "such as 250000"
    )
    assert len(broken(text_list(path, unit("A", "1.234")), decimal=".")) == 1


@pytest.mark.parametrize(
    ("others", "text", "value"),
    [
        (["1.234.567"], "250.000", 250_000),
        (["99,50"], "250.000", 250_000),
        (["1,234,567"], "250,000", 250_000),
        (["99.5"], "250,000 €", 250_000),
        # It would be 250: a flat for a thousandth, because of one 99.50.
        (["99.50"], "250.000", IN_DOUBT),
        (["99.50", "99,50"], "250.000", IN_DOUBT),
        (["1.234.567", "1,234,567"], "250.000", IN_DOUBT),
        # What can only be read in one way is, whatever else there is.
        (["99.50", "99,50"], "1.234.567", 1_234_567),
    ],
)
def test_a_column_may_leave_no_doubt(others: list[str], text: str, value: Any) -> None:
    assert PriceStyle.of([*others, text], None).read(text) == value


@pytest.mark.parametrize(
    ("decimals", "text", "value"),
    [
        (",", "1.234", 1234),
        (",", "1,234", TOO_FINE),
        (".", "1.234", TOO_FINE),
        (".", "1.23", Decimal("1.23")),
        (".", "1,234", 1234),
        (".", "1 234.567", TOO_FINE),
        (",", "1 234.567", None),
        (",", "1.234.567,8", Decimal("1234567.8")),
        (",", "199500.50", None),
        (".", "199500,50", None),
        (".", "1.2.3", None),
        (",", "x", None),
        (",", "1.234,567.8", None),
    ],
)
def test_the_separator_can_be_stated(decimals: Literal[".", ","], text: str, value: Any) -> None:
    assert PriceStyle.of([], decimals).read(text) == value


@given(
    price=st.integers(1, 10**9).map(lambda cents: Decimal(cents) / 100),
    number=NUMBERS,
    sign=st.sampled_from(["{}", "{} eur.", "{}EUR", "{} euros", "€{}", "Eur. {}"]),
    other=st.sampled_from(["1.234,5", "1,234.5", "99.5", "99,5", "1.000.000", "1,000,000", "5"]),
)
def test_no_price_is_ever_taken_for_another(
    price: Decimal, number: tuple[str, str], sign: str, other: str
) -> None:
    text = sign.format(as_text(price, *number))
    assert PriceStyle.of([text, other], None).read(text) in (price, IN_DOUBT)


@pytest.mark.parametrize(
    ("price", "other"),
    [("345.000", "345,000"), ("345.000", "199500.50"), ("345,000 €", "199.500,5")],
)
def test_where_no_decimals_can_be_stated_both_prices_are_named(
    tmp_path: Path, price: str, other: str
) -> None:
    rows = [unit("A", price), unit("B", other), unit("C", "199500"), unit("D", "120")]
    path = text_list(tmp_path / "x.csv", *rows, delimiter=";")
    told = broken(path)
    assert told[0].startswith(
        f"line 2, column price: found {price!r}; expected a price that can be"
    )
    assert f"the column also has '{other}', which" in told[0]
    assert told[0].endswith("without grouping, such as 345000")
    # So it asks for no answer that would not help.
    assert "--decimal" not in told[0]
    for decimal in (".", ","):
        assert broken(path, decimal=decimal)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["€345.000", "€ 345,000"], [345_000, 345_000]),
        (["345.000", "1,345", "255,000"], [IN_DOUBT, IN_DOUBT, IN_DOUBT]),
        (["345.000", "345,000", "250000"], [IN_DOUBT, IN_DOUBT, 250_000]),
        (["345.000", "345,000", "1.250.000"], [345_000, IN_DOUBT, 1_250_000]),
    ],
)
def test_where_all_prices_group_in_one_way_or_the_other_they_are_those_of_flats(
    texts: list[str], values: list[Any]
) -> None:
    style = PriceStyle.of(texts, None)
    assert [style.read(text) for text in texts] == values


def test_prices_in_doubt_are_asked_for_by_place_and_value(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit("A", "1.234"), unit("B", "250.000"), unit("C", 5))
    first, second = broken(path)
    assert first.startswith(
        "line 2, column price: found '1.234'; expected a price that can be read"
    )
    assert first.endswith("--decimal , or --decimal .")
    assert "line 3" in second
    assert [one.price for one in good(path, decimal=",")] == [1234, 250_000, 5]
    # As decimals they are three, which no price has.
    assert all("at most two decimals" in text for text in broken(path, decimal="."))


@pytest.mark.parametrize(
    ("number", "price"),
    [
        (1.234, TOO_FINE),
        (Decimal("199500.505"), TOO_FINE),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (250000.0, 250000),
        (199500.5, Decimal("199500.5")),
        (275000.00000000006, 275000),
        (Decimal("0.10"), Decimal("0.1")),
    ],
)
def test_a_number_with_more_than_two_decimals_is_no_price(
    number: float | Decimal, price: Any
) -> None:
    assert exact_price(number) == price
    assert type(exact_price(number)) is type(price)


@settings(deadline=None, max_examples=30)
@given(
    thousandths=st.lists(st.integers(1, 10**9 - 1), min_size=1, max_size=60, unique=True),
    factor=st.sampled_from([1.0, 1.1, 1.21, 3.0]),
    stated=st.sampled_from([None, ".", ","]),
)
def test_a_number_of_a_workbook_has_at_most_two_decimals(
    tmp_path_factory: pytest.TempPathFactory,
    thousandths: list[int],
    factor: float,
    stated: Literal[".", ","] | None,
) -> None:
    """But for the noise that a formula leaves."""
    rows: list[list[Any]] = []
    expected: list[Decimal | None] = []
    for number in thousandths:
        exact = Decimal(number) / 1000
        # As a formula leaves it: 250000 * 1.1 is 275000.00000000006.
        rows += [unit(f"A-{number}", float(exact)), unit(f"B-{number}", number * factor)]
        expected.append(exact if number % 10 == 0 else None)
        product = number * Decimal(str(factor))
        expected.append(product if product * 100 % 1 == 0 else None)
    path = workbook(tmp_path_factory.mktemp("list") / "x.xlsx", S=[ENGLISH, *rows])
    found = list(pricelist.read(path, decimal=stated))
    for row, price in zip(found, expected, strict=True):
        if isinstance(row, Row):
            assert row.update.price == price
        else:
            assert price is None
            assert [one.column for one in row.problems] == ["price"]
            assert "at most two decimals" in row.what


@given(price=st.decimals("0.001", "99999999", places=6))
def test_a_number_of_json_has_at_most_two_decimals(price: Decimal) -> None:
    cents = price.quantize(Decimal("0.01"))
    noise = abs(price - cents)
    found = exact_price(price)
    assert found == (cents if noise <= Decimal("0.000001") else TOO_FINE)


@pytest.mark.parametrize(
    ("text", "price"), [("253.000,-", 253_000), ("253.000.- €", 253_000), ("25.300.0,-", None)]
)
@pytest.mark.parametrize("decimals", [".", ",", None])
def test_a_dash_for_the_cents_makes_a_price_whole(
    text: str, price: Read, decimals: Literal[".", ","] | None
) -> None:
    assert PriceStyle.of([text], decimals).read(text) == price


@pytest.mark.parametrize("text", ["1.880.000,-", "253.000.-", "1.880.000,--"])
def test_a_price_without_cents_tells_how_the_others_are(text: str) -> None:
    assert PriceStyle.of({text, "250.000 + IVA"}, None).read("345.000 EUR") == 345_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$345,000", "another currency"), ("345.000 USD", "another currency"),
        ("\u00a3 345,000", "another currency"), ("345 000 kr", "another currency"),
        ("345k", "with all its digits"), ("\u20ac1.2M", "with all its digits"),
        ("1,2 mill.", "with all its digits"), ("345 mil \u20ac", "with all its digits"),
        ("Kronberg", None), ("345000", None), ("", None), ("k", None),
    ],
)  # fmt: skip
def test_what_a_price_should_be_instead(text: str, said: str | None) -> None:
    told = expected_instead(text)
    assert told is None if said is None else said in (told or "")


@pytest.mark.parametrize(
    ("value", "decimal", "shown"),
    [
        (Decimal("239900.5"), ",", "239.900,50 EUR"), (Decimal("239900.50"), ".", "239,900.50 EUR"),
        (Decimal("0.125"), ",", "0,125 EUR"), (Decimal("1.100"), ".", "1.10 EUR"),
        (Decimal(1234567), ",", "1.234.567 EUR"), (239_900.4, ".", "239,900 EUR"),
        (239_900.4, None, "239,900 EUR"), (Decimal("239900.5"), None, "239,900.50 EUR"),
    ],
)  # fmt: skip
def test_prices_are_shown_as_the_list_writes_them(
    value: float | Decimal, decimal: str | None, shown: str
) -> None:
    assert money(value, decimal) == shown
