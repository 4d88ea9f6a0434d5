"""Texts for people: English, and made so that they can be said in another language."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from pathlib import Path

from propq_async import PriceListError
from propq_async._languages import Language
from propq_async._messages import Message, joined, tr, trn

SPANISH = Language(
    "es",
    {
        "{place}: no {what}": ("{place}: sin {what}", "{place}: sin {what}"),
        "price": ("precio", "precio"),
        "line {line:,}": ("línea {line:,}", "línea {line:,}"),
        "{count:,} row": ("{count:,} fila", "{count:,} filas"),
        "{by:+,.1f}%": ("{by:+,.1f} %", "{by:+,.1f} %"),
    },
)


def test_a_text_is_english_and_can_be_said_in_another_language() -> None:
    text = tr("{place}: no {what}").format(
        place=tr("line {line:,}").format(line=1234), what=tr("price")
    )
    assert text == "line 1,234: no price"
    assert SPANISH.said(text) == "línea 1.234: sin precio"
    assert Language("en", {}).said(text) is text
    # What no catalogue has, and what was never marked, stays as it is.
    assert SPANISH.said(tr("no {what}").format(what=tr("price"))) == "no precio"
    assert SPANISH.said("price") == "price"


def test_a_text_says_how_many() -> None:
    texts = [trn("{count:,} row", "{count:,} rows", count) for count in (0, 1, 2000)]
    assert texts == ["0 rows", "1 row", "2,000 rows"]
    assert list(map(SPANISH.said, texts)) == ["0 filas", "1 fila", "2.000 filas"]


def test_numbers_are_written_as_the_language_has_them() -> None:
    text = tr("{by:+,.1f}%").format(by=Decimal("-1234.56"))
    assert (text, SPANISH.said(text)) == ("-1,234.6%", "-1.234,6 %")


def test_texts_stay_what_they_are_when_they_are_put_together() -> None:
    text = "a, " + tr("price") + "; " + joined(", ", [tr("price"), "b"])
    assert text == "a, price; price, b"
    assert SPANISH.said(text) == "a, precio; precio, b"
    assert joined(", ", []) == ""


def test_braces_of_a_list_are_no_places() -> None:
    text = joined("{}", ["{x}", tr("price")]) + tr("{place}: no {what}").format(
        place="{0}", what="}"
    )
    assert SPANISH.said(text) == "{x}{}precio{0}: sin }"


def test_whoever_hands_it_on_hands_on_all_of_it() -> None:
    text = tr("{place}: no {what}").format(place=Path("x.csv"), what=tr("price"))
    for same in (
        str(text),
        str(PriceListError(text)),
        *map(str, [PriceListError(text)]),
        copy.deepcopy(text),
        pickle.loads(pickle.dumps(text)),
        str(pickle.loads(pickle.dumps(PriceListError(text)))),
    ):
        assert same == "x.csv: no price"
        assert SPANISH.said(same) == "x.csv: sin precio"


def test_to_programs_it_is_a_text_like_any_other() -> None:
    text = tr("line {line:,}").format(line=1)
    assert isinstance(text, Message)
    assert json.dumps({"text": text}) == '{"text": "line 1"}'
    assert hash(text) == hash("line 1")
    assert f"at {text}" == "at line 1"
