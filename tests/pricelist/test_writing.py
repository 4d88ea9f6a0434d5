from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import Direction, UnitStatus, UnitUpdate, pricelist
from propq_async._comparison import exact
from propq_async.pricelist import PriceListError, Row
from propq_async.pricelist._reading.names_and_ids import key_alone
from tests.helpers.lists import (
    ENGLISH,
    NUMBERS,
    SPANISH,
    WORDS,
    as_text,
    good,
    json_lines,
    text_list,
    workbook,
)
from tests.helpers.support import an_update


def _is_a_name(name: str) -> bool:
    try:
        an_update(name)
    except ValueError:
        return False
    # What looks like the work of another program is no plain name.
    return key_alone(name, name) == name


NAMES = st.text(
    st.characters(codec="cp1252", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=12
).filter(_is_a_name)
PRICES = st.one_of(
    st.integers(1, 99_999_999),
    st.decimals("1", "99999999", places=2).map(lambda price: price.normalize()),
)
UPDATES = st.builds(
    UnitUpdate,
    development_id=st.sampled_from(["4711", "P-1", "Vistas del Mar"]),
    name=NAMES,
    status=st.sampled_from(UnitStatus),
    price=PRICES,
    directions=st.lists(st.sampled_from(Direction), min_size=1, unique=True),
)
LISTS = st.lists(UPDATES, min_size=1, unique_by=lambda one: (one.development_id, one.name))
STRANGE = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            *["=1+1", "A\nB", 'A"B', "A,B", "A\r\nB", "\ufeffA", "A\ufeffB", "A\0B", "A\x85B"],
            *["name", "unit", "price", "project", "directions", "propq_problem", "sep=;", "{", "["],
            *["'A", "1e5", "NNE", "SO", "S", "SUR", "N S", "S-W", "A\n" * 31 + "A", "250", "000"],
        ]
    ),
)


def _is_update(values: tuple[Any, ...]) -> bool:
    try:
        UnitUpdate(*values)
    except ValueError:
        return False
    return True


STRANGE_UPDATES = (
    st.tuples(
        STRANGE,
        STRANGE,
        st.sampled_from(UnitStatus),
        st.one_of(
            PRICES,
            st.floats(0.01, 1e16),
            st.integers(1, 10**16),
            st.sampled_from([1234.567, 1e16, 250_000.0, 0.1, 199_500.1, Decimal("1234.500"), 1e-9]),
        ),
        st.lists(st.one_of(st.sampled_from(Direction), STRANGE), min_size=1, max_size=3),
    )
    .filter(_is_update)
    .map(lambda values: UnitUpdate(*values))
)


@settings(deadline=None, max_examples=120)
@given(updates=st.lists(st.one_of(UPDATES, STRANGE_UPDATES), max_size=3))
def test_what_is_written_is_read_back_or_refused(
    tmp_path_factory: pytest.TempPathFactory, updates: list[UnitUpdate]
) -> None:
    path = tmp_path_factory.mktemp("list") / "x.csv"
    path.write_text("as it was")
    said = ""
    try:
        pricelist.write(path, updates)
    except PriceListError as error:
        said = str(error)
    if said:
        assert path.read_text() == "as it was"
        assert any(said.startswith(f"{one.name!r} of ") for one in updates)
    else:
        back = good(path)
        assert [attrs.evolve(one, price=exact(one.price)) for one in back] == [
            attrs.evolve(one, price=exact(one.price)) for one in updates
        ]
    assert [one.name for one in path.parent.iterdir()] == ["x.csv"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", 1234.567),
        ("price", 1e16),
        ("directions", ["NNE"]),
        ("directions", ["SO"]),
        ("directions", ["S", "SUR"]),
        ("name", "A\n" * 31 + "A"),
        ("name", "A\0B"),
        ("name", "A\ufeffB"),
    ],
)
def test_what_would_not_be_read_back_is_named(tmp_path: Path, field: str, value: Any) -> None:
    bad = attrs.evolve(an_update("B"), **{field: value})
    path = tmp_path / "x.csv"
    with pytest.raises(
        PriceListError, match=rf"cannot be written into a price list: its {field}, "
    ):
        pricelist.write(path, [an_update("A"), bad])
    assert not list(tmp_path.iterdir())


def test_a_list_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    pricelist.write(path, [an_update("A")])

    def broken_off() -> Iterator[UnitUpdate]:
        yield an_update("B")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        pricelist.write(path, broken_off())
    assert [one.name for one in good(path)] == ["A"]
    with pytest.raises(PriceListError, match="is no regular file"):
        pricelist.write(tmp_path, [an_update("A")])
    heading = UnitUpdate("project", "unit", UnitStatus.SOLD, 5, ["orientation"])
    for order in ([heading], [heading, an_update("A")], [an_update("A"), heading]):
        with pytest.raises(PriceListError, match=r"'unit' of 'project' cannot be written"):
            pricelist.write(path, order)
    path.chmod(0o600)
    pricelist.write(path, [])
    assert path.stat().st_mode & 0o777 == 0o600


def _rows(updates: list[UnitUpdate], group: str, point: str, sign: str) -> list[list[str]]:
    return [
        [
            one.development_id,
            one.name,
            WORDS[one.status],
            sign.format(as_text(one.price, group, point)),
            "/".join(one.directions),
        ]
        for one in updates
    ]


@settings(deadline=None, max_examples=60)
@given(
    updates=LISTS,
    number=NUMBERS,
    sign=st.sampled_from(["{}", "{} €", "{}€", "{} EUR", "{} eur.", "{}eur.", "{} euros", "€ {}"]),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    header=st.sampled_from([ENGLISH, SPANISH]),
)
def test_a_text_in_any_style_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    updates: list[UnitUpdate],
    number: tuple[str, Any],
    sign: str,
    delimiter: str,
    encoding: str,
    newline: str,
    header: tuple[str, ...],
) -> None:
    path = text_list(
        tmp_path_factory.mktemp("list") / "prices.csv",
        *_rows(updates, *number, sign),
        header=header,
        delimiter=delimiter,
        encoding=encoding,
        newline=newline,
    )
    stated: dict[str, Any] = {"encoding": "cp1252"} if encoding == "cp1252" else {}
    assert good(path, decimal=number[1], **stated) == updates
    # Without its separator being stated, nothing is read as another price; at worst it is asked.
    for row, update in zip(pricelist.read(path, **stated), updates, strict=True):
        if isinstance(row, Row):
            assert row.update == update
        else:
            assert "--decimal" in str(row)


@settings(deadline=None, max_examples=25)
@given(updates=LISTS)
def test_workbooks_and_json_lines_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, updates: list[UnitUpdate]
) -> None:
    directory = tmp_path_factory.mktemp("list")
    cells: list[list[Any]] = [
        [one.development_id, one.name, one.status.value, float(one.price), " ".join(one.directions)]
        for one in updates
    ]
    # What begins with "=" would be a formula to the library that writes.
    if not any(one.name.startswith("=") for one in updates):
        assert good(workbook(directory / "prices.xlsx", Sheet=[ENGLISH, *cells])) == updates
    objects = [dict(zip(ENGLISH, [*row[:4], row[4].split()], strict=True)) for row in cells]
    assert good(json_lines(directory / "prices.jsonl", *objects)) == updates
