from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from propq_async import pricelist
from propq_async.pricelist import PriceListError
from tests.helpers.lists import (
    ENGLISH,
    good,
    text_list,
    unit,
)
from tests.helpers.support import an_update


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        (None, {}, r"cannot read .*x\.csv: No such file"),
        (b"", {}, r"x\.csv is empty: see what went wrong when it was made"),
        (b"\n", {}, "no column for development_id, name, .*; found nothing$"),
        (b"a;b\n1;2\n", {}, "found a, b$"),
        (b"name\0\n", {}, "is no text file; expected CSV, XLSX or JSON lines"),
        (b"x", {"encoding": "klingon"}, "there is no encoding 'klingon': state utf-8, cp1252"),
        (b"x", {"decimal": "x"}, "decimal must be"),
        (b"x", {"delimiter": "xx"}, "the delimiter must be one character"),
        (b"\xff\xfea", {}, r"cannot read .*: 'utf-16.*; state its --encoding"),
    ],
)
def test_what_is_no_price_list_is_refused(
    content: bytes | None, options: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PriceListError, match=problem):
        pricelist.read(path, **options)


def test_excel_may_be_told_the_separator(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("sep=:\n" + ":".join(ENGLISH) + "\n4711:A-101:SOLD:250000:N S\n")
    assert good(path) == [an_update()]
    path.write_text("#".join(ENGLISH) + "\n4711#A-101#SOLD#250000#N S\n")
    assert good(path, delimiter="#", encoding="UTF8") == [an_update()]
    assert pricelist.read(path, delimiter="#").read_as == "utf-8, columns by '#'"


def test_a_list_that_changes_is_not_read_as_two_halves(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit())
    prices = pricelist.read(path)
    assert len(list(prices)) == 1
    assert repr(prices) == f"PriceList({str(path)!r})"
    text_list(path, unit(), unit("B"))
    with pytest.raises(PriceListError, match="has changed since it was opened: open it again"):
        list(prices)
    path.unlink()
    with pytest.raises(PriceListError, match=r"cannot read .*: No such file"):
        list(prices)


def test_the_digest_is_that_of_the_file_that_was_opened(tmp_path: Path) -> None:
    path = text_list(tmp_path / "x.csv", unit())
    prices = pricelist.read(path)
    assert prices.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
    text_list(path, unit(price=1))
    with pytest.raises(PriceListError, match="has changed since it was opened: open it again"):
        prices.digest()
    path.unlink()
    with pytest.raises(PriceListError, match=r"cannot read .*: No such file"):
        prices.digest()
