"""The page about `propq.toml` has every key, with its type, its default and an example."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from propq_async.pricelist import ListProfile, PriceListError, Profile
from propq_async.pricelist import _profile_toml as code
from propq_async.pricelist._plan_warning import MIN_PRICE
from tests.helpers.pages import DOCS, section

PAGE = DOCS / "reference" / "profile.md"
# Where a key is not stated, something else than a value is the default.
OF_THE_READER = {
    "recognised",
    "asked",
    "none",
    "read, and a push needs a yes",
    "all that have the columns and are not hidden",
}
# For each type a value of another one, which must be refused.
REFUSED = {
    "text": "4711",
    "column": "'{Portal}{Puerta}'",
    "column or template": "'{Portal'",
    "character": "';;'",
    "number": "'10000'",
    "list of texts": "'TOTAL*'",
    "table": "'ledger'",
    "table of texts": "{ a = 1 }",
    "table of texts, or list of texts": "'Fase 1'",
    "table of states": "{ a = 'ANY' }",
    '`"."` or `","`': "';'",
    '`"one"` or `"two"`': "'three'",
    '`"skip"` or `"read"`': "'ask'",
    '`"ledger"`, file or status': "['SOLD']",
    '`"ledger"`, file or number': "['1']",
    '`"ledger"`, file or list of texts': "1",
}


@attrs.frozen
class Key:
    name: str
    type: str
    default: str
    example: str


def keys(first: str) -> dict[str, Key]:
    rows = [line.strip("| ").split(" | ") for line in section(PAGE, first).splitlines()[2:]]
    found = [Key(row[0].strip("`"), row[1], row[2], row[3].strip("`")) for row in rows]
    return {key.name: key for key in found}


LISTED, FILLED = keys("Key of `[[list]]`"), keys("Key of `fill`")


def loaded(folder: Path, text: str) -> Profile:
    (folder / "propq.toml").write_text(text, encoding="utf-8")
    return Profile.load(folder / "propq.toml")


def test_the_page_has_every_key() -> None:
    assert set(keys("Key at the top")) == set(code._TOP)
    assert set(LISTED) == {*code._READERS, "fill"}
    assert set(FILLED) == set(code._FILLED)


def test_each_default_is_that_of_the_code() -> None:
    defaults = {field.name: field.default for field in attrs.fields(ListProfile)}
    empty = ListProfile()
    for name, key in LISTED.items():
        if name == "file":
            assert key.default == f'`"{defaults[name]}"`'
        elif name == "min_price":
            assert Decimal(key.default) == MIN_PRICE
            assert empty.min_price is None
        else:
            assert key.default in OF_THE_READER, name
            assert name in code.COLUMNS or not getattr(empty, name), name
    assert {key.default for key in FILLED.values()} == {"none"}


@pytest.mark.parametrize("name", LISTED)
def test_the_example_of_a_list_is_read(name: str, tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, f"[[list]]\n{LISTED[name].example}\n").lists
    stated = one.columns if name in code.COLUMNS else attrs.asdict(one, recurse=False)
    assert stated[name] != getattr(ListProfile(), name, None)


@pytest.mark.parametrize("name", FILLED)
def test_the_example_of_what_fills_a_field_is_read(name: str, tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, f"[[list]]\n[list.fill]\n{FILLED[name].example}\n").lists
    assert list(one.fill) == [name]


def test_the_account_of_the_page_is_read(tmp_path: Path) -> None:
    top = keys("Key at the top")
    assert loaded(tmp_path, top["account"].example).account == "costa"
    with pytest.raises(PriceListError, match="account must be a text"):
        loaded(tmp_path, "account = 1")


@pytest.mark.parametrize("key", [*LISTED.values(), *FILLED.values()], ids=lambda key: key.name)
def test_a_value_of_another_type_is_refused(key: Key, tmp_path: Path) -> None:
    table = "[list.fill]\n" if key in FILLED.values() else ""
    with pytest.raises(PriceListError) as refused:
        loaded(tmp_path, f"[[list]]\n{table}{key.name} = {REFUSED[key.type]}\n")
    assert re.search(rf"\b{key.name}\b", str(refused.value))
