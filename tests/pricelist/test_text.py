from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async.pricelist._reading.text import bare, inert, is_inert

CELLS = st.one_of(st.text(), st.text("'=+-@0159 .,/:eEapm\t", max_size=8))


@given(cell=CELLS)
def test_a_cell_that_was_made_inert_comes_back_as_it_was(cell: str) -> None:
    assert bare(inert(cell)) == cell
    assert is_inert(inert(cell)) or inert(cell) == cell
    assert inert(cell)[:1] not in ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize(
    "cell",
    [
        *["=1+1", "+1", "-B", "@SUM(1)", "\tx", "\r", "'=1"],
        *["007", "00", "1.0", "1,5", "250.000", "199500.50", "1234567890123456", " 7", "7 ", "5%"],
        *["1E5", "1e-5", "1-2", "1/2", "2026-02-01", "10:30", "10 A", "10:30 pm", "250 €", "$5"],
        *["5 eur", "MAY 1", "1-dic", "ene-5", "1 de enero de 2026", "sept 3", "(5)", ".5"],
    ],
)
def test_what_a_spreadsheet_would_change_has_an_apostrophe(cell: str) -> None:
    assert inert(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell",
    [
        *[
            "",
            "0",
            "7",
            "250000",
            "123456789012345",
            "A-101",
            "1B",
            "101-B",
            "Ático 3",
            "Nº 5",
            "E5",
            "P 2",
            "A 10",
        ],
        *["SOLD", "N S", "'", "'A", "#REF", "may", "a", "Mayor 3", "two words"],
    ],
)
def test_what_a_spreadsheet_keeps_has_no_apostrophe(cell: str) -> None:
    assert inert(cell) == cell


def test_a_long_text_is_looked_at_once() -> None:
    """And not once for each way to divide it into words."""
    cell = "1" + "mar" * 100_000 + "!x"
    assert inert(cell) == cell
